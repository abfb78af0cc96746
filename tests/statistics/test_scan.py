"""Whether what a scan says is true: against exact rational arithmetic and numpy.quantile, of every kind of values."""

import json
import os
from fractions import Fraction
from math import isqrt, ulp

import numpy as np
import pytest

from numel.core.dtypes import SAFETENSORS_DTYPES
from numel.core.tensors import TensorInfo
from numel.errors import CorruptFileError, MissingValuesError
from numel.kernels import kernels
from numel.sources.local import LocalFile
from numel.statistics import Statistics, merge, scan
from numel.statistics.decode import values_of
from numel.statistics.histogram import Merging
from numel.statistics.scan import Reading
from numel.statistics.summary import QUANTILES

N = 66_001  # more than a tensor that is small
KINDS = (
    "normal",
    "heavy-tailed",
    "without a mean",
    "all patterns",
    "subnormal",
    "constant",
    "mean beyond std",
    "pruned",
)
BITS = {"BF16": 16, "F16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "I8": 8, "F32": 32, "F64": 64}


def drawn(kind, n=N):
    rng = np.random.default_rng(7)
    normal = rng.standard_normal(n)
    return {
        "normal": normal * 0.02,
        "heavy-tailed": rng.standard_t(2, n),
        "without a mean": rng.standard_cauchy(n),
        "subnormal": normal * 1e-40,
        "constant": np.full(n, 0.375),
        "mean beyond std": 1 + normal * 1e-3,
        "pruned": np.where(rng.random(n) < 0.9, 0, normal),
    }[kind]


def stored(dtype, kind, n=N):  # noqa: PLR0911 - one line per dtype
    """Values of the kind as the dtype's patterns, rounded towards zero where there is no conversion in numpy."""
    if kind == "all patterns":
        return np.random.default_rng(5).integers(0, 256, n * BITS[dtype] // 8, dtype=np.uint8).tobytes()
    values = drawn(kind, n)
    if dtype == "F64":
        return (values * 2.0**-900 if kind == "subnormal" else values).tobytes()
    if dtype == "F32":
        return values.astype(np.float32).tobytes()
    if dtype == "BF16":
        return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    if dtype == "F16":
        return (values * (1e35 if kind == "subnormal" else 1)).astype(np.float16).tobytes()
    if dtype == "I8":
        return np.clip(np.rint(values * (100 if np.abs(values).max() < 2 else 10)), -128, 127).astype(np.int8).tobytes()
    table = values_of(dtype)  # the nearest of the finite values
    finite = np.flatnonzero(np.isfinite(table))
    order = finite[np.argsort(table[finite], kind="stable")]
    return order[np.clip(np.searchsorted(table[order], values), 0, len(order) - 1)].astype(np.uint8).tobytes()


def meaning(dtype, raw):
    """What the bytes mean, as float64, by another way than numel's where there is one."""
    with np.errstate(invalid="ignore"):  # signalling NaN
        return _meaning(dtype, raw)


def _meaning(dtype, raw):
    if dtype == "BF16":
        return (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    known = {"F16": np.float16, "F32": np.float32, "F64": np.float64, "I8": np.int8}
    if dtype in known:
        return np.frombuffer(raw, known[dtype]).astype(np.float64)
    return values_of(dtype)[np.frombuffer(raw, np.uint8)]  # test_decode compares it with torch's


def written(folder, tensors):
    """A file of tensors: name → (dtype, bytes); their TensorInfos."""
    found, offset = [], 0
    with open(folder / "values", "wb") as out:
        for name, (dtype, raw) in tensors.items():
            kind = SAFETENSORS_DTYPES[dtype]
            numel = len(raw) // kind.block_nbytes * kind.block_numel
            found.append(TensorInfo(name, (numel,), kind, "values", offset))
            out.write(raw)
            offset += len(raw)
    return found


def scanned(folder, tensors, **how):
    found = written(folder, tensors)
    return {
        t.name: h
        for t, h in scan(found, lambda file: LocalFile(os.fspath(folder / file)), Reading(**how) if how else None)
    }


def one(folder, dtype, raw, **how):
    return scanned(folder, {"w": (dtype, raw)}, **how)["w"]


def nearest_root(x: Fraction) -> float:
    """√x, correctly rounded: the float whose square is nearest, found among the neighbours of an integer root."""
    if x == 0:
        return 0.0
    shift = 1400
    root = Fraction(isqrt(int(x * 4**shift)), 2**shift)
    return root.numerator / root.denominator


def truth(values):
    """Mean, std, norms and moments as rational numbers (integers over a power of two), rounded once."""
    finite = values[np.isfinite(values)]
    distinct, counts = np.unique(finite, return_counts=True)
    ratios = [float(v).as_integer_ratio() for v in distinct]
    unit = max(q for _, q in ratios)
    pairs = [(p * (unit // q), int(c)) for (p, q), c in zip(ratios, counts, strict=True)]
    n = len(finite)
    x1, x2, x3, x4 = (Fraction(sum(v**k * c for v, c in pairs), unit**k) for k in (1, 2, 3, 4))
    size = Fraction(sum(abs(v) * c for v, c in pairs), unit)
    mean = x1 / n
    m2 = x2 / n - mean**2
    m3 = x3 / n - 3 * mean * x2 / n + 2 * mean**3
    m4 = x4 / n - 4 * mean * x3 / n + 6 * mean**2 * x2 / n - 3 * mean**4
    return {
        "mean": mean.numerator / mean.denominator,
        "std": nearest_root(m2),
        "l1": float(size) if size < 2**1024 else None,
        "l2": nearest_root(x2) if x2 < 4**1024 else None,
        "kurtosis": float(m4 / m2**2 - 3) if m2 else None,
        "skewness": nearest_root(m3**2 / m2**3) * (1 if m3 >= 0 else -1) if m2 else None,
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["BF16", "F16", "F8_E4M3", "F8_E5M2", "I8"])
def test_narrow_types_are_exact_to_the_last_bit(dtype, kind, tmp_path):
    raw = stored(dtype, kind, 20_011)
    values = meaning(dtype, raw)
    finite = values[np.isfinite(values)]
    found = Statistics.of(one(tmp_path, dtype, raw))
    assert (found.numel, found.n_finite) == (len(values), len(finite))
    assert found.n_nan == np.isnan(values).sum()
    assert (found.n_plus_inf, found.n_minus_inf) == ((values == np.inf).sum(), (values == -np.inf).sum())
    assert (found.zeros, found.n_distinct) == ((values == 0).sum(), len(np.unique(finite)))
    assert (found.min, found.max) == (finite.min(), finite.max())
    expected = truth(values)
    assert {key: getattr(found, key) for key in expected} == expected
    assert [value for _, value in found.quantiles] == np.quantile(finite, QUANTILES).tolist()
    shares = np.unique(finite, return_counts=True)[1] / len(finite)
    assert found.entropy == pytest.approx(-(shares * np.log2(shares)).sum(), abs=1e-12)
    if found.std:
        assert found.n_outliers == (np.abs(finite - found.mean) > 6 * found.std).sum()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["F32", "F64"])
def test_wide_types_are_exact_in_counts_and_correctly_rounded_or_next_to_it(dtype, kind, tmp_path):
    raw = stored(dtype, kind)
    values = meaning(dtype, raw)
    finite = values[np.isfinite(values)]
    found = Statistics.of(one(tmp_path, dtype, raw))
    assert (found.n_nan, found.n_plus_inf) == (np.isnan(values).sum(), (values == np.inf).sum())
    assert found.n_finite == len(finite)
    assert (found.zeros, found.min, found.max) == ((values == 0).sum(), finite.min(), finite.max())
    expected = truth(values)
    for key in ("mean", "std", "l1", "l2"):
        known = getattr(found, key)
        if expected[key] is None:  # beyond float64
            assert known is None
        else:
            allowed = {"std": ulp(expected[key]), "l2": ulp(expected[key])} if dtype == "F32" else {}
            if dtype == "F32" and kind == "all patterns":  # 76 powers of ten: what cancels is known as well as Σ|x|
                allowed["mean"] = expected["l1"] / len(finite) * 2.0**-53
            assert abs(known - expected[key]) <= allowed.get(key, 0), key
    if expected["kurtosis"] is not None:
        assert found.kurtosis == pytest.approx(expected["kurtosis"], rel=1e-10, abs=1e-10)
    for (_, value), exact in zip(found.quantiles, np.quantile(finite, QUANTILES).tolist(), strict=True):
        assert value == pytest.approx(
            exact, rel=found.resolution * 2 + 1e-15, abs=1e-16 + 1e-5 * (kind == "all patterns")
        )


@pytest.mark.parametrize("dtype", ["F32", "F64", "I32", "U32", "I64"])
def test_a_small_tensor_of_a_wide_type_is_exact(dtype, tmp_path):
    kind = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "U32": np.uint32, "I64": np.int64}[dtype]
    values = np.abs(np.random.default_rng(1).standard_normal(999) * 1000).astype(kind)
    found = Statistics.of(one(tmp_path, dtype, values.tobytes()))
    assert {key: getattr(found, key) for key in truth(values.astype(float))} == truth(values.astype(float))
    assert [value for _, value in found.quantiles] == np.quantile(values.astype(float), QUANTILES).tolist()


@pytest.mark.parametrize(("narrow", "bits"), [("bfloat16", 16), ("float16", 19)])
def test_f32_that_holds_only_a_narrower_type_is_seen_and_exact(narrow, bits, tmp_path):
    values = drawn("normal").astype(np.float32)
    if narrow == "bfloat16":
        values = (values.view(np.uint32) & 0xFFFF0000).view(np.float32)
    else:
        values = values.astype(np.float16).astype(np.float32)
        values[np.abs(values) < 2.0**-14] = 0
    found = Statistics.of(one(tmp_path, "F32", values.tobytes()))
    from numel.statistics.summary import effective_bits

    assert effective_bits(found.used_bits) <= bits
    assert {key: getattr(found, key) for key in truth(values)} == truth(values)
    assert found.n_distinct == len(np.unique(values))


def test_four_bits_are_unpacked(tmp_path):
    """0x21: 1.0 and 0.5 (OCP Microscaling Formats 1.0, 5.3.3); 0x9F: −0.5 and −6.0."""
    found = one(tmp_path, "F4", bytes([0x21, 0x9F]))
    assert found.values.tolist() == [-6.0, -0.5, 0.5, 1.0]
    assert found.numel == 4


def everything():
    return {f"{d}.{k}": (d, stored(d, k, 70_001)) for d in BITS for k in ("normal", "all patterns", "mean beyond std")}


def digests(folder, **how):
    return {name: h.digest() for name, h in scanned(folder, everything(), **how).items()}


def test_the_digest_is_the_same_however_it_is_read(tmp_path, monkeypatch):
    expected = digests(tmp_path, threads=1)
    assert len(set(expected.values())) == len(expected)
    assert digests(tmp_path, threads=2) == expected
    assert digests(tmp_path, threads=3, piece_nbytes=1) == expected
    monkeypatch.setenv("NUMEL_KERNELS", "numpy")
    assert kernels().LEVEL == "numpy"
    assert digests(tmp_path, threads=2, piece_nbytes=3 << 20) == expected


def test_merging_is_associative_and_the_order_does_not_matter(tmp_path):
    a, b, c, *rest = scanned(tmp_path, everything()).values()
    whole = merge([a, b, c, *rest]).digest()
    assert merge([merge([a, b]), merge([c, *rest])]).digest() == whole
    assert merge([*reversed(rest), c, merge([b, a])]).digest() == whole


def test_a_merged_group_is_the_distribution_of_all_its_values(tmp_path):
    raw = {k: ("BF16", stored("BF16", k, 9_001)) for k in ("normal", "heavy-tailed", "constant")}
    both = np.concatenate([meaning("BF16", r) for _, r in raw.values()])
    found = Statistics.of(merge(list(scanned(tmp_path, raw).values())))
    assert {key: getattr(found, key) for key in truth(both)} == truth(both)
    assert [value for _, value in found.quantiles] == np.quantile(both, QUANTILES).tolist()


@pytest.mark.parametrize(("dtype", "n", "within"), [("F32", 65_536, 2.0**-12), ("F64", 32_768, 2.0**-9)])
def test_many_small_tensors_are_merged_by_bins_in_any_order(dtype, n, within, tmp_path):
    """Each value of a thousand of them took 2.7 GB."""
    kind = {"F32": np.float32, "F64": np.float64}[dtype]
    rng = np.random.default_rng(2)
    parts = [(rng.standard_normal(n) * 0.02 * (k + 1)).astype(kind) for k in range(600_000 // n)]
    small = list(scanned(tmp_path, {str(k): (dtype, part.tobytes()) for k, part in enumerate(parts)}).values())
    found = []
    for order in (small, small[::-1], small[3:] + small[:3]):
        merging = Merging()
        for histogram in order:
            merging.add(histogram)
        found.append(merging.result())
    assert len({histogram.digest() for histogram in found}) == 1
    assert len(found[0].values) < 1 << 18 < sum(len(histogram.values) for histogram in small)
    values = np.concatenate(parts).astype(float)
    statistics = Statistics.of(found[0])
    assert {key: getattr(statistics, key) for key in truth(values)} == truth(values)
    for (_, value), exact in zip(statistics.quantiles, np.quantile(values, QUANTILES).tolist(), strict=True):
        assert value == pytest.approx(exact, rel=within, abs=1e-5)


def test_an_empty_tensor_and_one_of_nan_alone_have_no_moments(tmp_path):
    nan = np.full(70_000, np.nan, np.float32).tobytes()
    found = scanned(
        tmp_path,
        {
            "empty": ("F32", b""),
            "nan": ("F32", nan),
            "nan64": ("F64", np.full(70_000, np.nan).tobytes()),
            "nan16": ("BF16", nan[:2] * 7 + b"\xc0\x7f"),
        },
    )
    empty = Statistics.of(found["empty"])
    assert (empty.numel, empty.mean, empty.quantiles) == (0, None, ())
    for lost in (Statistics.of(found["nan"]), Statistics.of(found["nan64"])):
        assert (lost.numel, lost.n_nan, lost.n_finite) == (70_000, 70_000, 0)
        assert (lost.mean, lost.std, lost.min, lost.max) == (None,) * 4


def test_int8_error_is_that_of_the_direct_computation(tmp_path):
    raw = stored("BF16", "normal")
    values = meaning("BF16", raw)
    step = np.abs(values).max() / 127
    noise = values - np.rint(values / step) * step
    assert Statistics.of(one(tmp_path, "BF16", raw)).int8_sqnr == pytest.approx(
        10 * np.log10((values**2).sum() / (noise**2).sum()), abs=1e-9
    )


def test_a_file_that_ends_too_early_is_named(tmp_path):
    (tensor,) = written(tmp_path, {"w": ("BF16", stored("BF16", "normal"))})
    os.truncate(tmp_path / "values", 1000)
    with pytest.raises(CorruptFileError, match="cut short"):
        list(scan([tensor], lambda file: LocalFile(os.fspath(tmp_path / file))))


@pytest.mark.parametrize("after", ["shorter", "longer", "rewritten"])
def test_a_file_that_changes_meanwhile_is_named(after, tmp_path):
    tensors = written(tmp_path, {name: ("BF16", stored("BF16", "normal")) for name in "ab"})
    path = tmp_path / "values"
    reading = scan(tensors, lambda _: LocalFile(os.fspath(path)), Reading(threads=1))
    next(reading)
    if after == "shorter":
        os.truncate(path, path.stat().st_size - 5)
    else:
        with open(path, "ab" if after == "longer" else "r+b") as out:
            out.write(b"x")
        os.utime(path, ns=(1, 1))
    with pytest.raises(CorruptFileError, match=r"changed while it was read|cut short"):
        next(reading)


def test_a_tensor_that_lies_nowhere_needs_its_weights():
    with pytest.raises(MissingValuesError, match="only its shape"):
        list(scan([TensorInfo("w", (2,), SAFETENSORS_DTYPES["F32"])], LocalFile))


def test_progress_ends_at_all_bytes(tmp_path):
    heard = []
    scanned(tmp_path, {"w": ("BF16", stored("BF16", "normal", 3 << 20))}, progress=heard.append, piece_nbytes=1 << 20)
    assert heard[-1] == 2 * (3 << 20)
    assert heard == sorted(heard)
    assert len(heard) > 3
    assert json.dumps(heard)
