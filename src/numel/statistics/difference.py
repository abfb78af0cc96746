"""How far is one tensor from another of the same shape? Sums over their elements, side by side, in constant memory.

Both are read block by block on the grid of the kernels and compared as float64, whatever their dtypes: for F32 and narrower
types each difference is exact but for the last bit. Blocks are summed pairwise and joined by `fsum`, so that the result
depends neither on the number of threads nor on where the pieces are cut.
"""

from __future__ import annotations

import os
from math import asin, fsum, inf, isfinite, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..core.visible import visible_path
from ..errors import CorruptFileError, Sentence
from ..kernels import BLOCK
from .decode import decoded
from .scan import MAX_THREADS, PIECE_NBYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from ..core.bytes import ValueFile
    from ..core.tensors import TensorInfo

    Open = Callable[[str], ValueFile]

OUTLIER_SIGMAS = 6
_FEW_NBYTES = 16 << 20  # not worth a second thread
_MAX_SHOWN = 120
_ROW = 512
_NARROWER = {"F64": ("F32", "F16", "BF16"), "F32": ("F16", "BF16")}  # dtype → those that it may have been rounded to


class Pair(NamedTuple):
    """The same tensor in two checkpoints, of one shape and perhaps of two dtypes."""

    base: TensorInfo
    other: TensorInfo

    @property
    def nbytes(self) -> int:
        """Bytes of both."""
        return (self.base.nbytes or 0) + (self.other.nbytes or 0)


class Difference(NamedTuple):
    """What was counted of a pair, or of several together.

    `n_not_finite` elements are NaN or infinite on one side or on both; `n_new_not_finite` of them were finite in the base,
    and `n_not_finite_changed` are not the same on both sides (a NaN is the same as any other).
    All else is of the `numel − n_not_finite` others: `n_changed` of them differ; `change2`, `base2` and `other2` are the
    squares of ‖y − x‖, ‖x‖ and ‖y‖; `base1` is Σx. `n_beyond_rounding`: how many differ by more than the rounding from
    one dtype to the other. `n_new_outliers`: see `new_outliers`.
    """

    numel: int = 0
    n_not_finite: int = 0
    n_new_not_finite: int = 0
    n_not_finite_changed: int = 0
    n_changed: int = 0
    n_beyond_rounding: int = 0
    change2: float = 0.0
    base2: float = 0.0
    other2: float = 0.0
    base1: float = 0.0
    largest: float = 0.0
    least: float = inf
    greatest: float = -inf
    n_new_outliers: int = 0

    @property
    def is_unchanged(self) -> bool:
        """Whether every element has the same value on both sides."""
        return not self.n_changed and not self.n_not_finite_changed

    @property
    def is_rounding(self) -> bool:
        """Whether all that differs is what the narrower dtype cannot hold."""
        return self.n_changed > 0 and not self.n_beyond_rounding and not self.n_not_finite_changed

    @property
    def change(self) -> float | None:
        """‖y − x‖; None beyond float64."""
        return sqrt(self.change2) if isfinite(self.change2) else None

    @property
    def relative(self) -> float | None:
        """‖y − x‖ / ‖x‖; None where the base is zero and for what left the range of float64."""
        if not self.base2 or not isfinite(self.base2) or not isfinite(self.change2):
            return 0.0 if self.is_unchanged else None
        return sqrt(self.change2 / self.base2)

    @property
    def cosine(self) -> float | None:
        """⟨x, y⟩ / (‖x‖ ‖y‖); None where one of them is zero."""
        away = self._away
        return None if away is None else 1.0 - away

    @property
    def angle(self) -> float | None:
        """The angle between x and y in radians, which tells what a cosine of 1.0000 does not."""
        away = self._away
        return None if away is None else 2 * asin(sqrt(away / 2))

    @property
    def _away(self) -> float | None:
        """1 − cos = (‖y − x‖² − (‖y‖ − ‖x‖)²) / (2 ‖x‖ ‖y‖), 0..2: no digits lost where x and y are close."""
        if not (self.base2 and self.other2 and isfinite(self.base2) and isfinite(self.other2)):
            return None
        base, other = sqrt(self.base2), sqrt(self.other2)
        away = (self.change2 - (other - base) ** 2) / (2 * base * other)
        return min(max(away, 0.0), 2.0) if isfinite(away) else None


