"""How does a report read as a Markdown document? Headings, pipe tables, pictures by reference; CommonMark and GFM."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

from ..core.report import Chart, Formulas, Note, NoteKind, Section, Table, Unit, Value
from ..translate import N_, Translator
from ..units import is_number
from .encoding import encoding_of
from .twins import is_picture_of_table, table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import TextIO

    from ..core.report import Block, Derivation, Report
    from .options import ViewOptions

# What Markdown acts on wherever it stands; then what it acts on at a word's edge or a value's start, and autolinks.
_ACTIVE = re.compile(
    r"[\\`*\[\]|~$^@#]"
    r"|(?<![^\W_])_|_(?![^\W_])"
    r"|^[-+=]|(?<=^\d)[.)](?=\s|$)"
    r"|:(?=//)|(?i:(?<=www))\."
)


def render(report: Report, out: TextIO, options: ViewOptions) -> None:
    """Write the document; what the stream cannot write becomes a numeric entity."""
    encoding = encoding_of(out)
    translate = Translator(options.lang, own=_own, foreign=escape)
    out.writelines(
        piece.encode(encoding, "xmlcharrefreplace").decode(encoding)
        for piece in _pieces(report, translate, options.figures)
    )


def escape(text: str) -> str:
    """A name from outside as text that no Markdown reads as markup: numeric entities for what is active.

    >>> escape("gpt2-xl, c_attn"), escape("*b* [a](x)"), escape("<b>")
    ('gpt2-xl, c_attn', '&#42;b&#42; &#91;a&#93;(x)', '&lt;b&gt;')
    """
    return html.escape(_ACTIVE.sub(_mark, text), quote=False).replace("\0", "&#").replace("\1", ";")


def _mark(match: re.Match[str]) -> str:
    """The entity's number between two characters that no shown name can hold, so that its & is not escaped again."""
    return f"\0{ord(match[0])}\1"


def _own(text: str) -> str:
    """Our own sentences: only what would be taken for HTML, emphasis or a cell's border."""
    return html.escape(text, quote=False).replace("*", "&#42;").replace("|", "&#124;")


def _pieces(report: Report, translate: Translator, figures: Mapping[str, str]) -> Iterator[str]:
    yield f"# {translate.text(report.title)}\n"
    yield from _blocks(report.blocks, translate, figures, level=2)
    if report.assumptions:
        yield f"\n## {translate.word(N_('How it was counted'))}\n\n"
        yield from (f"- {translate.text(text)}\n" for text in report.assumptions)
    if report.warnings:
        yield f"\n## {translate.word(N_('Warnings'))}\n\n"
        yield from (f"- {translate.text(text)}\n" for text in report.warnings)


def _blocks(blocks: Iterable[Block], translate: Translator, figures: Mapping[str, str], *, level: int) -> Iterator[str]:
    for block in blocks:
        if isinstance(block, Section):
            yield f"\n{'#' * min(level, 6)} {translate.text(block.title)}\n"
            yield from _blocks(block.blocks, translate, figures, level=level + 1)
        elif isinstance(block, Table):
            yield from _table(block, translate)
        elif isinstance(block, Chart):
            yield from _chart(block, translate, figures)
        elif isinstance(block, Formulas):
            yield from _formulas(block, translate)
        else:
            yield _note(block, translate)


def _note(note: Note, translate: Translator) -> str:
    text = translate.text(note.text)
    if note.kind is NoteKind.WARNING:
        return f"\n> **{translate.word(N_('warning:'))}** {text}\n"
    return f"\n{text}\n"


def _table(table: Table, translate: Translator) -> Iterator[str]:
    title = translate.text(table.title)
    if title:
        yield f"\n**{title}**\n"
    yield f"\n| {' | '.join(translate.text(column.title) for column in table.columns)} |\n"
    yield f"|{'|'.join('---:' if is_number(column.unit) else '---' for column in table.columns)}|\n"
    for row in table.rows:
        yield _row(table, row, translate)
    if table.total is not None:
        yield _row(table, table.total, translate, mark="**")


def _row(table: Table, row: tuple[Any, ...], translate: Translator, mark: str = "") -> str:
    cells = [translate.cell(cell, column.unit) for cell, column in zip(row, table.columns, strict=True)]
    return f"| {' | '.join(f'{mark}{cell}{mark}' if cell else '' for cell in cells)} |\n"


def _chart(chart: Chart, translate: Translator, figures: Mapping[str, str]) -> Iterator[str]:
    """The picture, where there is one; else its numbers."""
    if chart.key not in figures and is_picture_of_table(chart):
        return
    if chart.key not in figures:
        yield from _table(table_of(chart), translate)
        return
    target = figures[chart.key].replace("<", "%3C").replace(">", "%3E").replace("\n", "%0A")
    yield f"\n![{translate.text(chart.title)}](<{target}>)\n"
    note = translate.text(chart.note)
    if note:
        yield f"\n{note}\n"


def _formulas(formulas: Formulas, translate: Translator) -> Iterator[str]:
    title = translate.text(formulas.title)
    if title:
        yield f"\n**{title}**\n"
    yield "\n"
    yield from (f"- {_derivation(line, translate)}\n" for line in formulas.lines)


def _derivation(line: Derivation, translate: Translator) -> str:
    parts = [translate.value(Value(part, Unit.FORMULA)) for part in (line.symbols, line.numbers) if part]
    parts.append(f"**{translate.value(Value(line.result, Unit.COUNT))}**")
    remark = f" ({translate.value(Value(line.remark, Unit.NAME))})" if line.remark else ""
    return f"**{translate.text(line.label)}**: {' = '.join(parts)}{remark}"
