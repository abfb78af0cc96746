"""How is a spread drawn for each category? From the least to the greatest, the middle half thick, the median a dot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.report import Unit
from ..palette import color_of
from ..units import format_value
from .labels import LINE_HEIGHT, width
from .sheet import FAINT, SMALL, Margins, category_names

if TYPE_CHECKING:
    from ..core.report import Chart
    from ..translate import Translator
    from .sheet import Sheet

_HEIGHT = 150.0
_LEFT = 44.0


def margins(chart: Chart, translate: Translator, room: float) -> Margins:
    """The values at the left, the categories below."""
    del chart, translate, room
    return Margins(_LEFT, 0.0, 0.0, 2 * SMALL * LINE_HEIGHT + 14, _HEIGHT)


def paint(sheet: Sheet) -> None:
    """Draw a column for each category; the series are in ascending order, the middle one is the dot."""
    chart, ax = sheet.chart, sheet.ax
    names = category_names(chart)
    middle = len(chart.series) // 2
    for column in range(len(names)):
        values = [s.values[column] if column < len(s.values) else None for s in chart.series]
        known = [value for value in values if value is not None]
        if len(known) < len(values) or not values:
            continue
        color = color_of(chart.series[middle].key)
        ax.vlines(column, known[0], known[-1], color=color, linewidth=1.2)
        ax.vlines(column, known[middle // 2], known[-1 - middle // 2], color=color, linewidth=7, alpha=0.6)
        ax.plot([column], [known[middle]], marker="o", markersize=4, color=color, markeredgecolor="#fefefe")
    ax.set_xlim(-0.6, max(len(names), 1) - 0.4)
    ax.axhline(0, color=FAINT, linewidth=0.6)
    ax.grid(axis="y", color=FAINT, linewidth=0.4, alpha=0.5)
    ax.set_axisbelow(True)
    ticks = [tick for tick in ax.get_yticks() if ax.get_ylim()[0] <= tick <= ax.get_ylim()[1]]
    labels = [format_value(float(f"{tick:.6g}"), Unit.REAL, sheet.translate.lang) for tick in ticks]
    ax.set_yticks(ticks, labels, fontsize=SMALL)
    room = sheet.width / max(len(names), 1)
    widest = max((width(name, SMALL) for name in names), default=0.0) + 6
    every = next((n for n in (1, 2, 5, 10, 20, 50, 100) if room * n >= widest), 200)
    ax.set_xticks(range(0, len(names), every), names[::every], fontsize=SMALL, parse_math=False)
    ax.set_xlabel(sheet.translate.text(chart.x_title), fontsize=SMALL, labelpad=4, parse_math=False)
