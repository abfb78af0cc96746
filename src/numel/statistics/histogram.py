"""Which values does a tensor (or a group of them) hold, and how often each?"""

from __future__ import annotations

from bisect import bisect_left
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, NamedTuple

from ..kernels import kernels
from .exact import PowerSums, of_values

if TYPE_CHECKING:
    from collections.abc import Sequence

F32_RESOLUTION = 2.0**-12  # of a value: how far the middle of its bin may be
F64_RESOLUTION = 2.0**-9  # the same of float64 and of wide integers
_MOST_DISTINCT = 1 << 18  # values of a group that are kept each: four times as many as 16 bits have


class Histogram(NamedTuple):
    """The finite values (float64) in ascending order, each with its count (int64), and what is not finite counted apart.

    Both are buffers, which numpy.asarray takes as they are: most answers need no numpy.

    `resolution` 0: `values` are the values themselves, every one. Otherwise they are the middles of bins, and a value is
    off by at most that share of its size (2^-12 for F32, 2^-9 for F64 and wide integers); `zeros`, `least`, `greatest`
    and `sums` are those of the values all the same. `used_bits`: the OR of all F32 patterns, which shows what was stored
    in F32 and is not; None for other dtypes. `sums` None: a fourth power left the range of float64.
    """

    values: memoryview[float]
    counts: memoryview[int]
    sums: PowerSums | None
    zeros: int = 0
    least: float | None = None
    greatest: float | None = None
    n_nan: int = 0
    n_plus_inf: int = 0
    n_minus_inf: int = 0
    resolution: float = 0.0
    used_bits: int | None = None

    @property
    def n_finite(self) -> int:
        """Values that are neither NaN nor infinite."""
        return kernels().total(self.counts)

    @property
    def numel(self) -> int:
        """All values."""
        return self.n_finite + self.n_nan + self.n_plus_inf + self.n_minus_inf

    def digest(self) -> str:
        """The same for the same content, however it was read: SHA-256 in hexadecimal digits."""
        from hashlib import sha256  # loads OpenSSL, 5 ms

        rest = repr(self[2:]).encode()
        return sha256(self.values.tobytes() + self.counts.tobytes() + rest).hexdigest()


EMPTY = Histogram(memoryview(b"").cast("d"), memoryview(b"").cast("q"), PowerSums(0))


def of_counts(values: Any, counts: Any, *, used_bits: int | None = None, with_sums: bool = True) -> Histogram:
    """The exact histogram of `values` (n,) float64 that occur `counts` (n,) int64 times; NaN, ±inf and −0 may be among them.

    `with_sums`: False where the values stand for bins, and somebody else knows the sums.
    """
    values, counts, n_nan, n_plus, n_minus = kernels().gathered(values, counts)
    if not len(values):
        return EMPTY._replace(n_nan=n_nan, n_plus_inf=n_plus, n_minus_inf=n_minus, used_bits=used_bits)
    at = bisect_left(values, 0.0)
    zeros = counts[at] if at < len(values) and values[at] == 0 else 0
    sums = of_values(values, counts) if with_sums else None
    return Histogram(values, counts, sums, zeros, values[0], values[-1], n_nan, n_plus, n_minus, used_bits=used_bits)


def merge(histograms: Sequence[Histogram]) -> Histogram:
    """One histogram of all the values; the order does not matter."""
    if len(histograms) < 2:
        return histograms[0] if histograms else EMPTY
    columns = [(h.values, h.counts) for h in histograms]
    while len(columns) > 1:  # by pairs, each value log₂ n times
        odd = columns[len(columns) & ~1 :]
        columns = [kernels().merged(*a, *b) for a, b in zip(columns[::2], columns[1::2], strict=False)] + odd
    sums: PowerSums | None = PowerSums(0)
    for h in histograms:
        sums = None if sums is None or h.sums is None else sums.plus(h.sums)
    used = [h.used_bits for h in histograms if h.used_bits is not None]
    return Histogram(
        *columns[0],
        sums,
        sum(h.zeros for h in histograms),
        min((h.least for h in histograms if h.least is not None), default=None),
        max((h.greatest for h in histograms if h.greatest is not None), default=None),
        sum(h.n_nan for h in histograms),
        sum(h.n_plus_inf for h in histograms),
        sum(h.n_minus_inf for h in histograms),
        max(h.resolution for h in histograms),
        reduce(or_, used) if len(used) == len(histograms) else None,
    )


def coarsened(histogram: Histogram) -> Histogram:
    """The same by bins as those of a large tensor."""
    is_f32 = histogram.used_bits is not None
    values, counts = kernels().coarsened(histogram.values, histogram.counts, is_f32)
    resolution = max(histogram.resolution, F32_RESOLUTION if is_f32 else F64_RESOLUTION)
    return histogram._replace(values=values, counts=counts, resolution=resolution)


class Merging:
    """A merge of many, one by one, that holds only a few of them at a time: `most` values, or as many again as it has.

    Many small tensors of F32 hold millions of values: beyond 2^18 they are merged by their bins, in whatever order they come.
    """

    def __init__(self, most: int = _MOST_DISTINCT) -> None:
        self._most = most
        self._waiting: list[Histogram] = []
        self._n_waiting = 0
        self._is_coarse = False

    def add(self, histogram: Histogram) -> None:
        """One more."""
        self._waiting.append(histogram)
        self._n_waiting += len(histogram.values)
        if self._n_waiting > max(2 * len(self._waiting[0].values), self._most):
            self.result()
            self._n_waiting = len(self._waiting[0].values)

    def result(self) -> Histogram:
        """All of them as one."""
        found = merge(self._waiting)
        self._is_coarse |= len(found.values) > _MOST_DISTINCT
        self._waiting = [coarsened(found) if self._is_coarse else found]
        return self._waiting[0]
