"""What does one part of a model cost in one setting? The record that all costs are summed in."""

from __future__ import annotations

from ..core.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .setting import Setting


class Work(NamedTuple):
    """What one part of a model costs. Its parameters take `weight_nbytes`, of which a pass reads `read_nbytes`.

    `flops` are those of the whole batch, `written` the numbers that its products write in a forward pass. `kv_nbytes` is
    what the cache keeps for the batch at the end of the context, `reserved_nbytes` what an engine sets aside for it, and
    `kv_moved_nbytes` what the pass reads and writes of it.
    """

    component: str
    part: str
    tower: str
    layer: int | None
    numel: int
    flops: int
    weight_nbytes: int
    read_nbytes: int
    kv_nbytes: int = 0
    reserved_nbytes: int = 0
    kv_moved_nbytes: int = 0
    written: int = 0


def times_of(setting: Setting) -> int:
    """Forward passes that a phase is worth."""
    return 3 if setting.phase == "train" else 1


def merged(works: Iterable[Work]) -> tuple[Work, ...]:
    """Works of the same place summed, in the order of the first."""
    sums: dict[tuple[str, str, str, int | None], Work] = {}
    for work in works:
        known = sums.get(work[:4])
        sums[work[:4]] = work if known is None else Work(*work[:4], *map(sum, zip(known[4:], work[4:], strict=True)))
    return tuple(sums.values())
