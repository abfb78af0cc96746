"""Every rule of the safetensors format, broken once: what is accepted, accepted with a warning, refused and why."""

import json
import re
import unicodedata

import pytest

from numel.errors import CorruptFileError, NumelError, UnsupportedError
from numel.formats import safetensors
from numel.sources.local import LocalFile


def entry(shape="[1]", dtype='"F32"', offsets="[0,4]", more=""):
    return f'{{"dtype":{dtype},"shape":{shape},"data_offsets":{offsets}{more}}}'


def file(header, n_data=0, n=None):
    """A safetensors file; `n` is the length that it states, if that is to be wrong."""
    raw = header.encode("utf-8") if isinstance(header, str) else header
    return (len(raw) if n is None else n).to_bytes(8, "little") + raw + bytes(n_data)


def one(**fields):
    """A file of one tensor of four bytes, unless a field says otherwise."""
    return file('{"a":' + entry(**fields) + "}", 4)


A = entry()
B = entry(offsets="[4,8]")
TWO = f'{{"a":{A},"b":{B}}}'

ACCEPTED = {
    "one tensor": one(),
    "no tensor": (file("{}"), "no tensors"),
    "metadata alone": (file('{"__metadata__":{"format":"pt"}}'), "no tensors"),
    "metadata empty": file('{"__metadata__":{},"a":' + A + "}", 4),
    "metadata at the end": file(f'{{"a":{A},"__metadata__":{{"format":"pt"}}}}', 4),
    "metadata with escapes and braces": file(
        r'{"__metadata__":{"a":"\"}{\\","\u00e9":"\ud83d\ude00"},"a":' + A + "}", 4
    ),
    "padding of spaces": file('{"a":' + A + "}      ", 4),
    "padding of other white space": file('{"a":' + A + "} \t\n\r", 4),
    "white space in front": (file(' \n{"a":' + A + "}", 4), "white space"),
    "white space everywhere": file('{ "a" : { "dtype" : "F32" ,\n"shape" : [ 1 ] , "data_offsets" : [ 0 , 4 ] } }', 4),
    "spaced as by json.dumps": file(json.dumps({n: json.loads(e) for n, e in (("a", A), ("b", B))}), 8),
    "fields in another order": file('{"a":{"data_offsets":[0,4],"dtype":"F32","shape":[1]}}', 4),
    "tensors not in the order of their values": file(f'{{"b":{B},"a":{A}}}', 8),
    "name escaped": file(r'{"a\u0062\n\"":' + A + "}", 4),
    "name not ASCII": file('{"trọng_số":' + A + "}", 4),
    "name empty": file('{"":' + A + "}", 4),
    "name that looks like the end of an entry": file(f'{{"]}},":{A},"[":{B}}}', 8),
    "name with the reserved one inside": file(f'{{"__metadata___":{A}}}', 4),
    "unknown field": (one(more=',"note":{"x":[1,2.5,null,"é"]}'), "does not know: note of a"),
    "scalar": one(shape="[]"),
    "many dimensions": one(shape=json.dumps([1] * 5000)),
    "size zero": file('{"a":' + entry(shape="[0]", offsets="[0,0]") + "}"),
    "size zero between others": file(f'{{"a":{A},"z":{entry(shape="[3,0]", offsets="[4,4]")},"b":{B}}}', 8),
    "size zero and listed late": file(f'{{"a":{A},"b":{B},"z":{entry(shape="[0]", offsets="[0,0]")}}}', 8),
    "zero before 2^64 - 1": file('{"a":' + entry(shape="[0,18446744073709551615]", offsets="[0,0]") + "}"),
    "half bytes that fill whole ones": file('{"a":' + entry(shape="[2,3]", dtype='"F4"', offsets="[0,3]") + "}", 3),
    "six bits that fill whole bytes": file('{"a":' + entry(shape="[4]", dtype='"F6_E2M3"', offsets="[0,3]") + "}", 3),
}

