"""Any bytes at all: an inventory or one of our errors, and never an answer that safetensors itself would not give."""

import json
import random
from math import prod

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from numel.core.dtypes import SAFETENSORS_DTYPES
from numel.errors import NumelError
from numel.formats import safetensors

# safetensors' own reader lets these pass: keys that stand twice (the last one counts), entries as lists and enums as
# objects (serde's other notations), null as metadata, nesting and numbers of any length.
STRICTER = ("twice", "must be an object", "must be a text", "levels deep", "digits", "surrogate")


class InMemory:
    """A ByteSource of bytes."""

    def __init__(self, raw):
        self.name = "model.safetensors"
        self.raw = raw
        self.size = len(raw)

    def read(self, offset, nbytes):
        assert 0 <= offset <= offset + nbytes <= self.size
        return self.raw[offset : offset + nbytes]


def written(header, separators=(",", ":"), *, ascii_only=True, n_data=None):
    raw = json.dumps(header, separators=separators, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    if n_data is None:
        n_data = max((e["data_offsets"][1] for n, e in header.items() if n != "__metadata__"), default=0)
    return len(raw).to_bytes(8, "little") + raw + bytes(n_data)


def has_a_key_twice(raw):
    """Whether an object of the header has a key twice; safetensors then looks at the last one only."""
    found = []
    json.loads(raw[8:], object_pairs_hook=lambda pairs: found.append(len(dict(pairs)) != len(pairs)) or dict(pairs))
    return any(found)


def outcome(raw):
    """What a reader makes of a file: its tensors, or None."""
    message = ""
    try:
        return [tuple(t) for t in safetensors.read(InMemory(raw)).tensors]
    except NumelError as error:
        message = str(error)
    assert len(message) <= 400
    assert "\n" not in message
    return None


names = st.text(st.characters(exclude_categories=("Cs",)), max_size=12).filter(lambda name: name != "__metadata__")
shapes = st.lists(st.integers(0, 5), max_size=4)


@st.composite
def headers(draw):
    """A header that keeps every rule, its tensors in the order of their values or not."""
    header, end = {}, 0
    for name in draw(st.lists(names, max_size=6, unique=True)):
        dtype = SAFETENSORS_DTYPES[draw(st.sampled_from(sorted(SAFETENSORS_DTYPES)))]
        shape = [*draw(shapes), dtype.block_numel]
        numel = 1
        for dim in shape:
            numel *= dim
        header[name] = {"dtype": dtype.name, "shape": shape, "data_offsets": [end, end + dtype.nbytes(numel)]}
        end += dtype.nbytes(numel)
    order = draw(st.permutations(list(header)))
    metadata = draw(st.none() | st.dictionaries(names, names, max_size=3))
    return ({} if metadata is None else {"__metadata__": metadata}) | {name: header[name] for name in order}


@given(headers(), st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]), st.booleans())
@settings(max_examples=300, deadline=None)
def test_what_was_written_is_read(header, separators, ascii_only):
    raw = written(header, separators, ascii_only=ascii_only)
    found = safetensors.read(InMemory(raw))
    data_start = 8 + int.from_bytes(raw[:8], "little")
    expected = {
        name: (e["dtype"], tuple(e["shape"]), data_start + e["data_offsets"][0])
        for name, e in header.items()
        if name != "__metadata__"
    }
    assert {t.name: (t.dtype.name, t.shape, t.offset) for t in found.tensors} == expected
    assert dict(found.metadata) == header.get("__metadata__", {})
    assert found.warnings == (() if expected else ("the file holds no tensors",))


