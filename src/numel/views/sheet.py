"""What do all kinds of charts share? The drawing area in points, text that is only text, sizes and inks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.report import Chart, ChartKind, Unit
from ..palette import color_of
from ..units import format_value, magnitude
from .labels import LINE_HEIGHT, width
from .layout import shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.axes import Axes

    from ..translate import Translator

INK = "#1b1b1f"  # text; a page puts its own colour in its place
FAINT = "#8a8a90"  # axes, hairlines
EDGE = "#fefefe"  # between the parts of a bar: the page shows through
TITLE, NORMAL, SMALL = 12.0, 9.5, 8.5  # font sizes in points
_SHORT, _LONGEST = 16, 30  # characters of a category's name: on one line, and on any
_LONGEST_NAME = 40  # characters of a series' name
_DASHES = ("-", "--", ":", "-.")
_HATCHES = ("", "//////", "....", "xxxx")
_SQUARE = 12.0  # points: the colour before a name, and its gap
_DASH = 24.0  # the same where the dashes of a line must be seen


class Margins(NamedTuple):
    """What a chart needs around its drawing area, and how high that is: points."""

    left: float
    right: float
    above: float
    below: float
    body: float


class Sheet(NamedTuple):
    """A chart on its way to the Axes; `width` and `height` are those of the drawing area in points."""

    chart: Chart
    translate: Translator
    ax: Axes
    width: float
    height: float

    def write(self, x: float, y: float, text: str, **style: Any) -> None:
        """Text in data coordinates. `parse_math` is off: a dollar sign in a model's name is a dollar sign."""
        self.ax.text(x, y, text, parse_math=False, **{"color": INK, "fontsize": NORMAL, **style})

    def hairline(self, start: tuple[float, float], end: tuple[float, float], color: str = FAINT) -> None:
        """A thin line from a part of the chart to its label."""
        self.ax.plot([start[0], end[0]], [start[1], end[1]], color=color, linewidth=0.7, clip_on=False)

    def key_above(self, dashes: Sequence[str]) -> None:
        """The key above logarithmic axes: its lines are placed in points, by linear ones that lie over them."""
        over = self.ax.inset_axes((0.0, 0.0, 1.0, 1.0), facecolor="none")
        over.set_ylim(0, 1)
        over.set_xlim(0, 1)
        over.axis("off")
        point = 1 / self.height
        draw_key(self._replace(ax=over), range(len(self.chart.series)), 1 + 6 * point, -point, dashes)


def power_of_ten(exponent: int) -> str:
    """A power of ten as text.

    >>> power_of_ten(-3), power_of_ten(0)
    ('10⁻³', '1')
    """
    if exponent == 0:
        return "1"
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def sheet_of(chart: Chart, translate: Translator, ax: Axes) -> Sheet:
    """The Axes, bare, with their size as it is now."""
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.tick_params(length=0, labelsize=NORMAL, colors=INK)
    figure = ax.get_figure(root=True)
    inches = figure.get_size_inches() if figure is not None else (6.4, 4.8)
    place = ax.get_position()
    return Sheet(chart, translate, ax, float(inches[0]) * 72 * place.width, float(inches[1]) * 72 * place.height)


def dashes_of(chart: Chart) -> list[str]:
    """How the line of each series is dashed: each otherwise than the one before it, and than all of its colour."""
    used: set[tuple[str, str]] = set()
    found = []
    for k, series in enumerate(chart.series):
        color, n = color_of(series.key), len(_DASHES)
        dash = next((d for d in (_DASHES[(k + i) % n] for i in range(n)) if (color, d) not in used), _DASHES[k % n])
        used.add((color, dash))
        found.append(dash)
    return found


def hatches_of(chart: Chart) -> list[str]:
    """How the bars of each series are hatched: the first of each colour is plain."""
    return [_HATCHES[n % len(_HATCHES)] for n in _nth_of_their_colors(chart)]


def _nth_of_their_colors(chart: Chart) -> list[int]:
    seen: dict[str, int] = {}
    found = []
    for series in chart.series:
        color = color_of(series.key)
        found.append(seen.get(color, 0))
        seen[color] = found[-1] + 1
    return found


