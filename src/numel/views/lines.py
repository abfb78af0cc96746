"""How is a trend drawn? Lines against a size on a logarithmic axis, each named at its end."""

from __future__ import annotations

from math import log, nan
from typing import TYPE_CHECKING

from ..core.report import Text
from ..palette import color_of
from ..units import format_value, magnitude
from .labels import LINE_HEIGHT, spread, width
from .layout import shorten
from .sheet import FAINT, NORMAL, SMALL, Margins, category_names, highest, shown, value_axis

if TYPE_CHECKING:
    from ..core.report import Chart, Series
    from ..translate import Translator
    from .sheet import Sheet

_HEIGHT = 230.0
_LEFT = 34.0
_LONGEST = 36  # characters of a line's name
_END = 14.0  # points from the last size to the names


def margins(chart: Chart, translate: Translator, room: float) -> Margins:
    """The axis at the left, the lines' names at the right, the sizes and the models' names below."""
    del room
    longest = max((width(_label(chart, translate, series), NORMAL) for series in chart.series), default=0.0)
    n_lines = max((name.count("\n") + 1 for name in category_names(chart)), default=0)
    below = (n_lines + 1 + bool(chart.x_title.template)) * SMALL * LINE_HEIGHT + 14
    return Margins(_LEFT, longest + _END, 6.0, below, _HEIGHT)


def paint(sheet: Sheet) -> None:
    """Draw the lines."""
    chart, ax, top = sheet.chart, sheet.ax, highest(sheet.chart)
    low, high = min(chart.x), max(chart.x)
    room = (high / low) ** 0.03 if high > low else 1.5
    ax.set_xscale("log")
    ax.set_xlim(low / room, high * room)
    ax.set_ylim(-0.02 * top, top * 1.08)
    ax.grid(axis="y", color=FAINT, linewidth=0.4, alpha=0.5)
    ax.set_axisbelow(True)
    for series in chart.series:
        values = [nan if value is None else float(value) for value in series.values]
        ax.plot(chart.x, values, color=color_of(series.key), linewidth=2, marker="o", markersize=4, clip_on=False)
    _name_lines(sheet)
    _size_axis(sheet)
    value_axis(sheet)


def _label(chart: Chart, translate: Translator, series: Series) -> str:
    return f"{shorten(translate.text(series.title), _LONGEST)} {shown(chart, translate, _last(series))}"


def _last(series: Series) -> float | None:
    return next((value for value in reversed(series.values) if value is not None), None)


def _name_lines(sheet: Sheet) -> None:
    """Each line's name and last value at its end; labels that would overlap move apart, with a hairline to their line."""
    chart = sheet.chart
    left, right = sheet.ax.get_xlim()
    bottom, top = sheet.ax.get_ylim()
    point = (right / left) ** (1 / sheet.width)  # a factor on the logarithmic axis
    ends = sorted(chart.series, key=lambda series: magnitude(_last(series)))
    heights = [NORMAL * LINE_HEIGHT / sheet.height * (top - bottom)] * len(ends)
    places = spread([magnitude(_last(series)) for series in ends], heights, bottom - 0.02 * (top - bottom), top)
    for series, place in zip(ends, places, strict=True):
        end = right * point**8
        sheet.hairline((max(chart.x) * point**3, magnitude(_last(series))), (end, place), color_of(series.key))
        sheet.write(end * point**3, place, _label(chart, sheet.translate, series), va="center_baseline")


def _size_axis(sheet: Sheet) -> None:
    """A tick at each model that finds room: its size, and below it its name."""
    chart, ax = sheet.chart, sheet.ax
    low, high = ax.get_xlim()
    names = category_names(chart) or [""] * len(chart.x)
    ticks: list[tuple[float, str]] = []
    edge = float("-inf")
    for x, name in sorted(zip(chart.x, names, strict=True)):
        label = f"{format_value(x, chart.x_unit, sheet.translate.lang)}\n{name}"
        at = log(x / low) / log(high / low) * sheet.width
        if at - width(label, SMALL) / 2 > edge + 6:
            ticks.append((x, label))
            edge = at + width(label, SMALL) / 2
    ax.set_xticks([x for x, _ in ticks], [label for _, label in ticks], fontsize=SMALL, parse_math=False)
    ax.set_xticks([], minor=True)
    if chart.x_title.template:
        axis = sheet.translate.text(Text("{what}, on a logarithmic axis", {"what": chart.x_title}))
        ax.set_xlabel(axis, fontsize=SMALL, parse_math=False, labelpad=4, color=FAINT)
    ax.vlines([x for x, _ in ticks], *ax.get_ylim(), color=FAINT, linewidth=0.4, alpha=0.4, zorder=0)
