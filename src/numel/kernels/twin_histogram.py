"""What do counts come to? The functions of histogram.c and summary.c in numpy, bit for bit; `Kernels` says what each gives."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, Any

import numpy as np

from . import F32_SHIFT, F64_SHIFT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from . import Columns

    Limbs = list[NDArray[np.int64]]

_N_BINS = 1 << 20
_LIMB = 22  # bits: two limbs multiply to 44, and 2^18 of those still fit into an int64
_MASK = (1 << _LIMB) - 1
_N_POWERS = 4
_SIZE = 4  # which sum Σ|x| is


def _values(column: Any) -> NDArray[np.float64]:
    return np.frombuffer(column, np.float64)


def _counts(column: Any) -> NDArray[np.int64]:
    return np.frombuffer(column, np.int64)


def _bins(column: Any) -> NDArray[np.uint32]:
    return np.frombuffer(column, np.uint32)


def _column(array: NDArray[Any]) -> Any:
    """A memoryview; what numpy says of the type of its elements holds for integers only."""
    return np.ascontiguousarray(array).data


def halves(is_bfloat: bool, /) -> memoryview[float]:  # noqa: FBT001
    """The values of all patterns of BF16 or F16."""
    word = np.arange(65536, dtype=np.uint16)
    with np.errstate(invalid="ignore"):  # signalling NaN
        values = (word.astype(np.uint32) << 16).view(np.float32) if is_bfloat else word.view(np.float16)
        found: memoryview[float] = _column(values.astype(np.float64))
    return found


def occurring(work: Any, /) -> tuple[memoryview, memoryview]:
    """What is not zero in the table of sum_f32."""
    table = np.frombuffer(work, np.uint32, _N_BINS)
    bins = np.flatnonzero(table != 0)  # a mask is found four times as fast
    return _column(bins.astype(np.uint32)), _column(table[bins].astype(np.int64))


def distinct_f32(raw: Any, /) -> tuple[memoryview[float], memoryview, int]:
    """Every value of a small tensor."""
    array = np.frombuffer(raw, np.float32)
    bits, counts = np.unique(array.view(np.uint32), return_counts=True)
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)).argsort()
    bits = bits[ordered]
    used = int(np.bitwise_or.reduce(bits[(bits & 0x7FFFFFFF) < 0x7F800000], initial=0))
    with np.errstate(invalid="ignore"):
        values = bits.view(np.float32).astype(np.float64)
    return _column(values), _column(counts[ordered].astype(np.int64)), used


def of_f32_bins(bins: Any, counts: Any, zeros: int, as_middles: bool, /) -> Columns:  # noqa: FBT001
    """The middle of each bin, or its edge that is nearer to zero."""
    numbers, found = _bins(bins), _counts(counts)
    half = np.uint32(1 << (F32_SHIFT - 1) if as_middles else 0)
    with np.errstate(invalid="ignore"):
        values = (numbers << np.uint32(F32_SHIFT) | half).view(np.float32).astype(np.float64)
    if not as_middles:
        return _column(values), _column(found)
    found, left = found.copy(), zeros
    for i in np.flatnonzero(numbers & np.uint32(_N_BINS // 2 - 1) == 0).tolist():
        taken = min(int(found[i]), left)
        found[i] -= taken
        left -= taken
    return _column(np.append(values, 0.0)), _column(np.append(found, zeros))


def gathered(values: Any, counts: Any, /) -> tuple[memoryview[float], memoryview, int, int, int]:
    """In ascending order, equal values (−0 and 0 among them) as one."""
    every, found = _values(values), _counts(counts)
    occurs = found != 0
    every, found = every[occurs], found[occurs]
    others = [int(found[mask].sum()) for mask in (np.isnan(every), every == np.inf, every == -np.inf)]
    finite = np.isfinite(every)
    every, found = every[finite], found[finite]
    order = every.argsort(kind="stable")
    return (*_unique(every[order], found[order]), others[0], others[1], others[2])


def _unique(values: NDArray[np.float64], counts: NDArray[np.int64]) -> Columns:
    """Ascending values, equal ones as one."""
    if not len(values):
        return _column(values), _column(counts)
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    return _column(values[starts] + 0.0), _column(np.add.reduceat(counts, starts))


def merged(values: Any, counts: Any, more_values: Any, more_counts: Any, /) -> Columns:
    """Two histograms as one."""
    both = np.concatenate([_values(values), _values(more_values)])
    order = both.argsort(kind="stable")  # goes through runs that are in order already
    return _unique(both[order], np.concatenate([_counts(counts), _counts(more_counts)])[order])


def joined(bins: Any, counts: Any, more_bins: Any, more_counts: Any, /) -> tuple[memoryview, memoryview]:
    """Two lists of bins as one."""
    found, at = np.unique(np.concatenate([_bins(bins), _bins(more_bins)]), return_inverse=True)
    sums = np.zeros(len(found), np.int64)
    np.add.at(sums, at, np.concatenate([_counts(counts), _counts(more_counts)]))
    return _column(found), _column(sums)


def coarsened(values: Any, counts: Any, is_f32: bool, /) -> Columns:  # noqa: FBT001
    """By the middles of bins."""
    every = _values(values)
    unsigned: Any = np.uint32 if is_f32 else np.uint64
    n = F32_SHIFT if is_f32 else F64_SHIFT
    shift, half = unsigned(n), unsigned(1 << (n - 1))
    bits = (every.astype(np.float32) if is_f32 else every).view(unsigned)
    edges = bits >> shift << shift
    found = np.where(bits == edges, bits, edges | half).view(np.float32 if is_f32 else np.float64).astype(np.float64)
    return _unique(found, _counts(counts))


def added(counts: Any, more: Any, /) -> memoryview:
    """Element by element."""
    found: memoryview = _column(_counts(counts) + _counts(more))
    return found


def total(counts: Any, /) -> int:
    """Their sum."""
    return int(_counts(counts).sum())


def at_ranks(counts: Any, ranks: Any, /) -> list[int]:
    """Where the counts up to and with an index exceed the rank."""
    found: list[int] = np.searchsorted(_counts(counts).cumsum(), _counts(ranks), side="right").tolist()
    return found


def n_below(values: Any, counts: Any, edges: Any, /) -> list[int]:
    """The counts of what lies before each edge."""
    ends = np.append(0, _counts(counts).cumsum())
    found: list[int] = ends[np.searchsorted(_values(values), _values(edges))].tolist()
    return found


def n_beyond(values: Any, counts: Any, middle: float, distance: float, /) -> int:
    """The counts of what lies far away."""
    return int(_counts(counts)[np.abs(_values(values) - middle) > distance].sum())


def entropy_terms(counts: Any, n: int, /) -> memoryview[float]:
    """Share by share, with the logarithm of C: numpy's differs in the last bit."""
    terms = [share * log2(share) for share in (_counts(counts) / n).tolist()]
    found: memoryview[float] = _column(np.array(terms, np.float64))
    return found


