"""How are shares drawn? One bar of 100 % per category; names above, values inside, what is too thin beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..palette import color_of, text_on
from ..units import magnitude
from .labels import LINE_HEIGHT, broken, spread, width
from .layout import shorten
from .sheet import EDGE, NORMAL, SMALL, Margins, category_names, draw_key, hatches_of, key_lines, shown

if TYPE_CHECKING:
    from ..core.report import Chart
    from ..translate import Translator
    from .sheet import Sheet

_ROW = 36.0  # points from one bar to the next
_BAR = 0.6  # of a row
_BELOW = 0.2  # rows below the last bar, for values that did not fit into it
_THIN = 0.0028  # of the bar, one point at the usual width: what is smaller everywhere stands as text
_NAME_ROOM = 102.0  # points: a longer name of a series takes two lines
_THIN_ROOM = 72.0  # and so does one over a column of numbers
_LONGEST = 40  # characters of a series' name
_GAP = 14.0  # points between the columns at the right
_LINE = NORMAL * LINE_HEIGHT


class _Part(NamedTuple):
    """A piece of one bar: series `k` from `start` to `end`, 0..1."""

    k: int
    start: float
    end: float

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2


def margins(chart: Chart, translate: Translator, room: float) -> Margins:
    """Names of the categories at the left, thin series at the right, names of the series above."""
    left = max((width(name, NORMAL) for name in category_names(chart, translate)), default=0.0) + 8
    right = sum(_thin_width(chart, translate, k) + _GAP for k in _thin(chart))
    bar_width = room - left - right
    n_lines = max((_name(chart, translate, k).count("\n") + 1 for k in _thin(chart)), default=1)
    if _names_fit(chart, translate, bar_width):
        n_lines = max((_name(chart, translate, k).count("\n") + 1 for k in range(len(chart.series))), default=1)
    else:
        n_lines = max(n_lines, len(key_lines(chart, translate, _keyed(chart), bar_width)))
    return Margins(left, right, n_lines * _LINE, 0.0, _ROW * (len(chart.categories) + _BELOW))


def paint(sheet: Sheet) -> None:
    """Draw the bars, first category on top."""
    chart, ax = sheet.chart, sheet.ax
    n_rows, thin, hatches = len(chart.categories), _thin(chart), hatches_of(chart)
    ax.set_xlim(0, 1)
    ax.set_ylim(n_rows - 0.5 + _BELOW, -0.5)
    point = (n_rows + _BELOW) / sheet.height  # in rows
    for row in range(n_rows):
        parts = [part for part in _parts(chart, row) if part.k not in thin]
        for k, start, end in parts:
            color = color_of(chart.series[k].key)
            look: dict[str, Any] = {"color": color, "edgecolor": EDGE, "linewidth": 0.8, "hatch": hatches[k]}
            ax.barh(row, end - start, left=start, height=_BAR, **look)
        _values(sheet, row, parts, point)
    if _names_fit(chart, sheet.translate, sheet.width):
        _names(sheet, point)
    else:
        draw_key(sheet, _keyed(chart), -_BAR / 2 - 7 * point, point)
    _thin_columns(sheet, thin, point)
    ax.set_yticks(range(n_rows), category_names(chart, sheet.translate), parse_math=False)
    ax.set_xticks([])


def _parts(chart: Chart, row: int) -> list[_Part]:
    """The pieces of a bar that have any length."""
    parts, end = [], 0.0
    for k, series in enumerate(chart.series):
        start, end = end, end + magnitude(series.values[row])
        if end > start:
            parts.append(_Part(k, start, end))
    return parts


def _values(sheet: Sheet, row: int, parts: list[_Part], point: float) -> None:
    """The values of one bar: inside where they fit, else just below it, kept apart."""
    outside = []
    for part in parts:
        series = sheet.chart.series[part.k]
        text, room = shown(sheet.chart, sheet.translate, series.values[row]), (part.end - part.start) * sheet.width
        size = next((size for size in (NORMAL, SMALL) if width(text, size) + 3 <= room), None)
        if size is None:
            outside.append((part, text))
        else:
            color = text_on(color_of(series.key))
            sheet.write(part.middle, row, text, ha="center", va="center_baseline", color=color, fontsize=size)
    bottom = row + _BAR / 2
    for x, part, text in _near(outside, sheet.width):
        y = bottom + 2 * point
        if abs(part.middle - x) > width(text, SMALL) / sheet.width / 2:
            y = bottom + 4 * point
            sheet.hairline((part.middle, bottom), (x, y))
        sheet.write(x, y, text, ha="center", va="top", fontsize=SMALL)


def _near(labels: list[tuple[_Part, str]], bar_width: float) -> list[tuple[float, _Part, str]]:
    """Where labels go below their bar. Those of the smallest parts are left out until all stand near their part."""
    labels = list(labels)
    while labels:
        sizes = [(width(text, SMALL) + 6) / bar_width for _, text in labels]
        places = spread([part.middle for part, _ in labels], sizes, -3 / bar_width, 1 + 3 / bar_width)
        if all(abs(x - part.middle) <= size for x, size, (part, _) in zip(places, sizes, labels, strict=True)):
            return [(x, part, text) for x, (part, text) in zip(places, labels, strict=True)]
        labels.remove(min(labels, key=lambda label: label[0].end - label[0].start))
    return []


def _above(chart: Chart, translate: Translator, bar_width: float) -> list[tuple[float, float, _Part, str]]:
    """Each series' name over its part of the first bar: where, how wide, which part, what."""
    parts = [part for part in _parts(chart, 0) if part.k not in _thin(chart)] if chart.categories else []
    texts = [_name(chart, translate, part.k) for part in parts]
    sizes = [(width(text, NORMAL, bold=True) + 8) / bar_width for text in texts]
    places = spread([part.middle for part in parts], sizes, -8 / bar_width, 1.0)
    return list(zip(places, sizes, parts, texts, strict=True))