REFUSED = {
    "empty file": (b"", "empty"),
    "seven bytes": (b"\2\0\0\0\0\0\0", "length of the header alone takes 8"),
    "length of zero": (file("", n=0), "has 0 bytes"),
    "length of one": (file("{", n=1), "has 1 bytes"),
    "length over the limit": (file("{}", n=100_000_001), "100,000,001 bytes long"),
    "length of 2^64 - 1": (file("{}", n=2**64 - 1), "bytes long"),
    "length over the file": (file("{}", n=3), "cut short: the header ends at byte 11 and the file at 10"),
    "no object": (file("[]"), "does not begin with {"),
    "number": (file("12"), "does not begin with {"),
    "zeros": (file(bytes(64)), "does not begin with {"),
    "byte order mark": (file(b"\xef\xbb\xbf{}"), "byte order mark"),
    "UTF-16": (file("{}".encode("utf-16")), "does not begin with {"),
    "not UTF-8 in a name": (file(b'{"a\xff":' + A.encode() + b"}", 4), "not UTF-8"),
    "surrogate in UTF-8": (file(b'{"a\xed\xa0\x80":' + A.encode() + b"}", 4), "not UTF-8"),
    "not UTF-8 in metadata": (file(b'{"__metadata__":{"a":"\xc3("}}'), "not UTF-8"),
    "lone surrogate in a name": (file(r'{"\ud800":' + A + "}", 4), "lone surrogate"),
    "lone surrogate in metadata": (file(r'{"__metadata__":{"a":"\udfff"}}'), "lone surrogate"),
    "two first halves": (file(r'{"\ud800\ud800":' + A + "}", 4), "lone surrogate"),
    "control character in a name": (file('{"a\n":' + A + "}", 4), "control character"),
    "NUL in a name": (file('{"a\0":' + A + "}", 4), "control character"),
    "object not closed": (file('{"a":' + A, 4), "expecting a comma or }"),
    "comma and no more": (file('{"a":' + A + ",", 4), "expecting a name"),
    "comma before the brace": (file('{"a":' + A + ",}", 4), "expecting a name"),
    "comma between missing": (file(f'{{"a":{A} "b":{B}}}', 8), "expecting a comma or }"),
    "colon missing": (file(f'{{"a"{A}}}', 4), "expecting a colon"),
    "name not quoted": (file(f"{{a:{A}}}", 4), "expecting a name"),
    "name not closed": (file('{"a:' + A.replace('"', "")), "unterminated"),
    "more behind the object": (file('{"a":' + A + "}{}", 4), "2 bytes of the header stand behind"),
    "NULs behind the object": (file('{"a":' + A + "}\0\0", 4), "stand behind"),
    "comma in a list": (one(shape="[1,]"), "not valid JSON"),
    "single quotes": (file("{'a':1}"), "expecting a name"),
    "comment": (file('{/**/"a":' + A + "}", 4), "expecting a name"),
    "entry is null": (file('{"a":null}'), "tensor a: must be an object"),
    "entry is a list": (file('{"a":["F32",[1],[0,4]]}', 4), "tensor a: must be an object"),
    "dtype missing": (file('{"a":{"shape":[1],"data_offsets":[0,4]}}', 4), "tensor a: dtype is missing"),
    "shape missing": (file('{"a":{"dtype":"F32","data_offsets":[0,4]}}', 4), "tensor a: shape is missing"),
    "offsets missing": (file('{"a":{"dtype":"F32","shape":[1]}}', 4), "tensor a: data_offsets is missing"),
    "name twice, the same": (file(f'{{"a":{A},"a":{A}}}', 4), "tensor a appears twice"),
    "name twice": (file(f'{{"a":{A},"a":{B}}}', 8), "tensor a appears twice"),
    "name twice, once escaped": (file(rf'{{"a":{A},"\u0061":{B}}}', 8), "tensor a appears twice"),
    "name twice and empty": (
        file(f'{{"a":{entry(shape="[0]", offsets="[0,0]")},"a":{entry(shape="[0]", offsets="[0,0]")}}}'),
        "tensor a appears twice",
    ),
    "field twice": (one(more=',"dtype":"F32"'), "key dtype appears twice"),
    "field twice, once escaped": (one(more=r',"dtyp\u0065":"F32"'), "key dtype appears twice"),
    "unknown field twice": (one(more=',"x":1,"x":1'), "key x appears twice"),
    "key twice deep inside": (one(more=',"x":[{"y":{"z":1,"z":2}}]'), "key z appears twice"),
    "metadata twice": (file('{"__metadata__":{},"__metadata__":{}}'), "__metadata__ appears twice"),
    "metadata key twice": (file('{"__metadata__":{"a":"1","a":"2"}}'), "key a appears twice"),
    "metadata null": (file('{"__metadata__":null}'), "__metadata__ must be an object"),
    "metadata a list": (file('{"__metadata__":[]}'), "__metadata__ must be an object"),
    "metadata a tensor": (file('{"__metadata__":' + A + "}", 4), "__metadata__: shape must be a text"),
    "metadata value a number": (file('{"__metadata__":{"a":1}}'), "__metadata__: a must be a text, not 1"),
    "metadata value null": (file('{"__metadata__":{"a":null}}'), "a must be a text, not null"),
    "metadata value an object": (file('{"__metadata__":{"a":{}}}'), "a must be a text, not an object"),
    "metadata not closed": (file('{"__metadata__":{"a":"b"'), "not valid JSON"),
    "metadata without a comma behind": (file(f'{{"__metadata__":{{}} "a":{A}}}', 4), "expecting a comma"),
    "dtype unknown": (one(dtype='"F33"'), "dtype F33 is none of the 22"),
    "dtype in small letters": (one(dtype='"f32"'), "dtype f32 is none"),
    "dtype a number": (one(dtype="32"), "dtype must be a text, not 32"),
    "dtype an object": (one(dtype='{"F32":null}'), "dtype must be a text"),
    "dtype null": (one(dtype="null"), "dtype must be a text, not null"),
    "offsets too few": (one(offsets="[0]"), "must be [begin, end]"),
    "offsets too many": (one(offsets="[0,4,8]"), "must be [begin, end]"),
    "offsets an object": (one(offsets='{"0":0}'), "data_offsets must be a list, not an object"),
    "offsets backwards": (one(offsets="[4,0]"), "begin ≤ end"),
    "offsets negative": (one(offsets="[-4,0]"), "data_offsets must hold integers"),
    "offsets floats": (one(offsets="[0,4.0]"), "not 4.0"),
    "offsets of 2^64": (one(offsets="[18446744073709551616,18446744073709551620]"), "integers from 0 to 2^64 - 1"),
    "offsets with a sign": (one(offsets="[0,+4]"), "not valid JSON"),
    "offsets with leading zeros": (one(offsets="[00,04]"), "not valid JSON"),
    "offsets of minus zero": (one(offsets="[-0,4]"), "not -0.0"),
    "offsets texts": (one(offsets='["0","4"]'), "not a text"),
    "shape a number": (one(shape="1"), "shape must be a list, not 1"),
    "shape null": (one(shape="null"), "shape must be a list, not null"),
    "dimension negative": (one(shape="[-1]"), "not -1"),
    "dimensions negative whose product fits": (one(shape="[-1,-1]"), "not -1"),
    "dimension a float": (one(shape="[1.0]"), "not 1.0"),
    "dimension true": (one(shape="[true]"), "not true"),
    "dimension null": (one(shape="[null]"), "not null"),
    "dimension a text": (one(shape='["1"]'), "not a text"),
    "dimension a list": (one(shape="[[1]]"), "not a list"),
    "dimension of 2^64": (one(shape="[0,18446744073709551616]"), "integers from 0 to 2^64 - 1"),
    "dimension NaN": (one(shape="[NaN]"), "NaN is not a number"),
    "dimension Infinity": (one(shape="[Infinity]"), "Infinity is not a number"),
    "dimension minus Infinity": (one(shape="[-Infinity]"), "-Infinity is not a number"),
    "dimension of 5000 digits": (one(shape=f"[{'9' * 5000}]"), "more than 40 digits"),
    "dimension 1e400": (one(shape="[1e400]"), "beyond the range of floats"),
    "product wraps to the right number": (one(shape="[4294967296,4294967296,1]"), "2^64 elements"),
    "product wraps before a zero": (
        file('{"a":' + entry(shape="[4294967296,4294967296,0]", offsets="[0,0]") + "}"),
        "2^64 elements",
    ),
    "bits wrap": (
        file('{"a":' + entry(shape="[2305843009213693952]", dtype='"F64"', offsets="[0,0]") + "}"),
        "2^64 bits",
    ),
    "range too long": (one(shape="[]", dtype='"F16"'), "range has 4 bytes, and F16 [] takes 2"),
    "range too short": (one(shape="[2]"), "range has 4 bytes, and F32 [2] takes 8"),
    "half a byte over": (
        file('{"a":' + entry(shape="[3]", dtype='"F4"', offsets="[0,2]") + "}", 2),
        "no whole number of bytes",
    ),
    "hole at the start": (file('{"a":' + entry(offsets="[4,8]") + "}", 8), "4 bytes before tensor a"),
    "hole in the middle": (file(f'{{"a":{A},"b":{entry(offsets="[8,12]")}}}', 12), "4 bytes before tensor b"),
    "hole at the end": (file('{"a":' + A + "}", 5), "1 bytes at the end belong to no tensor"),
    "no tensors and yet values": (file("{}", 4), "4 bytes at the end"),
    "overlap": (file(f'{{"a":{A},"b":{entry(offsets="[2,6]")}}}', 6), "begin within those of a"),
    "the same values twice": (file(f'{{"a":{A},"b":{A}}}', 4), "begin within those of a"),
    "size zero within a tensor": (
        file(f'{{"a":{A},"z":{entry(shape="[0]", offsets="[2,2]")}}}', 4),
        "begin within those of a",
    ),
    "values cut short": (file('{"a":' + A + "}", 3), "cut short: the values end"),
    "values missing": (file(TWO), "cut short"),
    "values beyond 2^63": (
        file('{"a":' + entry(shape="[1152921504606846976]", dtype='"U8"', offsets="[0,1152921504606846976]") + "}"),
        "cut short",
    ),
    "nested too deep": (one(more=',"x":' + "[" * 70 + "]" * 70), "64 levels"),
    "nested very deep": (one(more=',"x":' + "[" * 50_000), "levels deep"),
    "objects nested very deep": (file('{"a":' * 50_000), "levels deep"),
    "long number in an unknown field": (one(more=f',"x":{"1" * 41}'), "more than 40 digits"),
    "NaN in an unknown field": (one(more=',"x":NaN'), "NaN is not a number"),
    "three numbers here and one there": (
        file(f'{{"a":{entry(offsets="[0,4,4]")},"b":{entry(offsets="[8]")}}}', 8),
        "must be [begin, end]",
    ),
    "brackets moved": (file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4}]}', 4), "not valid JSON"),
    "fields exchanged": (file('{"a":{"dtype":"F32","data_offsets":[1],"shape":[0,4]}}', 4), "must be [begin, end]"),
}


