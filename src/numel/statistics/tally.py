"""What is counted of one piece of a tensor, and how do the pieces add up to the tensor's histogram?

8 and 16 bits: every pattern. F32: the upper 20 bits of the pattern and sums of powers, or every pattern where the tensor
is small. F64 and wide integers: the upper 20 bits of the value as float64, and the sums, in numpy.
"""

from __future__ import annotations

from array import array
from functools import reduce
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from ..kernels import BLOCK, F32_SHIFT, N_SUMS, kernels
from . import exact
from .histogram import F32_RESOLUTION, F64_RESOLUTION, Histogram, of_counts
from .patterns import ONE_BYTE, TWO_BYTES, WIDE, pattern_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.bytes import ValueFile
    from ..core.dtypes import DType
    from ..core.tensors import TensorInfo
    from ..kernels import Kernels

SMALL = 1 << 18  # bytes: up to here sorting beats a table of a million bins, and says every value
_N_HEAD = 512  # elements that the pivot is taken from


class Piece(NamedTuple):
    """A range of a file with values of one dtype; `numel` where it is a whole tensor, else None."""

    dtype: str
    offset: int
    nbytes: int
    numel: int | None
    pivot: float = 0.0


class Counted(NamedTuple):
    """What a piece holds: how often (`counts`, int64) each bin or value (`bins`) occurs; `sums` of blocks, (n, N_SUMS)."""

    bins: Any  # columns: of uint32 or, of every value of a small tensor, float64; None: the counts are of all patterns
    counts: Any
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
    kind = "f" if dtype == "F32" else WIDE[dtype]
    itemsize = array(kind).itemsize
    raw = file.read(tensor.offset or 0, _N_HEAD * itemsize)
    head = sorted(float(x) for x in array(kind, raw[: len(raw) // itemsize * itemsize]) if isfinite(x))
    if not head:
        return 0.0
    lower, middle, upper = (head[len(head) * k // 4] for k in (1, 2, 3))
    return middle if abs(middle) > upper - lower else 0.0


def count_piece(kernels: Kernels, file: ValueFile, piece: Piece, work: bytearray) -> tuple[Counted, int]:
    """What the piece holds, and how many bytes were there to read. `work` belongs to the thread."""
    source: Any = file.fileno()
    offset = piece.offset
    if source is None:
        source, offset = file.read(piece.offset, piece.nbytes), 0
    if piece.dtype in ONE_BYTE or piece.dtype in TWO_BYTES:
        itemsize = 1 if piece.dtype in ONE_BYTE else 2
        counts = bytearray(8 * (256 if itemsize == 1 else 65536))
        n_read = kernels.count(source, offset, piece.nbytes, itemsize, work, counts)
        return Counted(None, memoryview(counts).cast("q"), []), n_read
    if piece.dtype != "F32":
        return _wide(file, piece), piece.nbytes
    if piece.numel is not None and piece.nbytes <= SMALL:
        raw = file.read(piece.offset, piece.nbytes)
        values, counts_of, used = kernels.distinct_f32(raw)
        return Counted(values, counts_of, [], used), piece.nbytes
    sums = array("d", bytes(8 * N_SUMS * -(-piece.nbytes // (4 * BLOCK))))
    n_read, *tallies = kernels.sum_f32(source, offset, piece.nbytes, piece.pivot, work, sums)
    blocks = [sums[i : i + N_SUMS].tolist() for i in range(0, len(sums), N_SUMS)]
    return Counted(*kernels.occurring(work), blocks, *tallies), n_read


def _wide(file: ValueFile, piece: Piece) -> Counted:
    from . import wide  # numpy, which nothing else here needs

    kind = WIDE[piece.dtype]
    if piece.numel is not None and piece.nbytes <= SMALL:
        return Counted(*wide.distinct(file.read(piece.offset, piece.nbytes), kind), [])
    return Counted(*wide.count(file, piece.offset, piece.nbytes, kind, piece.pivot))


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
            return of_counts(pattern_values(name), counts)
        if not self._sums:
            values = memoryview(b"").cast("d") if whole.bins is None else whole.bins
            return of_counts(values, whole.counts, used_bits=whole.used_bits if name == "F32" else None)
        found = self._of_f32(whole) if name == "F32" else self._of_wide(whole)
        return found._replace(n_nan=whole.n_nan, n_plus_inf=whole.n_plus_inf, n_minus_inf=whole.n_minus_inf)

    def _of_f32(self, whole: Counted) -> Histogram:
        """The values by their bins: all of them where those say all, in bfloat16 or float16."""
        is_exact = not whole.used_bits & ((1 << F32_SHIFT) - 1)
        columns = kernels().of_f32_bins(whole.bins, whole.counts, whole.zeros, not is_exact)
        if is_exact:
            return of_counts(*columns, used_bits=whole.used_bits)
        found = of_counts(*columns, with_sums=False)
        return self._summed(found)._replace(resolution=F32_RESOLUTION, used_bits=whole.used_bits)

    def _of_wide(self, whole: Counted) -> Histogram:
        from . import wide

        found = wide.of_middles(whole.bins, whole.counts, whole.zeros)
        return self._summed(found)._replace(resolution=F64_RESOLUTION)

    def _summed(self, found: Histogram) -> Histogram:
        """With the sums that the kernels added up."""
        if not len(found.values):
            return found
        return found._replace(
            sums=exact.of_blocks(self._sums, found.n_finite, self.pivot),
            least=min(block[8] for block in self._sums) + 0.0,
            greatest=max(block[9] for block in self._sums) + 0.0,
        )


def _joined(pieces: Sequence[Counted]) -> Counted:
    """Several pieces as one."""
    return reduce(_both, pieces)


def _both(a: Counted, b: Counted) -> Counted:
    if a.bins is None:
        return Counted(None, kernels().added(a.counts, b.counts), [])
    bins, counts = kernels().joined(a.bins, a.counts, b.bins, b.counts)
    return Counted(bins, counts, [], a.used_bits | b.used_bits, *(x + y for x, y in zip(a[4:], b[4:], strict=True)))


def _nibbles(counts: Sequence[int]) -> array[int]:
    """How often each of the 16 patterns of 4 bits occurs, of bytes that hold two."""
    return array("q", [sum(counts[16 * k : 16 * k + 16]) + sum(counts[k::16]) for k in range(16)])
