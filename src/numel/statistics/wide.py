"""What is counted of float64 and wide integers, and what do their bins stand for? The plain way, in numpy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels import BLOCK, F64_SHIFT
from ..kernels.twin import block_sums, widened
from .histogram import of_counts

if TYPE_CHECKING:
    from ..core.bytes import ValueFile
    from .histogram import Histogram

_N_BINS = 1 << (64 - F64_SHIFT)


def distinct(raw: bytes, kind: str) -> tuple[memoryview, memoryview]:
    """Every value of a small tensor as float64, and how often it occurs."""
    values, counts = np.unique(widened(np.frombuffer(raw, kind)), return_counts=True, equal_nan=True)
    return values.data, counts.astype(np.int64).data


def count(file: ValueFile, offset: int, nbytes: int, kind: str, pivot: float) -> tuple[Any, ...]:
    """Bins, counts, sums of blocks, the bits used (not known: 0), zeros, NaN, +inf and −inf; block by block."""
    table = np.zeros(_N_BINS, np.int64)
    sums, zeros, n_nan, n_plus, n_minus = [], 0, 0, 0, 0
    step = BLOCK * np.dtype(kind).itemsize
    for start in range(0, nbytes, step):
        values = widened(np.frombuffer(file.read(offset + start, min(step, nbytes - start)), kind))
        finite = np.isfinite(values)
        n_nan += int(np.count_nonzero(np.isnan(values)))
        n_plus += int(np.count_nonzero(values == np.inf))
        n_minus += int(np.count_nonzero(values == -np.inf))
        zeros += int(np.count_nonzero(values == 0))
        bins = values[finite].view(np.uint64) >> np.uint64(F64_SHIFT)
        table += np.bincount(bins.astype(np.int64), minlength=_N_BINS)
        sums.append(list(block_sums(values, finite, pivot, unit=None)))
    used = np.flatnonzero(table)
    return used.astype(np.uint32).data, table[used].data, sums, 0, zeros, n_nan, n_plus, n_minus


def of_middles(bins: Any, counts: Any, zeros: int) -> Histogram:
    """Each bin by its middle; zeros as themselves, apart from the smallest numbers that share their two bins."""
    numbers, times, left = np.asarray(bins).astype(np.uint64), np.array(counts), zeros
    half = np.uint64(1 << (F64_SHIFT - 1))
    values = (numbers << np.uint64(F64_SHIFT) | half).view(np.float64)
    for i in np.flatnonzero(numbers & np.uint64(_N_BINS // 2 - 1) == 0).tolist():
        taken = min(int(times[i]), left)
        times[i] -= taken
        left -= taken
    return of_counts(np.append(values, 0.0), np.append(times, zeros), with_sums=False)
