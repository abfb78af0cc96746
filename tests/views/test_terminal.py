"""The terminal view: what a pipe gets, what a terminal gets, and what an old one can take."""

import os
import re
import subprocess
import sys
from io import BytesIO, StringIO, TextIOWrapper

import pytest

from numel.core.report import Column, Report, Table, Text, Unit
from numel.views.layout import cell_width
from numel.views.options import ViewOptions
from numel.views.terminal import render, wants_color


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_a_pipe_gets_no_colour_codes_and_no_trailing_spaces(whole, show):
    text = show(whole, "terminal")
    assert "\x1b" not in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_a_pipe_gets_whole_names_on_one_line(samples, show):
    name = "model." + "x" * 120
    assert any(name in line and "1,234" in line for line in show(_list_of(name, 1234), "terminal").splitlines())


def test_a_pipe_gets_whole_numbers(show):
    table = Table(Text(""), (Column("n", Text("n"), Unit.SHORT_COUNT),), ((124439808,),))
    report = Report("show", Text(""), (table,), {})
    assert "124,439,808" in show(report, "terminal")
    assert "124.4M" in show(report, "terminal", width=80, is_terminal=True)


@pytest.mark.parametrize("width", [8, 15, 20, 28, 40, 60, 80, 200])
@pytest.mark.parametrize("lang", ["en", "vi"])
@pytest.mark.parametrize("which", ["whole", "hostile"])
def test_no_line_is_wider_than_the_terminal(which, width, lang, samples, show):
    report = getattr(samples, f"{which}_report")()
    for line in show(report, "terminal", width=width, lang=lang, color=False).splitlines():
        assert cell_width(line) <= width


def test_a_terminal_narrower_than_8_columns_is_taken_for_one_of_8(whole, show):
    assert show(whole, "terminal", width=1) == show(whole, "terminal", width=8)


def test_below_20_columns_each_row_is_a_list_of_its_cells(show):
    columns = Column("component", Text("component"), Unit.WORD), Column("numel", Text("n"), Unit.COUNT)
    table = Table(Text(""), columns, (("mlp", 1234),), total=("total", 1234))
    lines = show(Report("show", Text(""), (table,), {}), "terminal", width=10).splitlines()
    assert lines == ["mlp", "  n 1,234", "─" * 10, "total", "  n 1,234"]


@pytest.mark.parametrize("width", [15, 20, 28, 40, 80, None])
def test_every_number_of_a_table_is_shown_whole(whole, width, show):
    text = show(whole, "terminal", width=width)
    for number in ("39,383,808", "28,348,416", "56,669,184", "38,400", "124,439,808", "0.0309%"):
        assert number in text


def test_colours_are_those_of_the_palette(whole, show, monkeypatch):
    monkeypatch.setenv("COLORTERM", "truecolor")
    text = show(whole, "terminal", width=80, color=True)
    assert "\x1b[38;2;0;114;178m" in text  # MLP: #0072B2
    assert re.sub(r"\x1b\[[\d;]*m", "", text) == show(whole, "terminal", width=80, color=False)


@pytest.mark.parametrize(
    ("asked", "environ", "is_terminal", "expected"),
    [
        (True, {"NO_COLOR": "1"}, False, True),
        (False, {"FORCE_COLOR": "1"}, True, False),
        (None, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
        (None, {"NO_COLOR": ""}, True, True),
        (None, {"FORCE_COLOR": "1"}, False, True),
        (None, {"FORCE_COLOR": "0"}, True, False),
        (None, {"TERM": "dumb"}, True, False),
        (None, {"TERM": "xterm"}, True, True),
        (None, {}, False, False),
    ],
)
def test_colour_is_decided_by_the_option_then_the_environment_then_the_terminal(asked, environ, is_terminal, expected):
    assert wants_color(environ, asked=asked, is_terminal=is_terminal) is expected


@pytest.mark.parametrize("encoding", ["cp1252", "cp1258", "ascii", "latin-1", "cp437"])
@pytest.mark.parametrize("lang", ["en", "vi"])
def test_a_stream_without_blocks_gets_hashes_and_never_an_exception(encoding, lang, samples):
    for report in (samples.whole_report(), samples.hostile_report()):
        raw = BytesIO()
        out = TextIOWrapper(raw, encoding=encoding)
        render(report, out, ViewOptions(lang=lang, width=80))
        out.flush()
        text = raw.getvalue().decode(encoding)
        assert max(map(cell_width, text.splitlines())) <= 80
        assert "�" not in text
    assert "###" in text or "===" in text


def test_vietnamese_loses_its_marks_where_they_cannot_be_written(whole):
    raw = BytesIO()
    out = TextIOWrapper(raw, encoding="ascii")
    render(whole, out, ViewOptions(lang="vi"))
    out.flush()
    assert b"tham so" in raw.getvalue()


def test_a_lone_surrogate_can_be_written(show):
    text = show(_list_of("\udcff", 1), "terminal")
    assert r"\u{dcff}" in text
    assert text.encode("utf-8").decode("utf-8") == text


def test_how_it_was_counted_and_warnings_stand_below(whole, show):
    text = show(whole, "terminal")
    assert text.index("total") < text.index("How it was counted") < text.index("tied tensors count once")
    assert "warning: no config" in text


def test_one_bar_alone_is_not_drawn_twice(samples, show):
    chart = samples.share_chart()
    one = chart._replace(
        categories=chart.categories[:1], series=tuple(s._replace(values=s.values[:1]) for s in chart.series)
    )
    assert show(Report("show", Text(""), (one,), {}), "terminal") == ""


def test_stacked_bars_are_as_long_as_each_other(samples, show):
    text = show(Report("show", Text(""), (samples.share_chart(),), {}), "terminal", width=80)
    bars = [line for line in text.splitlines() if line.startswith("gpt2")]
    assert len(bars) == 4
    assert len({cell_width(line) for line in bars}) == 1


def test_a_report_in_a_pipe_needs_no_rich():
    code = (
        "import sys; from numel.core.report import *; from numel.views.terminal import render\n"
        "from numel.views.options import ViewOptions\n"
        "t = Table(Text(''), (Column('n', Text('n'), Unit.COUNT),), ((1,),))\n"
        "render(Report('show', Text(''), (t,), {}), sys.stdout, ViewOptions())\n"
        "print('rich' in sys.modules)"
    )
    environ = {k: v for k, v in os.environ.items() if k != "FORCE_COLOR"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environ)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_closed_stream_is_no_terminal():
    out = StringIO()
    out.close()
    with pytest.raises(ValueError, match="closed"):
        render(_list_of("a", 1), out, ViewOptions())


def _list_of(name, number):
    columns = (Column("tensor", Text("tensor"), Unit.NAME), Column("numel", Text("parameters"), Unit.COUNT))
    return Report("show", Text(""), (Table(Text(""), columns, ((name, number),)),), {})
