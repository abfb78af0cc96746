"""Which ways are there to show a report? Each is one file with `render(report, out, options)`."""

from __future__ import annotations

from ..registry import Plugin

VIEWS = {
    "terminal": Plugin("numel.views.terminal:render", "a table with bars"),
    "json": Plugin("numel.views.json:render", "every number, for programs"),
    "csv": Plugin("numel.views.csv:render", "the table, for spreadsheets"),
    "markdown": Plugin("numel.views.markdown:render", "a document as text"),
    "html": Plugin("numel.views.html:render", "a page that stands by itself"),
    "figure": Plugin("numel.views.figure:render", "the chart as SVG"),
}
