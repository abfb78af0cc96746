"""Which pictures do the distributions make? Each component in units of σ, and a map of one statistic, layer × part."""

from __future__ import annotations

from array import array
from itertools import pairwise
from math import asinh, sinh
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.groups import reading_order, template_of
from ..core.parameters import Component
from ..core.report import Chart, ChartKind, Series, Text, Unit, Value
from ..kernels import kernels
from ..statistics import exact
from ..statistics.summary import moments, quantiles

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..core.parameters import Parameter
    from ..statistics import Histogram
    from ..statistics.exact import PowerSums

_FARTHEST = 1000.0  # σ
_N_BINS = 151  # odd: the middle one holds 0; even in asinh z, about 0.1 σ wide in the middle
_STEP = 2 * asinh(_FARTHEST) / _N_BINS
_EDGES = tuple(sinh((k - _N_BINS / 2) * _STEP) for k in range(_N_BINS + 1))
_CENTERS = tuple(sinh((k - _N_BINS // 2) * _STEP) for k in range(_N_BINS))

_MOST_GAMMAS = 4096  # norms whose five numbers are kept: no model has as many layers
_MOST_CHARTS = 6

MAPS: dict[str, Callable[[PowerSums], float | None]] = {
    "kurtosis": exact.kurtosis,
    "skewness": exact.skewness,
    "mean": exact.mean,
    "std": exact.std,
    "l2": exact.l2,
    "l1": exact.l1,
}


class Cell(NamedTuple):
    """The matrices of one part in one layer."""

    component: str
    part: str
    tower: str
    layer: int
    sums: PowerSums


class Gamma(NamedTuple):
    """The scales of one norm: where it stands, and the five numbers of its values (least, quartiles, greatest)."""

    template: str
    layer: int
    five: tuple[float, ...]


class Farthest(NamedTuple):
    """The value of a component that is farthest from the mean of its tensor, in σ of that tensor."""

    sigmas: float
    tensor: str


class Pictures(NamedTuple):
    """What the figures of a model show: counts in the bins of σ per component, the cells of the map, γ per layer.

    `farthest`: of each component the value that lies farthest out.
    """

    counts: dict[str, list[int]]
    cells: tuple[Cell, ...]
    measure: str
    gammas: tuple[Gamma, ...] = ()
    farthest: Mapping[str, Farthest] = {}


class Drawing:
    """Adds up what the figures need while the tensors come in."""

    def __init__(self, measure: str | None) -> None:
        self.measure = measure if measure in MAPS else "kurtosis"
        self._counts: dict[str, list[int]] = {}
        self._cells: dict[tuple[str, str, str, int], PowerSums] = {}
        self._gammas: list[Gamma] = []
        self._farthest: dict[str, Farthest] = {}

    def add(self, row: Parameter, histogram: Histogram) -> None:
        """One more tensor: its values by its own mean and σ, and its sums if it is a matrix of a layer."""
        mean, std, _, _ = moments(histogram)
        if mean is not None and std:
            self._reach(row, histogram, mean, std)
            edges = array("d", [mean + edge * std for edge in _EDGES])
            reached = kernels().n_below(histogram.values, histogram.counts, edges)
            reached[0], reached[-1] = 0, histogram.n_finite  # what lies beyond 1,000 σ belongs to the last bins
            known = self._counts.setdefault(row.component.value, [0] * _N_BINS)
            for k, (low, high) in enumerate(pairwise(reached)):
                known[k] += high - low
        is_scale = row.component is Component.NORM and row.role == "weight" and row.layer is not None
        if is_scale and histogram.n_finite and len(self._gammas) < _MOST_GAMMAS:
            five = tuple(value for _, value in quantiles(histogram, (0.0, 0.25, 0.5, 0.75, 1.0)))
            self._gammas.append(Gamma(template_of(row.tensor.name), row.layer or 0, five))
        if row.layer is not None and len(row.tensor.shape) > 1 and histogram.sums is not None:
            key = (row.component.value, row.part, row.tower, row.layer)
            before = self._cells.get(key)
            self._cells[key] = histogram.sums if before is None else before.plus(histogram.sums)

    def _reach(self, row: Parameter, histogram: Histogram, mean: float, std: float) -> None:
        ends = [end for end in (histogram.least, histogram.greatest) if end is not None]
        found = Farthest(max((abs(end - mean) for end in ends), default=0.0) / std, row.tensor.name)
        known = self._farthest.get(row.component.value, found)
        self._farthest[row.component.value] = max(known, found, key=lambda each: each.sigmas)

    def result(self) -> Pictures:
        """All of it, components and parts in reading order."""
        order = sorted(self._counts, key=lambda name: reading_order(("component",), (name,)))
        cells = sorted(self._cells, key=lambda key: reading_order(("component", "part", "tower", "layer"), key))
        counts = {name: self._counts[name] for name in order}
        return Pictures(
            counts, tuple(Cell(*key, sums=self._cells[key]) for key in cells), self.measure, tuple(self._gammas),
            self._farthest,
        )  # fmt: skip


def charts(model: str, pictures: Pictures) -> tuple[Chart, ...]:
    """The figures of one model; only those that have something to show."""
    found = []
    if pictures.counts:
        found.append(_distributions(model, pictures))
    if any(MAPS[pictures.measure](cell.sums) is not None for cell in pictures.cells):
        found.append(_map(model, pictures))
    templates = dict.fromkeys(gamma.template for gamma in pictures.gammas)
    for template in list(templates)[:_MOST_CHARTS]:
        rows = [(gamma.layer, gamma.five) for gamma in pictures.gammas if gamma.template == template]
        found.append(spread_chart(template, "gamma", rows))
    return tuple(found)


def data(pictures: Pictures) -> dict[str, Any]:
    """The numbers of the figures."""
    measure = MAPS[pictures.measure]
    return {
        "in_sigma": {"edges": list(_EDGES), "counts": pictures.counts},
        "map": {
            "stat": pictures.measure,
            "cells": [
                {**dict(zip(c._fields[:4], c[:4], strict=True)), "value": measure(c.sums)} for c in pictures.cells
            ],
        },
        "gammas": [gamma._asdict() for gamma in pictures.gammas],
    }


def _distributions(model: str, pictures: Pictures) -> Chart:
    widths = [after - before for before, after in pairwise(_EDGES)]
    used = [k for k in range(_N_BINS) if any(counts[k] for counts in pictures.counts.values())]
    shown = slice(used[0], used[-1] + 1) if used else slice(0, 0)
    series = []
    for name, counts in pictures.counts.items():
        n = sum(counts)
        densities = tuple(count / n / width if count else None for count, width in zip(counts, widths, strict=True))
        series.append(Series(name, Text("{what}", {"what": Value(name, Unit.WORD)}), densities[shown]))
    return Chart(
        "distribution",
        Text("How the weights of {model} are distributed", {"model": Value(model, Unit.NAME)}),
        ChartKind.DISTRIBUTION,
        (),
        tuple(series),
        Text("density; grey: a normal distribution"),
        Unit.REAL,
        x=_CENTERS[shown],
        x_title=Text("distance from the mean of the tensor, in its σ"),
        x_unit=Unit.REAL,
    )


def _map(model: str, pictures: Pictures) -> Chart:
    layers = sorted({cell.layer for cell in pictures.cells})
    measure = MAPS[pictures.measure]
    values: dict[tuple[str, str, str], dict[int, float | None]] = {}
    for cell in pictures.cells:
        values.setdefault((cell.component, cell.part, cell.tower), {})[cell.layer] = measure(cell.sums)
    one_tower = len({cell.tower for cell in pictures.cells}) == 1
    series = tuple(
        Series(
            component, _row_title(component, part, None if one_tower else tower), tuple(found.get(k) for k in layers)
        )
        for (component, part, tower), found in values.items()
    )
    return Chart(
        "map",
        Text(
            "{stat} of the matrices of {model}",
            {"stat": Value(pictures.measure, Unit.WORD), "model": Value(model, Unit.NAME)},
        ),
        ChartKind.MAP,
        tuple(str(layer) for layer in layers),
        series,
        Text("by part and layer"),
        Unit.REAL,
        x_title=Text("layer"),
    )


def spread_chart(template: str, which: str, rows: Sequence[tuple[int, tuple[float, ...]]]) -> Chart:
    """The γ ("gamma") or β ("beta") of one norm: for each layer the five numbers of its values."""
    rows = sorted(rows)
    name = {"name": Value(template, Unit.NAME)}
    titles = (Text("least"), Text("quarter"), Text("median"), Text("three quarters"), Text("greatest"))
    series = tuple(Series("norm", title, tuple(five[k] for _, five in rows)) for k, title in enumerate(titles))
    return Chart(
        which + "-" + "-".join(word for word in template.split(".") if word.isidentifier()),
        Text("γ of {name}", name) if which == "gamma" else Text("β of {name}", name),
        ChartKind.RANGE,
        tuple(str(layer) for layer, _ in rows),
        series,
        Text("from the least to the greatest; thick: the middle half; dot: the median"),
        Unit.REAL,
        x_title=Text("layer"),
    )


def _row_title(component: str, part: str, tower: str | None) -> Text:
    values = {"component": Value(component, Unit.WORD), "part": Value(part, Unit.WORD)}
    if tower is None:
        return Text("{component} · {part}", values)
    return Text("{tower} · {component} · {part}", {**values, "tower": Value(tower, Unit.WORD)})
