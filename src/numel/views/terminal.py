"""How does a report look in a terminal, and in a pipe? Tables with bars, sentences below.

A terminal is filled and not overfilled, and coloured where that is wanted. A pipe gets everything: no colour codes,
nothing cut, nothing wrapped. rich, which knows what each terminal can show, is only needed for colour.
"""

from __future__ import annotations

import os
import shutil
from itertools import chain

from ..core.records import NamedTuple
from ..core.report import Chart, ChartKind, Formulas, Note, NoteKind, Section, Table, Text, Unit, Value
from ..palette import color_of
from ..translate import N_, Translator
from ..units import is_number, magnitude
from .encoding import can_write, encoding_of, replacer
from .layout import ELLIPSIS, GAP, NARROW, Cells, Line, Span, cell_width, lay_out, pad, shorten, wrap, wrap_sum
from .twins import is_picture_of_table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, TextIO

    from ..core.report import Block, Report
    from .options import ViewOptions

_PROSE = 24  # cells: a longer text with a space in it may be broken there
LEAST_WIDTH = 8  # columns: a narrower terminal is written to as if it had these


class _Page(NamedTuple):
    """What every block needs to know: the language, the room, and what the stream can show."""

    translate: Translator
    room: int | None
    blocks: bool
    show: Callable[[str], str]

    def say(self, text: Text) -> str:
        return self.show(self.translate.text(text))

    def word(self, message: str) -> str:
        return self.show(self.translate.word(message))

    def value(self, raw: Any, unit: Unit) -> str:
        return self.show(self.translate.value(Value(raw, unit)))


def render(report: Report, out: TextIO, options: ViewOptions) -> None:
    """Write the report to a terminal, or to whatever stands in its place."""
    is_terminal = options.is_terminal if options.is_terminal is not None else _is_terminal(out)
    encoding = encoding_of(out)
    page = _Page(
        Translator(options.lang),
        _room(options.width, is_terminal=is_terminal),
        can_write("█▏─", encoding),
        replacer(encoding),
    )
    lines = _lines(report, page)
    if not can_write(ELLIPSIS, encoding):
        lines = ([Span(span.text.replace(ELLIPSIS, "~"), span.style) for span in line] for line in lines)
    if wants_color(os.environ, asked=options.color, is_terminal=is_terminal):
        _write_colored(lines, out)
    else:
        out.writelines(_plain(line) for line in lines)


def wants_color(environ: Mapping[str, str], *, asked: bool | None = None, is_terminal: bool = False) -> bool:
    """Whether to colour: as asked, or else by NO_COLOR, then FORCE_COLOR, then whether a terminal can.

    >>> wants_color({"NO_COLOR": "1"}, is_terminal=True), wants_color({"NO_COLOR": "1"}, asked=True)
    (False, True)
    """
    if asked is not None:
        return asked
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR"):
        return environ["FORCE_COLOR"] != "0"
    return is_terminal and environ.get("TERM", "") != "dumb"


def _is_terminal(out: TextIO) -> bool:
    try:
        return out.isatty()
    except (AttributeError, ValueError):  # no stream at all, or a closed one
        return False


def _room(asked: int | None, *, is_terminal: bool) -> int | None:
    if asked is None and not is_terminal:
        return None
    return max(asked or shutil.get_terminal_size().columns, LEAST_WIDTH)


def _plain(line: Line) -> str:
    return "".join(span.text for span in line) + "\n"


def _write_colored(lines: Iterable[Line], out: TextIO) -> None:
    """By rich, as segments: it fits the colours to the terminal, and reads no markup in them."""
    from rich.console import Console
    from rich.segment import Segment, Segments
    from rich.style import Style

    console = Console(file=out, force_terminal=True, highlight=False, markup=False, emoji=False)
    styles: dict[str, Style | None] = {"": None}

    def segment(span: Span) -> Segment:
        if span.style not in styles:
            styles[span.style] = Style.parse(span.style)
        return Segment(span.text, styles[span.style])

    end = Segment.line()
    pieces = chain.from_iterable((*map(segment, line), end) for line in lines)
    console.print(Segments(list(pieces)), end="", soft_wrap=True)


