"""How is measured time told: a table beside the estimate, what was run on what, where they differ and why?"""

from __future__ import annotations

from ..core.report import Block, Column, Note, Table, Text, Unit, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .cost import ModelCost
    from .measured import Measured, Part, Time

_APART = 0.02  # shares that differ by less are told by the table alone

# Why the share of time is not that of FLOPs: what the convention counts as 0 and the machine has to do all the same.
_WHY = {
    "embedding": Text("a lookup copies rows and counts 0 FLOPs"),
    "attention": Text(
        "softmax and the rearranging of heads count 0 FLOPs, and a fused kernel leaves out masked scores that the square counts"
    ),
    "mlp": Text(
        "its activation is computed value by value and counts 0 FLOPs; its products are large, which run fastest"
    ),
    "moe": Text("choosing, gathering and scattering tokens count 0 FLOPs, and each expert's products are small"),
    "norm": Text("it counts 0 FLOPs, and reads and writes every activation"),
    "head": Text("one large product, which runs near the best rate of the machine; its logits are written in full"),
    "other": Text("residual sums, masks, and what Python does between the modules: 0 FLOPs, and no parameters"),
}
_WHY_ELSE = Text("its products run at another rate than the rest, or it works value by value, which counts 0 FLOPs")

_SMALL = Text("small kernels, whose start takes longer than their work")
_WHY_DECODING = {
    "attention": Text(
        "transformers joins each token to the cache by copying all of it, and its small kernels take longer to start than to run"
    ),
    "norm": _SMALL,
    "other": _SMALL,
}
_WHY_DECODING_ELSE = Text("its matrices are read once, in long rows, which runs at the best rate")


def blocks(cost: ModelCost) -> list[Block]:
    """The table and its notes; none without a measurement."""
    found = cost.measured
    if found is None:
        return []
    return [_how(found), _table(cost, found), *_rates(cost, found), *_differences(cost, found)]


def _how(found: Measured) -> Note:
    own = Text("random weights") if found.is_random else Text("the model's own weights")
    values: dict[str, Value | Text] = {
        "weights": own,
        "processor": Value(found.processor, Unit.NAME),
        "device": Value(found.device, Unit.NAME),
        "n_threads": Value(found.n_threads, Unit.COUNT),
        "dtype": Value(found.dtype, Unit.NAME),
        "attention": Value(found.attention, Unit.NAME),
        "torch": Value(found.versions.get("torch", ""), Unit.NAME),
        "transformers": Value(found.versions.get("transformers", ""), Unit.NAME),
        "n": Value(found.n_passes, Unit.COUNT),
        "n_warm_up": Value(found.n_warm_up, Unit.COUNT),
    }
    return Note(
        Text(
            "measured on {processor} ({device}, threads: {n_threads}) in {dtype}, {weights}, attention {attention}, torch {torch}, "
            "transformers {transformers}: {n} passes after {n_warm_up} to warm up",
            values,
        )
    )


def _table(cost: ModelCost, found: Measured) -> Table:
    columns = (
        Column("component", Text("component"), Unit.WORD),
        Column("share", Text("share of parameters"), Unit.SHARE),
        Column("flops_share", Text("share of FLOPs"), Unit.SHARE),
        Column("moved_share", Text("share of bytes moved"), Unit.SHARE),
        Column("time_share", Text("share of the time"), Unit.SHARE, bar=True),
        Column("time_s", Text("time, median"), Unit.SECONDS),
        Column("time_lower_s", Text("lower quartile"), Unit.SECONDS),
        Column("time_upper_s", Text("upper quartile"), Unit.SECONDS),
    )
    rows = tuple(_row(cost, part) for part in found.parts)
    total = (Text("total"), 1.0, 1.0, 1.0, 1.0, *_times(found.inspected))
    return Table(Text("Estimated and measured"), columns, rows, total, key="measured")


def _row(cost: ModelCost, part: Part) -> tuple[Any, ...]:
    numel, flops, moved = (cost.estimate.total("numel") or 1, cost.estimate.total("flops") or 1, _moved(cost) or 1)
    return part.component, part.numel / numel, part.flops / flops, part.moved / moved, part.share, *_times(part.time)


def _moved(cost: ModelCost) -> int:
    return cost.estimate.total("read_nbytes") + cost.estimate.total("kv_moved_nbytes")


def _times(time: Time) -> tuple[float, float, float]:
    return time.median, time.lower, time.upper