def read(path, raw):
    path.write_bytes(raw)
    with LocalFile(path) as source:
        return safetensors.read(source)


def is_one_clean_line(text):
    return len(text) <= 400 and not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") for c in text)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_the_format_allows_is_accepted(name, tmp_path):
    case = ACCEPTED[name]
    raw, warning = case if isinstance(case, tuple) else (case, None)
    found = read(tmp_path / "model.safetensors", raw).warnings
    assert len(found) == (warning is not None)
    assert warning is None or warning in found[0]


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_accepted_is_what_safetensors_itself_accepts(name, tmp_path):
    case = ACCEPTED[name]
    theirs = pytest.importorskip("safetensors")
    ours = read(tmp_path / "model.safetensors", case[0] if isinstance(case, tuple) else case)
    with theirs.safe_open(tmp_path / "model.safetensors", framework="numpy") as opened:
        slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
        assert {t.name: list(t.shape) for t in ours.tensors} == {name: s.get_shape() for name, s in slices.items()}
        assert {t.name: t.dtype.name for t in ours.tensors} == {name: s.get_dtype() for name, s in slices.items()}
        assert dict(ours.metadata) == (opened.metadata() or {})


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_format_forbids_is_refused_in_one_line_that_says_why(name, tmp_path):
    raw, fragment = REFUSED[name]
    with pytest.raises((CorruptFileError, UnsupportedError)) as caught:
        read(tmp_path / "model.safetensors", raw)
    assert fragment in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path)) or "…" in str(caught.value)
    assert is_one_clean_line(str(caught.value))
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("name", REFUSED)
def test_the_same_holds_behind_a_thousand_usual_tensors(name, tmp_path):
    """The quick way reads the first pieces, the exact one the piece where the fault is."""
    raw, _ = REFUSED[name]
    n = int.from_bytes(raw[:8], "little") if len(raw) >= 8 else 0
    header, data = raw[8 : 8 + n], raw[8 + n :]
    if not header.startswith(b"{") or len(header) != n or name == "offsets with leading zeros":
        pytest.skip("the fault is not in an entry, or goes when its offsets are moved")
    before = b",".join(
        b'"t%d":{"dtype":"F32","shape":[1],"data_offsets":[%d,%d]}' % (i, 4 * i, 4 * i + 4) for i in range(9000)
    )
    later = re.sub(
        rb'"data_offsets":\[(\d+),(\d+)\]',
        lambda m: b'"data_offsets":[%d,%d]' % (int(m[1]) + 36_000, int(m[2]) + 36_000),
        header[1:],
    )
    with pytest.raises(NumelError) as caught:
        read(tmp_path / "model.safetensors", file(b"{" + before + b"," + later, 36_000 + len(data)))
    assert is_one_clean_line(str(caught.value))


