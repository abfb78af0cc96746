"""What do the parameters cost: bytes, arithmetic, cache and time, part by part?"""

from __future__ import annotations

from ..core.parameters import Component
from ..core.records import NamedTuple
from ..costs.devices import device_called
from ..costs.estimate import Estimate, estimate, usual_context
from ..costs.memory import Fit, Memory, Training, fit, memory, training, usable_of
from ..costs.roofline import Roof, roof
from ..costs.setting import Setting, dtype_called, nbytes_of
from ..costs.working import decodes
from ..errors import Sentence, UsageError
from .cost_report import report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from ..core.parameters import ParameterTable
    from ..costs.devices import Device
    from .measured import Measured

__all__ = ["Group", "ModelCost", "Options", "add_options", "analyze", "report"]

_KEYS = ("component", "part", "layer")
_PASSES = 9  # real ones, where nobody says how many


class Options(NamedTuple):
    """The words of the command line. `context` None: 1,024 tokens, or as many positions as the model has.

    `measure`: `passes` real passes, on the device `on`. `runs` and `progress` come from the api then: what makes each model
    run, and what hears how far it is.
    """

    context: int | None = None
    batch: int = 1
    dtype: str | None = None
    kv_dtype: str | None = None
    phase: str = "prefill"
    causal_flops: str = "square"
    mla: str = "absorbed"
    scan: str = "chunked"
    by: str = "component"
    on: str | None = None
    zero: int = 0
    measure: bool = False
    passes: int | None = None
    threads: int | None = None
    runs: tuple[Any, ...] = ()
    progress: Callable[[int, int], None] | None = None


class Group(NamedTuple):
    """The works that share a key, summed. `roof` is None without a device."""

    keys: tuple[str | int | None, ...]
    numel: int
    weight_nbytes: int
    read_nbytes: int
    flops: int
    kv_nbytes: int
    kv_moved_nbytes: int
    activation_nbytes: int
    roof: Roof | None


class ModelCost(NamedTuple):
    """The cost of one model in the phase asked for, and its prefill and decode for the lens."""

    estimate: Estimate
    by: tuple[str, ...]
    groups: tuple[Group, ...]
    lens: tuple[Estimate, Estimate]
    memory: Memory
    training: Training | None
    fit: Fit | None
    measured: Measured | None = None


def runs_models(options: Mapping[str, Any]) -> bool:
    """Whether these options ask for models that run."""
    return bool(options.get("measure"))


