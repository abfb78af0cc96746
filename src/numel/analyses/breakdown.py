"""Where do the parameters live? The table of one model, or several beside each other."""

from __future__ import annotations

from ..core.counts import Counts, count
from ..core.groups import KEYS, Group, Grouping, group
from ..core.records import NamedTuple
from ..core.report import Block, Chart, ChartKind, Column, Note, Report, Series, Table, Text, Unit, Value
from ..core.visible import visible
from ..errors import Sentence, UsageError
from . import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from ..core.parameters import ParameterTable


class Options(NamedTuple):
    """`by`: keys of core.groups.KEYS, comma-separated. `against`: per model, where its rule differs from numel's.

    `split`: fused tensors as their parts.
    """

    by: str = "component"
    split: bool = False
    against: tuple[Sequence[Any], ...] = ()


class Breakdown(NamedTuple):
    """The grouped parameters of each model, and its counts."""

    tables: tuple[ParameterTable, ...]
    counts: tuple[Counts, ...]
    groupings: tuple[Grouping, ...]
    by: tuple[str, ...]
    against: tuple[Sequence[Any], ...] = ()
    is_split: bool = False


def add_options(parser: ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument(
        "--by",
        default="component",
        metavar="KEY[,KEY]",
        help="group by component, part, layer, tower, expert, role, dtype, template or tensor",
    )
    parser.add_argument("--split", action="store_true", help="fused tensors in parts: q, k, v; gate, up; each expert")


def analyze(models: Sequence[ParameterTable], options: Options) -> Breakdown:
    """The parameters of each model, grouped. Raises UsageError for a key that does not exist."""
    by = tuple(dict.fromkeys(key.strip() for key in options.by.split(",")))
    for key in by:
        if key not in KEYS:
            message = Sentence("cannot group by '{key}'", key=visible(key, 60))
            raise UsageError(message, hint=Sentence("there is {names}", names=", ".join(KEYS)))
    tables = tuple(models)
    counts = tuple(count(t) for t in tables)
    return Breakdown(tables, counts, grouped(tables, by, split=options.split), by, options.against, options.split)


def grouped(tables: Sequence[ParameterTable], by: Sequence[str], *, split: bool = False) -> tuple[Grouping, ...]:
    """The tables' rows by the keys; with `split` a fused tensor's rows are those of its parts."""
    if split:
        from .split import split as in_parts

        tables = tuple(in_parts(table) for table in tables)
    return tuple(group(table, *by) for table in tables)


_TITLES = {
    "component": Text("component"), "part": Text("part"), "layer": Text("layer"), "tower": Text("tower"),
    "expert": Text("expert"), "role": Text("role"), "dtype": Text("dtype"), "template": Text("name"),
    "tensor": Text("tensor"), "shape": Text("shape"),
}  # fmt: skip
_WORDS = frozenset({"component", "part", "role", "tower"})
_INDICES = frozenset({"layer", "expert"})


def report(result: Breakdown) -> Report:
    """One table of counts and shares for a model; for several, shares and counts side by side and a chart."""
    blocks: tuple[Block, ...]
    if len(result.tables) == 1:
        table, counts, grouping = result.tables[0], result.counts[0], result.groupings[0]
        blocks = (
            describe.summary(table, counts),
            *describe.active(counts),
            *describe.quantised(table),
            *_difference(table, counts),
            *((_single(grouping, counts),) if table.rows else ()),
        )
    else:
        blocks = _several(result)
    if result.by == ("component",):
        blocks = (*blocks, share_chart(result))
    blocks = (*blocks, *(_disagreements(t, rows) for t, rows in zip(result.tables, result.against, strict=False)))
    models = [
        {**describe.model_data(t, c), "groups": [_group_data(g, grouping.names) for g in grouping]}
        for t, c, grouping in zip(result.tables, result.counts, result.groupings, strict=True)
    ]
    for model, rows in zip(models, result.against, strict=False):
        model["disagreements"] = [row._asdict() for row in rows]
    return Report(
        "show",
        Text("Where the parameters live"),
        blocks,
        {"by": list(result.by), "models": models},
        (*describe.assumptions(result.tables), *_split_note(result)),
        describe.warnings(result.tables),
        _records(result),
    )


def _split_note(result: Breakdown) -> tuple[Text, ...]:
    if not result.is_split:
        return ()
    return (Text("fused tensors are shown in their parts (q, k, v; gate, up; each expert): a view, no total moves"),)


def _group_data(group: Group, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        **dict(zip(names, group.keys, strict=True)),
        "n_tensors": group.n_tensors,
        "numel": group.numel,
        "nbytes": group.nbytes,
        "share": group.share,
    }


def key_columns(names: tuple[str, ...]) -> tuple[Column, ...]:
    """A column per key, with the unit that its values have."""
    return tuple(
        Column(n, _TITLES[n], Unit.WORD if n in _WORDS else Unit.INDEX if n in _INDICES else Unit.NAME) for n in names
    )


def shown_key(name: str, value: Any) -> Any:
    """A key as a cell: what stands outside the layers is called so, a shape is written as a product."""
    if value is None and name == "dtype":
        return Text("not stated")
    if value is None and name in ("layer", "expert", "tower"):
        return Text("outside") if name == "layer" else Value("", Unit.NAME)
    return "×".join(str(size) for size in value) or "1" if isinstance(value, tuple) else value


def _single(grouping: Grouping, counts: Counts) -> Table:
    shown = telling(grouping.names, [g.keys for g in grouping.groups])
    names = tuple(grouping.names[i] for i in shown)
    columns = (
        *key_columns(names),
        Column("numel", Text("parameters"), Unit.COUNT),
        Column("share", Text("share"), Unit.SHARE, bar=True),
    )
    rows = tuple(
        (*(shown_key(n, g.keys[i]) for n, i in zip(names, shown, strict=True)), g.numel, g.share)
        for g in grouping
        if g.numel or "tensor" in names  # what only buffers fill is told above the table
    )
    blank = (Value("", Unit.NAME),) * (len(names) - 1)
    return Table(
        Text(""), columns, rows, (Text("total"), *blank, counts.total, 1.0 if counts.total else None), key="groups"
    )


def telling(names: Sequence[str], keys: Iterable[tuple[Any, ...]]) -> list[int]:
    """The columns that tell rows apart: a model with one tower needs none for it."""
    towers = [i for i, name in enumerate(names) if name == "tower"]
    alone = len({key[i] for key in keys for i in towers if key[i] is not None}) <= 1 and len(names) > 1
    return [i for i in range(len(names)) if not (alone and i in towers)]


def _difference(table: ParameterTable, counts: Counts) -> Iterator[Note]:
    """Lines that lead from the elements of the file, stored or published, to the total, when they differ."""
    is_config = table.source.kind in ("preset", "config")
    files = describe.published_files(table, counts.total) if is_config else []
    if counts.stored != counts.total:
        values = {"stored": Value(counts.stored, Unit.COUNT)}
        model, file = Text("with its buffers the model has {stored} elements", values), _STORED
        yield Note(model if is_config else file._replace(values=values))
    for line in () if is_config else describe.stored_difference(table):
        yield _no_parameters(line)
    for published in files:
        yield from _of_checkpoint(published)


_STORED = Text("the source stores {stored} elements")


def _of_checkpoint(file: dict[str, Any]) -> Iterator[Note]:
    """What one checkpoint of the configuration holds beside the parameters."""
    counted = [line for line in file["lines"] if line["counted"]]
    values = {"model": Value(file["model"], Unit.NAME), "numel": Value(file["numel"], Unit.COUNT)}
    if file["model"] and file["beyond_parameters"]:
        yield Note(Text("the hub counts {numel} elements in the published checkpoint of {model}", values))
    elif counted:
        yield Note(Text("a checkpoint of it holds {numel} elements", values))
    for line in counted:
        yield _no_parameters(line)
    if not file["explained"]:
        rest = file["beyond_parameters"] - sum(line["numel"] for line in counted)
        yield Note(Text("not derived from the configuration: {numel}", {"numel": Value(rest, Unit.COUNT)}))
    for line in file["lines"]:
        if line["counted"] is None and not file["model"]:
            yield Note(Text("some checkpoints also hold: {what}, {formula} = {numel}", _line_values(line)))


def _no_parameters(line: dict[str, Any]) -> Note:
    if line["kind"] == "packed":
        text = "of these fewer than parameters, since {dtype} is packed: {formula} = {numel}"
        return Note(Text(text, {**_line_values(line), "dtype": Value(line["part"], Unit.NAME)}))
    return Note(Text("of these, not parameters: {what}, {formula} = {numel}", _line_values(line)))


def _line_values(line: dict[str, Any]) -> dict[str, Value | Text]:
    n_tensors = Text("{n} tensors", {"n": Value(line["n_tensors"], Unit.COUNT)})
    kind, part = Value(describe.WHY[line["kind"]], Unit.WORD), Value(line["part"], Unit.WORD)
    return {
        "what": Text("{kind} ({part})", {"kind": kind, "part": part})
        if line["part"]
        else Text("{kind}", {"kind": kind}),
        "formula": n_tensors
        if line["formula"] == f"{line['n_tensors']} tensors"
        else Value(f"1 × {line['formula']}" if line["formula"].isdigit() else line["formula"], Unit.FORMULA),
        "numel": Value(line["numel"], Unit.COUNT),
    }


def _several(result: Breakdown) -> tuple[Block, ...]:
    """Shares and counts of all models, one row per group; one column per model."""
    names = result.groupings[0].names
    cells = [{g.keys: g for g in grouping} for grouping in result.groupings]
    keys = list(dict.fromkeys(g.keys for grouping in result.groupings for g in grouping))
    labels = key_columns(names)

    def matrix(title: Text, unit: Unit, field: str, total: tuple[Any, ...]) -> Table:
        columns = (*labels, *(Column(t.name, _name(t.name), unit) for t in result.tables))
        rows = tuple(
            (
                *(shown_key(n, k) for n, k in zip(names, key, strict=True)),
                *(getattr(c[key], field) if key in c else Value(None, unit) for c in cells),
            )
            for key in keys
        )
        blank = (Value("", Unit.NAME),) * (len(names) - 1)
        return Table(title, columns, rows, (Text("total"), *blank, *total), key=field)

    ones = tuple(1.0 if c.total else Value(None, Unit.SHARE) for c in result.counts)
    totals = tuple(c.total for c in result.counts)
    return (
        matrix(Text("Share of the parameters"), Unit.SHARE, "share", ones),
        matrix(Text("Parameters"), Unit.COUNT, "numel", totals),
    )


def _disagreements(table: ParameterTable, rows: Sequence[Any]) -> Table | Note:
    """What the study's rule gets wrong on a model, one row per name."""
    values = {"model": Value(table.name, Unit.NAME)}
    if not rows:
        return Note(Text("{model}: the study's rule and numel's agree on every parameter", values))
    columns = (
        Column("template", Text("name"), Unit.NAME),
        Column("n_tensors", Text("tensors"), Unit.COUNT),
        Column("numel", Text("parameters"), Unit.COUNT),
        Column("component", Text("is"), Unit.WORD),
        Column("study", Text("study's rule says"), Unit.WORD),
        Column("kind", Text("fault"), Unit.WORD),
    )
    title = Text("What the study's rule gets wrong on {model}", values)
    return Table(title, columns, tuple(tuple(row) for row in rows), key="disagreements")


def _name(name: str) -> Text:
    return Text("{name}", {"name": Value(name, Unit.NAME)})


def _records(result: Breakdown) -> Table:
    """The long form for CSV: one row per model and group."""
    names = result.groupings[0].names
    columns = (
        Column("model", Text("model"), Unit.NAME),
        *key_columns(names),
        Column("n_tensors", Text("tensors"), Unit.COUNT),
        Column("numel", Text("parameters"), Unit.COUNT),
        Column("nbytes", Text("bytes"), Unit.NBYTES),
        Column("share", Text("share"), Unit.SHARE),
    )
    rows = tuple(
        (grouping.model, *("x".join(map(str, k)) if isinstance(k, tuple) else k for k in g.keys), *g[1:])
        for grouping in result.groupings
        for g in grouping
    )
    return Table(Text(""), columns, rows, key="groups")


def share_chart(result: Breakdown, kind: ChartKind = ChartKind.STACKED) -> Chart:
    """The shares of all components, one bar per model."""
    cells = [{g.keys[0]: g.share for g in grouping} for grouping in result.groupings]
    seen = [key for key in dict.fromkeys(k for c in cells for k in c) if any(c.get(key) for c in cells)]
    series = tuple(
        Series(key, Text("{what}", {"what": Value(key, Unit.WORD)}), tuple(c.get(key, 0.0) for c in cells))
        for key in seen
    )
    return Chart(
        "share",
        Text("Where the parameters live"),
        kind,
        tuple(t.name for t in result.tables),
        series,
        Text("share of the parameters"),
    )
