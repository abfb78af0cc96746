"""How long do real forward passes take, component by component? Medians and quartiles, beside the estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.parameters import Component
from ..costs.fields import TextFields
from ..errors import Sentence, UsageError
from ..runs.clock import Repeats, counted_flops, eager, measure
from ..runs.forward import attention_of, decode, describe_device, one_line_of_errors, prefill, threads, torch_version
from ..runs.regions import regions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..costs.estimate import Estimate

N_WARM_UP = 3
_MOST_THREADS = 1024


class Time(NamedTuple):
    """Seconds of several passes: their median, and between which half of them lie."""

    median: float
    lower: float
    upper: float


class Part(NamedTuple):
    """One component, estimated and measured. `moved`: bytes of weights and cache that a pass reads and writes at the least.

    `share` is that of the sum of all medians.
    """

    component: str
    numel: int
    flops: int
    moved: int
    time: Time
    share: float


class Measured(NamedTuple):
    """What was measured, on what, and how torch counts the arithmetic of one pass."""

    parts: tuple[Part, ...]
    whole: Time
    inspected: Time
    n_passes: int
    n_warm_up: int
    device: str
    processor: str
    n_threads: int
    dtype: str
    attention: str
    is_random: bool
    counted: int
    counted_eager: int | None
    versions: dict[str, str]


class Plan(NamedTuple):
    """On which device, how often and in how many threads (None: torch's choice); `progress` hears how far it is."""

    device: str
    n_passes: int
    n_threads: int | None
    progress: Callable[[int, int], None]


def measured(found: Estimate, opener: Any, plan: Plan, *, needed: int) -> Measured:
    """Real passes of the model at the estimate's context and batch.

    `needed`: bytes that it takes at the least. Raises UsageError where these are not free, or the phase is another.
    """
    _check(found, plan)
    device, free = opener.device(plan.device)
    needed += _logits_nbytes(found)
    refuse_too_large(found.table.name, needed, free, device)
    running = opener.run(device, found.stored.name)
    module = running.module
    make = decode if found.setting.phase == "decode" else prefill
    with one_line_of_errors(), threads(plan.n_threads) as n_threads:
        one = make(module, context=found.setting.context, batch=found.setting.batch, device=device)
        passes = measure(one, regions(running), device, Repeats(plan.n_passes, N_WARM_UP, plan.progress))
        counted = counted_flops(one)
        counted_eager = None
        if free is None or 3 * _scores_nbytes(found) < free - needed:
            with eager(module):
                counted_eager = counted_flops(one)
    return Measured(
        _parts(found, passes.components),
        time_of(passes.whole),
        time_of([sum(each) for each in zip(*passes.components.values(), strict=True)]),
        plan.n_passes,
        N_WARM_UP,
        str(device),
        describe_device(device),
        n_threads,
        str(next(module.parameters()).dtype).removeprefix("torch."),
        attention_of(module),
        running.is_random,
        counted,
        counted_eager,
        {"torch": torch_version(), **running.versions},
    )


def refuse_too_large(name: str, needed: int, free: int | None, device: object) -> None:
    """Raises UsageError where so many bytes are not free on the device."""
    if free is not None and needed > free:
        message = Sentence(
            "{model}: a pass needs {needed} MiB on {device}, and {free} MiB are free",
            model=name, needed=str(needed >> 20), device=str(device), free=str(free >> 20),
        )  # fmt: skip
        raise UsageError(message, hint=Sentence("a smaller --context, --batch or --dtype, or fewer layers with --set"))


def _logits_nbytes(found: Estimate) -> int:
    """What the logits of all positions take, in the type of the pass and once more as float32."""
    flops = sum(work.flops for work in found.works if work.component == Component.HEAD.value)
    return flops // (2 * found.d_model) * ((found.stored.block_nbytes or 2) + 4)


def _scores_nbytes(found: Estimate) -> int:
    """What the scores of one layer take as float32 where attention is computed in separate products."""
    return 4 * found.setting.batch * TextFields(found.table).n_heads * found.setting.context**2


def _check(found: Estimate, plan: Plan) -> None:
    if found.setting.phase == "train":
        message = Sentence("--measure runs forward passes: --phase train is only estimated")
        raise UsageError(message, hint=Sentence("give {option}", option="--phase prefill"))
    if plan.n_passes < 3:
        message = Sentence("--passes {n}: a median and quartiles take 3 or more", n=plan.n_passes)
        raise UsageError(message)
    if plan.n_threads is not None and not 1 <= plan.n_threads <= _MOST_THREADS:
        message = Sentence("--threads {n}: it must be between 1 and {most}", n=plan.n_threads, most=_MOST_THREADS)
        raise UsageError(message)


def time_of(seconds: Sequence[float]) -> Time:
    """Median and quartiles.

    >>> time_of([5.0, 1.0, 2.0, 4.0, 3.0])
    Time(median=3.0, lower=2.0, upper=4.0)
    """
    from statistics import quantiles

    lower, median, upper = quantiles(seconds, n=4, method="inclusive")
    return Time(median, lower, upper)


def _parts(found: Estimate, times: Mapping[str, tuple[float, ...]]) -> tuple[Part, ...]:
    numel: dict[str, int] = {}
    flops: dict[str, int] = {}
    moved: dict[str, int] = {}
    for work in found.works:
        numel[work.component] = numel.get(work.component, 0) + work.numel
        flops[work.component] = flops.get(work.component, 0) + work.flops
        moved[work.component] = moved.get(work.component, 0) + work.read_nbytes + work.kv_moved_nbytes
    taken = {name: time_of(seconds) for name, seconds in times.items()}
    total = sum(time.median for time in taken.values()) or 1.0
    nothing = Time(0.0, 0.0, 0.0)
    names = [c.value for c in Component if numel.get(c.value) or flops.get(c.value) or c.value in taken]
    return tuple(
        Part(name, numel.get(name, 0), flops.get(name, 0), moved.get(name, 0), taken.get(name, nothing),
             taken.get(name, nothing).median / total)
        for name in names
    )  # fmt: skip
