"""How many directions does a change of a matrix have? Its numerical rank, its stable rank, its largest singular value.

The stable rank is ‖ΔW‖² / σ₁² (Rudelson and Vershynin, "Sampling from large matrices", J. ACM 54 (4), 2007). The numerical
rank counts the singular values above what rounding alone makes of them: errors of at most u·|w| in each element, u the unit
roundoff of the dtype, have a spectral norm of about u·‖W‖·(1/√m + 1/√n) (Vershynin, "Introduction to the non-asymptotic
analysis of random matrices", 2010, arXiv:1011.3027, theorem 5.31). So a merged LoRA of rank 8 has rank 8 in BF16 too.
"""

from __future__ import annotations

from math import isfinite, sqrt
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.visible import visible
from ..errors import Sentence, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from .difference import Difference, Files, Pair

_ROUNDOFF = {"F64": 2.0**-53, "F32": 2.0**-24, "F16": 2.0**-11, "BF16": 2.0**-8, "F8_E4M3": 2.0**-4, "F8_E5M2": 2.0**-3}
_LEAST = 2.0**-53
_MAX_SHOWN = 120


class Rank(NamedTuple):
    """Of ΔW: `rank` singular values are larger than `tolerance`, `largest` is the first of them; `stable_rank` ≤ rank."""

    rank: int
    stable_rank: float | None
    largest: float
    tolerance: float


def rank_of_change(pair: Pair, difference: Difference, files: Files) -> Rank:
    """The rank of other − base, a matrix (two dimensions); what is not finite counts as unchanged.

    Tall matrices are reduced block by block (QR of the rows so far and the next), so that memory is the square of the
    width; wide ones are held whole.
    """
    height, width = pair.base.shape
    try:
        values = _singular_values(_reduced(pair, files))
    except (MemoryError, np.linalg.LinAlgError) as error:
        name = visible(pair.base.name, _MAX_SHOWN)
        message = Sentence("the singular values of {name} cannot be found: {why}", name=name, why=_why(error))
        raise UnsupportedError(message, hint=Sentence("choose other tensors with --match")) from error
    largest = float(values[0])
    u = max(_ROUNDOFF.get(tensor.dtype.name, _LEAST) for tensor in pair)
    norm = sqrt(max(difference.base2, difference.other2))
    rounding = u * norm * (1 / sqrt(height) + 1 / sqrt(width))
    tolerance = max(rounding, max(height, width) * 2.0**-52 * largest)
    stable = difference.change2 / largest**2 if largest and isfinite(difference.change2) else None
    return Rank(int(np.count_nonzero(values > tolerance)), stable, largest, tolerance)


def _why(error: Exception) -> str:
    return Sentence("not enough memory") if isinstance(error, MemoryError) else str(error)


def _singular_values(matrix: NDArray[np.float64]) -> NDArray[Any]:
    """In descending order. In a thread that nobody waits for: LAPACK takes half a minute for 4096 × 4096 and hears no Ctrl-C."""
    found: list[NDArray[Any]] = []
    failed: list[Exception] = []

    def run() -> None:
        try:
            found.append(np.linalg.svd(matrix, compute_uv=False))
        except (np.linalg.LinAlgError, MemoryError) as error:
            failed.append(error)

    thread = Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


def _reduced(pair: Pair, files: Files) -> NDArray[np.float64]:
    """A matrix with the singular values of the change: the change itself, or the R of its QR decomposition."""
    height, width = pair.base.shape
    if height <= 2 * width:
        return np.concatenate(list(_rows(pair, files, height)))
    upper = np.empty((0, width))
    for rows in _rows(pair, files, width):
        upper = np.asarray(np.linalg.qr(np.concatenate([upper, rows]), mode="r"))
    return upper


def _rows(pair: Pair, files: Files, most: int) -> Iterator[NDArray[np.float64]]:
    """The change row by row, `most` rows at once or fewer at the end: (n, width) float64."""
    width = pair.base.shape[1]
    waiting: list[NDArray[np.float64]] = []
    n_waiting = 0
    for x, y in files.blocks(pair, 0, pair.base.numel):
        with np.errstate(invalid="ignore"):
            change = y - x
        waiting.append(np.where(np.isfinite(change), change, 0.0))
        n_waiting += len(change)
        if n_waiting >= most * width:
            values = np.concatenate(waiting)
            n_whole = len(values) // width * width
            yield values[:n_whole].reshape(-1, width)
            waiting = [values[n_whole:]]
            n_waiting = len(waiting[0])
    if n_waiting:
        yield np.concatenate(waiting).reshape(-1, width)
