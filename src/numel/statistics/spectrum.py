"""What do the singular values of a matrix say? Norms, stable and effective rank, a power law, and what random ones have.

Two tiers. `exact`: every singular value by LAPACK (gesdd through numpy) in float64, of R where a matrix is too long to be
held, after a QR in blocks, which is as exact. A matrix longer than wide is first tried by the eigenvalues of WᵀW, at a third
of the cost: |ĝ − g| ≤ γ |W|ᵀ|W| for each element of a computed WᵀW (Higham, "Accuracy and Stability of Numerical
Algorithms", 2002, 3.5), so no eigenvalue is off by more than γ‖W‖²_F (Weyl), and only what is known to be right to 10⁻⁹ of
the largest is kept. `top-k`: the largest by a few passes, each with its own bound (`krylov`).
"""

from __future__ import annotations

from math import exp, sqrt
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import krylov, powerlaw
from .matrices import columns_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from ..core.bytes import ValueFile
    from .matrices import Matrix
    from .powerlaw import PowerLaw

TOP_K = 32
_WHOLE_NUMEL = 1 << 23  # up to here a matrix is taken as a whole: 64 MiB of float64
_BLOCK_NUMEL = 1 << 21
_KEPT_NBYTES = 256 << 20  # a matrix of so many bytes as float32 is kept between the passes
_SMALL_RANK, _SMALL_NUMEL = 768, 1 << 22  # all singular values cost little more than the largest, and say more
_LONG, _CLOSE = 1.5, 1e-9  # from which ratio of its sides on a matrix is tried by WᵀW, and what is close enough
_SUMMED = 256  # rows whose products are added up in one go: the fewer, the less is rounded
_COPIES, _COPIES_OF_QR = 3, 5  # what numpy and LAPACK hold of a matrix while they work on it (measured: 2 and 4)


class Spectrum(NamedTuple):
    """The singular values of a matrix in descending order: all of them where `is_complete`.

    Each lies within `error` of a true one. `square`: ‖W‖² of Frobenius.
    """

    matrix: Matrix
    values: NDArray[np.float64]
    is_complete: bool
    error: float
    square: float

    @property
    def spectral_norm(self) -> float:
        """The largest singular value, ‖W‖₂."""
        return float(self.values[0])

    @property
    def stable_rank(self) -> float | None:
        """‖W‖²_F / ‖W‖₂² (Rudelson and Vershynin, 2007, arXiv:math/0503442)."""
        return self.square / self.spectral_norm**2 if self.spectral_norm else None

    @property
    def effective_rank(self) -> float | None:
        """exp(entropy) of the singular values' shares in their sum (Roy and Vetterli, EUSIPCO 2007)."""
        total = float(self.values.sum())
        if not self.is_complete or not total:
            return None
        shares = self.values[self.values > 0] / total
        return exp(-float((shares * np.log(shares)).sum()))

    @property
    def edge(self) -> float:
        """The largest singular value that independent values of the same mean square would have: s (√m + √n).

        Marchenko and Pastur, 1967; for a finite matrix Vershynin, "High-Dimensional Probability", 2018, theorem 4.4.5.
        """
        m, n = self.matrix.rows, self.matrix.columns
        return sqrt(self.square / (m * n)) * (sqrt(m) + sqrt(n))

    @property
    def n_beyond(self) -> int:
        """How many of `values` are larger than the edge."""
        return int(np.count_nonzero(self.values > self.edge))

    def power_law(self) -> PowerLaw | None:
        """That of the eigenvalues of WᵀW; None where not all are known. Values that are but rounding are left out."""
        if not self.is_complete:
            return None
        return powerlaw.fit(self.values[self.values > self.error] ** 2)


class NotFiniteError(Exception):
    """The matrix holds NaN or ±∞, and so has no singular values."""


def needed_nbytes(matrix: Matrix, k: int | None) -> int:
    """The memory that its spectrum takes at most, beside what the program takes anyway."""
    numel, rank = matrix.rows * matrix.columns, matrix.rank
    if k is not None and not _is_small(matrix, k):
        kept = 4 * numel if 4 * numel <= _KEPT_NBYTES else 0
        return (
            kept
            + 3 * 4 * matrix.columns * krylov.n_directions(k, matrix.columns)
            + _COPIES * 8 * max(_BLOCK_NUMEL, matrix.columns)
        )
    if numel <= max(_WHOLE_NUMEL, 2 * rank * rank):
        return _COPIES * 8 * numel
    return _COPIES_OF_QR * 8 * (rank + _n_stacked(rank)) * rank


