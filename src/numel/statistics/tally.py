"""What is counted of one piece of a tensor, and how do the pieces add up to the tensor's histogram?

8 and 16 bits: every pattern. F32: the upper 20 bits of the pattern and sums of powers, or every pattern where the tensor
is small. F64 and wide integers: the upper 20 bits of the value as float64, and the sums, in numpy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..kernels import BLOCK
from ..kernels.twin import F32_SHIFT, block_sums, widened
from . import exact
from .decode import ONE_BYTE, TWO_BYTES, WIDE, values_of
from .histogram import Histogram, of_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ..core.bytes import ValueFile
    from ..core.dtypes import DType
    from ..core.tensors import TensorInfo
    from ..kernels import Kernels

SMALL = 1 << 18  # bytes: up to here sorting beats a table of a million bins, and says every value
WIDE_SHIFT = 44  # of float64: 8 bits of the fraction stay
_N_HEAD = 4096  # elements that the pivot is taken from
_N_SUMS = 7


class Piece(NamedTuple):
    """A range of a file with values of one dtype; `numel` where it is a whole tensor, else None."""

    dtype: str
    offset: int
    nbytes: int
    numel: int | None
    pivot: float = 0.0


class Counted(NamedTuple):
    """What a piece holds: how often (`counts`) each bin or pattern (`bins`) occurs; `sums` of blocks, (n, 7)."""

    bins: NDArray[Any] | None
    counts: NDArray[np.int64]
    sums: list[list[float]]
    used_bits: int = 0
    zeros: int = 0
    n_nan: int = 0
    n_plus_inf: int = 0
    n_minus_inf: int = 0


def is_counted(dtype: DType) -> bool:
    """Whether values of this type can be read: packed formats of six bits and complex numbers cannot."""
    return dtype.name in ONE_BYTE or dtype.name in TWO_BYTES or dtype.name in WIDE or dtype.name == "F32"


def nbytes_of(tensor: TensorInfo) -> int:
    """Its bytes in the file; 0 where nobody says which type it has, which is_counted rules out."""
    return tensor.nbytes or 0


def pivot_of(tensor: TensorInfo, file: ValueFile) -> float:
    """The value about which powers are summed: 0, or one of the first values where those are far from 0.

    Sums about 0 lose what a small spread around a large mean is made of; that of norms is.
    """
    dtype = tensor.dtype.name
    if nbytes_of(tensor) <= SMALL or (dtype != "F32" and dtype not in WIDE):
        return 0.0
    kind = np.float32 if dtype == "F32" else WIDE[dtype]
    first = np.frombuffer(file.read(tensor.offset or 0, _N_HEAD * np.dtype(kind).itemsize), kind)
    head = np.sort(widened(first[np.isfinite(first)]))
    if not len(head):
        return 0.0
    lower, middle, upper = head[[len(head) // 4, len(head) // 2, 3 * len(head) // 4]].tolist()
    return float(middle) if abs(middle) > upper - lower else 0.0


def count_piece(kernels: Kernels, file: ValueFile, piece: Piece, work: bytearray) -> tuple[Counted, int]:
    """What the piece holds, and how many bytes were there to read. `work` belongs to the thread."""
    source: Any = file.fileno()
    offset = piece.offset
    if source is None:
        source, offset = file.read(piece.offset, piece.nbytes), 0
    if piece.dtype in ONE_BYTE or piece.dtype in TWO_BYTES:
        itemsize = 1 if piece.dtype in ONE_BYTE else 2
        counts = np.zeros(256 if itemsize == 1 else 65536, np.uint64)
        n_read = kernels.count(source, offset, piece.nbytes, itemsize, work, counts)
        return Counted(None, counts.view(np.int64), []), n_read
    kind = np.float32 if piece.dtype == "F32" else WIDE[piece.dtype]
    if piece.numel is not None and piece.nbytes <= SMALL:
        return _distinct(np.frombuffer(file.read(piece.offset, piece.nbytes), kind)), piece.nbytes
    if piece.dtype == "F32":
        sums = np.empty((-(-piece.nbytes // (4 * BLOCK)), _N_SUMS))
        n_read, *tallies = kernels.sum_f32(source, offset, piece.nbytes, piece.pivot, work, sums)
        table = np.frombuffer(work, np.uint32, 1 << (32 - F32_SHIFT))
        bins = np.flatnonzero(table != 0).astype(np.uint32)  # a mask is found four times as fast
        return Counted(bins, table[bins].astype(np.int64), sums.tolist(), *tallies), n_read
    return _wide(file, piece, kind), piece.nbytes


def _distinct(array: NDArray[Any]) -> Counted:
    """Every value of a small tensor."""
    values, counts = np.unique(array, return_counts=True, equal_nan=True)
    used = int(np.bitwise_or.reduce(array[np.isfinite(array)].view(np.uint32), initial=0)) if array.itemsize == 4 else 0
    return Counted(values, counts.astype(np.int64), [], used)


def _wide(file: ValueFile, piece: Piece, kind: Any) -> Counted:
    """Wide types, block by block in numpy."""
    table = np.zeros(1 << (64 - WIDE_SHIFT), np.int64)
    sums, zeros, n_nan, n_plus, n_minus = [], 0, 0, 0, 0
    step = BLOCK * np.dtype(kind).itemsize
    for start in range(0, piece.nbytes, step):
        data = file.read(piece.offset + start, min(step, piece.nbytes - start))
        values = widened(np.frombuffer(data, kind))
        finite = np.isfinite(values)
        n_nan += int(np.count_nonzero(np.isnan(values)))
        n_plus += int(np.count_nonzero(values == np.inf))
        n_minus += int(np.count_nonzero(values == -np.inf))
        zeros += int(np.count_nonzero(values == 0))
        bins = values[finite].view(np.uint64) >> np.uint64(WIDE_SHIFT)
        table += np.bincount(bins.astype(np.int64), minlength=len(table))
        sums.append(block_sums(values, finite, piece.pivot))
    used = np.flatnonzero(table)
    return Counted(used.astype(np.uint32), table[used], sums, 0, zeros, n_nan, n_plus, n_minus)


class Tally:
    """The pieces of one tensor added up, in any order."""

    def __init__(self, tensor: TensorInfo, pivot: float) -> None:
        self.tensor = tensor
        self.pivot = pivot
        self._pieces: list[Counted] = []
        self._sums: list[list[float]] = []

    @property
    def grid_nbytes(self) -> int:
        """Pieces are cut at multiples of so many bytes, so that every way to cut gives the same blocks."""
        return BLOCK * max(self.tensor.dtype.block_nbytes, 1)

    def add(self, counted: Counted) -> None:
        """One more piece."""
        self._sums += counted.sums
        self._pieces.append(counted._replace(sums=[]))
        if len(self._pieces) > 4:
            self._pieces = [_joined(self._pieces)]

    def histogram(self) -> Histogram:
        """The histogram of the whole tensor."""
        whole = _joined(self._pieces)
        name = self.tensor.dtype.name
        if name in ONE_BYTE or name in TWO_BYTES:
            counts = _nibbles(whole.counts) if name == "F4" else whole.counts
            return of_counts(values_of(name), counts)
        if not self._sums:
            values = np.empty(0) if whole.bins is None else whole.bins.astype(np.float64)
            return of_counts(values, whole.counts, used_bits=whole.used_bits if name == "F32" else None)
        return self._of_bins(whole, _F32 if name == "F32" else _F64)

    def _of_bins(self, whole: Counted, cut: _Cut) -> Histogram:
        """The values by their bins, and by the sums that the kernels added up."""
        bins: NDArray[Any] = (np.empty(0) if whole.bins is None else whole.bins).astype(cut.unsigned)
        edges = (bins << cut.unsigned(cut.shift)).view(cut.floating)
        is_finite = np.isfinite(edges)
        bins, counts, n = bins[is_finite], whole.counts[is_finite], int(whole.counts[is_finite].sum())
        if not whole.used_bits & ((1 << cut.shift) - 1) and cut is _F32:  # bfloat16 or float16: the bins say all
            found = of_counts(edges[is_finite].astype(np.float64), counts, used_bits=whole.used_bits)
        else:
            found = _of_middles(bins, counts, whole.zeros, cut)._replace(
                sums=exact.of_blocks(self._sums, n, self.pivot),
                least=min(block[5] for block in self._sums) + 0.0,
                greatest=max(block[6] for block in self._sums) + 0.0,
                resolution=cut.resolution,
                used_bits=whole.used_bits if cut is _F32 else None,
            )
        return found._replace(n_nan=whole.n_nan, n_plus_inf=whole.n_plus_inf, n_minus_inf=whole.n_minus_inf)


class _Cut(NamedTuple):
    """How many bits of a pattern are dropped, and how far the middle of a bin can be off."""

    shift: int
    unsigned: type[Any]
    floating: type[Any]
    resolution: float


_F32 = _Cut(F32_SHIFT, np.uint32, np.float32, 2.0**-12)
_F64 = _Cut(WIDE_SHIFT, np.uint64, np.float64, 2.0**-9)


def _of_middles(bins: NDArray[Any], counts: NDArray[np.int64], zeros: int, cut: _Cut) -> Histogram:
    """Each bin by its middle; zeros as themselves, apart from the smallest numbers that share their two bins."""
    half = cut.unsigned(1 << (cut.shift - 1))
    values = (bins << cut.unsigned(cut.shift) | half).view(cut.floating).astype(np.float64)
    counts, left = counts.copy(), zeros
    n_bins = 1 << (cut.unsigned(0).itemsize * 8 - cut.shift)
    for i in np.flatnonzero(bins & cut.unsigned(n_bins // 2 - 1) == 0).tolist():
        taken = min(int(counts[i]), left)
        counts[i] -= taken
        left -= taken
    return of_counts(np.append(values, 0.0), np.append(counts, zeros), with_sums=False)


def _joined(pieces: Sequence[Counted]) -> Counted:
    """Several pieces as one."""
    if len(pieces) == 1:
        return pieces[0]
    if pieces[0].bins is None:
        counts = np.sum([piece.counts for piece in pieces], axis=0)
        return Counted(None, counts, [])
    bins, at = np.unique(
        np.concatenate([piece.bins for piece in pieces if piece.bins is not None]), return_inverse=True
    )
    counts = np.zeros(len(bins), np.int64)
    np.add.at(counts, at, np.concatenate([piece.counts for piece in pieces]))
    used = int(np.bitwise_or.reduce([piece.used_bits for piece in pieces]))
    zeros, n_nan, n_plus, n_minus = (int(n) for n in np.sum([piece[4:] for piece in pieces], axis=0))
    return Counted(bins, counts, [], used, zeros, n_nan, n_plus, n_minus)


def _nibbles(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each of the 16 patterns of 4 bits occurs, of bytes that hold two."""
    square = counts.reshape(16, 16)
    found: NDArray[np.int64] = square.sum(axis=0) + square.sum(axis=1)
    return found
