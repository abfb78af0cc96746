"""How fast is this machine: how many products does it do in a second, and how many bytes does it move?"""

from __future__ import annotations

import time

import numpy as np

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .devices import Device

SIDE = 1024  # of the square float32 matrices that are multiplied
COPIED = 128 << 20  # bytes: far more than a processor's caches hold
_SPENT = 0.35  # seconds for each of the two: both together take less than one


def measured_here(device: Device) -> Device:
    """The device with rates of its own: the best of several float32 products by numpy's BLAS, and of several copies.

    A copy of n bytes moves 2n: it reads them and writes them.
    """
    left = np.full((SIDE, SIDE), 0.5, np.float32)
    out = np.empty_like(left)
    product = _least_seconds(lambda: np.matmul(left, left, out=out))
    source = np.ones(COPIED, np.uint8)
    target = np.zeros_like(source)
    copy = _least_seconds(lambda: np.copyto(target, source))
    return device._replace(bandwidth=round(2 * COPIED / copy), peak_bf16=round(2 * SIDE**3 / product))


def _least_seconds(work: Callable[[], object]) -> float:
    """The quickest of as many runs as the time allows, behind one that warms up."""
    work()
    least, end = float("inf"), time.perf_counter() + _SPENT
    while True:
        begin = time.perf_counter()
        work()
        now = time.perf_counter()
        least = min(least, now - begin)
        if now > end:
            return least
