"""Who counts: threads of this process, processes of this machine, or the machines of a cluster?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.visible import visible
from ..errors import Sentence, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .jobs import Opener
    from .scan import Pool

ENGINES = ("threads", "processes", "dask")


def pool_of(engine: str | None, *, workers: int | None, scheduler: str | None) -> Callable[[Opener], Pool] | None:
    """What makes the pool that these options mean; None for threads. Raises UsageError for options that do not agree."""
    if engine is None:
        engine = "dask" if scheduler else "processes" if workers else "threads"
    if engine not in ENGINES:
        message = Sentence("no engine called '{name}'", name=visible(engine, 40))
        raise UsageError(message, hint=Sentence("there is {names}", names=", ".join(ENGINES)))
    if scheduler is not None and engine != "dask":
        message = Sentence("--scheduler goes with --engine dask")
        raise UsageError(message, hint=Sentence("leave one of them out"))
    if scheduler is not None and workers is not None:
        message = Sentence("--workers starts workers here, and --scheduler has its own")
        raise UsageError(message, hint=Sentence("leave one of them out"))
    if engine == "threads":
        if workers is not None:
            message = Sentence("--workers are processes, and the engine is threads")
            raise UsageError(message, hint=Sentence("--threads N reads in N threads"))
        return None
    if engine == "processes":
        from .workers import Processes

        return lambda open_shard: Processes(workers or 2, open_shard)
    from .cluster import Cluster

    return lambda open_shard: Cluster(open_shard, address=scheduler, n=workers or 2)
