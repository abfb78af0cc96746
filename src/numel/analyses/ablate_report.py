"""How is it told what blocks are worth: losses of whole kinds and of single blocks, and a map of layer × kind?"""

from __future__ import annotations

from ..core.report import Block, Chart, ChartKind, Column, Note, NoteKind, Report, Series, Table, Text, Unit, Value
from . import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .ablate import Ablation, Knockout


def report(result: Sequence[Ablation]) -> Report:
    """For each model its loss, what it becomes without each kind and each block, and the map."""
    blocks = tuple(block for each in result for block in _blocks(each))
    tables = [each.table for each in result]
    data = {"models": [_data(each) for each in result]}
    warnings = (*describe.warnings(tables), *(_missed(each) for each in result if each.missed))
    return Report(
        "ablate", Text("What each attention and each MLP is worth"), blocks, data, _assumptions(result), warnings,
        _records(result),
    )  # fmt: skip


def _blocks(found: Ablation) -> list[Block]:
    kinds = [k for k in found.knockouts if k.layer is None]
    single = [k for k in found.knockouts if k.layer is not None]
    blocks: list[Block] = [_summary(found), _table(found, kinds, Text("Without all of a kind"), key="kinds")]
    if single:
        blocks += [_table(found, single, Text("Without one block"), key="layers"), _map(found, single)]
    return blocks


def _summary(found: Ablation) -> Note:
    values = {
        "model": Value(found.table.name, Unit.NAME),
        "text": Value(found.text, Unit.NAME),
        "n": Value(found.n_tokens, Unit.COUNT),
        "context": Value(found.context, Unit.COUNT),
        "loss": Value(found.loss, Unit.RATIO),
    }
    template = "{model} · {n} tokens of {text}, at most {context} at once · loss {loss} nats per token"
    return Note(Text(template, values), NoteKind.SUMMARY)


def _table(found: Ablation, rows: Sequence[Knockout], title: Text, *, key: str) -> Table:
    is_single = key == "layers"
    columns = (
        *((Column("layer", Text("layer"), Unit.INDEX),) if is_single else ()),
        Column("component", Text("component"), Unit.WORD),
        *(() if is_single else (Column("n_blocks", Text("blocks"), Unit.COUNT),)),
        Column("numel", Text("parameters"), Unit.SHORT_COUNT),
        Column("loss", Text("loss"), Unit.RATIO),
        Column("difference", Text("difference"), Unit.RATIO),
        Column("difference_per_million", Text("per million parameters"), Unit.REAL),
    )
    ordered = sorted(rows, key=lambda k: k.layer or 0) if is_single else rows
    cells = tuple(
        (*((k.layer,) if is_single else ()), k.kind, *(() if is_single else (k.n_blocks,)), k.numel, *_losses(found, k))
        for k in ordered
    )
    return Table(title, columns, cells, key=key)


def _losses(found: Ablation, knockout: Knockout) -> tuple[float, float, float | None]:
    """The loss, its difference to the whole model's, and that for each million parameters."""
    more = knockout.loss - found.loss
    return knockout.loss, more, more / (knockout.numel / 1e6) if knockout.numel else None


def _map(found: Ablation, single: Sequence[Knockout]) -> Chart:
    layers = sorted({k.layer for k in single if k.layer is not None})
    kinds = list(dict.fromkeys(k.kind for k in single))
    losses = {(k.kind, k.layer): k.loss - found.loss for k in single}
    series = tuple(
        Series(
            kind, Text("{what}", {"what": Value(kind, Unit.WORD)}), tuple(losses.get((kind, layer)) for layer in layers)
        )
        for kind in kinds
    )
    title = Text(
        "Loss that {model} gains without one block, nats per token", {"model": Value(found.table.name, Unit.NAME)}
    )
    return Chart(
        "ablate", title, ChartKind.MAP, tuple(map(str, layers)), series, Text("difference"), y_unit=Unit.REAL,
        x_title=Text("layer"),
    )  # fmt: skip


def _assumptions(result: Sequence[Ablation]) -> tuple[Text, ...]:
    values: dict[str, Value | Text] = {"dtype": Value(result[0].dtype, Unit.NAME)}
    instead = (
        Text("its mean over all positions of the text")
        if result[0].replace == "mean"
        else Text("zero, its bias included")
    )
    return (
        Text("a block is what an attention, an MLP or the like adds to the residual stream; instead of it goes {instead}",
             {"instead": instead}),
        Text("loss: the mean of −ln p over the predicted tokens, in nats; windows overlap by one token, so that every token but "
             "the first is predicted once; run in {dtype}", values),
        Text("parameters of a block: those of its component in its layer, norms apart"),
    )  # fmt: skip


def _missed(found: Ablation) -> Text:
    values = {"names": Value(", ".join(found.missed[:8]), Unit.NAME), "n": Value(len(found.missed), Unit.COUNT)}
    return Text("{n} blocks have no module of their own and were not replaced: {names}", values)


def _row(found: Ablation, knockout: Knockout) -> dict[str, Any]:
    loss, more, per_million = _losses(found, knockout)
    place = {"component": knockout.kind}
    where: dict[str, Any] = {"n_blocks": knockout.n_blocks} if knockout.layer is None else {"layer": knockout.layer}
    measures = {"loss": loss, "difference": more, "difference_per_million": per_million}
    return {**place, **where, "numel": knockout.numel, **measures}


def _data(found: Ablation) -> dict[str, Any]:
    return {
        **describe.model_data(found.table),
        "text": found.text, "n_tokens": found.n_tokens, "n_predicted": found.n_predicted, "context": found.context,
        "replace": found.replace, "dtype": found.dtype, "loss": found.loss, "n_from_journal": found.n_known,
        "kinds": [_row(found, k) for k in found.knockouts if k.layer is None],
        "layers": [_row(found, k) for k in found.knockouts if k.layer is not None],
        "not_replaced": list(found.missed),
    }  # fmt: skip


def _records(result: Sequence[Ablation]) -> Table:
    """The long form for CSV: one row per model and knockout; `layer` is empty for all of a kind."""
    columns = (
        Column("model", Text("model"), Unit.NAME),
        Column("component", Text("component"), Unit.WORD),
        Column("layer", Text("layer"), Unit.INDEX),
        Column("numel", Text("parameters"), Unit.COUNT),
        Column("loss", Text("loss"), Unit.RATIO),
        Column("difference", Text("difference"), Unit.RATIO),
        Column("difference_per_million", Text("per million parameters"), Unit.REAL),
    )
    rows = tuple(
        (each.table.name, k.kind, k.layer, k.numel, *_losses(each, k)) for each in result for k in each.knockouts
    )
    return Table(Text(""), columns, rows, key="knockouts")