def total(differences: Sequence[Difference]) -> Difference:
    """All of them as one; counts add up, and so do the squares."""
    if not differences:
        return Difference()
    return Difference(
        sum(each.numel for each in differences),
        sum(each.n_not_finite for each in differences),
        sum(each.n_new_not_finite for each in differences),
        sum(each.n_not_finite_changed for each in differences),
        sum(each.n_changed for each in differences),
        sum(each.n_beyond_rounding for each in differences),
        change2=_fsum(each.change2 for each in differences),
        base2=_fsum(each.base2 for each in differences),
        other2=_fsum(each.other2 for each in differences),
        base1=_fsum(each.base1 for each in differences),
        largest=max(each.largest for each in differences),
        least=min(each.least for each in differences),
        greatest=max(each.greatest for each in differences),
        n_new_outliers=sum(each.n_new_outliers for each in differences),
    )


def differences(
    pairs: Iterable[Pair],
    opened: tuple[Open, Open],
    *,
    threads: int | None = None,
    piece_nbytes: int = PIECE_NBYTES,
    progress: Callable[[int], None] | None = None,
) -> Iterator[tuple[Pair, Difference]]:
    """Each pair with its difference, in the order given. `opened`: what opens the shards of base and of other.

    Raises CorruptFileError when a file ends too early or changes meanwhile, SourceError when it cannot be read.
    """
    wanted = list(pairs)
    files = Files(opened)
    n_threads = threads or min(len(os.sched_getaffinity(0)), MAX_THREADS)
    if sum(pair.nbytes for pair in wanted) < _FEW_NBYTES:
        n_threads = 1
    tasks = [(pair, start, n) for pair in wanted for start, n in _cut(pair, piece_nbytes)]
    found: list[Difference] = []
    n_done = 0
    for (pair, start, n), piece in zip(tasks, _counted(tasks, files, n_threads), strict=True):
        found += piece
        n_done += pair.nbytes * n // pair.base.numel if n else 0
        if progress is not None:
            progress(n_done)
        if start + n == pair.base.numel:
            whole = total(found)
            found = []
            yield pair, whole._replace(n_new_outliers=new_outliers(pair, whole, files))


def new_outliers(pair: Pair, difference: Difference, files: Files) -> int:
    """How many values lie further than 6 σ from the mean, both of the base's tensor, and did not in the base.

    Read once more only where a value of the other side lies there at all.
    """
    n = difference.numel - difference.n_not_finite
    if difference.is_unchanged or n < 2:
        return 0
    mean = difference.base1 / n
    sigma = sqrt(max(difference.base2 / n - mean * mean, 0.0))
    far = OUTLIER_SIGMAS * sigma
    if not (isfinite(far) and sigma) or max(difference.greatest - mean, mean - difference.least) <= far:
        return 0
    found = 0
    for x, y in files.blocks(pair, 0, pair.base.numel):
        found += int(np.count_nonzero((np.abs(y - mean) > far) & ~(np.abs(x - mean) > far) & np.isfinite(y)))
    return found


