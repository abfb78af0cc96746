"""How is a roofline drawn? What a device can do at most against FLOPs for each byte, both logarithmic, and the parts on it."""

from __future__ import annotations

from math import atan2, ceil, degrees, floor, log, log10
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.report import Unit
from ..palette import color_of
from ..units import format_value
from .labels import LINE_HEIGHT, width
from .layout import shorten
from .sheet import FAINT, INK, NORMAL, SMALL, Margins, category_names, power_of_ten

if TYPE_CHECKING:
    from ..core.report import Chart
    from ..translate import Translator
    from .sheet import Sheet

_HEIGHT = 290.0
_LEFT = 62.0
_BELOW = 12.0  # a factor under the lowest point, for the names of several
_KEY = 22.0
_N_ROOFS = 2  # the first series: what the memory's bandwidth allows, and the peak
_MARKERS = ("o", "D", "s", "^")
_SIZES = (9.0, 5.5, 3.0)  # of markers at one place: each is seen around the next
_LONGEST = 34  # characters of a label
_LINE = SMALL * LINE_HEIGHT


class _Point(NamedTuple):
    """A part in one phase (`kind` of the categories): its place in points from the lower left corner."""

    left: float
    up: float
    color: str
    kind: int
    label: str


class _Box(NamedTuple):
    """A rectangle that is taken: points."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: _Box) -> bool:
        """Whether they overlap."""
        return (
            self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top
        )


def margins(chart: Chart, translate: Translator, room: float) -> Margins:
    """The rates at the left, the phases' markers above, the intensities below."""
    del chart, translate, room
    return Margins(_LEFT, 12.0, _KEY, 2 * SMALL * LINE_HEIGHT + 14, _HEIGHT)


def paint(sheet: Sheet) -> None:
    """Draw the roof, and below it a marker and a name for each part of each phase."""
    chart, ax = sheet.chart, sheet.ax
    rates = [v for series in chart.series for v in series.values if v]
    if not chart.x or not rates:
        return
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(min(chart.x), max(*chart.x, 2 * min(chart.x)))
    ax.set_ylim(_lowest(chart) / _BELOW, max(rates) * 2.2)
    for spine in ("left", "bottom"):
        ax.spines[spine].set(visible=True, color=FAINT, linewidth=0.6)
    ax.grid(color=FAINT, linewidth=0.4, alpha=0.4)
    ax.set_axisbelow(True)
    _roof(sheet)
    _points(sheet)
    _axes(sheet)


def _lowest(chart: Chart) -> float:
    """The least rate of a part, or of the roof where no part has any."""
    parts = [v for series in chart.series[_N_ROOFS:] for v in series.values if v]
    return min(parts) if parts else min(v for series in chart.series for v in series.values if v)


def _roof(sheet: Sheet) -> None:
    """Both parts of the roof with their rates, and a line down from where they meet."""
    chart, ax = sheet.chart, sheet.ax
    for k, series in enumerate(chart.series[:_N_ROOFS]):
        known = sorted((x, v) for x, v in zip(chart.x, series.values, strict=False) if v is not None)
        if len(known) < 2:
            continue
        (x, y), (end, above) = known[0], known[-1]
        ax.plot([x, end], [y, above], color=INK, linewidth=1.8, solid_capstyle="round")
        start, stop = _place(sheet, x, y), _place(sheet, end, above)
        turn = degrees(atan2(stop[1] - start[1], stop[0] - start[0]))
        text = sheet.translate.text(series.title)
        style: dict[str, Any] = {"va": "bottom", "fontsize": SMALL, "color": INK, "parse_math": False}
        style["textcoords"] = "offset points"
        if k == 0:
            middle = ((x * end) ** 0.5, (y * above) ** 0.5)
            ax.annotate(text, middle, (-6, 6), ha="center", rotation=turn, rotation_mode="anchor", **style)
        else:
            ax.annotate(text, (end, above), (0, 5), ha="right", **style)
            ax.vlines(x, ax.get_ylim()[0], y, color=FAINT, linewidth=0.8, linestyle=":")
            ridge = format_value(x, chart.x_unit, sheet.translate.lang)
            is_left = start[0] + 3 + width(ridge, SMALL) > sheet.width
            place = (-3, 4) if is_left else (3, 4)
            ax.annotate(ridge, (x, ax.get_ylim()[0]), place, ha="right" if is_left else "left", **style)


