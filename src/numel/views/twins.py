"""Which table says the same as a chart? One row per category or size, one column per series."""

from __future__ import annotations

from ..core.report import Chart, ChartKind, Column, Table, Text, Unit, Value


def table_of(chart: Chart) -> Table:
    """The chart's numbers as a table.

    >>> from numel.core.report import ChartKind, Series
    >>> mlp = Series("mlp", Text("MLP"), (0.45, 0.63))
    >>> table_of(Chart("share", Text("Shares"), ChartKind.STACKED, ("small", "xl"), (mlp,), Text("share"))).rows
    (('small', 0.45), ('xl', 0.63))
    """
    columns = [Column("model", Text("model"), Unit.NAME)]
    if chart.kind in (ChartKind.MAP, ChartKind.RANGE):
        columns = [Column("layer", chart.x_title, Unit.NAME)]
    if chart.category_unit is Unit.WORD:
        columns = [Column("what", Text("of"), Unit.WORD)]
    leads: list[tuple[object, ...]] = [(name,) for name in chart.categories]
    if chart.x:
        columns.append(Column("x", chart.x_title, chart.x_unit if chart.kind is ChartKind.ROOFLINE else Unit.COUNT))
        names = chart.categories or ("",) * len(chart.x)
        leads = [(Value(name, chart.category_unit), x) for name, x in zip(names, chart.x, strict=True)]
    if chart.kind in (ChartKind.DISTRIBUTION, ChartKind.RANKS):
        columns, leads = [Column("x", chart.x_title, chart.x_unit)], [(x,) for x in chart.x]
    columns += [Column(series.key, series.title, chart.y_unit) for series in chart.series]
    rows = tuple((*lead, *(series.values[k] for series in chart.series)) for k, lead in enumerate(leads))
    return Table(chart.title, tuple(columns), rows, key=chart.key)


def is_picture_of_table(chart: Chart) -> bool:
    """Whether a chart says no more than the bars of the table before it: one bar alone."""
    return chart.kind is ChartKind.STACKED and len(chart.categories) == 1
