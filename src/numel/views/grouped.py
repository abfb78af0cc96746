"""How are values drawn side by side? Vertical bars in groups, each with its value on top."""

from __future__ import annotations

from math import cos, radians, sin
from typing import TYPE_CHECKING, Any

from ..palette import color_of
from ..units import magnitude
from .labels import LINE_HEIGHT, width
from .sheet import FAINT, NORMAL, SMALL, Margins, category_names, draw_key, highest, key_lines, shown, value_axis

if TYPE_CHECKING:
    from ..core.report import Chart
    from ..translate import Translator
    from .sheet import Sheet

_HEIGHT = 220.0
_LEFT = 34.0
_KEY_GAP = 12.0  # points between the key and the highest bar
_TURN = 25  # degrees, for names that are wider than their group


def margins(chart: Chart, translate: Translator, room: float) -> Margins:
    """The axis at the left, the key above, the names below: turned if one is wider than its group."""
    n_lines = len(key_lines(chart, translate, range(len(chart.series)), room - 2 * _LEFT))
    above = n_lines * NORMAL * LINE_HEIGHT + _KEY_GAP
    names = [width(name, NORMAL) for name in category_names(chart)]
    longest, group_width = max(names, default=0.0), (room - _LEFT) / max(len(names), 1)
    if longest + 6 <= group_width:
        return Margins(_LEFT, 0.0, above, _n_lines(chart) * NORMAL * LINE_HEIGHT + 6, _HEIGHT)
    left = max(_LEFT, names[0] * cos(radians(_TURN)) - group_width / 2 + 6)  # the first name reaches out to the left
    return Margins(left, 0.0, above, 14 + longest * sin(radians(_TURN)) + _n_lines(chart) * 8, _HEIGHT)


def _n_lines(chart: Chart) -> int:
    return max((name.count("\n") + 1 for name in category_names(chart)), default=1)


def paint(sheet: Sheet) -> None:
    """Draw the groups, first category at the left."""
    chart, ax = sheet.chart, sheet.ax
    names, top = category_names(chart), highest(chart)
    slot = 0.8 / max(len(chart.series), 1)
    group_width = sheet.width / max(len(names), 1)
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.spines["bottom"].set(visible=True, color=FAINT, linewidth=0.6)
    texts = [[shown(chart, sheet.translate, value) for value in series.values] for series in chart.series]
    widest = max((width(text, SMALL) for row in texts for text in row), default=0.0)
    style: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": SMALL}
    is_turned = widest > slot * group_width + 2
    style["rotation"] = 90 if is_turned else 0
    ax.set_ylim(0, top * (1.2 if is_turned else 1.1))
    for k, series in enumerate(chart.series):
        for group, value in enumerate(series.values):
            x = group - 0.4 + slot * (k + 0.5)
            ax.bar(x, magnitude(value), width=slot * 0.94, color=color_of(series.key))
            sheet.write(x, magnitude(value) + top * 0.015, texts[k][group], **style)
    point = ax.get_ylim()[1] / sheet.height
    draw_key(sheet, range(len(chart.series)), ax.get_ylim()[1] + 8 * point, -point)
    is_wide = max((width(name, NORMAL) for name in names), default=0.0) + 6 > group_width
    turn: dict[str, Any] = {"rotation": _TURN, "ha": "right", "rotation_mode": "anchor"} if is_wide else {}
    ax.set_xticks(range(len(names)), names, parse_math=False, **turn)
    value_axis(sheet)
