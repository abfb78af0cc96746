"""The HTML page: stands by itself, runs nothing, and takes no name for markup."""

import re
from html.parser import HTMLParser
from io import BytesIO, TextIOWrapper

import pytest

from numel.views.html import fragment, render
from numel.views.options import ViewOptions

VOID = {"meta", "wbr", "link", "br", "img"}
HTML = {"html", "head", "meta", "title", "style", "body", "main", "header", "h1", "h2", "h3", "p", "strong", "bdi", "nav", "ol",
        "ul", "li", "a", "section", "div", "table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td", "i", "dl", "dt",
        "dd", "span", "wbr", "figure", "figcaption", "details", "summary"}  # fmt: skip
SVG = {"svg", "defs", "g", "path", "pattern", "text", "use", "clippath", "rect", "tspan"}


class Page(HTMLParser):
    """The tags, attributes and text of a page; raises where a tag is not closed."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self._open = [], [], [], []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attribute) for attribute in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attribute) for attribute in attrs]

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("which", ["whole", "hostile"])
def test_only_known_tags_stand_in_it_and_all_are_closed(which, samples, show):
    page = Page(show(getattr(samples, f"{which}_report")(), "html"))
    assert set(page.tags) <= HTML | SVG


@pytest.mark.parametrize("which", ["whole", "hostile"])
def test_nothing_is_loaded_and_nothing_runs(which, samples, show):
    page = Page(show(getattr(samples, f"{which}_report")(), "html"))
    for tag, name, value in page.attributes:
        assert not name.startswith("on")
        if name in ("href", "xlink:href", "src"):
            assert value.startswith("#"), (tag, value)
    assert ("meta", "http-equiv", "Content-Security-Policy") in page.attributes
    policy = next(v for t, n, v in page.attributes if t == "meta" and n == "content" and "default-src" in v)
    assert "default-src 'none'" in policy
    assert "script" not in policy


def test_names_come_through_as_they_are_shown(hostile, show):
    text = "".join(Page(show(hostile, "html")).text)
    for shown in (
        "[/nope][bold red]",
        "\\u{1b}[31mred",
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "&amp;&lt;",
    ):
        assert shown in text
    assert not [c for c in text if not c.isprintable() and c != "\n"]


def test_ids_are_unique_and_references_find_them(samples, show):
    page = Page(show(samples.whole_report(), "html"))
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    for _, name, value in page.attributes:
        if name in ("href", "xlink:href"):
            assert value[1:] in ids
        for target in re.findall(r"url\(#([^)]*)\)", value or ""):
            assert target in ids


@pytest.mark.parametrize("lang", ["en", "vi"])
def test_it_says_its_language(whole, lang, show):
    page = Page(show(whole, "html", lang=lang))
    assert ("html", "lang", lang) in page.attributes


def test_every_chart_has_its_table_and_its_name(whole, show):
    page = Page(show(whole, "html"))
    assert page.tags.count("svg") == page.tags.count("details") == 3
    assert ("svg", "aria-label", "Where the parameters live") in page.attributes
    assert ("svg", "role", "img") in page.attributes


def test_bars_are_as_long_as_their_share_of_the_longest(whole, show):
    assert "width:69.50%;background:#56B4E9" in show(whole, "html")  # 39,383,808 / 56,669,184


def test_a_page_is_the_same_every_time(whole, show):
    assert show(whole, "html") == show(whole, "html")


def test_an_old_stream_gets_entities(whole):
    raw = BytesIO()
    out = TextIOWrapper(raw, encoding="ascii")
    render(whole, out, ViewOptions(lang="vi"))
    out.flush()
    assert "tổng" in "".join(Page(raw.getvalue().decode("ascii")).text)


def test_a_fragment_is_a_table_with_its_own_style(whole, hostile):
    for report in (whole, hostile):
        page = Page(fragment(report))
        assert set(page.tags) <= HTML | {"h4"}
        assert "script" not in page.tags
    assert "39,383,808" in fragment(whole)
    assert "39.383.808" in fragment(whole, "vi")


def test_a_fragment_needs_no_matplotlib():
    import subprocess
    import sys

    code = (
        "import sys; from numel.core.report import *; from numel.views.html import fragment\n"
        "fragment(Report('show', Text('t'), (Note(Text('n')),), {})); print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
