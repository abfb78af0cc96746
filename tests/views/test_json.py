"""The JSON view: raw numbers, stable keys, and always JSON."""

import json
import math
from io import BytesIO, TextIOWrapper

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numel.api import compare
from numel.core.report import Formulas, Report, Section, Table, Text, Unit, Value
from numel.views.json import encode, render
from numel.views.options import ViewOptions

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters())
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


def test_it_is_one_object_with_its_schema(whole, show):
    data = json.loads(show(whole, "json"))
    assert list(data)[:4] == ["schema", "command", "assumptions", "warnings"]
    assert data["schema"] == "numel/1"
    assert data["command"] == "show"


def test_it_ends_with_one_newline(whole, show):
    assert show(whole, "json").endswith("}\n")


def test_integers_stay_integers(show):
    assert '"n": 1000000000000001' in show(Report("show", Text(""), (), {"n": 10**15 + 1}), "json")


def test_it_is_english_whatever_the_language(whole, show):
    assert show(whole, "json", lang="vi") == show(whole, "json")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_null(bad, show):
    data = {"a": bad, "rows": [{"mean": bad, "list": [bad, 1.5]}]}
    assert json.loads(show(Report("show", Text(""), (), data), "json"), parse_constant=pytest.fail)["rows"] == [
        {"mean": None, "list": [None, 1.5]}
    ]


@given(values)
def test_any_value_comes_back(value):
    def finite(item):
        if isinstance(item, float):
            return item if math.isfinite(item) else None
        if isinstance(item, list):
            return [finite(x) for x in item]
        return {k: finite(x) for k, x in item.items()} if isinstance(item, dict) else item

    text = encode(value)
    text.encode("utf-8")
    assert json.loads(text) == finite(value)


def test_any_report_comes_back(whole, hostile, show):
    for report in (whole, hostile):
        assert json.loads(show(report, "json"))["command"] == "show"
    assert json.loads(show(hostile, "json"))["names"] == hostile.data["names"]


def test_nothing_in_it_acts_on_a_terminal(hostile, show):
    text = show(hostile, "json")
    assert not [c for c in text if not c.isprintable() and c != "\n"]


def test_an_old_stream_gets_the_same_in_ascii(hostile):
    raw = BytesIO()
    out = TextIOWrapper(raw, encoding="cp1252")
    render(hostile, out, ViewOptions())
    out.flush()
    assert json.loads(raw.getvalue().decode("ascii"))["names"] == hostile.data["names"]


@pytest.mark.parametrize("command", ["show", "norms", "scaling", "explain", "study"])
def test_every_number_that_other_views_show_is_in_it(command, show):
    report = compare("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl").report(command)
    there = set(_numbers(json.loads(show(report, "json"))))
    shown = {n for n in _shown(report.blocks) if n not in (0, 1, 1.0)}
    assert shown
    assert {n for n in shown if not any(math.isclose(n, m, rel_tol=1e-12) for m in there)} == set()


def _numbers(value):
    if isinstance(value, dict):
        for item in value.values():
            yield from _numbers(item)
    elif isinstance(value, list):
        for item in value:
            yield from _numbers(item)
    elif isinstance(value, (int, float)):
        yield value


def _shown(blocks):
    """The raw numbers of tables and derivations; hyper-parameters and numbers of tensors, which are no result, left out."""
    for block in blocks:
        if isinstance(block, Section):
            yield from _shown(block.blocks)
        elif isinstance(block, Formulas):
            yield from (line.result for line in block.lines)
        elif isinstance(block, Table):
            for row in (*block.rows, *([block.total] if block.total else [])):
                for cell, column in zip(row, block.columns, strict=True):
                    raw = cell.raw if isinstance(cell, Value) else cell
                    if column.unit is not Unit.INDEX and column.key != "n_tensors" and type(raw) in (int, float):
                        yield raw