def test_the_offset_of_an_error_is_the_byte_in_the_file(tmp_path):
    raw = file('{"é":' + A + ',"b":{"dtype":"F32"}}', 4)
    with pytest.raises(CorruptFileError) as caught:
        read(tmp_path / "model.safetensors", raw)
    assert caught.value.offset == raw.index(b'"b"')


def test_what_hides_in_a_name_is_shown(tmp_path):
    with pytest.raises(CorruptFileError) as caught:
        read(tmp_path / "model.safetensors", file('{"a\u202eb\\n' + "x" * 500 + '":null}'))
    assert "a\\u{202e}b\\u{a}xxx" in str(caught.value)
    assert is_one_clean_line(str(caught.value))


def test_the_longest_names_and_paths_fit_in_a_line(tmp_path):
    folder = tmp_path.joinpath(*["d" * 200] * 4)
    folder.mkdir(parents=True)
    name = "\u202e" * 300
    header = f'{{"{name}":{A},"{name}2":{entry(shape=json.dumps([2**60] * 99), offsets="[2,6]")}}}'
    for raw in (file(header, 6), file(f'{{"{name}":{A},"{name}2":{entry(offsets="[2,6]")}}}', 6)):
        with pytest.raises(CorruptFileError) as caught:
            read(folder / "model.safetensors", raw)
        assert is_one_clean_line(str(caught.value))


