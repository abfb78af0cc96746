"""Which inner loops count the values: those in C if they were built, or the same in numpy; both give the same bits."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from typing import Any

    Values = memoryview[float]
    Columns = tuple[Values, memoryview]

WORK_NBYTES = (4 << 20) + (1 << 18)  # native.c, WORK_F32: a thread's own tables and buffer
BLOCK = 1 << 18  # elements whose sums are added up together: the grid on which tensors are cut
N_SUMS = 11  # of a block, as sum_f32 gives them: BlockSums in statistics/exact.py
F32_SHIFT = 12  # bits of an F32 that its bin leaves out
F64_SHIFT = 44  # and of an F64: 8 bits of the fraction stay
VERSION = 4  # of what Kernels promises: a library that was built from older sources is left alone


class Kernels(Protocol):
    """What native.c, histogram.c and summary.c offer, and twin.py with twin_histogram.py as well.

    `source` is a file's number or bytes in memory. A column is anything with a buffer: values float64, counts int64, bins
    uint32; those that come back are memoryviews. A histogram's values ascend.
    """

    LEVEL: str
    VERSION: int

    def count(  # noqa: PLR0913, PLR0917 - as the function in C takes them
        self, source: Any, offset: int, nbytes: int, itemsize: int, work: Any, counts: Any, /
    ) -> int:
        """Add how often each pattern of 8 or 16 bits occurs to `counts` (uint64); the bytes read."""

    def sum_f32(  # noqa: PLR0913, PLR0917 - as the function in C takes them
        self, source: Any, offset: int, nbytes: int, pivot: float, work: Any, sums: Any, /
    ) -> tuple[int, int, int, int, int, int]:
        """The upper 20 bits of F32 counted into `work`, sums per block; bytes read, bits used, zeros, NaN, ±inf."""

    def halves(self, is_bfloat: bool, /) -> Values:  # noqa: FBT001
        """The values of all 65,536 patterns of BF16, or of F16."""

    def occurring(self, work: Any, /) -> tuple[memoryview, memoryview]:
        """The bins that sum_f32 left in `work`, and how often each occurs."""

    def distinct_f32(self, raw: Any, /) -> tuple[Values, memoryview, int]:
        """The values of 65,536 F32 at most, NaN among them, how often each occurs, and the bits that finite ones use."""

    def of_f32_bins(self, bins: Any, counts: Any, zeros: int, as_middles: bool, /) -> Columns:  # noqa: FBT001
        """What bins of F32 stand for: their least size, or their middles with `zeros` taken out and apart; unordered."""

    def gathered(self, values: Any, counts: Any, /) -> tuple[Values, memoryview, int, int, int]:
        """The finite ones that occur, ascending, each once (−0 is 0); how many are NaN, +inf, −inf."""

    def merged(self, values: Any, counts: Any, more_values: Any, more_counts: Any, /) -> Columns:
        """Two histograms as one."""

    def joined(self, bins: Any, counts: Any, more_bins: Any, more_counts: Any, /) -> tuple[memoryview, memoryview]:
        """The same of ascending bins."""

    def coarsened(self, values: Any, counts: Any, is_f32: bool, /) -> Columns:  # noqa: FBT001
        """The same by the middles of bins of F32 or of F64; what lies at the edge of its bin stays as it is."""

    def added(self, counts: Any, more: Any, /) -> memoryview:
        """The sum of two columns, element by element."""

    def total(self, counts: Any, /) -> int:
        """The sum of one."""

    def at_ranks(self, counts: Any, ranks: Any, /) -> list[int]:
        """The index of the value that has each rank (int64), the first being 0."""

    def n_below(self, values: Any, counts: Any, edges: Any, /) -> list[int]:
        """How many values are less than each of the edges (float64), which ascend."""

    def n_beyond(self, values: Any, counts: Any, middle: float, distance: float, /) -> int:
        """How many values are further than `distance` from `middle`."""

    def entropy_terms(self, counts: Any, n: int, /) -> Values:
        """p · log₂ p for each share p of n."""

    def int8_terms(self, values: Any, counts: Any, step: float, /) -> tuple[Values, Values]:
        """Σ of the squares that rounding to multiples of `step` loses, and of all squares, by value and in steps."""

    def power_sums(self, values: Any, counts: Any, /) -> list[tuple[int, int, int]] | None:
        """Parts (which, exponent, n), n · 2^exponent to be added to Σx, Σx², Σx³, Σx⁴ or Σ|x|; None for too many bits."""


def kernels() -> Kernels:
    """The inner loops; NUMEL_KERNELS=numpy asks for those in numpy, native for those in C or an ImportError."""
    wanted = os.environ.get("NUMEL_KERNELS", "")
    if wanted != "numpy":
        try:
            native = cast("Kernels", import_module(".native", __name__))
        except ImportError:  # built without a compiler
            if wanted == "native":
                raise
        else:
            if wanted == "native" or getattr(native, "VERSION", 0) == VERSION:
                return native
    return cast("Kernels", import_module(".twin", __name__))
