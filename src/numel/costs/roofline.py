"""What holds each part back on a device: its arithmetic, or the bytes that it moves?

The roofline model (Williams, Waterman and Patterson 2009): the time of a part is the longer of its FLOPs at the peak
rate and its bytes at the full bandwidth. Bytes are weights and cache; activations are taken to stay on the chip.
"""

from __future__ import annotations

from ..core.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .devices import Device
    from .work import Work


class Roof(NamedTuple):
    """`intensity` is FLOPs for each byte, None where nothing moves. `bound`: "compute", "bandwidth", or "" for no work."""

    intensity: float | None
    bound: str
    seconds: float | None


def roof(flops: int, nbytes: int, device: Device, dtype: str) -> Roof:
    """The bound of `flops` and `nbytes` on the device; the time is None where its maker states no peak."""
    intensity = flops / nbytes if nbytes else None
    peak = device.peak(dtype)
    moving = nbytes / device.all_bandwidth
    if not flops and not nbytes:
        return Roof(None, "", 0.0)
    if peak is None:
        return Roof(intensity, "", None)
    computing = flops / peak
    return Roof(intensity, "compute" if computing > moving else "bandwidth", max(computing, moving))


def moved(works: Sequence[Work]) -> int:
    """Bytes of weights and cache that the works read and write."""
    return sum(work.read_nbytes + work.kv_moved_nbytes for work in works)