def spectrum_of(matrix: Matrix, file: ValueFile, *, k: int | None) -> Spectrum:
    """The singular values of the matrix: the k largest, or all. Raises NotFiniteError."""
    if k is not None and not _is_small(matrix, k):
        top = krylov.largest(_Passes(matrix, file), matrix.columns, k)
        rounding = max(matrix.rows, matrix.columns) * np.finfo(np.float64).eps * top.values[0]
        return Spectrum(matrix, top.values, False, float(top.errors.max() + rounding), top.square)
    if max(matrix.rows, matrix.columns) >= _LONG * matrix.rank and (found := _by_gram(matrix, file)) is not None:
        return found
    whole = _triangle(matrix, file)
    values = np.linalg.svd(whole if whole.shape[0] >= whole.shape[1] else whole.T, compute_uv=False).astype(np.float64)
    error = max(matrix.rows, matrix.columns) * float(np.finfo(np.float64).eps) * float(values[0])
    return Spectrum(matrix, values, True, error, float(np.vdot(values, values)))


def _by_gram(matrix: Matrix, file: ValueFile) -> Spectrum | None:
    """The roots of the eigenvalues of WᵀW or WWᵀ, whichever is smaller; None where they may be off by more than _CLOSE."""
    rank, longer = matrix.rank, max(matrix.rows, matrix.columns)
    cut = rows_of if matrix.rows > matrix.columns else columns_of
    gram = np.zeros((rank, rank))
    n_sums = 0
    for block in cut(matrix, file, max(_BLOCK_NUMEL // rank // _SUMMED * _SUMMED, _SUMMED), np.float64):
        _finite(block)
        for start in range(0, len(block), _SUMMED):
            part = block[start : start + _SUMMED]
            gram += part.T @ part
            n_sums += 1
    square = float(np.trace(gram))
    squares = np.maximum(np.linalg.eigvalsh(gram)[::-1], 0.0)
    unit = float(np.finfo(np.float64).eps) / 2
    off = (min(_SUMMED, longer) + n_sums) * unit * square + rank * unit * float(squares[0])  # that, and of eigvalsh
    values = np.sqrt(squares)
    error = min(off / max(float(values[-1]), 1e-300), sqrt(off))  # of the least: |a − b| = |a² − b²| / (a + b)
    return Spectrum(matrix, values, True, error, square) if error <= _CLOSE * values[0] else None


def _is_small(matrix: Matrix, k: int) -> bool:
    if matrix.rank > _SMALL_RANK:
        return matrix.rank <= 2 * k
    return matrix.rows * matrix.columns <= _SMALL_NUMEL or max(matrix.rows, matrix.columns) >= _LONG * matrix.rank


def _triangle(matrix: Matrix, file: ValueFile) -> NDArray[np.float64]:
    """The matrix itself, or R of its QR, which has the same singular values: then never more than a block is held."""
    numel, rank = matrix.rows * matrix.columns, matrix.rank
    if numel <= max(_WHOLE_NUMEL, 2 * rank * rank):
        whole = np.empty((matrix.rows, matrix.columns))
        start = 0
        for block in rows_of(matrix, file, max(_BLOCK_NUMEL // matrix.columns, 1), np.float64):
            whole[start : start + len(block)] = _finite(block)
            start += len(block)
        return whole
    cut = rows_of if matrix.rows > matrix.columns else columns_of
    found: NDArray[np.float64] = np.empty((0, rank))
    for block in cut(matrix, file, _n_stacked(rank), np.float64):
        found = np.asarray(np.linalg.qr(np.vstack([found, _finite(block)]), mode="r"))
    return found


def _n_stacked(rank: int) -> int:
    """How many rows are put below R at once: as many as it has, so that half of the work is for what is new."""
    return max(rank, _WHOLE_NUMEL // rank)


class _Passes:
    """The matrix again and again: kept as float32 where it is small enough, else read anew."""

    def __init__(self, matrix: Matrix, file: ValueFile) -> None:
        self._matrix, self._file = matrix, file
        self._n_rows = max(_BLOCK_NUMEL // matrix.columns, 1)
        self._kept: list[NDArray[Any]] | None = None

    def __call__(self, kind: Any) -> Iterable[NDArray[Any]]:
        is_exact_in_float32 = self._matrix.tensor.dtype.name in ("F32", "F16", "BF16")
        if kind is np.float64 and (self._kept is None or not is_exact_in_float32):
            return self._read(np.float64)
        if kind is np.float64 and self._kept is not None:
            return (block.astype(np.float64) for block in self._kept)
        if self._kept is None and 4 * self._matrix.rows * self._matrix.columns <= _KEPT_NBYTES:
            self._kept = list(self._read(np.float32))
        return self._kept if self._kept is not None else self._read(np.float32)

    def _read(self, kind: Any) -> Iterable[NDArray[Any]]:
        return map(_finite, rows_of(self._matrix, self._file, self._n_rows, kind))


def _finite(block: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(block).all():
        raise NotFiniteError
    return block
