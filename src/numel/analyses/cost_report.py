"""How are costs told: the table of parts, what the cache keeps, the memory, the device, and the lens?"""

from __future__ import annotations

from ..core.report import Block, Column, Note, NoteKind, Report, Table, Text, Unit, Value
from ..costs.devices import HERE
from ..costs.roofline import moved, roof
from . import describe, measured_report
from .cost_charts import least_time_chart, lens_chart, roof_points, roofline_chart
from .cost_words import assumptions, fits_note, training_notes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ..costs.devices import Device
    from ..costs.estimate import Estimate
    from .cost import Group, ModelCost


def report(result: Sequence[ModelCost]) -> Report:
    """For each model its parts beside each other in everything that they cost, and what follows for cache and device."""
    blocks = tuple(block for cost in result for block in _blocks(cost))
    tables = [cost.estimate.table for cost in result]
    data = {"models": [_data(cost) for cost in result]}
    said = (*describe.assumptions(tables, are_bytes_as_stored=False), *assumptions(result))
    records = measured_report.records(result) if any(c.measured for c in result) else _records(result)
    return Report("cost", Text("What the parameters cost"), blocks, data, said, describe.warnings(tables), records)


def _blocks(cost: ModelCost) -> list[Block]:
    blocks: list[Block] = [_summary(cost), _table(cost), *_cache_notes(cost.estimate), *_memory_notes(cost)]
    blocks += _device_notes(cost)
    blocks += measured_report.blocks(cost)
    blocks.append(lens_chart(cost))
    if cost.fit is not None:
        drawn = (roofline_chart(cost, cost.fit.device), least_time_chart(cost, cost.fit.device))
        blocks += [chart for chart in drawn if chart is not None]
    return blocks


def _summary(cost: ModelCost) -> Note:
    e = cost.estimate
    values = {
        "model": Value(e.table.name, Unit.NAME),
        "phase": Value(e.setting.phase, Unit.WORD),
        "context": Value(e.setting.context, Unit.COUNT),
        "batch": Value(e.setting.batch, Unit.COUNT),
        "dtype": Value(e.stored.name, Unit.NAME),
        "kv_dtype": Value(e.kv_dtype.name, Unit.NAME),
        "flops": Value(e.total("flops"), Unit.FLOPS),
        "n": Value(e.total("flops"), Unit.COUNT),
    }
    template = "{model} · {phase} · context {context} × batch {batch} · weights {dtype}, cache {kv_dtype} · {flops} ({n} FLOPs)"
    return Note(Text(template, values), NoteKind.SUMMARY)


_KEY_TITLES = {"component": Text("component"), "part": Text("part"), "layer": Text("layer")}


def _key_columns(cost: ModelCost) -> tuple[Column, ...]:
    return tuple(Column(n, _KEY_TITLES[n], Unit.INDEX if n == "layer" else Unit.WORD) for n in cost.by)


def _table(cost: ModelCost) -> Table:
    e = cost.estimate
    numel, flops = e.total("numel") or 1, e.total("flops") or 1
    columns = [
        *_key_columns(cost),
        Column("numel", Text("parameters"), Unit.SHORT_COUNT),
        Column("share", Text("share"), Unit.SHARE),
        Column("weight_nbytes", Text("bytes"), Unit.SHORT_NBYTES),  # in one unit, for all to fit in 100 cells
        Column("flops", Text("FLOPs"), Unit.FLOPS),
        Column("flops_share", Text("share of FLOPs"), Unit.SHARE, bar=True),
        Column("moved_nbytes", Text("bytes moved"), Unit.SHORT_NBYTES),
        Column("kv_nbytes", Text("KV cache"), Unit.SHORT_NBYTES),
        Column("activation_nbytes", Text("activations written"), Unit.SHORT_NBYTES),
    ]
    if cost.fit is not None:
        columns += [
            Column("intensity", Text("intensity"), Unit.INTENSITY),
            Column("bound", Text("bound by"), Unit.WORD),
        ]
    rows = tuple(
        (
            *(Text("outside") if k is None else k for k in g.keys),
            g.numel, g.numel / numel, g.weight_nbytes, g.flops, g.flops / flops,
            g.read_nbytes + g.kv_moved_nbytes, g.kv_nbytes or None, g.activation_nbytes or None,
            *((g.roof.intensity, g.roof.bound or None) if g.roof and cost.fit is not None else ()),
        )
        for g in cost.groups
    )  # fmt: skip
    blank = (Value("", Unit.NAME),) * (len(cost.by) - 1)
    total = (
        Text("total"), *blank, e.total("numel"), 1.0, e.total("weight_nbytes"), e.total("flops"), 1.0,
        moved(e.works), e.total("kv_nbytes") or None, e.activation_nbytes or None, *_total_roof(cost),
    )  # fmt: skip
    return Table(Text(""), tuple(columns), rows, total, key="groups")