def _lines(report: Report, page: _Page) -> Iterator[Line]:
    yield from _blocks(report.blocks, page)
    if report.assumptions:
        yield []
        yield from _paragraph(page.word(N_("How it was counted")), page, style="bold")
        for text in report.assumptions:
            yield from _paragraph(page.say(text), page, first="  ", style="dim")
    if report.warnings:
        yield []
        for text in report.warnings:
            yield from _paragraph(f"{page.word(N_('warning:'))} {page.say(text)}", page, style="#D55E00")


def _blocks(blocks: Iterable[Block], page: _Page) -> Iterator[Line]:
    """The blocks with an empty line between two, except between sentences that follow each other."""
    before: Block | None = None
    for block in blocks:
        lines = _block(block, page)
        first = next(lines, None)
        if first is None:
            continue
        if before is not None and not (isinstance(before, Note) and _is_close(before, block)):
            yield []
        yield first
        yield from lines
        before = block


def _is_close(before: Note, block: Block) -> bool:
    return before.kind is NoteKind.SUMMARY or (isinstance(block, Note) and block.kind is not NoteKind.SUMMARY)


def _block(block: Block, page: _Page) -> Iterator[Line]:
    if isinstance(block, Table):
        return _table(block, page)
    if isinstance(block, Note):
        return _note(block, page)
    if isinstance(block, Formulas):
        return _formulas(block, page)
    if isinstance(block, Chart):
        return _chart(block, page)
    return _section(block, page)


def _section(section: Section, page: _Page) -> Iterator[Line]:
    title = page.say(section.title)
    yield from _paragraph(title, page, style="bold")
    yield [Span(("─" if page.blocks else "-") * min(cell_width(title), page.room or 1000), "dim")]
    yield from _blocks(section.blocks, page)


def _note(note: Note, page: _Page) -> Iterator[Line]:
    if note.kind is NoteKind.SUMMARY:
        return _paragraph(page.say(note.text), page, style="bold")
    if note.kind is NoteKind.WARNING:
        return _paragraph(f"{page.word(N_('warning:'))} {page.say(note.text)}", page, style="#D55E00")
    return _paragraph(page.say(note.text), page)


def _paragraph(text: str, page: _Page, *, first: str = "", style: str = "") -> Iterator[Line]:
    room = None if page.room is None else page.room - len(first)
    for line in wrap(text, room, indent="  " if first else ""):
        yield [Span(first + line, style)]


def _table(table: Table, page: _Page) -> Iterator[Line]:
    title = page.say(table.title)
    if title:
        yield from _paragraph(title, page, style="bold")
    rows = table.rows if table.total is None else (*table.rows, table.total)
    yield from lay_out(
        list(_columns(table, rows, page)), page.room, blocks=page.blocks, has_total=table.total is not None
    )


def _columns(table: Table, rows: tuple[tuple[Any, ...], ...], page: _Page) -> Iterator[Cells]:
    colors = _row_colors(table, rows)
    has_bars = any(column.bar for column in table.columns)
    for i, column in enumerate(table.columns):
        values = [row[i] for row in rows]
        unit = Unit.COUNT if column.unit is Unit.SHORT_COUNT and page.room is None else column.unit
        is_right = is_number(unit)
        texts = list(_texts(values, unit, page))
        is_prose = not is_right and any(" " in text and cell_width(text) > _PROSE for text in texts)
        styles = colors if i == 0 and not has_bars else ()
        yield Cells(page.say(column.title), texts, is_right, is_prose, styles=styles)
        if column.bar:
            yield Cells("", ("",) * len(rows), fractions=_fractions(table, i), styles=colors)


def _texts(values: list[Any], unit: Unit, page: _Page) -> Iterator[str]:
    """The cells' texts; each different value is formatted once, for components and dtypes repeat."""
    known: dict[Any, str] = {}
    cell, show = page.translate.cell, page.show
    for value in values:
        if type(value) not in (str, int):
            yield show(cell(value, unit))
            continue
        text = known.get(value)
        if text is None:
            text = known[value] = show(cell(value, unit))
        yield text


def _fractions(table: Table, column: int) -> list[float]:
    """Each row's part of the longest bar; the total has none."""
    sizes = [magnitude(_raw(row[column])) for row in table.rows]
    longest = max(sizes, default=0.0) or 1.0
    return [size / longest for size in sizes] + [0.0] * (table.total is not None)


def _raw(cell: Any) -> Any:
    return cell.raw if isinstance(cell, Value) else cell


