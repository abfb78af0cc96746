"""Which rows and columns of a matrix hold one value only? A histogram cannot tell: it forgets where a value stood."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .decode import decoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..core.bytes import ValueFile
    from ..core.tensors import TensorInfo
    from .histogram import Histogram

LEAST_LENGTH = 16  # values: a shorter line may be constant by chance, of four bits above all
_READ_NUMEL = 1 << 20  # elements at once


class Lines(NamedTuple):
    """The rows or the columns of a matrix that are constant: their numbers and the value of each."""

    n_lines: int
    numbers: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def zero(self) -> tuple[int, ...]:
        """Those that are zero throughout."""
        return tuple(number for number, value in zip(self.numbers, self.values, strict=True) if value == 0)

    @property
    def other(self) -> tuple[int, ...]:
        """Those that hold another value throughout."""
        return tuple(number for number, value in zip(self.numbers, self.values, strict=True) if value != 0)


def may_have_constant_lines(tensor: TensorInfo, histogram: Histogram) -> bool:
    """Whether any value, or any bin of them, occurs as often as the shorter kind of line is long."""
    lengths = [length for length in _sizes(tensor) if length >= LEAST_LENGTH]
    if len(tensor.shape) < 2 or not lengths or not len(histogram.counts):
        return False
    return max(histogram.counts) >= min(lengths)


def constant_lines(tensor: TensorInfo, file: ValueFile) -> tuple[Lines, Lines]:
    """Rows and columns that hold one finite value only; rows are of the first dimension and columns of the last.

    What lies between the two belongs to the rows. Lines of fewer than LEAST_LENGTH values are not looked at.
    """
    height, width = _sizes(tensor)
    rows: list[tuple[int, float]] = []
    first: NDArray[np.float64] | None = None
    alive: NDArray[np.intp] = np.arange(width if height >= LEAST_LENGTH else 0)
    step = max(_READ_NUMEL // width, 1)
    for start in range(0, height, step):
        n = min(step, height - start)
        values = _read(tensor, file, start * width, n * width).reshape(n, width)
        if width >= LEAST_LENGTH:
            rows += [(start + i, float(values[i, 0])) for i in _constant_rows(values)]
        if first is None:
            first = values[0].copy()
        for few in (values[:8], values[8:]):  # most columns are out after a few rows
            if len(few) and len(alive):
                alive = alive[(few[:, alive] == first[alive]).all(axis=0)]
    columns = [] if first is None else [(int(j), float(first[j])) for j in alive]
    return _lines(height, rows), _lines(width, columns)


def _sizes(tensor: TensorInfo) -> tuple[int, int]:
    """Rows and columns."""
    width = tensor.shape[-1] if tensor.shape else 0
    return (tensor.numel // width if width else 0), width


def _read(tensor: TensorInfo, file: ValueFile, start: int, n: int) -> NDArray[np.float64]:
    offset = (tensor.offset or 0) + (tensor.dtype.nbytes(start) or 0)
    return decoded(tensor.dtype.name, file.read(offset, tensor.dtype.nbytes(n) or 0))


def _constant_rows(values: NDArray[np.float64]) -> list[int]:
    candidates = np.flatnonzero((values[:, 0] == values[:, 1]) & (values[:, 0] == values[:, -1]))
    chosen = values[candidates]
    found: list[int] = candidates[(chosen == chosen[:, :1]).all(axis=1)].tolist()
    return found


def _lines(n: int, found: list[Any]) -> Lines:
    finite = [(number, value) for number, value in found if np.isfinite(value)]
    return Lines(n, tuple(number for number, _ in finite), tuple(value for _, value in finite))
