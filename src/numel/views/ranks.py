"""How are sizes drawn by their rank? Both axes logarithmic, and a grey line at 1: what the sizes are measured by."""

from __future__ import annotations

from math import ceil, floor, log10
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
_LOWEST = 1e-3  # what lies lower is the rounding of matrices without full rank


def margins(chart: Chart, translate: Translator, room: float) -> Margins:
    """The sizes at the left, the key above, the ranks below."""
    n_lines = len(key_lines(chart, translate, range(len(chart.series)), room - _LEFT))
    return Margins(_LEFT, 6.0, n_lines * NORMAL * LINE_HEIGHT + _KEY_GAP, 2 * SMALL * LINE_HEIGHT + 14, _HEIGHT)


def paint(sheet: Sheet) -> None:
    """Draw each series as a line; the dashes tell apart those of one colour."""
    chart, ax = sheet.chart, sheet.ax
    dashes = dashes_of(chart)
    values = [value for series in chart.series for value in series.values if value is not None and value > _LOWEST]
    ax.axhline(1, color=FAINT, linewidth=1.2)
    for series, dash in zip(chart.series, dashes, strict=True):
        shown = [(x, v) for x, v in zip(chart.x, series.values, strict=False) if v is not None and v > _LOWEST]
        color = color_of(series.key)
        ax.plot([x for x, _ in shown], [y for _, y in shown], color=color, linewidth=1.6, linestyle=dash)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(0.95, max(chart.x, default=1.0) * 1.06)
    ax.set_ylim(min([0.5, *values]) / 1.15, max([2.0, *values]) * 1.15)
    ax.grid(axis="y", color=FAINT, linewidth=0.4, alpha=0.5)
    _axes(sheet)
    sheet.key_above(dashes)


def _axes(sheet: Sheet) -> None:
    """Ticks at powers of ten, and at 2 and 5 where there are few of them."""
    ax, say = sheet.ax, sheet.translate
    ranks = [r for p in range(7) for r in (10**p, 2 * 10**p, 5 * 10**p) if r <= ax.get_xlim()[1]]
    ax.set_xticks(ranks, [say.cell(rank, sheet.chart.x_unit) for rank in ranks], fontsize=SMALL)
    low, high = ax.get_ylim()
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    steps = (1, 2, 5) if log10(high / low) < 2.5 else (1,)
    ticks = [(p, s) for p in powers for s in steps if low <= s * 10.0**p <= high]
    labels = [say.cell(s * 10.0**p, sheet.chart.y_unit) if p >= -2 else power_of_ten(p) for p, s in ticks]
    ax.set_yticks([s * 10.0**p for p, s in ticks], labels, fontsize=SMALL)
    ax.set_xticks([], minor=True)
    ax.set_yticks([], minor=True)
    ax.set_xlabel(say.text(sheet.chart.x_title), fontsize=SMALL, labelpad=4, parse_math=False)
