"""How are the values of a checkpoint read once, at the speed of memory and in constant memory?

The tensors are cut into pieces on a fixed grid; threads count the pieces, and what they count adds up to the same bits in
any order. Of a file nothing is mapped: a file that shrinks is an error with a name, not a SIGBUS.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from ..core.visible import visible, visible_path
from ..errors import CorruptFileError, MissingValuesError, Sentence, SourceError, reason
from ..kernels import WORK_NBYTES, kernels
from .tally import SMALL, Piece, Tally, count_piece, is_counted, nbytes_of, pivot_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from ..core.bytes import ValueFile
    from ..core.tensors import TensorInfo
    from .histogram import Histogram
    from .tally import Counted

PIECE_NBYTES = 64 << 20
MAX_THREADS = 16
_FEW_NBYTES = 16 << 20  # not worth a second thread
_MAX_SHOWN = 120


class Reading(NamedTuple):
    """How to read: `threads` None is one per processor; `progress` hears how many bytes are done."""

    threads: int | None = None
    piece_nbytes: int = PIECE_NBYTES
    progress: Callable[[int], None] | None = None


class _Task(NamedTuple):
    tally: Tally
    file: ValueFile
    piece: Piece
    is_last: bool


def scan(
    tensors: Iterable[TensorInfo], open_shard: Callable[[str], ValueFile], reading: Reading | None = None
) -> Iterator[tuple[TensorInfo, Histogram]]:
    """Each tensor with the histogram of its values, in the order given; tensors of one file should come together.

    `open_shard` opens a file by the name that TensorInfo.shard gives. Raises MissingValuesError for a tensor that lies
    nowhere, CorruptFileError when a file ends too early or changes meanwhile, SourceError when it cannot be read.
    """
    reading = reading or Reading()
    wanted = list(tensors)
    n_threads = reading.threads or min(len(os.sched_getaffinity(0)), MAX_THREADS)
    if sum(nbytes_of(tensor) for tensor in wanted) < _FEW_NBYTES:
        n_threads = 1
    tasks = _tasks(wanted, open_shard, reading.piece_nbytes)
    done = _in_turn(tasks) if n_threads == 1 else _in_threads(tasks, n_threads)
    n_done = 0
    for task, counted in done:
        task.tally.add(counted)
        n_done += task.piece.nbytes
        if reading.progress is not None:
            reading.progress(n_done)
        if task.is_last:
            yield task.tally.tensor, task.tally.histogram()


def unread(tensors: Iterable[TensorInfo]) -> list[TensorInfo]:
    """Those whose dtype is not counted (packed formats)."""
    return [tensor for tensor in tensors if not is_counted(tensor.dtype)]


def _tasks(tensors: Iterable[TensorInfo], open_shard: Callable[[str], ValueFile], piece_nbytes: int) -> Iterator[_Task]:
    """The pieces of all tensors, each file opened once while its tensors come together."""
    shard: str | None = None
    file: ValueFile | None = None
    for tensor in tensors:
        if tensor.shard is None or tensor.offset is None:
            name = visible(tensor.name, _MAX_SHOWN)
            message = Sentence("the values of {name} are not known, only its shape", name=name)
            raise MissingValuesError(message, hint=Sentence("give the safetensors file or the folder that holds them"))
        if file is None or tensor.shard != shard:
            shard, file = tensor.shard, open_shard(tensor.shard)
        if tensor.offset + nbytes_of(tensor) > file.size:
            _refuse_cut(file, tensor.offset)
        tally = Tally(tensor, pivot_of(tensor, file))
        pieces = list(_cut(tally, piece_nbytes))
        for number, piece in enumerate(pieces):
            yield _Task(tally, file, piece, number == len(pieces) - 1)


def _cut(tally: Tally, piece_nbytes: int) -> Iterator[Piece]:
    """The pieces of a tensor: whole blocks of the kernels' grid, wherever it is cut."""
    tensor = tally.tensor
    nbytes = nbytes_of(tensor)
    start, end = tensor.offset or 0, (tensor.offset or 0) + nbytes
    step = max(piece_nbytes // tally.grid_nbytes, 1) * tally.grid_nbytes
    if nbytes <= max(step, SMALL):
        yield Piece(tensor.dtype.name, start, nbytes, tensor.numel, tally.pivot)
        return
    for offset in range(start, end, step):
        yield Piece(tensor.dtype.name, offset, min(step, end - offset), None, tally.pivot)


def _in_turn(tasks: Iterable[_Task]) -> Iterator[tuple[_Task, Counted]]:
    work = bytearray(WORK_NBYTES)
    for task in tasks:
        yield task, _count(task, work)


def _in_threads(tasks: Iterable[_Task], n_threads: int) -> Iterator[tuple[_Task, Counted]]:
    """The same in threads, in the same order; a window of pieces is under way, so that memory stays bounded."""
    from concurrent.futures import ThreadPoolExecutor  # 10 ms with what it loads
    from queue import SimpleQueue

    works: SimpleQueue[bytearray] = SimpleQueue()
    for _ in range(n_threads):
        works.put(bytearray(WORK_NBYTES))

    def run(task: _Task) -> Counted:
        work = works.get()
        try:
            return _count(task, work)
        finally:
            works.put(work)

    pool = ThreadPoolExecutor(n_threads)
    window: deque[tuple[_Task, Future[Counted]]] = deque()
    try:
        for task in tasks:
            window.append((task, pool.submit(run, task)))
            if len(window) > 2 * n_threads:
                first, future = window.popleft()
                yield first, future.result()
        while window:
            first, future = window.popleft()
            yield first, future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _count(task: _Task, work: bytearray) -> Counted:
    """What the piece holds, with the file looked at before and after."""
    before = task.file.identity()
    try:
        counted, n_read = count_piece(kernels(), task.file, task.piece, work)
    except OSError as error:
        message = Sentence("cannot be read: {why}", why=reason(error))
        raise SourceError(message, path=visible_path(task.file.name, _MAX_SHOWN)) from error
    if n_read < task.piece.nbytes:
        _refuse_cut(task.file, task.piece.offset + n_read)
    if task.file.identity() != before or before != task.file.first_identity:
        message = Sentence("changed while it was read")
        raise CorruptFileError(message, path=visible_path(task.file.name, _MAX_SHOWN), hint=Sentence("run it again"))
    return counted


def _refuse_cut(file: ValueFile, offset: int) -> None:
    message = Sentence("was cut short: the values go on where the file ends")
    hint = Sentence("download it again")
    raise CorruptFileError(message, path=visible_path(file.name, _MAX_SHOWN), hint=hint, offset=offset)
