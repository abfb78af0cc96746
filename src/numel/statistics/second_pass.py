"""What are the quantiles of wide types to the last bit? The values in the few bins where they lie, read once more.

The histogram says in which bin a rank falls and how many values lie below it; sorting what the bin holds says the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..kernels import F32_SHIFT, F64_SHIFT
from .decode import decoded
from .histogram import F32_RESOLUTION
from .summary import between, place_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from ..core.bytes import ValueFile
    from ..core.tensors import TensorInfo
    from .histogram import Histogram

    _Counts = tuple[NDArray[np.float64], NDArray[np.intp]]

_READ_NUMEL = 1 << 20  # elements at once


class Bins(NamedTuple):
    """Disjoint ranges [low, high) of values that are to be read again, in ascending order, and how many lie below each."""

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n_below: NDArray[np.int64]


class SecondPass:
    """The quantiles of one distribution, once all its tensors have been read again."""

    def __init__(self, histogram: Histogram, at: Sequence[float]) -> None:
        """`at`: shares from 0 to 1."""
        self._at = at
        self._n = histogram.n_finite
        self._bins = _bins(histogram, at)
        self._found: list[list[_Counts]] = [[] for _ in self._bins.low]  # as counts: a bin may hold a billion zeros

    def read(self, tensors: Iterable[TensorInfo], open_shard: Callable[[str], ValueFile]) -> None:
        """Collect what the bins hold of these tensors."""
        for tensor in tensors:
            file, dtype = open_shard(tensor.shard or ""), tensor.dtype
            for start in range(0, tensor.numel, _READ_NUMEL):
                n = min(_READ_NUMEL, tensor.numel - start)
                offset = (tensor.offset or 0) + (dtype.nbytes(start) or 0)
                self._collect(decoded(dtype.name, file.read(offset, dtype.nbytes(n) or 0)))

    def quantiles(self) -> tuple[tuple[float, float], ...]:
        """(q, value) for each q: numpy.quantile of all the values, bit for bit."""
        inside = [_joined(found) for found in self._found]
        result = []
        for q in self._at:
            below, above, share = place_of(q, self._n)
            result.append((q, between(self._value(below, inside), self._value(above, inside), share)))
        return tuple(result)

    def _collect(self, values: NDArray[np.float64]) -> None:
        for k, (low, high) in enumerate(zip(self._bins.low, self._bins.high, strict=True)):
            chosen = values[(values >= low) & (values < high)]
            if len(chosen):
                self._found[k].append(np.unique(chosen, return_counts=True))

    def _value(self, rank: int, inside: Sequence[_Counts]) -> float:
        k = int(np.searchsorted(self._bins.n_below, rank, side="right")) - 1
        values, counts = inside[k]
        at = np.searchsorted(counts.cumsum(), rank - int(self._bins.n_below[k]), side="right")
        return float(values[at]) + 0.0


def _joined(found: list[_Counts]) -> _Counts:
    """Several counts of values as one, in ascending order."""
    if not found:
        return np.empty(0), np.empty(0, np.intp)
    values = np.concatenate([each for each, _ in found])
    order = values.argsort(kind="stable")
    return values[order], np.concatenate([counts for _, counts in found])[order]


def _bins(histogram: Histogram, at: Sequence[float]) -> Bins:
    """The bins where the ranks of these quantiles fall."""
    values, ends = np.asarray(histogram.values), np.asarray(histogram.counts).cumsum()
    ranks = sorted({rank for q in at for rank in place_of(q, histogram.n_finite)[:2]})
    middles = np.unique(values[np.searchsorted(ends, ranks, side="right")])
    low, high = _edges(middles, histogram.resolution)
    low, kept = np.unique(low, return_index=True)
    begins = np.concatenate([[0], ends])[np.searchsorted(values, low)]
    return Bins(low, high[kept], begins)


def _edges(middles: NDArray[np.float64], resolution: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ends of the bins that hold these values; the two bins beside 0 are one, as nobody can tell −0 from 0."""
    is_f32 = resolution <= F32_RESOLUTION
    shift: int
    unsigned: Any
    floating: Any
    shift, unsigned, floating = (F32_SHIFT, np.uint32, np.float32) if is_f32 else (F64_SHIFT, np.uint64, np.float64)
    bits = np.abs(middles).astype(floating).view(unsigned)
    bin_of: NDArray[Any] = bits >> unsigned(shift)
    near = _value_at(bin_of, shift, unsigned, floating)
    far = _value_at(bin_of + unsigned(1), shift, unsigned, floating)
    negative, around = middles < 0, bin_of == 0
    low = np.where(negative, np.nextafter(-far, 0), near)  # (−far, −near] as [next after −far, next after −near)
    high = np.where(negative, np.nextafter(-near, 0), far)
    return np.where(around, np.nextafter(-far, 0), low), np.where(around, far, high)


def _value_at(bins: NDArray[Any], shift: int, unsigned: Any, floating: Any) -> NDArray[np.float64]:
    found: NDArray[np.float64] = (bins << unsigned(shift)).view(floating).astype(np.float64)
    return found