def add_options(parser: ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--context", type=int, metavar="N", help="tokens of a sequence; decoding, the new one included")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="sequences at once")
    parser.add_argument("--dtype", metavar="TYPE", help="element type of the weights: bf16, fp8, …; else as stored")
    parser.add_argument(
        "--kv-dtype",
        metavar="TYPE",
        help="element type of the cache; else as the weights, of less than 16 bits BF16 or F16",
    )
    parser.add_argument("--phase", default="prefill", metavar="PHASE", help="prefill, decode or train")
    parser.add_argument(
        "--causal-flops", default="square", metavar="FORM", help="count causal scores as a square or a triangle"
    )
    parser.add_argument("--mla", default="absorbed", metavar="FORM", help="decode latent attention absorbed or naive")
    parser.add_argument(
        "--scan", default="chunked", metavar="FORM", help="count a prompt in layers with a state chunked or recurrent"
    )
    parser.add_argument("--by", default="component", metavar="KEY", help="rows: component, part or layer")
    parser.add_argument(
        "--device",
        dest="on",
        metavar="NAME",
        help="does it fit there, and what bounds it: h200, h200x8, … or here, measured",
    )
    parser.add_argument("--zero", type=int, default=0, metavar="STAGE", help="share training states as ZeRO 1, 2 or 3")
    parser.add_argument(
        "--measure", action="store_true", help="run it with torch: time by component; --device says where: cpu, cuda"
    )
    parser.add_argument("--passes", type=int, metavar="N", help="so many measured passes; else 9")
    parser.add_argument("--threads", type=int, metavar="N", help="threads of a measured pass; else as torch decides")


def analyze(models: Sequence[ParameterTable], options: Options) -> tuple[ModelCost, ...]:
    """The cost of each model. Raises UsageError for senseless options, UnsupportedError for unknown attention."""
    keys = [key.strip() for key in options.by.split(",")]
    for key in keys:
        if key not in _KEYS:
            message = Sentence("cannot group the cost by '{key}'", key=key)
            raise UsageError(message, hint=Sentence("there is {names}", names=", ".join(_KEYS)))
    by = tuple(dict.fromkeys(name for key in keys for name in (("component", "part") if key == "part" else (key,))))
    _check_belonging(options)
    device = device_called(options.on) if options.on is not None and not options.measure else None
    found = tuple(_cost(table, options, by, device) for table in models)
    return _with_times(found, options) if options.measure else found


def _check_belonging(options: Options) -> None:
    """Raises UsageError for an option of a question that is not asked."""
    for is_given, is_asked, option, question in (
        (options.zero != 0, options.phase == "train", f"--zero {options.zero}", "--phase train"),
        (options.passes is not None, options.measure, f"--passes {options.passes}", "--measure"),
        (options.threads is not None, options.measure, f"--threads {options.threads}", "--measure"),
    ):
        if is_given and not is_asked:
            message = Sentence("{option} is for {question} alone", option=option, question=question)
            raise UsageError(message, hint=Sentence("give {option}", option=question))


def _with_times(found: tuple[ModelCost, ...], options: Options) -> tuple[ModelCost, ...]:
    """The same with the time that real passes take."""
    from .measured import Plan, measured

    n_passes = _PASSES if options.passes is None else options.passes
    plan = Plan(options.on or "cpu", n_passes, options.threads, options.progress or (lambda *_: None))
    return tuple(
        cost._replace(measured=measured(cost.estimate, opener, plan, needed=cost.memory.total))
        for cost, opener in zip(found, options.runs, strict=True)
    )


def _cost(table: ParameterTable, options: Options, by: tuple[str, ...], device: Device | None) -> ModelCost:
    setting = Setting(
        options.phase,
        usual_context(table) if options.context is None else options.context,
        options.batch,
        dtype_called(options.dtype, "--dtype") if options.dtype else None,
        dtype_called(options.kv_dtype, "--kv-dtype") if options.kv_dtype else None,
        options.causal_flops,
        options.mla,
        options.scan,
    )
    found = estimate(table, setting, by_layer="layer" in by)
    second = "decode" if decodes(table, setting) else "prefill"
    lens = (estimate(table, setting._replace(phase="prefill")), estimate(table, setting._replace(phase=second)))
    states = None
    if options.phase == "train":
        states = training(found.total("numel"), options.zero, device.n_devices if device else 1)
        states = states._replace(usable=usable_of(device.nbytes) if device else None)
    fits = fit(found, device) if device is not None and states is None else None
    return ModelCost(found, by, tuple(_groups(found, by, device)), lens, memory(found), states, fits)


def _groups(found: Estimate, by: tuple[str, ...], device: Device | None) -> list[Group]:
    sums: dict[tuple[str | int | None, ...], list[int]] = {}
    for work in found.works:
        key = tuple(getattr(work, name) for name in by)
        entry = sums.setdefault(key, [0] * 7)
        values = (work.numel, work.weight_nbytes, work.read_nbytes, work.flops, work.kv_nbytes, work.kv_moved_nbytes)
        for k, value in enumerate((*values, work.written)):
            entry[k] += value
    made = []
    for key, (numel, held, read, flops, kept, kept_moved, written) in sums.items():
        if any((numel, flops, kept)):
            bound = roof(flops, read + kept_moved, device, found.stored.name) if device else None
            made.append(Group(key, numel, held, read, flops, kept, kept_moved, nbytes_of(found.worked, written), bound))
    rank = {component.value: k for k, component in enumerate(Component)}
    made.sort(
        key=lambda g: tuple(1 << 40 if k is None else rank.get(k, 0) if isinstance(k, str) else k for k in g.keys)
    )
    return made
