"""How does a chart become a picture? matplotlib without pyplot: PNG, SVG or PDF, the same bytes every time."""

from __future__ import annotations

import re
import warnings
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..core.report import Chart, ChartKind, charts
from ..errors import Sentence, UsageError
from ..translate import Translator
from . import distribution, grouped, heatmap, lines, ranges, ranks, roofline, stacked
from .files import picture_suffix, write_whole
from .labels import LINE_HEIGHT, broken
from .sheet import EDGE, INK, NORMAL, TITLE, Margins, sheet_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path
    from typing import TextIO

    from ..core.report import Report
    from .options import ViewOptions

KINDS = {
    ChartKind.STACKED: stacked,
    ChartKind.GROUPED: grouped,
    ChartKind.LINES: lines,
    ChartKind.DISTRIBUTION: distribution,
    ChartKind.RANGE: ranges,
    ChartKind.MAP: heatmap,
    ChartKind.RANKS: ranks,
    ChartKind.ROOFLINE: roofline,
}
_WIDTH = 7.6 * 72  # points
_MARGIN = 10.0
_HEAD_GAP = 14.0  # points between the subtitle and what stands above the drawing area
_DPI = 200

# Whatever the user's matplotlibrc says. Text stays text in an SVG; no salt and no clock, so that equal charts are equal.
_STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "svg.fonttype": "none",
    "svg.hashsalt": "numel",
    "pdf.fonttype": 42,
    "text.usetex": False,
}
_NO_DATE: dict[str, dict[str, Any]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
}


def draw(chart: Chart, lang: str = "en", ax: Axes | None = None) -> Axes:
    """Draw the chart on `ax`, or on Axes of a new Figure with room for its labels; the Axes come back.

    On Axes of the caller what stands at the right of the drawing area takes its room from it; 7 inches by 4 hold every
    chart well.
    """
    translate = Translator(lang)
    if ax is not None and not isinstance(ax, Axes):
        message = Sentence("ax must be matplotlib Axes, not {type}", type=type(ax).__name__)
        raise UsageError(message, hint=Sentence("fig, ax = plt.subplots() makes one; left out, one is made"))
    with _style():
        if ax is None:
            return _page([chart], translate)[1][0]
        kind, sheet = KINDS[chart.kind], sheet_of(chart, translate, ax)
        need: Margins = kind.margins(chart, translate, sheet.width)
        ax.set_title(translate.text(chart.title), loc="left", pad=need.above + 6, parse_math=False)
        right = min(need.right, sheet.width / 2)
        kind.paint(sheet._replace(width=sheet.width - right))
        _make_room(ax, right / (sheet.width - right))
        return ax


def _make_room(ax: Axes, share: float) -> None:
    """Let the horizontal axis go on for labels at its right: a caller's Axes have no margin that is known."""
    low, high = ax.get_xlim()
    ax.set_xlim(low, high * (high / low) ** share if ax.get_xscale() == "log" else high + (high - low) * share)


def save(report: Report, path: str | Path, lang: str = "en") -> None:
    """Draw the report's charts below each other in one file; its suffix says the format.

    Raises UsageError for another suffix, a report without a chart, and a place where nothing can be written.
    """
    write_whole(path, _picture(_charts(report), picture_suffix(path), lang))


def rendered(chart: Chart, suffix: str, lang: str = "en") -> bytes:
    """The chart as the content of a file: `suffix` is one of files.PICTURES."""
    return _picture([chart], suffix, lang)


def render(report: Report, out: TextIO, options: ViewOptions) -> None:
    """Write the report's charts as one SVG. Raises UsageError for a report without a chart."""
    out.write(_picture(_charts(report), "svg", options.lang).decode("utf-8"))


def inline_svg(chart: Chart, lang: str, *, prefix: str) -> str:
    """The chart as an <svg> element for a page: in the page's colours, and with ids that begin with `prefix`."""
    text = _picture([chart], "svg", lang, transparent=True).decode("utf-8")
    head, _, body = text[text.index("<svg") :].partition(">")
    head = re.sub(r' (?:width|height)="[^"]*"', "", head)
    body = re.sub(r"\s*<metadata>.*?</metadata>|\s*<style[^>]*>.*?</style>", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", body)
    return f"{head}>{body}".replace(INK, "currentColor").replace(EDGE, "var(--page)").rstrip()


def _charts(report: Report) -> list[Chart]:
    found = charts(report)
    if not found:
        message = Sentence("numel {command} has no figure", command=report.command)
        raise UsageError(message)
    return found


@contextmanager
def _style() -> Iterator[None]:
    """Our own style, and silence about letters that the font lacks: they show as boxes."""
    with rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def _picture(found: Sequence[Chart], suffix: str, lang: str, *, transparent: bool = False) -> bytes:
    out = BytesIO()
    with _style():
        figure, _ = _page(found, Translator(lang))
        figure.savefig(out, format=suffix, dpi=_DPI, metadata=_NO_DATE[suffix], transparent=transparent)
    return out.getvalue()


def _page(found: Sequence[Chart], translate: Translator) -> tuple[Figure, list[Axes]]:
    """A figure with the charts below each other, each with the margins that its own labels need."""
    heights = [_height(chart, translate) for chart in found]
    figure = Figure(figsize=(_WIDTH / 72, sum(heights) / 72), facecolor="#ffffff")
    FigureCanvasAgg(figure)
    drawn, top = [], sum(heights)
    for chart, height in zip(found, heights, strict=True):
        drawn.append(_place(chart, translate, figure, top=top))
        top -= height
    return figure, drawn


def _title(chart: Chart, translate: Translator) -> str:
    return broken(translate.text(chart.title), _WIDTH - 2 * _MARGIN, TITLE, bold=True)


def _head(chart: Chart, translate: Translator) -> float:
    """The height of title and subtitle in points."""
    n_lines = _title(chart, translate).count("\n") + 1
    return _MARGIN + n_lines * TITLE * LINE_HEIGHT + NORMAL * LINE_HEIGHT + _HEAD_GAP


def _height(chart: Chart, translate: Translator) -> float:
    need: Margins = KINDS[chart.kind].margins(chart, translate, _WIDTH - 2 * _MARGIN)
    return _head(chart, translate) + need.above + need.body + need.below + _MARGIN


def _place(chart: Chart, translate: Translator, figure: Figure, *, top: float) -> Axes:
    """One chart with its title, its upper border `top` points above the figure's lower one."""
    need: Margins = KINDS[chart.kind].margins(chart, translate, _WIDTH - 2 * _MARGIN)
    total = float(figure.get_size_inches()[1]) * 72
    left, right = _MARGIN + need.left, _MARGIN + need.right
    bottom = top - _head(chart, translate) - need.above - need.body
    ax = figure.add_axes((left / _WIDTH, bottom / total, (_WIDTH - left - right) / _WIDTH, need.body / total))
    ax.set_facecolor("none")
    KINDS[chart.kind].paint(sheet_of(chart, translate, ax))
    title = _title(chart, translate)
    style: dict[str, Any] = {"va": "top", "ha": "left", "parse_math": False, "color": INK}
    y = top - _MARGIN
    figure.text(_MARGIN / _WIDTH, y / total, title, fontsize=TITLE, fontweight="bold", **style)
    y -= (title.count("\n") + 1) * TITLE * LINE_HEIGHT + 2
    figure.text(_MARGIN / _WIDTH, y / total, translate.text(chart.y_title), fontsize=NORMAL, **style)
    return ax
