"""Whether what follows from counts is the same in C and in numpy, to the bit, and what plain Python says."""

import subprocess
import sys
from array import array
from collections import Counter
from fractions import Fraction
from importlib import import_module

import numpy as np
import pytest

from numel import kernels as loops
from numel.kernels import twin

native = pytest.importorskip("numel.kernels.native")
RNG = np.random.default_rng(3)
VALUES = {
    "patterns of bfloat16": np.asarray(twin.halves(True)),
    "patterns of float16": np.asarray(twin.halves(False)),
    "integers as they lie": np.arange(1 << 16, dtype=np.uint16).view(np.int16).astype(float),
    "ascending": np.sort(RNG.standard_normal(999)),
    "in no order": RNG.standard_t(1, 9_999),
    "with signs in between": np.array([1.0, -1.0, 2.0, -0.0, 0.0, 3.0, -4.0]),
    "repeated": RNG.integers(-3, 4, 500).astype(float),
    "float32 middles": RNG.standard_normal(5_000).astype(np.float32).astype(float),
    "subnormal": RNG.integers(-9, 9, 50) * 5e-324,
    "one": np.array([0.375]),
    "none": np.empty(0),
}
HISTOGRAMS = {}
for _name, _values in VALUES.items():
    _counts = RNG.integers(0, 1 << 20, len(_values))
    HISTOGRAMS[_name] = (_values, np.where(_counts % 3 == 0, 0, _counts))