def _row_colors(table: Table, rows: tuple[tuple[Any, ...], ...]) -> list[str]:
    """The colour of each row's component, if the table says what that is."""
    index = next((i for i, column in enumerate(table.columns) if column.key == "component"), None)
    if index is None:
        return []
    return [color_of(cell) if isinstance(cell := _raw(row[index]), str) else "" for row in rows]


def _formulas(formulas: Formulas, page: _Page) -> Iterator[Line]:
    """Label, then `symbols`, `= numbers`, `= result`: side by side where one line holds it, else below each other."""
    title = page.say(formulas.title)
    if title:
        yield from _paragraph(title, page, style="bold")
    labels = [page.say(line.label) for line in formulas.lines]
    half = 0 if page.room is not None and page.room < NARROW else (page.room or 10_000) // 2
    margin = half and max((cell_width(label) for label in labels if cell_width(label) <= half), default=0) + len(GAP)
    for label, line in zip(labels, formulas.lines, strict=True):
        parts = [page.value(part, Unit.FORMULA) for part in (line.symbols, line.numbers) if part]
        remark = f"  ({page.value(line.remark, Unit.NAME)})" if line.remark else ""
        parts.append(page.value(line.result, Unit.COUNT) + remark)
        whole = " = ".join(parts)
        if page.room is None or (cell_width(label) < margin and margin + cell_width(whole) <= page.room):
            yield [Span(pad(label, margin)), Span(whole)]
        else:
            yield from _derivation(label, parts, margin, page.room)


def _derivation(label: str, parts: list[str], margin: int, room: int) -> Iterator[Line]:
    """One derivation on lines of its own, broken at the spaces of its arithmetic."""
    start = pad(label, margin)
    if cell_width(start) > margin:
        yield from ([Span(line)] for line in wrap(label, room))
        start = " " * margin
    for k, part in enumerate(parts):
        sign = "= " if k else "  "
        for line in wrap_sum(part, room - margin - len(sign), indent="  "):
            yield [Span(start), Span(sign + line)]
            start, sign = " " * margin, "  "


def _chart(chart: Chart, page: _Page) -> Iterator[Line]:
    """Shares as bars, one per category; of the other kinds only how to see them. One bar alone says what the table's do."""
    title = page.say(chart.title)
    if chart.kind is not ChartKind.STACKED:
        hint = Text(N_("figure: {title} (--save FILE.svg draws it)"), {"title": chart.title})
        yield from _paragraph(page.say(hint), page, style="dim")
        return
    if is_picture_of_table(chart):
        return
    yield from _paragraph(title, page, style="bold")
    names = [page.value(name, chart.category_unit) for name in chart.categories]
    margin = min(max(map(cell_width, names), default=0), (page.room or 80) // 3)
    width = min((page.room or 80) - margin - len(GAP), 64)
    for k, name in enumerate(names):
        parts = [(series.key, series.values[k]) for series in chart.series]
        yield [Span(pad(shorten(name, margin), margin) + GAP), *_stack(parts, width, page)]
    yield from _legend(chart, page)


def _stack(parts: list[tuple[str, float | None]], width: int, page: _Page) -> Iterator[Span]:
    """The parts of a whole side by side: whole cells, placed by rounding where each part ends."""
    done, end = 0, 0.0
    for k, (key, value) in enumerate(parts):
        end += magnitude(value)
        cells = min(round(end * width), width) - done
        if cells > 0:
            yield Span(_shade(k, page) * cells, color_of(key))
            done += cells


_MORE_SHADES = "o*xv%&@:~^"  # beyond four, so that no two series look alike where there is no colour


def _shade(k: int, page: _Page) -> str:
    """What series `k` is drawn with: without colour too, neighbours must differ."""
    return ("█▓▒░" if page.blocks else "#=+-")[k] if k < 4 else _MORE_SHADES[(k - 4) % len(_MORE_SHADES)]


def _legend(chart: Chart, page: _Page) -> Iterator[Line]:
    line: Line = []
    used = 0
    for k, series in enumerate(chart.series):
        label = page.say(series.title)
        if page.room is not None:
            label = shorten(label, page.room - 2)
            if line and used + cell_width(label) + 4 > page.room:
                yield line
                line, used = [], 0
        line.extend((Span(GAP if line else ""), Span(_shade(k, page), color_of(series.key)), Span(" " + label)))
        used += cell_width(label) + 4
    yield line
