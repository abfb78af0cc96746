"""How are the values of the components distributed beside each other? The study's chapter on the weights themselves."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from ..core.report import Chart, Column, Note, Table, Text, Unit, Value
from . import describe, norms_values, values, values_figures

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..core.parameters import ParameterTable
    from ..core.report import Block
    from .norms import ModelNorms
    from .values import ModelValues

_MOST_NORMS = 64  # of more, the table of γ and β is too long for a document: `numel norms` has it
_OPENING = Text(
    "Two components with the same count can differ in everything else. std is how wide the values of a component are; "
    "kurtosis, here measured within each tensor, how heavy their tails are (0 in a normal distribution); the largest value "
    "is given in σ of its own tensor. In a normal distribution two values in a billion lie beyond 6 σ: what does, stretches "
    "the grid of an integer type and leaves fewer steps for the rest."
)


def blocks(model: ModelValues, norms: ModelNorms, *, number: int) -> tuple[Block, ...]:
    """A table of the components, the figures, and what they say; then γ and β. `number`: of the model, from 0."""
    found: list[Block] = [_table(model)]
    found += _said(model)
    if model.pictures is not None:
        drawn = values_figures.charts(model.table.name, model.pictures._replace(gammas=()))
        found += drawn
    found += norms_values.blocks(model.table, norms.spreads or (), most_rows=_MOST_NORMS)
    return tuple(b._replace(key=f"{b.key}-{number + 1}") if number and isinstance(b, Chart) else b for b in found)


def opening() -> Note:
    """What the columns of the tables mean."""
    return Note(_OPENING)


def _table(model: ModelValues) -> Table:
    columns = (
        Column("component", Text("component"), Unit.WORD),
        Column("numel", Text("parameters"), Unit.COUNT),
        Column("std", Text("std"), Unit.REAL),
        Column("kurtosis_within", Text("kurtosis"), Unit.REAL),
        Column("farthest", Text("largest, in σ"), Unit.REAL),
        Column("outliers_within", Text("beyond 6 σ"), Unit.COUNT),
        Column("zeros", Text("zeros"), Unit.COUNT),
    )
    farthest = model.pictures.farthest if model.pictures is not None else {}
    rows = tuple(
        (
            group.keys[0],
            group.statistics.numel,
            group.statistics.std,
            group.kurtosis_within,
            farthest[group.keys[0]].sigmas if group.keys[0] in farthest else None,
            group.outliers_within,
            group.statistics.zeros,
        )
        for group in model.groups
    )
    title = Text("The values of {model}", {"model": Value(model.table.name, Unit.NAME)})
    return Table(title, columns, rows, key="values")


def _said(model: ModelValues) -> Iterator[Note]:
    """Where the values are widest, where the farthest stands, and which matrices have the heaviest tails."""
    name = Value(model.table.name, Unit.NAME)
    widths = sorted((g.statistics.std, g.keys[0]) for g in model.groups if g.statistics.std and g.keys[0] != "norm")
    if len(widths) > 1:
        ends = {
            "model": name,
            "wide": Value(widths[-1][1], Unit.WORD),
            "most": Value(widths[-1][0], Unit.REAL),
            "narrow": Value(widths[0][1], Unit.WORD),
            "least": Value(widths[0][0], Unit.REAL),
        }
        yield Note(Text("{model}: norms apart, the values of {wide} are the widest (std {most}), those of {narrow} the narrowest ({least})", ends))  # fmt: skip
    farthest = model.pictures.farthest.values() if model.pictures is not None else ()
    if farthest:
        most = max(farthest, key=lambda each: each.sigmas)
        found = {"model": name, "tensor": Value(most.tensor, Unit.NAME), "sigmas": Value(most.sigmas, Unit.REAL)}
        yield Note(Text("{model}: the farthest value stands in {tensor}, {sigmas} σ from the mean of that tensor", found))  # fmt: skip
    yield from _tails(model, name)


def _tails(model: ModelValues, name: Value) -> Iterator[Note]:
    kurtosis = values_figures.MAPS["kurtosis"]
    cells = model.pictures.cells if model.pictures is not None else ()
    known = [(found, cell) for cell in cells if (found := kurtosis(cell.sums)) is not None]
    if len(known) < 2:
        return
    highest, cell = max(known, key=lambda pair: pair[0])
    yield Note(
        Text(
            "{model}: of the matrices of the layers those of {component} · {part} in layer {layer} have the heaviest tails, a "
            "kurtosis of {highest}; half of all have less than {middle}",
            {
                "model": name,
                "component": Value(cell.component, Unit.WORD),
                "part": Value(cell.part, Unit.WORD),
                "layer": Value(cell.layer, Unit.INDEX),
                "highest": Value(highest, Unit.REAL),
                "middle": Value(median(found for found, _ in known), Unit.REAL),
            },
        )
    )


def read(given: Sequence[tuple[ParameterTable, Any, Any]], progress: Any) -> tuple[ModelValues, ...]:
    """The values by component of models, each with what opens its shards or gives its histograms."""
    tables, opened, stored = zip(*given, strict=True)
    return values.analyze(tables, values.Options(opened=opened, stored=stored, progress=progress))


def conventions(models: tuple[ModelValues, ...]) -> tuple[Text, ...]:
    """How the values were counted: as `numel values` says it."""
    return values.report(models).assumptions


def warnings(models: tuple[ModelValues, ...]) -> tuple[Text, ...]:
    """Which values were not read; what is odd about the sources is said with the shapes."""
    return values.report(models).warnings[len(describe.warnings([model.table for model in models])) :]


def data(model: ModelValues) -> dict[str, Any]:
    """Every number of the chapter."""
    shown = values.report((model,)).data["models"][0]
    farthest = model.pictures.farthest if model.pictures is not None else {}
    return {
        "groups": shown["groups"],
        "farthest": {component: each._asdict() for component, each in farthest.items()},
        "map": shown.get("map"),
    }
