"""How do cells become lines of fixed width? Columns measured, shrunk where there is little room, padded.

Plain text with style names: the terminal view colours the spans, a pipe gets them as they are.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from ..core.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

GAP = "  "
ELLIPSIS = "…"
_BLOCKS = " ▏▎▍▌▋▊▉"
_LEAST = 8  # cells: what a column of text keeps
_LEAST_OF_NAMES = 5  # where the numbers beside them find no room else
_LEAST_BAR = 6
NARROW = 20  # columns: with fewer, nothing stands side by side


class Span(NamedTuple):
    """A piece of a line: `style` is "", "bold", "dim" or a colour as `#RRGGBB`."""

    text: str
    style: str = ""


Line = list[Span]
_GAP_SPAN = Span(GAP)


class Cells(NamedTuple):
    """A column ready to be laid out: texts top to bottom, or fractions 0..1 to be drawn as bars.

    `is_prose` texts are wrapped where there is little room, others lose their middle.
    """

    title: str
    texts: Sequence[str]
    is_right: bool = False
    is_prose: bool = False
    fractions: Sequence[float] = ()
    styles: Sequence[str] = ()


def cell_width(text: str) -> int:
    """The cells that a text takes in a terminal: two for East Asian letters, none for combining marks.

    >>> cell_width("mlp"), cell_width("层"), cell_width("Chuẩn hóa lớp")
    (3, 2, 13)
    """
    if text.isascii():
        return len(text)
    return _cells(text)


@lru_cache(maxsize=4096)
def _cells(text: str) -> int:
    """As cell_width; remembered, for bars and translated words repeat."""
    wide = unicodedata.east_asian_width
    return sum(0 if unicodedata.combining(c) else 2 if wide(c) in "WF" else 1 for c in text)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """The text filled with spaces to `width` cells.

    >>> pad("7", 3, right=True)
    '  7'
    """
    space = " " * (width - cell_width(text))
    return space + text if right else text + space


def shorten(text: str, width: int) -> str:
    """The text in `width` cells, its middle left out where it is longer: both ends of a name tell most.

    >>> shorten("transformer.h.11.attn.c_attn.weight", 20)
    'transforme…tn.weight'
    """
    if cell_width(text) <= width:
        return text
    head = (width - 1 + 1) // 2
    return _fitting(text, head) + ELLIPSIS + _fitting(text[::-1], width - 1 - head)[::-1]


def _fitting(text: str, width: int) -> str:
    """The longest start of the text that takes at most `width` cells."""
    taken = used = 0
    for letter in text:
        used += cell_width(letter)
        if used > width:
            break
        taken += 1
    return text[:taken]


def wrap(text: str, width: int | None, *, indent: str = "") -> list[str]:
    """The text in lines of at most `width` cells; later lines begin with `indent`. A word too long is broken.

    >>> wrap("one two three", 8)
    ['one two', 'three']
    """
    if width is None or cell_width(text) <= width:
        return [text]
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if cell_width(longer) <= width:
            line = longer
            continue
        if line.strip():
            lines.append(line)
            word = indent + word  # noqa: PLW2901
        line = word
        while cell_width(line) > width:
            start = _fitting(line, width)
            lines.append(start)
            line = indent + line[len(start) :]
    return [*lines, line] if line.strip() else lines


def wrap_sum(text: str, width: int, *, indent: str = "") -> list[str]:
    """Arithmetic in lines of at most `width` cells, broken before a plus where that is enough.

    >>> wrap_sum("12 * (4 * 768 + 4) + 2 * 768", 20)
    ['12 * (4 * 768 + 4)', '+ 2 * 768']
    """
    joined = text.replace(" ", "\0").replace("\0+\0", " +\0")
    if max(map(cell_width, joined.split(" "))) + len(indent) > width:
        return wrap(text, width, indent=indent)
    return [line.replace("\0", " ") for line in wrap(joined, width, indent=indent)]


def bar(fraction: float, width: int, *, blocks: bool = True) -> str:
    """A bar over `fraction` (0..1) of `width` cells, to an eighth of a cell; what is not zero is never invisible.

    >>> bar(0.5, 5), bar(0.0001, 8), bar(0.5, 4, blocks=False)
    ('██▌', '▏', '##')
    """
    if not blocks:
        return "#" * max(round(fraction * width), int(fraction > 0))
    eighths = max(round(fraction * width * 8), int(fraction > 0))
    return "█" * (eighths // 8) + _BLOCKS[eighths % 8].strip()


def lay_out(
    columns: Sequence[Cells], room: int | None, *, blocks: bool = True, has_total: bool = False
) -> Iterator[Line]:
    """The lines of a table: header, rows, and a rule above the last row if it is the total.

    In `room` cells (None: as wide as it gets): bars shrink and go, prose wraps, names lose their middle; columns
    that still find no room follow below, beside the first again, or the first few that tell the rows apart. In fewer than NARROW cells each row becomes
    a list of its cells, none of which loses anything.
    """
    if room is not None and room < NARROW:
        yield from _records(columns, room, blocks=blocks, has_total=has_total)
        return
    for part in _parts(columns, room):
        widths = _fit(part, room)
        yield from _part_lines(part, widths, blocks=blocks, has_total=has_total)


def _records(columns: Sequence[Cells], room: int, *, blocks: bool, has_total: bool) -> Iterator[Line]:
    """Each row as lines below each other: its first cell, then the titles and texts of the others."""
    first, *others = [column for column in columns if not column.fractions]
    for row, name in enumerate(first.texts):
        is_total = has_total and row == len(first.texts) - 1
        if is_total:
            yield [Span(("─" if blocks else "-") * room, "dim")]
        style = "bold" if is_total else first.styles[row] if first.styles else "bold"
        yield from ([Span(line, style)] for line in wrap(name, room))
        for column in others:
            if column.texts[row]:
                yield from ([Span("  " + line)] for line in wrap(f"{column.title} {column.texts[row]}", room - 2))


def _parts(columns: Sequence[Cells], room: int | None) -> Iterator[list[Cells]]:
    """The columns in groups that fit side by side, each group led by those that tell the rows apart."""
    if room is None:
        yield list(columns)
        return
    n_leads = _leads(columns, room)
    leads, rest = columns[:n_leads], list(columns[n_leads:])
    while True:
        part, used = list(leads), sum(_least(lead, room) for lead in leads) + len(GAP) * (n_leads - 1)
        while rest and (len(part) == n_leads or used + len(GAP) + _least(rest[0], room) <= room):
            used += len(GAP) + _least(rest[0], room) if not rest[0].fractions else 0
            part.append(rest.pop(0))
        yield part
        if not rest:
            return


def _leads(columns: Sequence[Cells], room: int) -> int:
    """How many columns from the first on tell the rows apart, in no more than half the room; else 1."""
    used, names = 0, [""] * len(columns[0].texts)
    for i, column in enumerate(columns):
        used += _least(column, room) + len(GAP)
        if column.fractions or used > room // 2:
            break
        names = [f"{name}\n{text}" for name, text in zip(names, column.texts, strict=True)]
        if len(set(names)) == len(names):
            return min(i + 1, len(columns) - 1) or 1
    return 1


def _least(column: Cells, room: int) -> int:
    """What a column needs: a number its digits, text some cells, a bar nothing."""
    if column.fractions:
        return 0
    natural = max(map(cell_width, column.texts), default=0)
    longest_word = max(map(cell_width, column.title.split(" ")))
    if column.is_right:
        return min(max(natural, longest_word), room - len(GAP) - _LEAST)
    return min(max(natural, min(longest_word, _LEAST)), max(_LEAST, room // 4))


def _fit(columns: Sequence[Cells], room: int | None) -> list[int]:
    """The width of each column; 0 leaves a bar out."""
    widths = [24 if c.fractions else max(map(cell_width, (c.title, *c.texts)), default=0) for c in columns]
    if room is None:
        return widths
    over = sum(widths) + len(GAP) * (len(widths) - 1) - room
    bars = [i for i, c in enumerate(columns) if c.fractions]
    over = _shrink(widths, bars, [_LEAST_BAR] * len(bars), over)
    over = _shrink_titles(columns, widths, over)
    for i in bars if over > 0 else ():
        over -= widths[i] + len(GAP)
        widths[i] = 0
    for kind in (True, False):  # prose gives way before names
        texts = [i for i, c in enumerate(columns) if not c.fractions and not c.is_right and c.is_prose is kind]
        over = _shrink(widths, texts, [_least(columns[i], room) for i in texts], over)
    names = [i for i, c in enumerate(columns) if not c.fractions and not c.is_right]
    over = _shrink(widths, names, [min(_LEAST_OF_NAMES, widths[i]) for i in names], over)  # a digit lost is worse
    everything = list(range(len(widths)))
    _shrink(widths, everything, [min(_LEAST, w) for w in widths], over)
    return widths


def _shrink(widths: list[int], which: Sequence[int], least: Sequence[int], over: int) -> int:
    """Take `over` cells from the columns `which`, always from the widest; what remains over."""
    while over > 0:
        candidates = [(widths[i] - low, widths[i], i) for i, low in zip(which, least, strict=True) if widths[i] > low]
        if not candidates:
            break
        _, _, widest = max(candidates, key=lambda c: c[1])
        widths[widest] -= 1
        over -= 1
    return over


def _shrink_titles(columns: Sequence[Cells], widths: list[int], over: int) -> int:
    """Let titles that are wider than what stands below them break into several lines."""
    for i, column in enumerate(columns):
        if over > 0 and not column.fractions:
            body = max(map(cell_width, column.texts), default=0)
            low = max(body, *map(cell_width, column.title.split(" ")))
            over = _shrink(widths, [i], [low], over)
    return over


def _part_lines(columns: Sequence[Cells], widths: list[int], *, blocks: bool, has_total: bool) -> Iterator[Line]:
    shown = [(c, w) for c, w in zip(columns, widths, strict=True) if w or not c.fractions]
    titles = [wrap(c.title, w) if not c.fractions else [""] for c, w in shown]
    height = max(map(len, titles))
    for k in range(height):
        texts = [(t[k - height + len(t)] if k >= height - len(t) else "") for t in titles]
        yield _joined(
            [Span(pad(shorten(t, w), w, right=c.is_right), "bold") for t, (c, w) in zip(texts, shown, strict=True)]
        )
    n_rows = max((len(c.texts) for c, _ in shown), default=0)
    drawn = [_drawn(c, w, blocks=blocks) for c, w in shown]
    for row in range(n_rows):
        is_total = has_total and row == n_rows - 1
        if is_total:
            yield [Span(("─" if blocks else "-") * (sum(w for _, w in shown) + len(GAP) * (len(shown) - 1)), "dim")]
        cells = [texts[row] for texts in drawn]
        for k in range(max(map(len, cells))):
            line = []
            for cell, (c, w) in zip(cells, shown, strict=True):
                style = c.styles[row] if c.styles else ""
                text = cell[k] if k < len(cell) else ""
                line.append(Span(pad(text, w, right=c.is_right), "bold" if is_total and not c.fractions else style))
            yield _joined(line)


def _drawn(column: Cells, width: int, *, blocks: bool) -> list[list[str]]:
    """Each cell of the column as its lines, none wider than `width`."""
    if column.fractions:
        return [[bar(f, width, blocks=blocks)] for f in column.fractions]
    if column.is_prose:
        return [wrap(text, width) for text in column.texts]
    return [[text if len(text) <= width and text.isascii() else shorten(text, width)] for text in column.texts]


def _joined(spans: list[Span]) -> Line:
    """The cells with a gap between them, and nothing behind the last letter."""
    line: Line = [piece for span in spans for piece in (span, _GAP_SPAN)]
    while line and not line[-1].text.strip():
        line.pop()
    if line:
        line[-1] = Span(line[-1].text.rstrip(), line[-1].style)
    return line