def int8_terms(values: Any, counts: Any, step: float, /) -> tuple[memoryview[float], memoryview[float]]:
    """Value by value."""
    every, times = _values(values), _counts(counts)
    noise = (every - np.rint(every / step) * step) / step
    size = every / step
    return _column(times * noise * noise), _column(times * size * size)


def power_sums(values: Any, counts: Any, /) -> list[tuple[int, int, int]]:
    """Exact for any number of bits, by limbs of 22 of them and one sum for each exponent."""
    every, times = _values(values), _counts(counts)
    used = (every != 0) & (times != 0)
    if not used.any():
        return []
    fraction, exponent = np.frexp(every[used])
    mantissa = np.abs(fraction * 2.0**53).astype(np.int64)
    common = int(np.bitwise_or.reduce(mantissa))
    spare = (common & -common).bit_length() - 1  # a bfloat16 needs 8 bits of the 53
    order = exponent.astype(np.int16).argsort(kind="stable")
    exponent = exponent[order]
    starts = np.flatnonzero(np.diff(exponent, prepend=exponent[0] - 1))
    exponents = [int(e) - 53 + spare for e in exponent[starts]]
    base, limbs = _limbs((mantissa >> spare)[order]), _limbs(times[used][order])
    signs = np.where(fraction[order] < 0, -1, 1).astype(np.int64)
    signed = [limb * signs for limb in limbs]
    parts = [(_SIZE, *part) for part in _sums(base, limbs, starts, exponents)]
    power = base
    for k in range(1, _N_POWERS + 1):
        weights = signed if k % 2 else limbs
        parts += [(k - 1, *part) for part in _sums(power, weights, starts, [k * e for e in exponents])]
        if k < _N_POWERS:
            power = _product(power, base)
    return parts


def _limbs(numbers: NDArray[np.int64]) -> Limbs:
    """Non-negative numbers as limbs of 22 bits, the lowest first."""
    highest = int(numbers.max())
    return [(numbers >> shift) & _MASK for shift in range(0, max(highest.bit_length(), 1), _LIMB)]


def _product(a: Limbs, b: Limbs) -> Limbs:
    """The elementwise product, carried."""
    columns = [np.zeros_like(a[0]) for _ in range(len(a) + len(b))]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            columns[i + j] += x * y
    for i in range(len(columns) - 1):
        columns[i + 1] += columns[i] >> _LIMB
        columns[i] &= _MASK
    while len(columns) > 1 and not columns[-1].any():
        columns.pop()
    return columns


def _sums(power: Limbs, times: Limbs, starts: NDArray[np.intp], exponents: list[int]) -> list[tuple[int, int]]:
    """(exponent, Σ counts · powers) of each run and each pair of limbs."""
    return [
        (exponent + _LIMB * (i + j), run)
        for i, x in enumerate(power)
        for j, c in enumerate(times)
        for run, exponent in zip(np.add.reduceat(x * c, starts).tolist(), exponents, strict=True)
    ]
