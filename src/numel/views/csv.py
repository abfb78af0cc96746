"""How does a spreadsheet read a report? One table of raw numbers, by RFC 4180."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Any

from ..core.report import Column, Formulas, Section, Table, Text, Unit, Value
from ..core.visible import visible
from ..errors import Sentence, UsageError
from ..translate import Translator
from .encoding import encoding_of, replacer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO

    from ..core.report import Block, Report
    from .options import ViewOptions

_LIMIT = 10_000  # characters of a name: nothing real is cut
_ACTIVE = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # OWASP ASVS 1.2.10: what a spreadsheet would run


def render(report: Report, out: TextIO, options: ViewOptions) -> None:
    """Write the report's records, or else its first table: keys as header, then the rows, without the total.

    Keys and words are English whatever the language. Unknown is an empty field. A text that a spreadsheet would run
    as a formula gets an apostrophe in front. Raises UsageError for a report that has no table.
    """
    del options
    table = report.records or next(_tables(report.blocks), None)
    if table is None:
        message = Sentence("numel {command} has no table to write as CSV", command=report.command)
        raise UsageError(message, hint=Sentence("--json has every number"))
    writer = csv.writer(out, lineterminator="\r\n" if _keeps_line_ends(out) else "\n")
    show = replacer(encoding_of(out))
    translate = Translator("en")
    writer.writerow([show(field(column.key, translate)) for column in table.columns])
    writer.writerows([show(field(cell, translate)) for cell in row] for row in table.rows)


def field(cell: Any, translate: Translator) -> str:
    """A cell as the text of its field.

    >>> field(124439808, Translator()), field(None, Translator()), field("=1+1", Translator())
    ('124439808', '', "'=1+1")
    """
    if isinstance(cell, Value):
        cell = cell.raw
    if cell is None or cell == "":
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, (int, float)):
        return repr(cell)
    text = translate.text(cell) if isinstance(cell, Text) else visible(str(cell), _LIMIT)
    return f"'{text}" if text.startswith(_ACTIVE) else text


def _tables(blocks: Iterable[Block]) -> Iterator[Table]:
    for block in blocks:
        if isinstance(block, Table):
            yield block
        elif isinstance(block, Section):
            yield from _tables(block.blocks)
        elif isinstance(block, Formulas):
            yield _formulas(block)


def _formulas(formulas: Formulas) -> Table:
    """Derivations as rows."""
    keys = ("label", "symbols", "numbers", "result", "remark")
    columns = tuple(Column(key, Text(key), Unit.FORMULA) for key in keys)  # keys: no catalogue has them
    return Table(formulas.title, columns, tuple(tuple(line) for line in formulas.lines))


def _keeps_line_ends(out: TextIO) -> bool:
    """Whether the stream writes CR LF as it is; on Windows a text stream makes LF into CR LF itself."""
    import os

    return os.linesep == "\n" or not hasattr(out, "buffer")
