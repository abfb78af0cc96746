"""Why is the count what it is? Each component as arithmetic of the configuration's fields, term by term."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.counts import count
from ..core.parameters import Component
from ..core.report import Block, Column, Derivation, Formulas, Note, Report, Table, Text, Unit, Value
from ..core.visible import visible
from ..errors import Sentence, UnsupportedError, UsageError
from . import describe
from .derivation import Derived, derive, term

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence

    from ..core.formulas import Formula
    from ..core.parameters import ParameterTable


class Options(NamedTuple):
    """`component`: only this one; "" is all of them."""

    component: str = ""


# A last word on the command line that is no model but one of these chooses a component: option, word → value.
TRAILING = (
    "component",
    {c.value: c.value for c in Component} | {"experts": "moe", "layernorm": "norm", "embeddings": "embedding"},
)


class Explanation(NamedTuple):
    """One model, the arithmetic of its components, and the tied tensors that add nothing."""

    table: ParameterTable
    derived: tuple[Derived, ...]
    tied: tuple[Formula, ...]
    is_whole: bool


def add_options(parser: ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--component", default="", help="only this one; may also stand behind the model")


def analyze(models: Sequence[ParameterTable], options: Options) -> tuple[Explanation, ...]:
    """The arithmetic of each model. Raises UnsupportedError for a model without a blueprint."""
    return tuple(_explain(table, options.component) for table in models)


def _explain(table: ParameterTable, component: str) -> Explanation:
    if not table.formulas:
        message = Sentence("{name}: no blueprint to explain it from", name=visible(table.name, 100))
        raise UnsupportedError(
            message, hint=Sentence("a config.json with a known model_type gives one; see: numel models")
        )
    derived = derive(table)
    if component:
        chosen = tuple(d for d in derived if d.component == component)
        if not chosen:
            there = ", ".join(d.component.value for d in derived)
            message = Sentence(
                "{name} has no {component} parameters", name=visible(table.name, 100), component=component
            )
            raise UsageError(message, hint=Sentence("there is {names}", names=there))
        return Explanation(table, chosen, (), is_whole=False)
    return Explanation(table, derived, tuple(f for f in table.formulas if f.tied_to), is_whole=True)


def report(result: tuple[Explanation, ...]) -> Report:
    """The derivations, then every line behind them."""
    blocks = [block for explanation in result for block in _blocks(explanation)]
    data = {"models": [_data(e) for e in result]}
    tables = [e.table for e in result]
    return Report(
        "explain", Text("Where the counts come from"), tuple(blocks), data,
        describe.assumptions(tables), describe.warnings(tables), _records(result),
    )  # fmt: skip


def _records(result: tuple[Explanation, ...]) -> Table:
    """The long form for CSV: one row per model and line."""
    columns = (
        Column("model", Text("model"), Unit.NAME),
        Column("component", Text("component"), Unit.WORD),
        Column("template", Text("tensor"), Unit.NAME),
        Column("n_tensors", Text("times"), Unit.COUNT),
        Column("symbols", Text("shape"), Unit.FORMULA),
        Column("numbers", Text("in numbers"), Unit.FORMULA),
        Column("numel", Text("parameters"), Unit.COUNT),
    )
    rows = tuple(
        (e.table.name, d.component.value, f.template, f.n_tensors, term(f, "symbols"), term(f, "numbers"), f.numel)
        for e in result
        for d in e.derived
        for f in (p.formula for p in d.formulas)
    )
    return Table(Text(""), columns, rows, key="lines")


def _blocks(explanation: Explanation) -> tuple[Block, ...]:
    table = explanation.table
    lines = tuple(
        Derivation(Text("{what}", {"what": Value(d.component.value, Unit.WORD)}), d.symbols, d.numbers, d.numel)
        for d in explanation.derived
    )
    if explanation.is_whole:
        numbers = " + ".join(str(d.numel) for d in explanation.derived)
        symbols = " + ".join(d.component.value for d in explanation.derived)
        lines = (*lines, Derivation(Text("total"), symbols, numbers, sum(d.numel for d in explanation.derived)))
    title = Text("{model}", {"model": Value(table.name, Unit.NAME)})
    return (Formulas(title, lines), *(_lines(d) for d in explanation.derived), *map(_tied, explanation.tied))


def _lines(derived: Derived) -> Table:
    columns = (
        Column("template", Text("tensor"), Unit.NAME),
        Column("n_tensors", Text("times"), Unit.COUNT),
        Column("symbols", Text("shape"), Unit.FORMULA),
        Column("numbers", Text("in numbers"), Unit.FORMULA),
        Column("numel", Text("parameters"), Unit.COUNT),
        Column("note", Text("remark"), Unit.NAME),
    )
    rows = tuple(
        (f.template, f.n_tensors, term(f, "symbols"), term(f, "numbers"), f.numel, Value(f.note, Unit.NAME))
        for f in (p.formula for p in derived.formulas)
    )
    blank = Value("", Unit.NAME)
    return Table(
        Text("{what}", {"what": Value(derived.component.value, Unit.WORD)}),
        columns,
        rows,
        (Text("total"), sum(f.formula.n_tensors for f in derived.formulas), blank, blank, derived.numel, blank),
        key=derived.component.value,
    )


def _tied(formula: Formula) -> Note:
    return Note(
        Text(
            "{name} would be {formula} = {numel} parameters; it is tied to {target} and adds none",
            {
                "name": Value(formula.template, Unit.NAME),
                "formula": Value(term(formula, "numbers"), Unit.FORMULA),
                "numel": Value(formula.numel, Unit.COUNT),
                "target": Value(formula.tied_to, Unit.NAME),
            },
        )
    )


def _data(explanation: Explanation) -> dict[str, Any]:
    return {
        **describe.model_data(explanation.table, count(explanation.table)),
        "components": [
            {
                "component": d.component.value,
                "symbols": d.symbols,
                "numbers": d.numbers,
                "n_tensors": sum(p.formula.n_tensors for p in d.formulas),
                "numel": d.numel,
                "lines": [_line_data(p.formula) for p in d.formulas],
            }
            for d in explanation.derived
        ],
        "tied": [_line_data(f) for f in explanation.tied],
    }


def _line_data(formula: Formula) -> dict[str, Any]:
    return {
        "template": formula.template,
        "dims": [term._asdict() for term in formula.dims],
        "repeats": [term._asdict() for term in formula.repeats],
        "n_tensors": formula.n_tensors,
        "numel": formula.numel,
        "tied_to": formula.tied_to,
        "note": formula.note,
    }
