"""What are the largest singular values of a matrix, and how far can each be off? A few passes over it, in little memory.

Block Krylov iteration from a random start: Musco and Musco, "Randomized block Krylov methods for stronger and faster
approximate singular value decomposition" (NeurIPS 2015, arXiv:1504.05477), with Ritz values of AᵀA. How far each is off
follows from its residual, whatever the start was: with unit vectors v, u = Av / σ and r = Aᵀu − σv, some singular value
lies within ‖r‖ / √2 of σ (Parlett, "The Symmetric Eigenvalue Problem", 1998, theorem 4.5.1, for [0 A; Aᵀ 0]). What no
residual can show is that a larger one was missed; that takes a start at a right angle to its vector, and a random one
is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    Blocks = Callable[[Any], Iterable[NDArray[Any]]]

_SPARE = 8  # directions beside those that are asked for: the last converge last
_TOLERANCE = 5e-3  # of the largest singular value
_LOOKS = (3, 5, 7, 9, 12)  # after so many passes the errors are looked at; the last ends it


class Top(NamedTuple):
    """Singular values in descending order, how far each can be off (both (k,) float64), and ‖A‖² of Frobenius."""

    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    square: float


def n_directions(k: int, n_columns: int) -> int:
    """How many directions the iteration holds at most."""
    return min((k + _SPARE) * _LOOKS[-1], n_columns)


def largest(blocks: Blocks, n_columns: int, k: int, *, seed: int = 0) -> Top:
    """The k largest. `blocks(kind)` gives the matrix in blocks of rows, as float32 or float64, as often as it is asked."""
    rng = np.random.default_rng(seed)
    direction: NDArray[Any] = rng.standard_normal((n_columns, min(k + _SPARE, n_columns)), np.float32)
    basis: NDArray[Any] = np.linalg.qr(direction)[0]
    newest, images = basis, np.empty((n_columns, 0), np.float32)
    for n_passes in range(1, _LOOKS[-1] + 1):
        images = np.hstack([images, _gram(blocks, newest)])
        room = n_columns - basis.shape[1]
        if n_passes in _LOOKS or not room:
            ritz, errors, vectors = _ritz(basis, images, k)
            if n_passes == _LOOKS[-1] or not room or errors.max() <= _TOLERANCE * ritz[0]:
                break
        newest = _new_directions(basis, images[:, -newest.shape[1] :], room)
        basis = np.hstack([basis, newest])
    return _refined(blocks, vectors)


def _gram(blocks: Blocks, vectors: NDArray[Any]) -> NDArray[Any]:
    """AᵀA times the vectors, in their own precision."""
    found = np.zeros_like(vectors)
    for block in blocks(vectors.dtype.type):
        found += block.T @ (block @ vectors)
    return found


def _ritz(basis: NDArray[Any], images: NDArray[Any], k: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The k largest Ritz values as singular values, their errors, and their vectors (n, k)."""
    inner = basis.T @ images
    squares, turned = np.linalg.eigh((inner + inner.T) / 2)
    squares, turned = np.maximum(squares[::-1][:k], 0.0), turned[:, ::-1][:, :k]
    vectors = basis @ turned
    return np.sqrt(squares), _errors(images @ turned - vectors * squares, squares), vectors


def _errors(residuals: NDArray[Any], squares: NDArray[Any]) -> NDArray[Any]:
    """From residuals of AᵀA: an eigenvalue lies within their norm, so its root within the root of it, or nearer."""
    norms = np.linalg.norm(residuals, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.where(squares > 0, norms / np.sqrt(2 * squares), np.inf)
    found: NDArray[Any] = np.minimum(near, np.sqrt(norms))
    return found


def _new_directions(basis: NDArray[Any], images: NDArray[Any], room: int) -> NDArray[Any]:
    """What the images hold beyond the basis, orthonormal; twice, since one turn leaves rounding errors."""
    found = images[:, : min(images.shape[1], room)]
    for _ in range(2):
        found = np.linalg.qr(found - basis @ (basis.T @ found))[0]
    return found


def _refined(blocks: Blocks, vectors: NDArray[Any]) -> Top:
    """One more pass in float64: the values, their errors and the norm free of float32's rounding."""
    basis = np.linalg.qr(vectors.astype(np.float64))[0]
    images, square = np.zeros_like(basis), 0.0
    for block in blocks(np.float64):
        images += block.T @ (block @ basis)
        square += float(np.vdot(block, block))
    values, errors, _ = _ritz(basis, images, basis.shape[1])
    return Top(values, errors, square)