def same(found, expected):
    """Columns by their bytes, numbers by their values."""
    if isinstance(found, tuple):
        return len(found) == len(expected) and all(same(a, b) for a, b in zip(found, expected, strict=True))
    if isinstance(found, memoryview):
        return found.itemsize == expected.itemsize and found.tobytes() == expected.tobytes()
    return found == expected


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_every_function_gives_the_same_bits(name):
    values, counts, *others = native.gathered(*HISTOGRAMS[name])
    assert same((values, counts, *others), twin.gathered(*HISTOGRAMS[name]))
    n = native.total(counts)
    ranks = array("q", [0, n // 3, n // 2, max(n - 1, 0)])
    edges = array("d", sorted([*values[:: max(len(values) // 7, 1)], -1e300, 0.0, 1e300]))
    for function, *given in (
        ("total", counts),
        ("n_below", values, counts, edges),
        ("n_beyond", values, counts, 0.01, 0.5),
        ("entropy_terms", counts, max(n, 1)),
        ("int8_terms", values, counts, 0.0123),
        ("added", counts, counts),
        ("coarsened", values, counts, False),
        *([("coarsened", values, counts, True)] if "float" in name else []),
        ("merged", values, counts, values[: len(values) // 2], counts[: len(values) // 2]),
        *([("at_ranks", counts, ranks)] if n else []),
    ):
        assert same(getattr(native, function)(*given), getattr(twin, function)(*given)), function


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_gathered_values_ascend_and_none_is_lost(name):
    expected = Counter()
    for value, count in zip(*(each.tolist() for each in HISTOGRAMS[name]), strict=True):
        if count and abs(value) < float("inf"):
            expected[value + 0.0] += count
    values, counts, *others = native.gathered(*HISTOGRAMS[name])
    assert list(zip(values, counts, strict=True)) == sorted(expected.items())
    assert sum(counts) + sum(others) == HISTOGRAMS[name][1].sum()


@pytest.mark.parametrize("name", HISTOGRAMS)
def test_sums_of_powers_are_those_of_fractions(name):
    values, counts, *_ = native.gathered(*HISTOGRAMS[name])
    if len(values) > 9_999:
        values, counts = values[:9_999], counts[:9_999]
    exact = [(Fraction(v), n) for v, n in zip(values, counts, strict=True)]
    expected = [sum(v**k * n for v, n in exact) for k in (1, 2, 3, 4)] + [sum(abs(v) * n for v, n in exact)]
    for parts in (native.power_sums(values, counts), twin.power_sums(values, counts)):
        if parts is None:  # more bits than C has for them
            assert name in {"ascending", "in no order", "float32 middles"}
            continue
        found = [Fraction(0)] * 5
        for which, exponent, part in parts:
            found[which] += part * Fraction(2) ** exponent
        assert found == expected


@pytest.mark.parametrize("as_middles", [False, True])
def test_bins_of_f32_stand_for_the_same_values(as_middles):
    bins = np.unique(np.append(RNG.integers(0, 1 << 20, 3_000), [0, 1 << 19, 0x7F800, 0xFF800])).astype(np.uint32)
    counts = RNG.integers(1, 99, len(bins))
    given = (bins, counts, int(counts[0]) + 1, as_middles)
    assert same(native.of_f32_bins(*given)[1], twin.of_f32_bins(*given)[1])
    found, expected = (np.asarray(of.of_f32_bins(*given)[0]) for of in (native, twin))
    assert np.array_equal(found, expected, equal_nan=True)


def test_a_small_tensor_of_f32_is_sorted_and_its_bits_are_known():
    bits = np.append(RNG.integers(0, 1 << 32, 9_000), RNG.integers(0, 50, 9_000)).astype(np.uint32)
    odd = np.array([0x7F800000, 0xFF800000, 0x7FC00001, 0x80000000, 0, 0], np.uint32)
    raw = np.append(bits, odd).tobytes()
    found, expected = native.distinct_f32(raw), twin.distinct_f32(raw)
    assert same(found[1:], expected[1:])
    assert np.array_equal(np.asarray(found[0]), np.asarray(expected[0]), equal_nan=True)
    distinct = Counter(np.frombuffer(raw, np.uint32).tolist())
    assert sorted(found[1].tolist()) == sorted(distinct.values())


def test_bins_are_joined_and_patterns_of_halves_are_alike():
    columns = [(np.unique(RNG.integers(0, 1 << 20, n)).astype(np.uint32)) for n in (500, 900)]
    given = [x for bins in columns for x in (bins, np.arange(1, len(bins) + 1))]
    assert same(native.joined(*given), twin.joined(*given))
    work = RNG.integers(0, 2, 1 << 20).astype(np.uint32)
    assert same(native.occurring(work), twin.occurring(work))
    for is_bfloat in (True, False):
        found, expected = (np.asarray(of.halves(is_bfloat)) for of in (native, twin))
        assert np.array_equal(found, expected, equal_nan=True)
        assert np.array_equal(np.signbit(found), np.signbit(expected)) or not is_bfloat  # the sign of NaN is nobody's


@pytest.mark.parametrize(
    "call",
    [
        lambda: native.gathered(b"1234567", b""),
        lambda: native.gathered(bytes(16), bytes(8)),
        lambda: native.merged(bytes(8), bytes(8), bytes(8), b""),
        lambda: native.distinct_f32(bytes(4 * 65_537)),
        lambda: native.at_ranks(b"123", bytes(8)),
    ],
)
def test_columns_that_do_not_fit_are_refused(call):
    with pytest.raises(ValueError, match=r"element|as many|at most"):
        call()


def test_numbers_that_no_histogram_holds_lead_nowhere_else():
    """Such as a file may hold: a NaN, and counts below zero."""
    nothing, once = array("d", [float("nan")]), array("q", [1])
    for kernels in (native, twin):
        assert kernels.total(kernels.merged(nothing, once, nothing, once)[1]) == 2
        assert kernels.total(array("q", [-3])) == -3


def test_a_library_built_from_older_sources_is_left_alone(monkeypatch):
    monkeypatch.delenv("NUMEL_KERNELS", raising=False)
    assert loops.kernels() is native
    monkeypatch.setattr(loops, "VERSION", loops.VERSION + 1)
    assert loops.kernels() is import_module("numel.kernels.twin")


@pytest.mark.parametrize("dtype", ["BF16", "F32"])
def test_the_values_of_a_checkpoint_are_counted_without_numpy(dtype, tmp_path):
    itemsize = {"BF16": 2, "F32": 4}[dtype]
    sizes = {"h.0.mlp.c_fc.weight": 70_000, "h.0.ln_1.weight": 64}
    offset, header = 0, {}
    for name, n in sizes.items():
        header[name] = {"dtype": dtype, "shape": [n], "data_offsets": [offset, offset + n * itemsize]}
        offset += n * itemsize
    head = str(header).replace("'", '"').encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(
        len(head).to_bytes(8, "little") + head + np.arange(offset // itemsize).astype("f4").tobytes()[:offset]
    )
    code = (
        "import sys\nfrom numel.cli import main\n"
        f"assert main(['values', {str(path)!r}, '--json']) == 0\nassert 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
