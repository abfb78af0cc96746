"""How do many machines count? Through Dask: jobs are small, pure and may be done twice; nothing depends on a cluster's memory.

What Dask does when a worker, the scheduler or a disk fails was tried case by case (distributed 2026.8.0); hence a window of
jobs, a limit of silence, and that a lost result is asked for again.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
from concurrent.futures import Future
from contextlib import suppress
from multiprocessing import resource_tracker
from threading import Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..core.visible import visible
from ..errors import EngineError, MissingDependencyError, NumelError, Sentence, UnreachableError
from .wire import count_elsewhere, decode
from .workers import ATTEMPTS, STALLED_S, deadly

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.bytes import ValueFile
    from .jobs import Job, Opener
    from .tally import Counted

try:
    import dask

    _QUIET = {
        "distributed": "critical",
        "distributed.client": "critical",
        "distributed.nanny": "critical",
        "asyncio": "critical",
    }
    dask.config.set({"logging": _QUIET})  # read when it is imported, and by its workers when they start
    import distributed
except ImportError as error:
    package = "dask.distributed"
    raise MissingDependencyError(package, extra="dask", what="--engine dask") from error

_CONNECT_S = 10.0
_START_S = 60.0
_LOOK_S = 1.0  # how often somebody looks whether anything moved
_SETTINGS = {
    "distributed.scheduler.allowed-failures": ATTEMPTS - 1,
    "distributed.scheduler.worker-ttl": "60 s",
    "distributed.scheduler.no-workers-timeout": "60 s",
    "distributed.comm.timeouts.connect": f"{_CONNECT_S} s",
    "distributed.worker.preload": ["numel.statistics.deaf"],
    "distributed.worker.daemon": True,  # they end with this process, however it ends
}


class Cluster:
    """A pool of Dask's workers: those of the scheduler at `address`, or `n` of this machine."""

    def __init__(
        self, open_shard: Opener, *, address: str | None = None, n: int = 2, stalled_s: float = STALLED_S
    ) -> None:
        """Raises UnreachableError where no scheduler with a worker answers, EngineError where none can be started here."""
        self._open_shard = open_shard
        self._stalled_s = stalled_s
        self._open: list[Any] = []
        self._client: Any
        self._settings = dask.config.set(_SETTINGS)
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        try:
            _awaited(lambda: self._connect(address, n), _START_S)
        except (OSError, ValueError, TimeoutError, RuntimeError) as error:
            self.close()
            shown = visible(address or "dask", 100)
            message = Sentence("no Dask scheduler with workers answers at {address}", address=shown)
            kind = EngineError if address is None else UnreachableError
            raise kind(message, hint=Sentence("start one with `dask scheduler` and `dask worker`")) from error
        except BaseException:
            for child in multiprocessing.active_children():  # half started: they would speak of a parent that is gone
                child.kill()
            self.close()
            raise
        n_threads = sum(worker["nthreads"] for worker in self._client.scheduler_info(n_workers=-1)["workers"].values())
        self.n_ahead = 4 * max(n_threads, 1)
        self.last_news = monotonic()

    def _connect(self, address: str | None, n: int) -> None:
        where: Any = address
        if address is None:
            _begin_deaf()
            here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0", "threads_per_worker": 1}
            where = distributed.LocalCluster(n_workers=n, **here)
            self._open.append(where)
        self._client = distributed.Client(where, timeout=_CONNECT_S, set_as_default=False)
        self._open.append(self._client)
        self._client.wait_for_workers(1, timeout=_CONNECT_S)

    def submit(self, job: Job, file: ValueFile) -> _Counting:
        """Let some worker count it."""
        return _Counting(self, job, file.name)

    def begin(self, job: Job) -> Any:
        """A future of Dask's."""
        return self._client.submit(count_elsewhere, self._open_shard, job, pure=False, retries=0)

    def wait(self, future: Any) -> bytes:
        """What it came to. Raises EngineError when nothing at all has moved for too long."""
        while True:
            try:
                found: bytes = future.result(timeout=_LOOK_S)
            except (TimeoutError, distributed.TimeoutError):
                if monotonic() - self.last_news > self._stalled_s:
                    self._refuse_silence()
            else:
                self.last_news = monotonic()
                return found

    def close(self) -> None:
        """Leave the scheduler; end the workers of this machine."""
        for each in reversed(self._open):
            with suppress(Exception):
                each.close(timeout=2)
        self._settings.__exit__(None, None, None)

    def _refuse_silence(self) -> None:
        message = Sentence("Dask has finished nothing for {n} seconds", n=int(self._stalled_s))
        raise EngineError(message, hint=Sentence("look at its workers, and run the same command again"))


class _Counting:
    """A job that was given to Dask, and is given again when its result is lost."""

    def __init__(self, pool: Cluster, job: Job, name: str) -> None:
        self._pool, self._job, self._name = pool, job, name
        self._future = pool.begin(job)

    def result(self) -> list[Counted]:
        """What each piece holds."""
        for _ in range(ATTEMPTS):
            try:
                return decode(self._pool.wait(self._future))
            except distributed.KilledWorker:
                break
            except NumelError:
                raise
            except Exception as error:
                if not _is_loss(error):
                    raise
                self._future = self._pool.begin(self._job)
        raise deadly(self._job, self._name)


def _is_loss(error: Exception) -> bool:
    """Whether Dask lost the result or its workers, and the job did not fail."""
    return isinstance(error, OSError) or "Cancelled" in type(error).__name__ or "lost" in str(error)


def _begin_deaf() -> None:
    """What this thread starts from here on hears no Ctrl-C, not even before it loads deaf.py: the mask is inherited."""
    if not hasattr(signal, "pthread_sigmask"):
        return
    quiet = "ignore:resource_tracker:UserWarning"  # it clears up after an interrupt, and need not say so
    sys.warnoptions.append(quiet)
    try:
        resource_tracker.ensure_running()  # before the mask, which it would lift
    finally:
        sys.warnoptions.remove(quiet)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _awaited(begin: Callable[[], None], seconds: float) -> None:
    """Done in a thread, so that a Ctrl-C and the time limit need not wait for Dask. Raises what it raises, and TimeoutError."""
    future: Future[None] = Future()

    def run() -> None:
        try:
            begin()
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            future.set_exception(error)
        else:
            future.set_result(None)

    Thread(target=run, daemon=True).start()
    future.result(timeout=seconds)