@given(st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_end_in_an_answer_or_in_our_error(raw):
    header = len(raw).to_bytes(8, "little")
    for whole in (raw, header + raw, (len(raw) + 1).to_bytes(8, "little") + b"{" + raw):
        tensors = outcome(whole)  # which asserts that an error is one short line of ours
        if tensors is not None:  # then each byte of the file is the header's or a tensor's
            n_values = sum(dtype.nbytes(prod(shape)) for _, shape, dtype, *_ in tensors)
            assert 8 + int.from_bytes(whole[:8], "little") + n_values == len(whole)


TOKENS = (
    *(
        '"',
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\\",
        "0",
        "4",
        "-",
        "1.0",
        "1e1",
        " ",
        "\n",
        "\0",
        "é",
        '"a"',
        "null",
        "true",
    ),
    *('"dtype"', '"F16"', '"shape"', '"__metadata__"', '"data_offsets":[0,4]', "[0,4]", "\\u0061", "\\ud800", "],"),
    *(":{", "]},", '"},"', '"]},"', "NaN", "18446744073709551616", "99999999999999999999999999999999999999999999"),
)


def mutated(raw, rng):
    """The file with some of its header's text replaced, removed, inserted or exchanged; the length is kept right."""
    n = int.from_bytes(raw[:8], "little")
    text, data = raw[8 : 8 + n].decode("utf-8"), raw[8 + n :]
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        a, b = sorted((rng.randint(0, len(text)), rng.randint(0, len(text))))
        kind = rng.randrange(5)
        if kind == 0:
            text = text[:a] + rng.choice(TOKENS) + text[a:]
        elif kind == 1:
            text = text[:a] + text[a + rng.randint(1, 4) :]
        elif kind == 2:
            text = text[:a] + rng.choice(TOKENS) + text[a + rng.randint(1, 8) :]
        elif kind == 3:
            c = rng.randint(0, len(text))
            text = text[:c] + text[a:b] + text[c:]
        else:
            c = rng.randint(b, len(text))
            text = text[:a] + text[b:c] + text[a:b] + text[c:]
    changed = text.encode("utf-8")
    if rng.random() < 0.2:
        data = data[: rng.randint(0, len(data))] + bytes(rng.randint(0, 3))
    return len(changed).to_bytes(8, "little") + changed + data


BASE = {
    "__metadata__": {"format": "pt"},
    "a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
    "b.weight": {"dtype": "F16", "shape": [2, 1], "data_offsets": [4, 8]},
    "z": {"dtype": "U8", "shape": [0], "data_offsets": [8, 8]},
    "c": {"dtype": "F4", "shape": [2, 4], "data_offsets": [8, 12]},
}
BASES = [
    written(BASE),
    written(BASE, (", ", ": ")),
    written({name: BASE[name] for name in ("a", "b.weight", "z", "c")}),
    written({name: BASE[name] for name in ("c", "z", "__metadata__", "b.weight", "a")}),
]


@given(st.integers(0, 2**32))
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_quick_way_and_the_exact_way_agree(seed):
    rng = random.Random(seed)
    raw = mutated(rng.choice(BASES), rng)
    quick = outcome(raw)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(safetensors, "usual_entries", lambda *_, **__: None)
        assert outcome(raw) == quick


@given(st.integers(0, 2**32))
@settings(max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_is_read_safetensors_reads_as_well_and_the_same(seed):
    theirs = pytest.importorskip("safetensors")
    rng = random.Random(seed)
    raw = mutated(rng.choice(BASES), rng)
    data_start = 8 + int.from_bytes(raw[:8], "little")
    ours = outcome(raw)
    try:
        # bytes in, [(name, {"dtype", "shape", "data"})] out: the same checks as safe_open, without a file
        found = {n: (t["dtype"], tuple(t["shape"])) for n, t in theirs.deserialize(raw)}
    except theirs.SafetensorError:
        assert ours is None
        return
    if ours is None:
        with pytest.raises(NumelError) as caught:
            safetensors.read(InMemory(raw))
        n = int.from_bytes(raw[:8], "little")
        assert has_a_key_twice(raw[: 8 + n]) or any(word in str(caught.value) for word in STRICTER), str(caught.value)
    else:
        assert {t[0]: (t[2].name, t[1]) for t in ours} == found
        assert all(t[4] >= data_start for t in ours)
