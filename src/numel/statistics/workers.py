"""How do processes of this machine count? Each is a Python of its own that is handed jobs, and is replaced when it dies.

They are numel's own, not multiprocessing's: those import the program that started them once more, and share its interrupt.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from queue import SimpleQueue
from select import select
from threading import Lock
from typing import IO, TYPE_CHECKING, Any

from ..core.visible import visible_path
from ..errors import EngineError, NumelError, Sentence
from .wire import count_elsewhere, decode

if TYPE_CHECKING:
    from ..core.bytes import ValueFile
    from .jobs import Job, Opener
    from .tally import Counted

ATTEMPTS = 4  # what kills its worker each time is not tried for ever
STALLED_S = 300.0  # a job is a range of 64 MiB at most
_MAX_SHOWN = 120
_START = "from numel.statistics.workers import serve; serve()"


class Processes:
    """A pool of `n` processes of this machine."""

    def __init__(self, n: int, open_shard: Opener, *, stalled_s: float = STALLED_S) -> None:
        self.n_ahead = 2 * n
        self._stalled_s = stalled_s
        self._is_closed = False
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        self.workers = [_Worker(open_shard) for _ in range(n)]
        for worker in self.workers:
            self._idle.put(worker)
        self._threads = ThreadPoolExecutor(n)

    def submit(self, job: Job, file: ValueFile) -> Future[list[Counted]]:
        """Let the next idle one count it."""
        return self._threads.submit(self._ask, job, file.name)

    def close(self) -> None:
        """End them; what is under way is lost."""
        self._is_closed = True
        for worker in self.workers:
            worker.end(for_good=True)
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _ask(self, job: Job, name: str) -> list[Counted]:
        worker = self._idle.get()
        try:
            for _ in range(ATTEMPTS):
                if self._is_closed:
                    break
                with suppress(OSError, EOFError, TimeoutError):
                    return worker.ask(job, self._stalled_s)
                worker.end()
            raise deadly(job, name)
        finally:
            self._idle.put(worker)


class _Worker:
    """One process, started when it is first needed."""

    def __init__(self, open_shard: Opener) -> None:
        self._open_shard = open_shard
        self._is_over = False
        self._lock = Lock()
        self.process: subprocess.Popen[bytes] | None = None

    def ask(self, job: Job, stalled_s: float) -> list[Counted]:
        """What the job comes to. Raises the worker's own NumelError; OSError or EOFError when it died."""
        with self._lock:
            if self._is_over:
                raise EOFError
            process = self.process or self._start()
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018 - for the type checker
        _send(process.stdin, job)
        if not select([process.stdout], [], [], stalled_s)[0]:
            raise TimeoutError
        is_error, content = _receive(process.stdout)
        if is_error:
            raise content
        return decode(content)

    def end(self, *, for_good: bool = False) -> None:
        """Kill it: it holds nothing that is not elsewhere too."""
        with self._lock:
            self._is_over |= for_good
            process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()

    def _start(self) -> subprocess.Popen[bytes]:
        """A Python with the same packages, in a session of its own: a Ctrl-C in the terminal is none of its business."""
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self.process = subprocess.Popen(  # noqa: S603 - this very Python
            [sys.executable, "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths},
            start_new_session=True,
        )
        assert self.process.stdin is not None
        _send(self.process.stdin, self._open_shard)
        return self.process


def deadly(job: Job, name: str) -> EngineError:
    """The error for a job that no worker survives."""
    first, last = job.pieces[0], job.pieces[-1]
    message = Sentence(
        "bytes {start} to {end} were given to {n} workers, and each died or fell silent",
        start=str(first.offset),
        end=str(last.offset + last.nbytes),
        n=ATTEMPTS,
    )
    hint = Sentence("look at their memory and their disks, and run the same command again")
    return EngineError(message, path=visible_path(name, _MAX_SHOWN), hint=hint)


def serve() -> None:
    """Answer jobs from standard input until it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that somebody prints gets between the answers
    with suppress(EOFError):
        open_shard = _receive(sys.stdin.buffer)
        while True:
            job = _receive(sys.stdin.buffer)
            try:
                answer: tuple[bool, Any] = (False, count_elsewhere(open_shard, job))
            except NumelError as error:
                answer = (True, error)
            _send(out, answer)


def _send(pipe: IO[bytes], what: object) -> None:
    content = pickle.dumps(what)
    pipe.write(len(content).to_bytes(8, "little") + content)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> Any:
    """What the other end sent: our own process, so that a pickle is safe. Raises EOFError when it is no more."""
    head = pipe.read(8)
    content = pipe.read(int.from_bytes(head, "little")) if len(head) == 8 else b""
    if len(head) < 8 or len(content) < int.from_bytes(head, "little"):
        raise EOFError
    return pickle.loads(content)  # noqa: S301
