"""How is one number for each part of each layer drawn? As a map: parts below each other, layers side by side."""

from __future__ import annotations

from math import asinh
from typing import TYPE_CHECKING

from ..core.report import Unit
from ..palette import text_on
from ..units import format_value
from .labels import LINE_HEIGHT, width
from .layout import shorten
from .sheet import NORMAL, SMALL, Margins, category_names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..core.report import Chart
    from ..translate import Translator
    from .sheet import Sheet

_ROW = 20.0  # points
_LONGEST = 44  # a component and its part in Vietnamese
_LIGHT, _DARK = (247, 251, 255), (8, 48, 107)  # one hue, light to dark: readable in grey and by colour-blind readers
_NONE = "#eeeeee"
_GAP = 6.0


def margins(chart: Chart, translate: Translator, room: float) -> Margins:
    """The parts' names at the left, the layers' below."""
    del room
    longest = max((width(_name(chart, translate, k), NORMAL) for k in range(len(chart.series))), default=0.0)
    return Margins(longest + 2 * _GAP, 0.0, 0.0, 2 * SMALL * LINE_HEIGHT + 12, max(len(chart.series), 1) * _ROW)


def paint(sheet: Sheet) -> None:
    """Draw the cells, each with its number where it finds room; what is not there is grey."""
    chart, ax = sheet.chart, sheet.ax
    columns = len(chart.categories)
    low, high = _ends(value for series in chart.series for value in series.values)
    ax.set_xlim(-0.5, max(columns, 1) - 0.5)
    ax.set_ylim(max(len(chart.series), 1) - 0.5, -0.5)
    room = sheet.width / max(columns, 1)
    for row, series in enumerate(chart.series):
        for column, value in enumerate(series.values):
            color = _NONE if value is None else _shade((_bent(value) - low) / ((high - low) or 1))
            ax.bar(column, 1, bottom=row - 0.5, width=1, color=color, edgecolor="#fefefe", linewidth=0.6)
            text = "" if value is None else _short(value, chart.y_unit, sheet.translate.lang)
            if width(text, SMALL) + 2 <= room:
                sheet.write(column, row, text, ha="center", va="center", fontsize=SMALL, color=text_on(color))
    names = [_name(chart, sheet.translate, k) for k in range(len(chart.series))]
    ax.set_yticks(range(len(names)), names, parse_math=False)
    every = next((n for n in (1, 2, 5, 10, 20, 50, 100) if room * n >= 16), 200)
    ax.set_xticks(range(0, columns, every), category_names(chart)[::every], fontsize=SMALL, parse_math=False)
    ax.set_xlabel(sheet.translate.text(chart.x_title), fontsize=SMALL, labelpad=4, parse_math=False)


def _name(chart: Chart, translate: Translator, k: int) -> str:
    return shorten(translate.text(chart.series[k].title), _LONGEST)


def _bent(value: float) -> float:
    """Even near 0, logarithmic far out: one part of 1,582 must not make all others look alike."""
    return asinh(float(value))


def _ends(values: Iterable[float | None]) -> tuple[float, float]:
    known = [_bent(value) for value in values if value is not None]
    return (min(known), max(known)) if known else (0.0, 1.0)


def _shade(share: float) -> str:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(_LIGHT, _DARK, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _short(value: float, unit: Unit, lang: str) -> str:
    """Three characters or four: a cell is small."""
    if unit is not Unit.REAL:
        return format_value(value, unit, lang)
    size = abs(value)
    digits = 0 if size >= 10 else 1 if size >= 1 else 2
    return format_value(round(value, digits) + 0.0 if size >= 0.01 else float(f"{value:.1g}"), Unit.REAL, lang)
