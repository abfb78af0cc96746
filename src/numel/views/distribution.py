"""How is a distribution drawn? Densities on a logarithmic axis against σ, so wide that every outlier is on the sheet."""

from __future__ import annotations

from math import asinh, exp, log10, pi, sqrt
from typing import TYPE_CHECKING

from ..palette import color_of
from .labels import LINE_HEIGHT
from .sheet import FAINT, NORMAL, SMALL, Margins, dashes_of, key_lines, power_of_ten

if TYPE_CHECKING:
    from ..core.report import Chart
    from ..translate import Translator
    from .sheet import Sheet

_HEIGHT = 240.0
_LEFT = 40.0
_KEY_GAP = 10.0
_TICKS = (1, 2, 3, 6, 10, 20, 50, 100, 200, 500, 1000)


def margins(chart: Chart, translate: Translator, room: float) -> Margins:
    """The densities at the left, the key above, σ below."""
    n_lines = len(key_lines(chart, translate, range(len(chart.series)), room - _LEFT))
    return Margins(_LEFT, 6.0, n_lines * NORMAL * LINE_HEIGHT + _KEY_GAP, 2 * SMALL * LINE_HEIGHT + 14, _HEIGHT)


def paint(sheet: Sheet) -> None:
    """Draw each series as a line over asinh x, which is even near 0 and logarithmic far out; the normal one in grey."""
    chart, ax = sheet.chart, sheet.ax
    dashes = dashes_of(chart)
    points = [
        (x, value)
        for s in chart.series
        for x, value in zip(chart.x, s.values, strict=False)
        if value is not None and value > 0
    ]
    reach = max((abs(x) for x, _ in points), default=1.0)
    lowest = min((value for _, value in points), default=1e-3)
    grid = [i / 20 for i in range(-90, 91)]
    ax.plot([asinh(z) for z in grid], [exp(-z * z / 2) / sqrt(2 * pi) for z in grid], color=FAINT, linewidth=0.9)
    for series, dash in zip(chart.series, dashes, strict=True):
        shown = [(asinh(x), v) for x, v in zip(chart.x, series.values, strict=False) if v is not None and v > 0]
        color = color_of(series.key)
        ax.plot([x for x, _ in shown], [y for _, y in shown], color=color, linewidth=1.6, linestyle=dash)
    ax.set_yscale("log")
    top = max([0.5, *(value for _, value in points)])
    ax.set_ylim(lowest / 2, top * 2)
    ax.set_xlim(-asinh(reach) * 1.03, asinh(reach) * 1.03)
    ax.grid(axis="y", color=FAINT, linewidth=0.4, alpha=0.5)
    ticks = [0, *(sign * t for t in _TICKS if t <= reach for sign in (1, -1))]
    labels = [f"{t}".replace("-", "−") if abs(t) in (0, 1, 3, 10, 100, 1000) else "" for t in ticks]
    ax.set_xticks([asinh(t) for t in ticks], labels, fontsize=SMALL)
    powers = range(round(log10(lowest / 2)), round(log10(top * 2)) + 1, 2)
    ax.set_yticks([10.0**p for p in powers], [power_of_ten(p) for p in powers], fontsize=SMALL)
    ax.set_yticks([], minor=True)
    ax.set_xlabel(sheet.translate.text(chart.x_title), fontsize=SMALL, labelpad=4, parse_math=False)
    sheet.key_above(dashes)
