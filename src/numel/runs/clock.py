"""How long does each component take in real forward passes? One clock, read at every border between components.

The time between two readings belongs to the module in which the pass is then, so that nothing is counted twice and nothing
is lost. On a GPU the readings are CUDA events in the stream: the time between two of them is that of the kernels between,
and of the gaps in which the GPU waits for the next.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from itertools import pairwise
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ..core.parameters import Component
    from .forward import Pass


class Passes(NamedTuple):
    """Seconds of each measured pass: by component, and of passes in between that nobody looked into."""

    components: Mapping[str, tuple[float, ...]]
    whole: tuple[float, ...]


class Repeats(NamedTuple):
    """So many measured passes after some that nobody counts, and what hears how far it is."""

    n_passes: int
    n_warm_up: int
    progress: Callable[[int, int], None]


class _Clock:
    """Readings of the time, which become seconds when the pass is over."""

    def __init__(self, device: Any) -> None:
        self._device = device
        self._on_gpu = device.type == "cuda"

    def read(self) -> Any:
        if not self._on_gpu:
            return perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event

    def seconds(self, readings: list[Any]) -> list[float]:
        """The times between each reading and the next."""
        if not self._on_gpu:
            return [b - a for a, b in pairwise(readings)]
        torch.cuda.synchronize(self._device)
        return [a.elapsed_time(b) / 1000 for a, b in pairwise(readings)]


class _Stopwatch:
    """Reads the clock wherever the pass goes from one component to another."""

    def __init__(self, clock: _Clock, regions: Mapping[Any, Component]) -> None:
        self._clock, self._regions = clock, regions
        self._stack: list[str] = ["other"]
        self._readings: list[Any] = []
        self._named: list[str] = []

    def _mark(self) -> None:
        """From here on the time is that of the innermost component."""
        self._readings.append(self._clock.read())
        self._named.append(self._stack[-1])

    def enter(self, module: Any, *_: object) -> None:
        self._stack.append(self._regions[module].value)
        self._mark()

    def leave(self, *_: object) -> None:
        self._stack.pop()
        self._mark()

    def timed(self, one: Pass) -> dict[str, float]:
        """Seconds by component of one pass."""
        self._readings, self._named = [], []
        held = one.prepare()
        hooks = []
        for module in self._regions:
            hooks.append(module.register_forward_pre_hook(self.enter))
            hooks.append(module.register_forward_hook(self.leave))
        try:
            self._mark()
            one.run(held)
            self._mark()
        finally:
            for hook in hooks:
                hook.remove()
        sums: dict[str, float] = {}
        for name, seconds in zip(self._named, self._clock.seconds(self._readings), strict=False):
            sums[name] = sums.get(name, 0.0) + seconds
        return sums


def measure(one: Pass, regions: Mapping[Any, Component], device: Any, repeats: Repeats) -> Passes:
    """Each measured pass stands beside one without any reading of the clock in it."""
    n_passes, n_warm_up, progress = repeats
    clock = _Clock(device)
    n_steps = n_warm_up + 2 * n_passes
    with torch.inference_mode():
        for k in range(n_warm_up):
            one.once()
            progress(k + 1, n_steps)
        found, whole = [], []
        for k in range(n_passes):
            held = one.prepare()
            readings = [clock.read()]
            one.run(held)
            readings.append(clock.read())
            whole += clock.seconds(readings)
            found.append(_Stopwatch(clock, regions).timed(one))
            progress(n_warm_up + 2 * k + 2, n_steps)
    names = list(dict.fromkeys(name for each in found for name in each))
    return Passes({name: tuple(each.get(name, 0.0) for each in found) for name in names}, tuple(whole))


@contextmanager
def eager(module: Any) -> Iterator[None]:
    """The module with attention and experts as separate products, as far as it has the choice."""
    config = getattr(module, "config", None)
    changed = []
    for kind in ("attn", "experts"):
        before = getattr(config, f"_{kind}_implementation", None)
        with suppress(Exception):  # a module that has no choice, whatever it raises
            getattr(module, f"set_{kind}_implementation")("eager")
            changed.append((kind, before))
    try:
        yield
    finally:
        for kind, before in changed:
            with suppress(Exception):
                getattr(module, f"set_{kind}_implementation")(before)


def counted_flops(one: Pass) -> int:
    """What torch's FlopCounterMode counts of one pass."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode():
        held = one.prepare()
        with FlopCounterMode(display=False) as counter:
            one.run(held)
    return int(counter.get_total_flops())
