"""How do the shares move as a family grows, and why?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.counts import count
from ..core.groups import group
from ..core.report import Block, Chart, ChartKind, Column, Note, Report, Series, Table, Text, Unit, Value
from ..errors import Sentence, UsageError
from . import describe
from .derivation import derive, fields_of

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence

    from ..core.parameters import ParameterTable


class Options(NamedTuple):
    """Nothing to choose."""


class Trend(NamedTuple):
    """One component over the models: its parameters, its shares, and what its arithmetic depends on.

    `fields` are the config's fields in its formula whose values differ between the models: name → one value a model.
    `fixed_fields` are those that stay. `symbols` is the formula, "" where no blueprint is known.
    """

    component: str
    numel: tuple[int, ...]
    shares: tuple[float, ...]
    symbols: str
    fields: dict[str, tuple[Any, ...]]
    fixed_fields: dict[str, Any]

    @property
    def growth(self) -> float | None:
        """From the smallest model to the largest, as a factor; None when the smallest has none."""
        return self.numel[-1] / self.numel[0] if self.numel[0] else None


class Scaling(NamedTuple):
    """The models by size, and the trend of each component."""

    tables: tuple[ParameterTable, ...]
    totals: tuple[int, ...]
    trends: tuple[Trend, ...]

    @property
    def growth(self) -> float:
        """Of the whole model, from the smallest to the largest."""
        return self.totals[-1] / (self.totals[0] or 1)


def add_options(parser: ArgumentParser) -> None:
    """The command's own options: none."""


def analyze(models: Sequence[ParameterTable], options: Options) -> Scaling:
    """The trends over `models`, smallest first. Raises UsageError for fewer than two."""
    del options
    if len(models) < 2:
        message = Sentence("scaling compares sizes: it needs two models or more")
        raise UsageError(message, hint=Sentence("for example: numel scaling gpt2 gpt2-medium gpt2-large gpt2-xl"))
    tables = tuple(sorted(models, key=lambda table: count(table).total))
    totals = tuple(count(table).total for table in tables)
    sums = [{g.keys[0]: g.numel for g in group(table, "component")} for table in tables]
    components = [c for c in dict.fromkeys(key for s in sums for key in s) if any(s.get(c) for s in sums)]
    return Scaling(tables, totals, tuple(_trend(c, tables, totals, sums) for c in components))


def _trend(
    component: str, tables: tuple[ParameterTable, ...], totals: tuple[int, ...], sums: list[dict[Any, int]]
) -> Trend:
    numel = tuple(s.get(component, 0) for s in sums)
    shares = tuple(n / (total or 1) for n, total in zip(numel, totals, strict=True))
    derived = [next((d for d in derive(table) if d.component == component), None) for table in tables]
    if any(d is None for d in derived) or len({d.symbols for d in derived if d}) != 1:
        return Trend(component, numel, shares, "", {}, {})
    first = derived[0]
    assert first is not None
    names = fields_of(p.formula for p in first.formulas)
    values = {name: tuple(table.hyperparameters.get(name) for table in tables) for name in names}
    moving = {name: vs for name, vs in values.items() if len(set(map(str, vs))) > 1}
    fixed = {name: vs[0] for name, vs in values.items() if name not in moving}
    return Trend(component, numel, shares, first.symbols, moving, fixed)


def report(result: Scaling) -> Report:
    """A table of shares by size, a chart of them, and for each component why its share moves."""
    blocks: tuple[Block, ...] = (
        _shares(result), _growth(result), trend_chart(result), *(why(result, trend) for trend in result.trends)
    )  # fmt: skip
    models = []
    for i, table in enumerate(result.tables):
        groups = [{"component": t.component, "numel": t.numel[i], "share": t.shares[i]} for t in result.trends]
        models.append({**describe.model_data(table), "groups": groups})
    trends = [{**t._asdict(), "growth": t.growth} for t in result.trends]
    return Report(
        "scaling", Text("How the shares move with size"), blocks,
        {"models": models, "growth": result.growth, "trends": trends},
        describe.assumptions(result.tables), describe.warnings(result.tables),
    )  # fmt: skip


def _word(word: str) -> Text:
    return Text("{what}", {"what": Value(word, Unit.WORD)})


def _shares(result: Scaling) -> Table:
    columns = (
        Column("model", Text("model"), Unit.NAME),
        Column("total", Text("parameters"), Unit.COUNT),
        *(Column(trend.component, _word(trend.component), Unit.SHARE) for trend in result.trends),
    )
    rows = tuple(
        (table.name, total, *(trend.shares[i] for trend in result.trends))
        for i, (table, total) in enumerate(zip(result.tables, result.totals, strict=True))
    )
    return Table(Text("Share of the parameters by size"), columns, rows, key="share")


def _growth(result: Scaling) -> Table:
    columns = (
        Column("component", Text("component"), Unit.WORD),
        Column("first", Text("smallest"), Unit.COUNT),
        Column("last", Text("largest"), Unit.COUNT),
        Column("growth", Text("growth"), Unit.FACTOR),
        Column("share_first", Text("share, smallest"), Unit.SHARE),
        Column("share_last", Text("share, largest"), Unit.SHARE),
    )
    rows = tuple((t.component, t.numel[0], t.numel[-1], t.growth, t.shares[0], t.shares[-1]) for t in result.trends)
    total = (Text("total"), result.totals[0], result.totals[-1], result.growth, 1.0, 1.0)
    return Table(Text("Growth from the smallest to the largest"), columns, rows, total, key="growth")


def why(result: Scaling, trend: Trend) -> Note:
    """Why the share of a component moves: its growth against the model's, and the fields behind it."""
    values: dict[str, Value | Text] = {
        "what": Value(trend.component, Unit.WORD),
        "growth": Value(trend.growth, Unit.FACTOR),
        "model": Value(result.growth, Unit.FACTOR),
        "symbols": Value(trend.symbols, Unit.FORMULA),
        "moving": Value(_moving(trend), Unit.FORMULA),
        "fixed": Value(", ".join(f"{name} = {value}" for name, value in trend.fixed_fields.items()), Unit.FORMULA),
    }
    if trend.growth is None or not trend.symbols:
        return Note(Text("{what}: grows by {growth}, the model by {model}", values))
    if abs(trend.growth / result.growth - 1) < 1e-9:
        return Note(Text("{what} = {symbols}: it grows as the model does, by {growth}: its share stays", values))
    if not trend.fields:
        return Note(
            Text("{what} = {symbols}: none of its fields changes, so its share falls as the model grows", values)
        )
    if trend.growth > result.growth:
        template = "{what} = {symbols}: it grows {growth} ({moving}), the model by {model}: its share rises"
        return Note(Text(template, values))
    if trend.fixed_fields:
        return Note(
            Text(
                "{what} = {symbols}: it grows {growth} ({moving}; unchanged {fixed}), the model by {model}: "
                "its share falls",
                values,
            )
        )
    template = "{what} = {symbols}: it grows {growth} ({moving}), the model by {model}: its share falls"
    return Note(Text(template, values))


def _moving(trend: Trend) -> str:
    return ", ".join(f"{name} {vs[0]} → {vs[-1]}" for name, vs in trend.fields.items())


def trend_chart(result: Scaling) -> Chart:
    """Share against size, one line per component."""
    series = tuple(Series(t.component, _word(t.component), t.shares) for t in result.trends)
    return Chart(
        "scaling",
        Text("How the shares move with size"),
        ChartKind.LINES,
        tuple(table.name for table in result.tables),
        series,
        Text("share of the parameters"),
        x=tuple(float(total) for total in result.totals),
        x_title=Text("parameters"),
    )