def _total_roof(cost: ModelCost) -> tuple[Any, ...]:
    if cost.fit is None:
        return ()
    whole = roof(cost.estimate.total("flops"), moved(cost.estimate.works), cost.fit.device, cost.estimate.stored.name)
    return whole.intensity, whole.bound or None


def _cache_notes(e: Estimate) -> list[Note]:
    if e.setting.phase == "train":
        return []
    kept = {"state": Value(e.state_nbytes, Unit.NBYTES)}
    if not e.kv_per_token:
        return [Note(Text("a state of {state} is kept, whatever the context", kept))] if e.state_nbytes else []
    states = [Note(Text("{state} of the cache are a state, whatever the context", kept))] if e.state_nbytes else []
    windows = sorted({a.window for a in e.attentions if a.window is not None})
    values = {
        "per_token": Value(e.kv_per_token, Unit.NBYTES),
        "exact": Value(e.kv_per_token, Unit.COUNT),
        "layers": Value(sum(1 for a in e.attentions if a.kept), Unit.COUNT),
        "minimum": Value(e.total("kv_nbytes"), Unit.NBYTES),
        "reserved": Value(e.total("reserved_nbytes"), Unit.NBYTES),
        "windows": Value(windows[0], Unit.COUNT)
        if len(windows) == 1
        else Value(", ".join(map(str, windows)), Unit.NAME),
        "n": Value(sum(1 for a in e.attentions if a.window is not None), Unit.COUNT),
    }
    notes = [
        Note(Text("KV cache: {exact} bytes a token over {layers} attentions; {minimum} at this context and batch as the "
                  "logical minimum, {reserved} as engines reserve it", values))
    ]  # fmt: skip
    if windows:
        notes.append(Note(Text("{n} of them keep only a window of {windows} tokens", values)))
    return notes + states


def _memory_notes(cost: ModelCost) -> list[Note]:
    if cost.training is not None:
        return [*training_notes(cost.training), _kept_note(cost.estimate)]
    values = {
        "weights": Value(cost.memory.weights, Unit.NBYTES),
        "cache": Value(cost.memory.cache, Unit.NBYTES),
        "activations": Value(cost.memory.activations, Unit.NBYTES),
        "total": Value(cost.memory.total, Unit.NBYTES),
    }
    template = "memory: weights {weights} + cache {cache} + activations held at once {activations} = {total}"
    return [Note(Text(template, values))]


def _kept_note(e: Estimate) -> Note:
    """What the backward pass of a training step finds of its forward pass, in 16 bits as the weights there."""
    template = (
        "activations: {written} in 16 bits that products write stay for the backward pass unless they are computed again; what "
        "norms and activation functions write comes on top"
    )
    return Note(Text(template, {"written": Value(2 * e.total("written"), Unit.NBYTES)}))


def _device_notes(cost: ModelCost) -> list[Note]:
    fit = cost.fit
    if fit is None:
        return []
    e = cost.estimate
    whole = roof(e.total("flops"), moved(e.works), fit.device, e.stored.name)
    values: dict[str, Value | Text] = {
        "count": Value(fit.device.n_devices, Unit.COUNT),
        "device": Value(fit.device.title, Unit.NAME),
        "memory": Value(fit.device.all_nbytes, Unit.NBYTES),
        "bandwidth": Value(fit.device.all_bandwidth, Unit.BYTE_RATE),
        "peak": Value(fit.device.peak(e.stored.name), Unit.FLOP_RATE),
        "bits": Value(fit.device.peak_bits(e.stored.name), Unit.COUNT),
        "source": Value(fit.device.source, Unit.NAME),
        "remark": Value(fit.device.remark, Unit.WORD),
        "usable": Value(fit.usable, Unit.NBYTES),
        "needed": Value(fit.needed, Unit.NBYTES),
        "longest": Value(fit.longest, Unit.COUNT),
        "batch": Value(e.setting.batch, Unit.COUNT),
        "seconds": Value(whole.seconds, Unit.SECONDS),
        "intensity": Value(whole.intensity, Unit.INTENSITY),
        "bound": Value(whole.bound, Unit.WORD),
    }
    notes = [
        _device_note(fit.device, values),
        fits_note(values, fits=fit.fits),
    ]
    if fit.longest is None:
        notes.append(Note(Text("no context fits at batch {batch}", values)))
    elif fit.is_capped:
        notes.append(Note(Text("the whole context of {longest} tokens fits at batch {batch}", values)))
    else:
        notes.append(Note(Text("the longest context that fits at batch {batch} is {longest} tokens", values)))
    if whole.seconds is not None:
        template = "no less than {seconds} for the pass: {intensity} on the whole, bound by {bound}"
        notes.append(Note(Text(template, values)))
    return notes


