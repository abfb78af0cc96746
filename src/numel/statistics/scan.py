"""How are the values of a checkpoint read once, at the speed of memory and in constant memory?

The tensors are cut into pieces on a fixed grid; threads, processes or machines count the pieces, and what they count adds up
to the same bits in any order. Of a file nothing is mapped: a file that shrinks is an error with a name, not a SIGBUS.
"""

from __future__ import annotations

import os
from collections import deque
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..core.visible import visible
from ..errors import MissingValuesError, Sentence
from .jobs import Job, count_job, refuse_cut
from .tally import SMALL, Piece, Tally, is_counted, nbytes_of, pivot_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Future

    from ..core.bytes import ValueFile
    from ..core.tensors import TensorInfo
    from .histogram import Histogram
    from .jobs import Opener
    from .tally import Counted

PIECE_NBYTES = 64 << 20
FAR_PIECE_NBYTES = 8 << 20  # of what is no file here: one buffer of a range
MAX_THREADS = 16
_FAR_THREADS = 8  # they wait more than they count
_FEW_NBYTES = 16 << 20  # not worth a second thread
_JOB_NBYTES = 1 << 20  # small tensors that one job does together, where a job has a price
_JOB_PIECES = 64
_MAX_SHOWN = 120


class Result(Protocol):
    """What a job will come to."""

    def result(self) -> list[Counted]:
        """What each piece holds; waits for it."""


class Pool(Protocol):
    """Whoever counts: `n_ahead` jobs may wait, so that memory stays bounded."""

    n_ahead: int

    def submit(self, job: Job, file: ValueFile) -> Result:
        """Let it be counted."""

    def close(self) -> None:
        """Stop; what is under way is lost."""


class Journal(Protocol):
    """What remembers finished jobs, so that a scan goes on where it was stopped."""

    def known(self, job: Job) -> list[Counted] | None:
        """What the job came to, if it was done before."""

    def write(self, job: Job, found: list[Counted]) -> None:
        """It is done."""


class Reading(NamedTuple):
    """How to read: `threads` None is one per processor; `progress` hears how many bytes are done.

    `pool` makes what counts in the place of threads, told what opens the files; `journal` remembers.
    """

    threads: int | None = None
    piece_nbytes: int = PIECE_NBYTES
    progress: Callable[[int], None] | None = None
    pool: Callable[[Opener], Pool] | None = None
    journal: Journal | None = None


class _Task(NamedTuple):
    tally: Tally
    file: ValueFile
    piece: Piece
    is_last: bool


def scan(
    tensors: Iterable[TensorInfo], open_shard: Opener, reading: Reading | None = None
) -> Iterator[tuple[TensorInfo, Histogram]]:
    """Each tensor with the histogram of its values, in the order given; tensors of one file should come together.

    `open_shard` opens a file by the name that TensorInfo.shard gives. Raises MissingValuesError for a tensor that lies
    nowhere, CorruptFileError when a file ends too early or changes meanwhile, SourceError when it cannot be read.
    """
    reading = reading or Reading()
    wanted = list(tensors)
    together = reading.journal is not None or reading.pool is not None
    batches = _batches(_tasks(wanted, open_shard, reading.piece_nbytes), _JOB_NBYTES if together else 0)
    n_done = 0
    for batch, found in _in_order(batches, reading, lambda file: _pool(reading, wanted, open_shard, file)):
        for task, counted in zip(batch, found, strict=True):
            task.tally.add(counted)
            n_done += task.piece.nbytes
            if reading.progress is not None:
                reading.progress(n_done)
            if task.is_last:
                yield task.tally.tensor, task.tally.histogram()


def n_processors() -> int:
    """How many threads there are without being told."""
    return min(len(os.sched_getaffinity(0)), MAX_THREADS)


def unread(tensors: Iterable[TensorInfo]) -> list[TensorInfo]:
    """Those whose dtype is not counted (packed formats)."""
    return [tensor for tensor in tensors if not is_counted(tensor.dtype)]


