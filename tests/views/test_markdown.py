"""The Markdown view, read by a CommonMark parser: what is a table is one, and a name is only text."""

import re

import pytest

from numel.core.report import Column, Note, Report, Table, Text, Unit, Value

markdown_it = pytest.importorskip("markdown_it")


def html_of(text):
    return markdown_it.MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text)


def test_a_report_is_headings_tables_and_lists(whole, show):
    html = html_of(show(whole, "markdown"))
    assert html.count("<h1>") == 1
    assert html.count("<h2>") == 3
    assert html.count("<table>") == 4
    assert "<strong>28,348,416</strong>" in html
    assert '<td style="text-align:right">39,383,808</td>' in html


def test_a_figure_is_a_reference_and_without_one_its_numbers(whole, show):
    html = html_of(show(whole, "markdown", figures={"share": "a b/share.svg"}))
    assert '<img src="a%20b/share.svg" alt="Where the parameters live" />' in html
    assert html.count("<table>") == 3


def test_names_from_outside_make_no_markup(hostile, show):
    html = html_of(show(hostile, "markdown"))
    tags = {tag.lower() for tag in re.findall(r"</?([a-zA-Z]\w*)", html)}
    assert tags <= {"h1", "h2", "p", "table", "thead", "tbody", "tr", "th", "td", "strong", "ul", "li"}


def test_names_come_through_as_they_are_shown(hostile, show):
    from html import unescape

    text = unescape(re.sub(r"<[^>]*>", "", html_of(show(hostile, "markdown"))))
    for shown in (
        "[/nope][bold red]",
        "\\u{1b}[31mred",
        "<script>alert(1)</script>",
        "*b* _c_ #d ~e~",
        "$$\\\\frac{1}{2}$$",
        "&amp;&lt;",
    ):
        assert shown in text


def test_every_row_has_all_its_cells(hostile, show):
    rows = [line for line in show(hostile, "markdown").splitlines() if line.startswith("|")]
    assert rows
    tables = re.findall(r"(?:^\|.*\n)+", show(hostile, "markdown"), re.MULTILINE)
    for table in tables:
        assert len({line.count("|") for line in table.splitlines()}) == 1


def test_it_is_in_the_readers_language(whole, show):
    text = show(whole, "markdown", lang="vi")
    assert "| thành phần | tham số | tỷ lệ |" in text
    assert "39.383.808" in text


def test_warnings_and_assumptions_are_there(whole, show):
    text = show(whole, "markdown")
    assert "- tied tensors count once" in text
    assert "- no config" in text
    assert "**warning:** stored as float16" in text


def test_an_empty_report_is_its_title(show):
    assert show(Report("show", Text("Title"), (), {}), "markdown") == "# Title\n"


def test_a_number_with_a_dot_is_no_list_item_and_stands_as_it_is(show):
    table = Table(Text(""), (Column("section", Text("section"), Unit.NAME),), (("4.3",), ("8",)))
    text = show(Report("study", Text(""), (table, Note(Text("{n}", {"n": Value("4. x", Unit.NAME)}))), {}), "markdown")
    assert "| 4.3 |" in text
    assert "<ol>" not in html_of(text)
