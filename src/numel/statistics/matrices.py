"""Which matrices does a tensor hold, and how are their values read in blocks of rows or columns?

A matrix is what it is; a tensor of experts is a matrix for each; any other of more than two dimensions (the kernel of a
convolution) is flattened to its first dimension × all others, the matrix that multiplies an unfolded input.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .decode import decoded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ..core.bytes import ValueFile
    from ..core.tensors import TensorInfo

    Block = NDArray[np.float64] | NDArray[np.float32]


class Matrix(NamedTuple):
    """`rows` × `columns` values of `tensor` from element `first` on; `expert` where it is one of several."""

    tensor: TensorInfo
    expert: int | None
    rows: int
    columns: int
    first: int

    @property
    def rank(self) -> int:
        """The most singular values that differ from 0."""
        return min(self.rows, self.columns)


def matrices(tensor: TensorInfo, *, of_experts: bool) -> list[Matrix]:
    """The matrices that the tensor holds: none in a vector, or where a row would begin within a block of a packed type."""
    shape = tensor.shape
    n_matrices = shape[0] if of_experts and len(shape) == 3 else 1
    if len(shape) < 2 or not tensor.numel:
        return []
    outer = shape[1] if n_matrices > 1 else shape[0]
    columns = prod(shape) // (n_matrices * outer)
    if min(outer, columns) < 2 or columns % tensor.dtype.block_numel:
        return []
    return [
        Matrix(tensor, n if n_matrices > 1 else None, outer, columns, n * outer * columns) for n in range(n_matrices)
    ]


def rows_of(matrix: Matrix, file: ValueFile, n_rows: int, kind: Any) -> Iterator[Block]:
    """The matrix in blocks of `n_rows` rows (the last may be lower), as float32 or float64."""
    for start in range(0, matrix.rows, n_rows):
        n = min(n_rows, matrix.rows - start)
        values = _read(matrix, file, start * matrix.columns, n * matrix.columns, kind)
        yield values.reshape(n, matrix.columns)


def columns_of(matrix: Matrix, file: ValueFile, n_columns: int, kind: Any) -> Iterator[Block]:
    """The transposed matrix in blocks of `n_columns` of the matrix' columns."""
    whole = matrix.tensor.dtype.block_numel
    n_columns = -(-n_columns // whole) * whole
    for start in range(0, matrix.columns, n_columns):
        n = min(n_columns, matrix.columns - start)
        block = np.empty((n, matrix.rows), kind)
        for row in range(matrix.rows):
            block[:, row] = _read(matrix, file, row * matrix.columns + start, n, kind)
        yield block


def _read(matrix: Matrix, file: ValueFile, first: int, numel: int, kind: Any) -> Block:
    dtype = matrix.tensor.dtype
    offset = (matrix.tensor.offset or 0) + (dtype.nbytes(matrix.first + first) or 0)
    raw = file.read(offset, dtype.nbytes(numel) or 0)
    values: Block
    if dtype.name == "F32":
        values = np.frombuffer(raw, np.float32).astype(kind)
    elif dtype.name == "BF16" and kind is np.float32:
        values = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
    elif dtype.name == "F16":
        values = np.frombuffer(raw, np.float16).astype(kind)
    else:
        values = decoded(dtype.name, raw).astype(kind, copy=False)
    return values[:numel]
