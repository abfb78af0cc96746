"""How does each block of a report become HTML? Every text escaped, names from outside kept apart by <bdi>."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from ..core.report import Chart, Formulas, Note, NoteKind, Section, Table, Text, Unit, Value
from ..palette import color_of
from ..translate import N_, Translator
from ..units import is_number, magnitude
from .twins import table_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..core.report import Block, Column, Derivation

    Draw = Callable[[Chart, str], str | None]


_SHORT = 45  # characters of HTML: a row's head that is never broken into lines


def translator(lang: str) -> Translator:
    """A translator whose sentences are HTML.

    >>> translator("en").text(Text("{model} < {n}", {"model": Value("<b>", Unit.NAME), "n": Value(7, Unit.COUNT)}))
    '<bdi>&lt;b&gt;</bdi> &lt; 7'
    """
    return Translator(lang, own=html.escape, foreign=lambda text: f"<bdi>{html.escape(text)}</bdi>" if text else "")


class Blocks:
    """Turns blocks into HTML. `draw` gives a chart as an <svg> element, or None where there can be none."""

    def __init__(self, translate: Translator, draw: Draw) -> None:
        self._translate = translate
        self._draw = draw
        self._n_sections = 0
        self._n_charts = 0

    def html(self, blocks: Iterable[Block], *, level: int = 2) -> Iterator[str]:
        """The blocks one after the other; a section's heading is an <h2> at `level` 2."""
        for block in blocks:
            if isinstance(block, Section):
                yield from self._section(block, level)
            elif isinstance(block, Table):
                yield from self.table(block)
            elif isinstance(block, Chart):
                yield from self._chart(block)
            elif isinstance(block, Formulas):
                yield from self._formulas(block)
            else:
                yield self._note(block)

    def _section(self, section: Section, level: int) -> Iterator[str]:
        self._n_sections += 1
        tag = f"h{min(level, 6)}"
        yield f'<section id="s{self._n_sections}">\n<{tag}>{self._translate.text(section.title)}</{tag}>\n'
        yield from self.html(section.blocks, level=level + 1)
        yield "</section>\n"

    def _note(self, note: Note) -> str:
        text = self._translate.text(note.text)
        if note.kind is NoteKind.WARNING:
            return f'<p class="warning"><strong>{self.word(N_("warning:"))}</strong> {text}</p>\n'
        return f'<p class="{note.kind.value}">{text}</p>\n'

    def word(self, message: str) -> str:
        """One of our own messages."""
        return html.escape(self._translate.word(message))

    def table(self, table: Table) -> Iterator[str]:
        """A table in a box that scrolls when it is too wide; bars are drawn by their width in CSS."""
        title = self._translate.text(table.title)
        longest = _longest(table)
        yield '<div class="scroll"><table>\n'
        if title:
            yield f"<caption>{title}</caption>\n"
        yield f"<thead><tr>{''.join(self._head(column) for column in table.columns)}</tr></thead>\n<tbody>\n"
        for row in table.rows:
            yield f"<tr>{''.join(self._cells(table, row, longest))}</tr>\n"
        yield "</tbody>\n"
        if table.total is not None:
            yield f"<tfoot><tr>{''.join(self._cells(table, table.total, {}))}</tr></tfoot>\n"
        yield "</table></div>\n"

    def _head(self, column: Column) -> str:
        number = ' class="n"' if is_number(column.unit) else ""
        head = f'<th scope="col"{number}>{self._translate.text(column.title)}</th>'
        return f"{head}<td></td>" if column.bar else head

    def _cells(self, table: Table, row: tuple[Any, ...], longest: dict[int, float]) -> Iterator[str]:
        color = _color(table, row)
        for k, (cell, column) in enumerate(zip(row, table.columns, strict=True)):
            text = self._translate.cell(cell, column.unit)
            unit = cell.unit if isinstance(cell, Value) else column.unit
            kind = ' class="n"' if is_number(unit) else ' class="f"' if unit is Unit.FORMULA else ""
            swatch = f'<i class="swatch" style="background:{color}"></i>' if k == 0 and color else ""
            short = ' class="s"' if len(text) < _SHORT else ""
            yield f'<th scope="row"{short}>{swatch}{text}</th>' if k == 0 else f"<td{kind}>{text}</td>"
            if column.bar:
                yield f'<td class="bar">{_bar(cell, longest.get(k, 0.0), color)}</td>'

    def _formulas(self, formulas: Formulas) -> Iterator[str]:
        title = self._translate.text(formulas.title)
        yield f'<p class="caption">{title}</p>\n<dl class="formulas">\n' if title else '<dl class="formulas">\n'
        for line in formulas.lines:
            yield f"<dt>{self._translate.text(line.label)}</dt>\n<dd>{self._derivation(line)}</dd>\n"
        yield "</dl>\n"

    def _derivation(self, line: Derivation) -> str:
        value = self._translate.value
        parts = [value(Value(part, Unit.FORMULA)) for part in (line.symbols, line.numbers) if part]
        parts.append(f"<strong>{value(Value(line.result, Unit.COUNT))}</strong>")
        remark = f' <span class="remark">{value(Value(line.remark, Unit.NAME))}</span>' if line.remark else ""
        return " <wbr>= ".join(f"<span>{part}</span>" for part in parts) + remark

    def _chart(self, chart: Chart) -> Iterator[str]:
        """The picture with its numbers folded away below it; without a picture the numbers alone."""
        self._n_charts += 1
        svg = self._draw(chart, f"c{self._n_charts}")
        twin = "".join(self.table(table_of(chart)._replace(title=Text(""))))
        title = self._translate.text(chart.title)
        note = self._translate.text(chart.note)
        if svg is None:
            yield f'<p class="caption">{title}</p>\n{twin}'
            return
        label = html.escape(Translator(self._translate.lang).text(chart.title))
        yield f'<figure class="{chart.kind.value}">\n'
        yield svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
        yield f"\n<figcaption>{note}</figcaption>\n" if note else "\n"
        yield f"<details><summary>{self.word(N_('the numbers of this figure'))}</summary>\n{twin}</details>\n</figure>\n"


def section_titles(blocks: Iterable[Block], translate: Translator) -> list[tuple[str, str]]:
    """The id and the title of each section at the top, for a table of contents."""
    found, n = [], 0
    for block in blocks:
        if isinstance(block, Section):
            found.append((f"s{n + 1}", translate.text(block.title)))
            n += _n_sections(block)
    return found


def _n_sections(section: Section) -> int:
    return 1 + sum(_n_sections(block) for block in section.blocks if isinstance(block, Section))


def _longest(table: Table) -> dict[int, float]:
    """For each column with bars the largest value."""
    return {
        k: max((magnitude(_raw(row[k])) for row in table.rows), default=0.0)
        for k, column in enumerate(table.columns)
        if column.bar
    }


def _bar(cell: Any, longest: float, color: str) -> str:
    size = magnitude(_raw(cell))
    if not (size and longest):
        return ""
    return f'<i style="width:{100 * size / longest:.2f}%;background:{color or "currentColor"}"></i>'


def _raw(cell: Any) -> Any:
    return cell.raw if isinstance(cell, Value) else cell


def _color(table: Table, row: tuple[Any, ...]) -> str:
    """The colour of the row's component, "" where it has none."""
    index = next((k for k, column in enumerate(table.columns) if column.key == "component"), None)
    component = None if index is None else _raw(row[index])
    return color_of(component) if isinstance(component, str) else ""