def category_names(chart: Chart, translate: Translator | None = None) -> list[str]:
    """The categories as labels: escaped, on two lines from a slash on where that helps, and no longer than a label may be.

    >>> from numel.core.report import ChartKind, Text
    >>> names = ("gpt2", "meta-llama/Llama-3.2-1B")
    >>> [name.splitlines() for name in category_names(Chart("share", Text(""), ChartKind.STACKED, names, (), Text("")))]
    [['gpt2'], ['meta-llama/', 'Llama-3.2-1B']]
    """
    if translate is not None and chart.category_unit is Unit.WORD:
        return [translate.word(name) for name in chart.categories]
    return [_label(format_value(name, Unit.NAME)) for name in chart.categories]


def _label(name: str) -> str:
    owner, slash, rest = name.rpartition("/")
    if not slash or len(name) <= _SHORT:
        return shorten(name, _LONGEST)
    return f"{shorten(owner + slash, _LONGEST)}\n{shorten(rest, _LONGEST)}"


def shown(chart: Chart, translate: Translator, value: float | None) -> str:
    """One of the chart's values as text."""
    return translate.cell(value, chart.y_unit)


def highest(chart: Chart) -> float:
    """The largest value; 1 where there is none."""
    return max((magnitude(v) for series in chart.series for v in series.values), default=0.0) or 1.0


def value_axis(sheet: Sheet) -> None:
    """A few round values at the left."""
    sheet.ax.tick_params(axis="y", labelsize=SMALL, colors=FAINT)
    if sheet.chart.y_unit not in (Unit.SHARE, Unit.SMALL_SHARE):
        return
    top = highest(sheet.chart)
    step = next((s for s in (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2) if top / s <= 5), 0.25)
    percents = [step * k * 100 for k in range(int(top / step + 1e-9) + 1)]
    labels = [f"{percent:g}".replace(".", "," if sheet.translate.lang == "vi" else ".") for percent in percents]
    sign = " %" if sheet.translate.lang == "vi" else "%"
    sheet.ax.set_yticks([percent / 100 for percent in percents], [label + sign for label in labels])


def _square(chart: Chart) -> float:
    return _DASH if chart.kind in (ChartKind.DISTRIBUTION, ChartKind.RANKS) else _SQUARE


def key_lines(
    chart: Chart, translate: Translator, which: Iterable[int], room: float
) -> list[list[tuple[float, int, str]]]:
    """Which colour is which, line by line in `room` points: where (in points), which series, and its name."""
    lines: list[list[tuple[float, int, str]]] = [[]]
    square = _square(chart)
    x = 0.0
    for k in which:
        text = shorten(translate.text(chart.series[k].title), _LONGEST_NAME)
        size = square + width(text, NORMAL, bold=True)
        if lines[-1] and x + size > room:
            lines.append([])
            x = 0.0
        lines[-1].append((x, k, text))
        x += size + 16
    return lines


def draw_key(sheet: Sheet, which: Iterable[int], y: float, point: float, dashes: Sequence[str] = ()) -> None:
    """The key of these series, its last line at `y`; a `point` is that many units of the vertical axis, downwards.

    `dashes`: of each series, where lines of one colour differ in them; bars of one colour differ in their hatches.
    """
    from matplotlib.patches import Rectangle

    hatches = hatches_of(sheet.chart)
    lines = key_lines(sheet.chart, sheet.translate, which, sheet.width)
    left, right = sheet.ax.get_xlim()
    for n, line in enumerate(reversed(lines)):
        for x, k, text in line:
            at = left + x / sheet.width * (right - left)
            beside = left + (x + _square(sheet.chart)) / sheet.width * (right - left)
            height = y - n * NORMAL * LINE_HEIGHT * point
            color = color_of(sheet.chart.series[k].key)
            if dashes:
                ends, middle = [at, at + (beside - at) * 0.72], height - 0.35 * NORMAL * point
                sheet.ax.plot(ends, [middle] * 2, color=color, linewidth=2, linestyle=dashes[k], clip_on=False)
            elif hatches[k]:
                side = 0.66 * NORMAL
                corner, size = (at, height - side * point), (side / sheet.width * (right - left), side * point)
                look: dict[str, Any] = {"facecolor": color, "edgecolor": EDGE, "hatch": hatches[k], "linewidth": 0}
                sheet.ax.add_patch(Rectangle(corner, *size, clip_on=False, **look))
            else:
                sheet.write(at, height, "■", color=color, va="baseline")
            sheet.write(beside, height, text, va="baseline", fontweight="bold")
