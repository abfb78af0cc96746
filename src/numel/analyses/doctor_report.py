"""How is a diagnosis shown? One row a finding, the worst first, and how each was judged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.counts import count
from ..core.report import Block, Column, Note, Report, Table, Text, Unit, Value
from . import describe
from .doctor_checks import LEAST_SQNR
from .gammas import DEAD_GAMMA, is_about_one
from .values_reading import dequantised_note, unread_notes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .doctor import Examination
    from .doctor_checks import Finding

_COLUMNS = (
    Column("tensor", Text("tensor"), Unit.NAME),
    Column("severity", Text("severity"), Unit.WORD),
    Column("number", Text("how much"), Unit.REAL),
    Column("what", Text("what"), Unit.WORD),
    Column("advice", Text("what to do"), Unit.WORD),
)
_SEVERITIES = {"error": Text("error"), "warning": Text("warning"), "note": Text("note")}
_MOST_ROWS = 100  # --json and --csv have all


def report(result: tuple[Examination, ...]) -> Report:
    """The findings of each model as a table, and all of them for other programs."""
    blocks: tuple[Block, ...] = ()
    for model in result:
        blocks += (describe.summary(model.table, count(model.table)), *_found(model))
    tables = [model.table for model in result]
    return Report(
        "doctor",
        Text("What looks wrong"),
        blocks,
        {"models": [_data(model) for model in result]},
        tuple(_assumptions(result)),
        (*describe.warnings(tables), *_warnings(result)),
        _records(result),
        exit_code=int(any(model.has_failed for model in result)),
    )


def _found(model: Examination) -> Iterator[Block]:
    n = {"n": Value(model.n_tensors, Unit.COUNT)}
    if not model.findings:
        yield Note(Text("nothing looks wrong in {n} tensors", n))
        return
    rows = tuple(_row(finding) for finding in model.findings[:_MOST_ROWS])
    yield Table(Text(""), _COLUMNS, rows, key="findings")
    if len(model.findings) > _MOST_ROWS:
        values = {"shown": Value(_MOST_ROWS, Unit.COUNT), "all": Value(len(model.findings), Unit.COUNT)}
        yield Note(Text("{shown} of {all} findings are shown; --json has all", values))


def _row(finding: Finding) -> tuple[Any, ...]:
    tensor = Text("the model") if finding.tensor is None else finding.tensor
    return tensor, _SEVERITIES[finding.severity], finding.number, finding.what, finding.advice


def _data(model: Examination) -> dict[str, Any]:
    severities = [finding.severity for finding in model.findings]
    return {
        **describe.model_data(model.table),
        "n_findings": {name: severities.count(name) for name in _SEVERITIES},
        "n_read": model.n_tensors,
        "findings": [_finding(finding) for finding in model.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "severity": finding.severity,
        "kind": finding.kind,
        "tensor": finding.tensor,
        "number": finding.number.raw,
        "what": _english(finding.what),
        "advice": _english(finding.advice),
        **finding.details,
    }


def _english(text: Text) -> str:
    """The sentence with its numbers as they are: `--json` is English, and no view is at hand here."""
    return text.template.format(**{name: value.raw for name, value in text.values.items() if isinstance(value, Value)})


def _records(result: tuple[Examination, ...]) -> Table:
    """The long form for CSV: one row per model and finding."""
    columns = (Column("model", Text("model"), Unit.NAME), Column("kind", Text("kind"), Unit.NAME), *_COLUMNS)
    rows = tuple(
        (model.table.name, finding.kind, finding.tensor, finding.severity, *_row(finding)[2:])
        for model in result
        for finding in model.findings
    )
    return Table(Text(""), columns, rows, key="findings")


def _assumptions(result: tuple[Examination, ...]) -> Iterator[Text]:
    """How it was judged, in sentences that hold for these models."""
    yield Text("NaN, ±∞, zero and constant rows and columns (of 16 values or more), copies: by every value")
    yield from dequantised_note(dtype for model in result for dtype in model.dequantised)
    share = {"share": Value(DEAD_GAMMA, Unit.REAL)}
    yield Text("dead γ: below {share} of the median |γ| of its tensor", share)
    names = {"models": Value(", ".join(m.table.name for m in result if is_about_one(m.table)), Unit.NAME)}
    if names["models"].raw:
        yield Text("{models}: multiplies by 1 + what is stored, so a dead γ is stored as −1", names)
    yield Text(
        "untouched: zero, one, or not to be told from how matrices begin (normal(0, initializer_range), that over √(2·layers), "
        "torch's own, LeCun, Glorot, He) by mean, standard deviation, kurtosis and distribution function, where half of the tensors of the "
        "same name in other layers, or else of the model, moved"
    )
    least = {"least": Value(LEAST_SQNR, Unit.REAL)}
    yield Text(
        "int8: one scale max|x| / 127 for the matrix; told where the signal is less than {least} dB above the noise",
        least,
    )


def _warnings(result: tuple[Examination, ...]) -> Iterator[Text]:
    for model in result:
        yield from unread_notes(model.table.name, model.n_unread, model.unread)
