"""How does a report become a page that stands by itself? No script, no network: figures, tables and styles inside."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from ..core.report import Chart, Note, NoteKind, Section
from ..translate import N_, Translator
from .encoding import encoding_of
from .hypertext import Blocks, section_titles, translator
from .stylesheet import FRAGMENT, PAGE
from .twins import is_picture_of_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TextIO

    from ..core.report import Block, Report
    from .options import ViewOptions

# Nothing is loaded and nothing runs; style attributes are ours (bars, matplotlib's SVG).
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_CONTENTS = 3  # sections from which on a table of contents helps


def render(report: Report, out: TextIO, options: ViewOptions) -> None:
    """Write the page; what the stream cannot write becomes a numeric entity."""
    encoding = encoding_of(out)
    out.writelines(
        piece.encode(encoding, "xmlcharrefreplace").decode(encoding) for piece in _page(report, options.lang)
    )


def fragment(report: Report, lang: str = "en") -> str:
    """The report as HTML for a notebook's cell: tables with bars, no picture, no script."""
    translate = translator(lang)
    blocks = Blocks(translate, lambda chart, prefix: None)  # noqa: ARG005 - a notebook draws figures itself
    shown = [block for block in report.blocks if not isinstance(block, Chart)]
    body = "".join((*blocks.html(shown, level=4), *_counted(report, blocks, translate, level=0)))
    return f'<style>{FRAGMENT}</style>\n<div class="numel" lang="{lang}">\n{body}</div>'


def _page(report: Report, lang: str) -> Iterator[str]:
    translate = translator(lang)
    blocks = Blocks(translate, _drawer(lang))
    title = html.escape(Translator(lang).text(report.title))
    yield f'<!doctype html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n<meta name="generator" content="numel">\n'
    yield f"<title>{title}</title>\n<style>{PAGE}</style>\n</head>\n<body>\n<main>\n"
    yield f"<header><h1>{translate.text(report.title)}</h1></header>\n"
    yield from _contents(report, translate, blocks)
    yield from blocks.html(_without_doubles(report.blocks))
    yield from _counted(report, blocks, translate, level=2)
    yield "</main>\n</body>\n</html>\n"


def _contents(report: Report, translate: Translator, blocks: Blocks) -> Iterator[str]:
    titles = section_titles(report.blocks, translate)
    if len(titles) < _CONTENTS:
        return
    items = "".join(f'<li><a href="#{anchor}">{title}</a></li>' for anchor, title in titles)
    yield f'<nav aria-label="{blocks.word(N_("Contents"))}"><ol>{items}</ol></nav>\n'


def _without_doubles(blocks: tuple[Block, ...]) -> list[Block]:
    """The blocks without a chart that only repeats the bars of a table."""
    return [
        block._replace(blocks=tuple(_without_doubles(block.blocks))) if isinstance(block, Section) else block
        for block in blocks
        if not (isinstance(block, Chart) and is_picture_of_table(block))
    ]


def _counted(report: Report, blocks: Blocks, translate: Translator, *, level: int) -> Iterator[str]:
    """How it was counted, and what is odd; `level` 0 is without a heading."""
    if report.assumptions:
        items = "".join(f"<li>{translate.text(text)}</li>" for text in report.assumptions)
        heading = f"<h{level}>{blocks.word(N_('How it was counted'))}</h{level}>\n" if level else ""
        yield f'<section class="counted">\n{heading}<ul>{items}</ul>\n</section>\n'
    yield from blocks.html([Note(text, NoteKind.WARNING) for text in report.warnings])


def _drawer(lang: str) -> Callable[[Chart, str], str]:
    """A function that draws a chart as SVG; a page without charts goes without matplotlib."""

    def draw(chart: Chart, prefix: str) -> str:
        from .figure import inline_svg

        return inline_svg(chart, lang, prefix=prefix)

    return draw