def _tasks(tensors: Iterable[TensorInfo], open_shard: Opener, piece_nbytes: int) -> Iterator[_Task]:
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
            refuse_cut(file, tensor.offset)
        tally = Tally(tensor, pivot_of(tensor, file))
        most = piece_nbytes if file.fileno() is not None else min(piece_nbytes, FAR_PIECE_NBYTES)
        pieces = list(_cut(tally, most))
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


def _batches(tasks: Iterable[_Task], most_nbytes: int) -> Iterator[list[_Task]]:
    """Tasks of one file that lie together and are small, as one job."""
    waiting: list[_Task] = []
    n = 0
    for task in tasks:
        n += task.piece.nbytes
        if waiting and (n > most_nbytes or len(waiting) == _JOB_PIECES or task.file is not waiting[0].file):
            yield waiting
            waiting, n = [], task.piece.nbytes
        waiting.append(task)
    if waiting:
        yield waiting


def _in_order(
    batches: Iterable[list[_Task]], reading: Reading, make: Callable[[ValueFile], Pool]
) -> Iterator[tuple[list[_Task], list[Counted]]]:
    """Each batch with its counts, in the same order; a window of them is under way. What was known is not done again."""
    pool: Pool | None = None
    window: deque[tuple[list[_Task], Job, Result, bool]] = deque()
    try:
        for batch in batches:
            file = batch[0].file
            job = Job(batch[0].tally.tensor.shard or "", file.first_identity, tuple(task.piece for task in batch))
            known = None if reading.journal is None else reading.journal.known(job)
            if known is None and pool is None:
                pool = make(file)
            result = _Done(known) if known is not None or pool is None else pool.submit(job, file)
            window.append((batch, job, result, known is None))
            while len(window) > (pool.n_ahead if pool else 0):
                yield _first(window, reading.journal)
        while window:
            yield _first(window, reading.journal)
    finally:
        if pool is not None:
            pool.close()


def _first(
    window: deque[tuple[list[_Task], Job, Result, bool]], journal: Journal | None
) -> tuple[list[_Task], list[Counted]]:
    """The next batch that is done, written down."""
    batch, job, result, is_new = window.popleft()
    found = result.result()
    if is_new and journal is not None:
        journal.write(job, found)
    return batch, found


def _pool(reading: Reading, wanted: list[TensorInfo], open_shard: Opener, first: ValueFile) -> Pool:
    if reading.pool is not None:
        return reading.pool(open_shard)
    if first.fileno() is None:
        return _Threads(reading.threads or _FAR_THREADS, waits=False)
    n_threads = reading.threads or n_processors()
    is_much = sum(nbytes_of(tensor) for tensor in wanted) >= _FEW_NBYTES
    return _Threads(n_threads) if is_much and n_threads > 1 else _InTurn()


class _Done:
    def __init__(self, found: list[Counted] | None) -> None:
        self._found = found or []

    def result(self) -> list[Counted]:
        return self._found


class _InTurn:
    n_ahead = 0

    def submit(self, job: Job, file: ValueFile) -> Result:
        return _Done(count_job(job, file))

    def close(self) -> None:
        """Nothing is under way."""


class _Threads:
    """`waits`: whether the end waits for what is under way; an answer from afar may take a minute."""

    def __init__(self, n_threads: int, *, waits: bool = True) -> None:
        from concurrent.futures import ThreadPoolExecutor  # 10 ms with what it loads

        self._pool = ThreadPoolExecutor(n_threads)
        self._waits = waits
        self.n_ahead = 2 * n_threads

    def submit(self, job: Job, file: ValueFile) -> Future[list[Counted]]:
        return self._pool.submit(count_job, job, file)

    def close(self) -> None:
        self._pool.shutdown(wait=self._waits, cancel_futures=True)
