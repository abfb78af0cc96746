"""The CSV view: raw numbers by RFC 4180, and nothing that a spreadsheet would run."""

import csv
from io import BytesIO, StringIO, TextIOWrapper

import pytest

from numel.core.report import Column, Derivation, Formulas, Report, Section, Table, Text, Unit, Value
from numel.errors import UsageError
from numel.views.csv import render
from numel.views.options import ViewOptions


def rows_of(text):
    return list(csv.reader(StringIO(text, newline=""), strict=True))


def test_it_has_the_keys_then_raw_numbers_and_no_total(whole, show):
    assert rows_of(show(whole, "csv")) == [
        ["component", "numel", "share"],
        ["embedding", "39383808", "0.3164888200406095"],
        ["attention", "28348416", "0.2278082589134178"],
        ["mlp", "56669184", "0.45539433812048313"],
        ["norm", "38400", "0.0003085829254895668"],
    ]


def test_lines_end_as_the_standard_says(whole, show):
    assert show(whole, "csv").count("\r\n") == 5


def test_it_is_the_same_in_every_language(whole, show):
    assert show(whole, "csv", lang="vi") == show(whole, "csv")


def test_records_come_before_tables(whole, show):
    records = Table(Text(""), (Column("model", Text("model"), Unit.NAME),), (("gpt2",),))
    assert rows_of(show(whole._replace(records=records), "csv")) == [["model"], ["gpt2"]]


def test_hostile_names_are_not_formulas_and_break_no_row(hostile, show):
    rows = rows_of(show(hostile, "csv"))
    assert {len(row) for row in rows} == {4}
    assert len(rows) == 1 + len(hostile.data["names"])
    for row in rows:
        for cell in row:
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))
            assert cell.isprintable()


def test_a_negative_number_is_a_number(show):
    table = Table(Text(""), (Column("d", Text("d"), Unit.COUNT),), ((-5,), (-0.5,)))
    assert rows_of(show(Report("show", Text(""), (table,), {}), "csv"))[1:] == [["-5"], ["-0.5"]]


def test_unknown_is_empty_and_flags_are_words(show):
    columns = tuple(Column(k, Text(k), Unit.FLAG) for k in "abc")
    table = Table(Text(""), columns, ((None, True, Value(False, Unit.FLAG)),))
    assert rows_of(show(Report("show", Text(""), (table,), {}), "csv"))[1] == ["", "true", "false"]


def test_a_long_name_is_whole(show):
    table = Table(Text(""), (Column("t", Text("t"), Unit.NAME),), (("x" * 900,),))
    assert rows_of(show(Report("show", Text(""), (table,), {}), "csv"))[1] == ["x" * 900]


def test_derivations_are_rows_too(show):
    lines = (Derivation(Text("total"), "a + b", "1 + 2", 3, ""),)
    report = Report("explain", Text(""), (Section(Text("s"), (Formulas(Text("t"), lines),)),), {})
    assert rows_of(show(report, "csv")) == [
        ["label", "symbols", "numbers", "result", "remark"],
        ["total", "a + b", "1 + 2", "3", ""],
    ]


def test_a_report_without_a_table_says_so(show):
    with pytest.raises(UsageError, match="no table"):
        show(Report("show", Text(""), (), {}), "csv")


def test_an_old_stream_never_raises(hostile):
    raw = BytesIO()
    out = TextIOWrapper(raw, encoding="cp1252", newline="")
    render(hostile, out, ViewOptions())
    out.flush()
    assert len(rows_of(raw.getvalue().decode("cp1252"))) == 1 + len(hostile.data["names"])