def _rates(cost: ModelCost, found: Measured) -> list[Note]:
    ours = cost.estimate.total("flops")
    values = {
        "median": Value(found.whole.median, Unit.SECONDS),
        "lower": Value(found.whole.lower, Unit.SECONDS),
        "upper": Value(found.whole.upper, Unit.SECONDS),
        "rate": Value(ours / found.whole.median, Unit.FLOP_RATE),
        "byte_rate": Value(_moved(cost) / found.whole.median, Unit.BYTE_RATE),
        "inspected": Value(found.inspected.median, Unit.SECONDS),
        "ours": Value(ours, Unit.COUNT),
        "counted": Value(found.counted, Unit.COUNT),
        "eager": Value(found.counted_eager, Unit.COUNT),
    }
    notes = [
        Note(
            Text(
                "a pass that nobody looks into takes {median} (half of them between {lower} and {upper}), {rate} of the estimated "
                "FLOPs and {byte_rate} of the estimated bytes; with the clock read at each border {inspected}",
                values,
            )
        )
    ]
    if found.counted == ours:
        return [*notes, Note(Text("FlopCounterMode counts {counted} FLOPs in the same pass, as estimated", values))]
    notes.append(
        Note(
            Text(
                "FlopCounterMode counts {counted} FLOPs in the same pass, where {ours} are estimated: it does not know every fused "
                "kernel, neither a processor's for attention (sdpa) nor the grouped products of experts",
                values,
            )
        )
    )
    if found.counted_eager == ours:
        notes.append(
            Note(
                Text("with attention and experts as separate products (eager) it counts {eager}, as estimated", values)
            )
        )
    elif found.counted_eager is not None:
        notes.append(
            Note(
                Text(
                    "with attention and experts as separate products (eager) it counts {eager}: what still differs may be rotary "
                    "angles, a convolution's outputs that are thrown away, or the chunks in which layers with a state read a prompt",
                    values,
                )
            )
        )
    return notes


def _differences(cost: ModelCost, found: Measured) -> list[Note]:
    flops, moved = cost.estimate.total("flops") or 1, _moved(cost) or 1
    decodes = cost.estimate.setting.phase == "decode"

    def gap(part: Part) -> float:
        """By how much the share of time is not that of what should decide."""
        return abs(part.share - (part.moved / moved if decodes else part.flops / flops))

    why, otherwise = (_WHY_DECODING, _WHY_DECODING_ELSE) if decodes else (_WHY, _WHY_ELSE)
    notes = []
    for part in sorted(found.parts, key=gap, reverse=True):
        if gap(part) < _APART:
            continue
        values: dict[str, Value | Text] = {
            "component": Value(part.component, Unit.WORD),
            "time": Value(part.share, Unit.SHARE),
            "flops": Value(part.flops / flops, Unit.SHARE),
            "moved": Value(part.moved / moved, Unit.SHARE),
            "why": why.get(part.component, otherwise),
        }
        template = "{component}: {time} of the time for {flops} of the FLOPs and {moved} of the bytes: {why}"
        notes.append(Note(Text(template, values)))
    return notes


def data(found: Measured) -> dict[str, Any]:
    """What `--json` holds of a measurement."""
    return {
        "device": found.device, "processor": found.processor, "n_threads": found.n_threads, "dtype": found.dtype,
        "attention": found.attention, "random_weights": found.is_random, "versions": found.versions,
        "n_passes": found.n_passes, "n_warm_up": found.n_warm_up,
        "time_s": found.whole.median, "time_lower_s": found.whole.lower, "time_upper_s": found.whole.upper,
        "inspected_time_s": found.inspected.median, "inspected_time_lower_s": found.inspected.lower,
        "inspected_time_upper_s": found.inspected.upper,
        "flop_counter_mode": found.counted, "flop_counter_mode_eager": found.counted_eager,
        "components": [
            {
                "component": part.component, "numel": part.numel, "flops": part.flops, "moved_nbytes": part.moved, "time_share": part.share,
                "time_s": part.time.median, "time_lower_s": part.time.lower, "time_upper_s": part.time.upper,
            }
            for part in found.parts
        ],
    }  # fmt: skip


def records(result: Sequence[ModelCost]) -> Table:
    """The long form for CSV: one row per model and component."""
    columns = (
        Column("model", Text("model"), Unit.NAME),
        Column("component", Text("component"), Unit.WORD),
        Column("numel", Text("parameters"), Unit.COUNT),
        Column("flops", Text("FLOPs"), Unit.FLOPS),
        Column("moved_nbytes", Text("bytes moved"), Unit.NBYTES),
        Column("time_s", Text("time, median"), Unit.SECONDS),
        Column("time_lower_s", Text("lower quartile"), Unit.SECONDS),
        Column("time_upper_s", Text("upper quartile"), Unit.SECONDS),
        Column("time_share", Text("share of the time"), Unit.SHARE),
    )
    rows = tuple(
        (cost.estimate.table.name, part.component, part.numel, part.flops, part.moved, *_times(part.time), part.share)
        for cost in result
        if cost.measured is not None
        for part in cost.measured.parts
    )
    return Table(Text(""), columns, rows, key="measured")