def _device_note(device: Device, values: dict[str, Value | Text]) -> Note:
    """What the device is taken to do, and who says so."""
    if device.name != HERE:
        template = "{count} × {device}: {memory}, {bandwidth}, {peak} in {bits} bits together; source: {source}"
        if device.remark:
            template = (
                "{count} × {device}: {memory}, {bandwidth}, {peak} in {bits} bits together; source: {source} ({remark})"
            )
        if device.peak_bf16 is None:
            template = "{count} × {device}: {memory}, {bandwidth} together, and no peak is stated; source: {source}"
        return Note(Text(template, values))
    template = (
        "this machine, measured now: {memory}; {bandwidth} (the best of several copies, read and written); {peak} (the best "
        "of several float32 products by numpy on its processors)"
    )
    return Note(Text(template, values))


def _group_data(cost: ModelCost, group: Group) -> dict[str, Any]:
    e = cost.estimate
    data = {
        **dict(zip(cost.by, group.keys, strict=True)),
        "numel": group.numel,
        "share": group.numel / (e.total("numel") or 1),
        "weight_nbytes": group.weight_nbytes,
        "read_nbytes": group.read_nbytes,
        "flops": group.flops,
        "flops_share": group.flops / (e.total("flops") or 1),
        "kv_nbytes": group.kv_nbytes,
        "kv_moved_nbytes": group.kv_moved_nbytes,
        "activation_nbytes": group.activation_nbytes,
    }
    if group.roof is not None:
        data |= {"intensity": group.roof.intensity, "bound": group.roof.bound or None, "time_s": group.roof.seconds}
    return data


def _data(cost: ModelCost) -> dict[str, Any]:
    e, fit = cost.estimate, cost.fit
    names = ("flops", "weight_nbytes", "read_nbytes", "kv_nbytes", "kv_moved_nbytes")
    data: dict[str, Any] = {
        **describe.model_data(e.table),
        "setting": {
            "phase": e.setting.phase, "context": e.setting.context, "batch": e.setting.batch, "dtype": e.stored.name,
            "kv_dtype": e.kv_dtype.name, "causal_flops": e.setting.causal, "mla": e.setting.latent,
            "scan": e.setting.scan,
        },
        **{name: e.total(name) for name in names},
        "activation_nbytes": e.activation_nbytes,
        "kv_reserved_nbytes": e.total("reserved_nbytes"),
        "kv_nbytes_per_token": e.kv_per_token,
        "state_nbytes": e.state_nbytes,
        "attentions": [
            {"layer": a.layer, "tower": a.tower, "kept": a.kept, "window": a.window, "cross": a.is_cross}
            for a in e.attentions
        ],
        "groups": [_group_data(cost, g) for g in cost.groups],
        "memory": {**cost.memory._asdict(), "total": cost.memory.total},
        "lens": {
            phase: {name: found.total(name) for name in ("flops", "read_nbytes", "kv_moved_nbytes")}
            for phase, found in zip(("prefill", "decode"), cost.lens, strict=True)
        },
    }  # fmt: skip
    if cost.measured is not None:
        data["measured"] = measured_report.data(cost.measured)
    if cost.training is not None:
        data["training"] = {**cost.training._asdict(), "total": cost.training.total, "fits": cost.training.fits}
    if fit is not None:
        data["device"] = {
            **fit.device._asdict(), "usable_nbytes": fit.usable, "needed_nbytes": fit.needed, "fits": fit.fits,
            "longest_context": fit.longest, "is_whole_context": fit.is_capped,
        }  # fmt: skip
        data["roofline"] = [point._asdict() for point in roof_points(cost, fit.device)]
    return data


def _records(result: Sequence[ModelCost]) -> Table:
    """The long form for CSV: one row per model and group."""
    rows = tuple(
        (
            *(cost.estimate.table.name, *g.keys, g.numel, g.weight_nbytes, g.read_nbytes, g.flops),
            *(g.kv_nbytes, g.kv_moved_nbytes, g.activation_nbytes),
        )
        for cost in result
        for g in cost.groups
    )
    columns = (
        Column("model", Text("model"), Unit.NAME),
        *_key_columns(result[0]),
        Column("numel", Text("parameters"), Unit.COUNT),
        Column("weight_nbytes", Text("bytes"), Unit.NBYTES),
        Column("read_nbytes", Text("bytes read"), Unit.NBYTES),
        Column("flops", Text("FLOPs"), Unit.FLOPS),
        Column("kv_nbytes", Text("KV cache"), Unit.NBYTES),
        Column("kv_moved_nbytes", Text("KV cache moved"), Unit.NBYTES),
        Column("activation_nbytes", Text("activations written"), Unit.NBYTES),
    )
    return Table(Text(""), columns, rows, key="groups")