def _counted(tasks: list[tuple[Pair, int, int]], files: Files, n_threads: int) -> Iterator[list[Difference]]:
    """What each task holds, in their order; a few are under way at a time."""
    if n_threads == 1:
        for task in tasks:
            yield files.compared(*task)
        return
    from collections import deque
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(n_threads)
    try:
        window = deque(pool.submit(files.compared, *task) for task in tasks[: 2 * n_threads])
        for task in tasks[2 * n_threads :]:
            yield window.popleft().result()
            window.append(pool.submit(files.compared, *task))
        while window:
            yield window.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _cut(pair: Pair, piece_nbytes: int) -> Iterator[tuple[int, int]]:
    """Ranges of elements: whole blocks, so many that neither side reads more than `piece_nbytes`."""
    numel = pair.base.numel
    widest = max(pair.base.nbytes or 0, pair.other.nbytes or 0) / max(numel, 1)
    step = max(int(piece_nbytes / max(widest, 1e-9)) // BLOCK, 1) * BLOCK
    for start in range(0, max(numel, 1), step):
        yield start, min(step, numel - start)


class Files:
    """The files of both sides, each opened once."""

    def __init__(self, opened: tuple[Open, Open]) -> None:
        self._opened = opened
        self._files: dict[tuple[int, str], ValueFile] = {}

    def file(self, side: int, tensor: TensorInfo) -> ValueFile:
        """Where the tensor of that side (0: base, 1: other) lies."""
        key = (side, tensor.shard or "")
        if key not in self._files:
            self._files[key] = self._opened[side](key[1])
        return self._files[key]

    def blocks(self, pair: Pair, start: int, n: int) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """The values of `n` elements from `start` on, block by block: base and other; the same array where bytes are equal."""
        sides = [(tensor, self.file(side, tensor)) for side, tensor in enumerate(pair)]
        for at in range(start, start + n, BLOCK):
            raw = [
                file.read((tensor.offset or 0) + (tensor.dtype.nbytes(at) or 0), tensor.dtype.nbytes(size) or 0)
                for tensor, file in sides
                for size in (min(BLOCK, start + n - at),)
            ]
            x = decoded(pair.base.dtype.name, raw[0])
            same = pair.base.dtype == pair.other.dtype and raw[0] == raw[1]
            yield x, x if same else decoded(pair.other.dtype.name, raw[1])

    def compared(self, pair: Pair, start: int, n: int) -> list[Difference]:
        """The differences of the blocks from `start` on, with both files looked at before and after."""
        if not n:
            return []
        found = [_difference(x, y, pair) for x, y in self.blocks(pair, start, n)]
        for side, tensor in enumerate(pair):
            file = self.file(side, tensor)
            if file.identity() != file.first_identity:
                message = Sentence("changed while it was read")
                path = visible_path(file.name, _MAX_SHOWN)
                raise CorruptFileError(message, path=path, hint=Sentence("run it again"))
        return found


def _difference(x: NDArray[np.float64], y: NDArray[np.float64], pair: Pair) -> Difference:
    """One block: what is not finite is set aside, and the rest compared."""
    with np.errstate(over="ignore", invalid="ignore"):  # squares of float64: who asks for the norm is told None
        numel, n_aside, n_new, n_other = len(x), 0, 0, 0
        base2 = _squares(x)
        other2 = base2 if x is y else _squares(y)
        if not isfinite(base2 + other2):  # a NaN or an infinity, or else numbers beyond 10¹⁵⁰
            finite = np.isfinite(x) & np.isfinite(y)
            n_aside = numel - int(np.count_nonzero(finite))
            n_new = int(np.count_nonzero(~finite & np.isfinite(x)))
            n_other = 0 if x is y else _n_unlike(x[~finite], y[~finite])
            x, y = (x[finite],) * 2 if x is y else (x[finite], y[finite])
            base2, other2 = _squares(x), _squares(y)
        if not len(x):
            return Difference(numel, n_aside, n_new, n_other)
        found = Difference(
            numel, n_aside, n_new, n_other, base2=base2, other2=other2, base1=float(np.add.reduce(x)),
            least=float(y.min()), greatest=float(y.max()),
        )  # fmt: skip
        if x is y:
            return found
        change = y - x
        n_changed = int(np.count_nonzero(change != 0))
        return found._replace(
            n_changed=n_changed,
            n_beyond_rounding=_n_beyond_rounding(x, y, pair) if n_changed else 0,
            change2=_squares(change),
            largest=max(float(change.max()), -float(change.min())),
        )


def _n_unlike(x: NDArray[np.float64], y: NDArray[np.float64]) -> int:
    return int(np.count_nonzero((x != y) & ~(np.isnan(x) & np.isnan(y))))


def _squares(values: NDArray[np.float64]) -> float:
    """Σx² in rows of 512, and the rows pairwise: as good as pairwise throughout, three times as fast, the same everywhere."""
    n = len(values) // _ROW * _ROW
    rows = values[:n].reshape(-1, _ROW)
    return float(np.add.reduce(np.einsum("ij,ij->i", rows, rows)) + np.add.reduce(np.square(values[n:])))


def _n_beyond_rounding(x: NDArray[np.float64], y: NDArray[np.float64], pair: Pair) -> int:
    """How many elements are not what the wider side becomes in the dtype of the narrower."""
    base, other = pair.base.dtype.name, pair.other.dtype.name
    if base == other:
        return int(np.count_nonzero(x != y))
    if other in _NARROWER.get(base, ()):
        return int(np.count_nonzero(rounded(x, other) != y))
    if base in _NARROWER.get(other, ()):
        return int(np.count_nonzero(rounded(y, base) != x))
    return int(np.count_nonzero(x != y))


def rounded(values: NDArray[np.float64], dtype: str) -> NDArray[np.float64]:
    """The values as F32, F16 or BF16 hold them: to the nearest, ties to even."""
    with np.errstate(over="ignore"):
        if dtype == "F16":
            return values.astype(np.float16).astype(np.float64)
        single = values.astype(np.float32)
    if dtype == "F32":
        return single.astype(np.float64)
    bits = single.view(np.uint32)
    bits = (bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))) & np.uint32(0xFFFF0000)
    found: NDArray[np.float64] = bits.view(np.float32).astype(np.float64)
    return found


def _fsum(values: Iterable[float]) -> float:
    try:
        return fsum(values)
    except (OverflowError, ValueError):  # beyond float64, or +∞ and −∞ of two blocks
        return inf
