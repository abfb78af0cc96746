"""How are γ and β of each norm distributed, layer by layer, which are dead, and how far are they from where they began?"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from math import hypot
from typing import TYPE_CHECKING, NamedTuple

from ..core.groups import template_of
from ..core.parameters import Component
from ..core.report import Chart, Column, Note, Table, Text, Unit, Value
from ..statistics.scan import Reading, scan
from ..statistics.summary import moments, quantiles
from .gammas import DEAD_GAMMA, less_one
from .values_figures import spread_chart
from .values_reading import Told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from ..core.bytes import ValueFile
    from ..core.parameters import Parameter, ParameterTable
    from ..core.report import Block
    from ..core.tensors import TensorInfo
    from ..statistics import Histogram

    _Stored = Callable[[Iterable[TensorInfo]], Iterator[tuple[TensorInfo, Histogram]]]

_FIVE = (0.0, 0.25, 0.5, 0.75, 1.0)
_START = {"gamma": 1.0, "beta": 0.0}  # what they are before training: nn.LayerNorm fills γ with ones and β with zeros
_MOST_CHARTS = 6
_MOST_NAMED = 4  # norms with dead γ that a sentence names


class Spread(NamedTuple):
    """The γ or the β of one norm: `which` is "gamma" or "beta". Over the finite values; None where there are none.

    `n_dead`: how many are no farther from 0 than a millionth of the median size. `distance`: the root mean square of what is
    between them and their start, 1 or 0. `five`: least, quartiles, greatest.
    """

    name: str
    template: str
    layer: int | None
    which: str
    numel: int
    mean: float | None
    std: float | None
    min: float | None
    max: float | None
    n_dead: int
    distance: float | None
    n_not_finite: int
    five: tuple[float, ...]


def read(
    table: ParameterTable, opened: Callable[[str], ValueFile] | None, stored: _Stored | None
) -> tuple[Spread, ...]:
    """The γ and β of each norm of the model, in its order; only these tensors are read.

    Raises MissingValuesError where the values are not known, and what a scan raises.
    """
    rows = [row for row in table.rows if row.component is Component.NORM and row.excluded is None and row.numel]
    told = Told(table, sorted(rows, key=lambda row: (row.tensor.shard or "", row.tensor.offset or 0)), opened)
    histograms = scan(told.tensors, told.open, told.reading(Reading())) if stored is None else stored(told.tensors)
    is_less_one = less_one(table)
    found = {
        row.tensor.name: _spread(row, histogram, is_less_one=is_less_one(row))
        for row, (_, histogram) in zip(told.rows, histograms, strict=True)
    }
    return tuple(found[row.tensor.name] for row in rows if row.tensor.name in found)


def _spread(row: Parameter, histogram: Histogram, *, is_less_one: bool) -> Spread:
    which = "beta" if row.role == "bias" else "gamma"
    shift = float(is_less_one)
    mean, std, _, _ = moments(histogram)
    owner = row.tensor.name.rpartition(".")[0]
    return Spread(
        owner,
        template_of(row.tensor.name).rpartition(".")[0],
        row.layer,
        which,
        row.numel,
        None if mean is None else mean + shift,
        std,
        None if histogram.least is None else histogram.least + shift,
        None if histogram.greatest is None else histogram.greatest + shift,
        _n_dead(histogram, shift),
        None if mean is None or std is None else hypot(std, mean + shift - _START[which]),
        histogram.numel - histogram.n_finite,
        tuple(value + shift for _, value in quantiles(histogram, _FIVE)) if histogram.n_finite else (),
    )


def _n_dead(histogram: Histogram, shift: float) -> int:
    """How many are no farther from 0 than a millionth of the median of their sizes."""
    sizes = sorted((abs(value + shift), n) for value, n in zip(histogram.values, histogram.counts, strict=True))
    ends = list(accumulate(n for _, n in sizes))
    if not ends:
        return 0
    middle = [sizes[bisect_right(ends, rank)][0] for rank in ((ends[-1] - 1) // 2, ends[-1] // 2)]
    return sum(n for size, n in sizes if size <= DEAD_GAMMA * (middle[0] + middle[1]) / 2)


def blocks(table: ParameterTable, spreads: Sequence[Spread], *, most_rows: int | None = None) -> tuple[Block, ...]:
    """A table of γ and one of β, a row for each norm, what they say, and a figure for each norm that stands in layers.

    `most_rows`: of more norms only the figures and the sentences.
    """
    model = Value(table.name, Unit.NAME)
    places = list(dict.fromkeys(spread.template for spread in spreads))
    spreads = sorted(spreads, key=lambda spread: (places.index(spread.template), spread.layer or 0))
    found: list[Block] = []
    for which in _START:
        of = [spread for spread in spreads if spread.which == which]
        if of and (most_rows is None or len(of) <= most_rows):
            found.append(_table(model, which, of))
    found += _notes(model, spreads)
    return (*found, *_charts(spreads))


def _table(model: Value, which: str, spreads: Sequence[Spread]) -> Table:
    is_gamma = which == "gamma"
    columns = (
        Column("name", Text("norm"), Unit.NAME),
        Column("layer", Text("layer"), Unit.INDEX),
        Column("mean", Text("mean"), Unit.REAL),
        Column("std", Text("std"), Unit.REAL),
        Column("min", Text("min"), Unit.REAL),
        Column("max", Text("max"), Unit.REAL),
        Column("dead", Text("dead") if is_gamma else Text("near 0"), Unit.COUNT),
        Column("distance", Text("from 1") if is_gamma else Text("from 0"), Unit.REAL),
    )
    rows = tuple((s.template, Text("outside") if s.layer is None else s.layer, s.mean, s.std, s.min, s.max, s.n_dead,
                  s.distance) for s in spreads)  # fmt: skip
    title = Text("γ of {model}", {"model": model}) if is_gamma else Text("β of {model}", {"model": model})
    return Table(title, columns, rows, key=which)


def _notes(model: Value, spreads: Sequence[Spread]) -> Iterator[Note]:
    gammas = [s for s in spreads if s.which == "gamma"]
    betas = [s for s in spreads if s.which == "beta"]
    n_dead = sum(s.n_dead for s in gammas)
    values: dict[str, Value | Text] = {
        "model": model,
        "n": Value(n_dead, Unit.COUNT),
        "all": Value(sum(s.numel for s in gammas), Unit.COUNT),
        "where": Value(_where(gammas), Unit.NAME),
    }
    if n_dead:
        yield Note(
            Text(
                "{model}: {n} of {all} γ are dead, no larger than a millionth of the median of their norm: {where}; a dead γ "
                "multiplies its channel by practically 0, and only the β of that channel goes on",
                values,
            )
        )
    elif gammas:
        yield Note(Text("{model}: of {all} γ none is dead", values))
    n_odd = sum(s.n_not_finite for s in spreads)
    if n_odd:
        odd = {"model": model, "n": Value(n_odd, Unit.COUNT)}
        yield Note(Text("{model}: {n} of γ and β are NaN or infinite and left out here; numel doctor says where", odd))
    for of, said in (
        (gammas, Text("{model}: the γ of {far} are furthest from the 1 at which they begin ({most} apart, as a root mean "
                      "square), those of {near} nearest ({least})")),
        (betas, Text("{model}: the β of {far} are furthest from the 0 at which they begin ({most}), those of {near} "
                     "nearest ({least})")),
    ):  # fmt: skip
        known = sorted((s.distance, s.name) for s in of if s.distance is not None)
        if len(known) > 1:
            ends = {
                "far": Value(known[-1][1], Unit.NAME),
                "most": Value(known[-1][0], Unit.REAL),
                "near": Value(known[0][1], Unit.NAME),
                "least": Value(known[0][0], Unit.REAL),
            }
            yield Note(said._replace(values={"model": model, **ends}))


def _where(gammas: Sequence[Spread]) -> str:
    """The norms with dead γ, the most first, each with how many."""
    dead = sorted((s for s in gammas if s.n_dead), key=lambda s: -s.n_dead)
    named = ", ".join(f"{s.name} ({s.n_dead})" for s in dead[:_MOST_NAMED])
    return named + (", …" if len(dead) > _MOST_NAMED else "")


def _charts(spreads: Sequence[Spread]) -> Iterator[Chart]:
    """γ and β by layer, of norms that stand in several layers."""
    sites: dict[tuple[str, str], list[Spread]] = {}
    for spread in spreads:
        if spread.layer is not None and spread.five:
            sites.setdefault((spread.template, spread.which), []).append(spread)
    templates = [template for template, _ in sites]
    order = sorted(sites, key=lambda site: (templates.index(site[0]), site[1] != "gamma"))  # γ, and its β below
    drawn = [(template, which, sites[template, which]) for template, which in order if len(sites[template, which]) > 1]
    for template, which, of in drawn[:_MOST_CHARTS]:
        yield spread_chart(template, which, [(s.layer or 0, s.five) for s in of])


def records(models: Sequence[tuple[str, Sequence[Spread]]]) -> Table:
    """The long form for CSV: one row for each model and tensor."""
    keys = ("numel", "mean", "std", "min", "max", "n_dead", "distance")
    columns = (
        Column("model", Text("model"), Unit.NAME),
        Column("name", Text("norm"), Unit.NAME),
        Column("layer", Text("layer"), Unit.INDEX),
        Column("which", Text("which"), Unit.NAME),
        *(Column(key, Text("{name}", {"name": Value(key, Unit.NAME)}), Unit.REAL) for key in keys),
    )
    rows = tuple(
        (model, s.name, s.layer, s.which, *(getattr(s, key) for key in keys)) for model, of in models for s in of
    )
    return Table(Text(""), columns, rows, key="values")