def _names_fit(chart: Chart, translate: Translator, bar_width: float) -> bool:
    """Whether every series can be named over the first bar, and near its part."""
    above = _above(chart, translate, bar_width)
    everywhere = {k for k, s in enumerate(chart.series) if any(map(magnitude, s.values))} - set(_thin(chart))
    if {part.k for _, _, part, _ in above} != everywhere:
        return False
    room = sum(size for _, size, _, _ in above) <= 1
    return room and all(abs(x - part.middle) <= size for x, size, part, _ in above)


def _names(sheet: Sheet, point: float) -> None:
    """The names of the series above the first bar."""
    top = -_BAR / 2 - 7 * point
    for x, size, part, text in _above(sheet.chart, sheet.translate, sheet.width):
        if abs(part.middle - x) > size / 3:
            sheet.hairline((part.middle, -_BAR / 2), (x, top + 2 * point))
        _lines_up(sheet, (x, top), text, point, ha="center")


def _keyed(chart: Chart) -> list[int]:
    """The series that a key has to name."""
    return [k for k, s in enumerate(chart.series) if k not in _thin(chart) and any(map(magnitude, s.values))]


def _lines_up(sheet: Sheet, end: tuple[float, float], text: str, point: float, **style: Any) -> None:
    """Bold lines of which the last stands at `end`, all on common baselines whatever letters they have."""
    for k, line in enumerate(reversed(text.split("\n"))):
        y = end[1] - k * _LINE * point
        sheet.write(end[0], y, line, va="baseline", fontweight="bold", **style)


def _thin(chart: Chart) -> list[int]:
    """The series whose part is too small to be seen in every category: they stand as numbers beside the bars."""
    return [k for k, s in enumerate(chart.series) if 0 < max(map(magnitude, s.values), default=0.0) < _THIN]


def _thin_width(chart: Chart, translate: Translator, k: int) -> float:
    values = (width(shown(chart, translate, value), NORMAL) for value in chart.series[k].values)
    return max(width(_name(chart, translate, k), NORMAL, bold=True), *values)


def _thin_columns(sheet: Sheet, thin: list[int], point: float) -> None:
    """The thin series as columns of numbers at the right."""
    x = 1.0
    for k in thin:
        x += (_GAP + _thin_width(sheet.chart, sheet.translate, k)) / sheet.width
        _lines_up(sheet, (x, -_BAR / 2 - 7 * point), _name(sheet.chart, sheet.translate, k), point, ha="right")
        for row, value in enumerate(sheet.chart.series[k].values):
            sheet.write(x, row, shown(sheet.chart, sheet.translate, value), ha="right", va="center_baseline")


def _name(chart: Chart, translate: Translator, k: int) -> str:
    room = _THIN_ROOM if k in _thin(chart) else _NAME_ROOM
    return broken(shorten(translate.text(chart.series[k].title), _LONGEST), room, NORMAL, bold=True)