def _points(sheet: Sheet) -> None:
    """The markers, and names that keep clear of them, of each other and of the roof."""
    found = _found(sheet)
    taken = [_Box(p.left - 5, p.up - 5, p.left + 5, p.up + 5) for p in found]
    seen: list[_Point] = []
    for point in found:
        n_before = sum(abs(p.left - point.left) < 3 and abs(p.up - point.up) < 3 for p in seen)
        seen.append(point)
        box = _room_for(sheet, point, taken)
        taken.append(box)
        middle = (box.bottom + box.top) / 2
        beside = box.left - 2 if box.left > point.left else box.right + 2
        sheet.hairline(_data(sheet, point.left, point.up), _data(sheet, beside, middle), point.color)
        sheet.write(*_data(sheet, box.left, middle), point.label, ha="left", va="center", fontsize=SMALL)
        size = _SIZES[min(n_before, len(_SIZES) - 1)]
        at = _data(sheet, point.left, point.up)
        marker = _MARKERS[point.kind % len(_MARKERS)]
        sheet.ax.plot(
            [at[0]], [at[1]], marker=marker, markersize=size, color=point.color, markeredgecolor="#fefefe",
            markeredgewidth=0.6, zorder=4 + n_before, clip_on=False,
        )  # fmt: skip
    names = category_names(sheet.chart, sheet.translate)[: -_N_ROOFS - 1]
    x = 0.0
    for k, text in enumerate(dict.fromkeys(names)):
        at = _data(sheet, x + 5, sheet.height + 12)
        sheet.ax.plot([at[0]], [at[1]], marker=_MARKERS[k % len(_MARKERS)], markersize=7, color=INK, clip_on=False)
        sheet.write(*_data(sheet, x + 14, sheet.height + 12), text, va="center", fontweight="bold")
        x += 14 + width(text, NORMAL, bold=True) + 18


def _found(sheet: Sheet) -> list[_Point]:
    """The points from left to right."""
    chart = sheet.chart
    kinds = list(dict.fromkeys(chart.categories))
    points = []
    for series in chart.series[_N_ROOFS:]:
        title = sheet.translate.text(series.title)
        for k, (x, y) in enumerate(zip(chart.x, series.values, strict=False)):
            if y is not None:
                kind = kinds.index(chart.categories[k]) if k < len(chart.categories) else 0
                points.append(_Point(*_place(sheet, x, y), color_of(series.key), kind, shorten(title, _LONGEST)))
    return sorted(points, key=lambda point: (point.left, point.kind))


def _room_for(sheet: Sheet, point: _Point, taken: list[_Box]) -> _Box:
    """The nearest place below the point where its name meets nothing."""
    size = width(point.label, SMALL)
    boxes = []
    for left in (point.left + 12, point.left - size - 12):
        tops = [point.up - step * (_LINE + 0.5) for step in range(12)]
        if 4 <= left <= sheet.width - size:
            boxes += [_Box(left, top - _LINE, left + size, top) for top in tops]
    free = (box for box in boxes if box.bottom > _LINE + 6 and not any(box.meets(other) for other in taken))
    below = (box for box in free if _is_under_roof(sheet, box))
    return next(below, _Box(point.left + 12, point.up - _LINE, point.left + 12 + size, point.up))


def _is_under_roof(sheet: Sheet, box: _Box) -> bool:
    """Whether the roof is above its upper left corner, and so above all of it."""
    x, y = _data(sheet, box.left, box.top)
    slopes = [v / at for at, v in zip(sheet.chart.x, sheet.chart.series[0].values, strict=False) if v is not None]
    peaks = [v for v in sheet.chart.series[1].values if v is not None]
    return all(y < 0.97 * bound for bound in (*peaks, *(slope * x for slope in slopes)))


def _place(sheet: Sheet, x: float, y: float) -> tuple[float, float]:
    """Where a value lies in points."""
    (low, high), (bottom, top) = sheet.ax.get_xlim(), sheet.ax.get_ylim()
    return log(x / low) / log(high / low) * sheet.width, log(y / bottom) / log(top / bottom) * sheet.height


def _data(sheet: Sheet, left: float, up: float) -> tuple[float, float]:
    """The values that lie there."""
    (low, high), (bottom, top) = sheet.ax.get_xlim(), sheet.ax.get_ylim()
    return low * (high / low) ** (left / sheet.width), bottom * (top / bottom) ** (up / sheet.height)


def _axes(sheet: Sheet) -> None:
    """A tick at each power of ten."""
    ax, say = sheet.ax, sheet.translate
    (low, high), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    powers = range(ceil(log10(low)), floor(log10(high)) + 1)
    names = [say.cell(10**p, Unit.COUNT) if 0 <= p < 5 else power_of_ten(p) for p in powers]
    names = [say.cell(10.0**p, Unit.REAL) if p in (-1, -2) else name for p, name in zip(powers, names, strict=True)]
    ax.set_xticks([10.0**p for p in powers], names, fontsize=SMALL)
    powers = range(ceil(log10(bottom)), floor(log10(top)) + 1)
    rates = [say.cell(10.0**p, sheet.chart.y_unit) for p in powers]
    ax.set_yticks([10.0**p for p in powers], rates, fontsize=SMALL)
    ax.set_xticks([], minor=True)
    ax.set_yticks([], minor=True)
    ax.set_xlabel(say.text(sheet.chart.x_title), fontsize=SMALL, labelpad=4, parse_math=False)