def test_a_header_of_many_pieces_is_read_as_one(tmp_path):
    n = 30_000
    header = {
        f"layer.{i}.weight": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [12 * i, 12 * i + 12]} for i in range(n)
    }
    inventory = read(tmp_path / "model.safetensors", file(json.dumps(header, separators=(",", ":")), 12 * n))
    assert len(inventory.tensors) == n
    assert inventory.tensors[-1].name == f"layer.{n - 1}.weight"
    assert inventory.tensors[0].shape is inventory.tensors[-1].shape
    assert inventory.tensors[-1].offset == (tmp_path / "model.safetensors").stat().st_size - 12


def test_unusual_entries_among_many_pieces_are_read_as_well(tmp_path):
    n = 12_000
    parts = [f'"t{i}":' + entry(offsets=f"[{4 * i},{4 * i + 4}]", more=',"x":1' if i == 6000 else "") for i in range(n)]
    inventory = read(tmp_path / "model.safetensors", file("{" + ",".join(parts) + "}", 4 * n))
    assert [t.name for t in inventory.tensors] == [f"t{i}" for i in range(n)]
    assert inventory.warnings == ("the header has a field that the format does not know: x of t6000",)


@pytest.mark.parametrize("where", ["first", "between", "last"])
def test_metadata_may_be_long_wherever_it_stands(where, tmp_path):
    metadata = '"__metadata__":' + json.dumps({"ss_tag_frequency": '{"a": 1}' * 400_000})
    parts = {"first": [metadata, f'"a":{A}', f'"b":{B}'], "between": [f'"a":{A}', metadata, f'"b":{B}']}
    parts["last"] = [f'"a":{A}', f'"b":{B}', metadata]
    inventory = read(tmp_path / "model.safetensors", file("{" + ",".join(parts[where]) + "}", 8))
    assert len(inventory.metadata["ss_tag_frequency"]) == 3_200_000
    assert [t.name for t in inventory.tensors] == ["a", "b"]


def test_an_entry_of_a_megabyte_is_refused(tmp_path):
    with pytest.raises(CorruptFileError, match="longer than 1,048,576 bytes"):
        read(tmp_path / "model.safetensors", one(shape=json.dumps([1] * 1_000_000)))
