"""How are distributions shown? A table of moments, a table of quantiles, and every number for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.counts import count
from ..core.report import Block, Column, Note, Report, Table, Text, Unit, Value
from ..statistics.summary import QUANTILES, effective_bits
from . import describe, values_figures
from .breakdown import key_columns, shown_key, telling
from .values_reading import dequantised_note, unread_notes

if TYPE_CHECKING:
    from .values import GroupValues, ModelValues

_QUANTISED = ("F8_", "F4", "I8", "U8")

_MOMENTS = (
    Column("numel", Text("parameters"), Unit.COUNT),
    Column("mean", Text("mean"), Unit.REAL),
    Column("std", Text("std"), Unit.REAL),
    Column("min", Text("min"), Unit.REAL),
    Column("max", Text("max"), Unit.REAL),
    Column("kurtosis", Text("kurtosis"), Unit.REAL),
    Column("kurtosis_within", Text("within tensors"), Unit.REAL),
    Column("zeros", Text("zeros"), Unit.COUNT),
    Column("n_outliers", Text("beyond 6 σ"), Unit.COUNT),
)
_OPTIONAL = {  # shown where any group has one
    "n_not_finite": Column("n_not_finite", Text("NaN, ±∞"), Unit.COUNT),
    "entropy": Column("entropy", Text("entropy (bits)"), Unit.REAL),
}
_CHANNELS = (
    Column("tensor", Text("tensor"), Unit.NAME),
    Column("axis", Text("axis"), Unit.WORD),
    Column("channel", Text("number"), Unit.INDEX),
    Column("absmax", Text("largest |x|"), Unit.REAL),
    Column("l2", Text("L2 norm"), Unit.REAL),
    Column("factor", Text("against the median"), Unit.FACTOR),
)
_AXES = {"row": Text("row"), "column": Text("column")}
_RECORDS = (
    *(Column(c.key, c.title, c.unit) for c in _MOMENTS[:5]),
    *(Column(f"q{q:g}", Text("{q}", {"q": Value(q, Unit.REAL)}), Unit.REAL) for q in QUANTILES),
    Column("l1", Text("L1 norm"), Unit.REAL),
    Column("l2", Text("L2 norm"), Unit.REAL),
    Column("skewness", Text("skewness"), Unit.REAL),
    Column("kurtosis", Text("kurtosis"), Unit.REAL),
    Column("kurtosis_within", Text("within tensors"), Unit.REAL),
    Column("zeros", Text("zeros"), Unit.COUNT),
    Column("n_nan", Text("NaN"), Unit.COUNT),
    Column("n_plus_inf", Text("+∞"), Unit.COUNT),
    Column("n_minus_inf", Text("−∞"), Unit.COUNT),
    Column("n_outliers", Text("beyond 6 σ"), Unit.COUNT),
    Column("n_distinct", Text("distinct values"), Unit.COUNT),
    Column("entropy", Text("entropy (bits)"), Unit.REAL),
    Column("int8_sqnr", Text("int8 SQNR (dB)"), Unit.REAL),
)


def report(result: tuple[ModelValues, ...]) -> Report:
    """The tables of each model, every number as data, and how it was measured."""
    blocks: tuple[Block, ...] = ()
    for model in result:
        blocks += (describe.summary(model.table, count(model.table)), *_tables(model))
        if model.pictures is not None:
            blocks += values_figures.charts(model.table.name, model.pictures)
        if model.spectra is not None and (chart := model.spectra.chart(model.table.name)):
            blocks += (chart,)
    tables = [model.table for model in result]
    data = {"models": [_model_data(model) for model in result]}
    return Report(
        "values",
        Text("How the weights are distributed"),
        blocks,
        data,
        _assumptions(result),
        (*describe.warnings(tables), *_warnings(result)),
        _records(result),
    )


def _model_data(model: ModelValues) -> dict[str, Any]:
    found = {**describe.model_data(model.table), "groups": _data(model), "stats": _stats(model.whole)}
    if model.dequantised:
        found["dequantised"] = dict(model.dequantised)
    if model.spectra is not None:
        for group, of_group in zip(found["groups"], model.spectra.groups, strict=True):
            group["spectrum"] = of_group
        found["spectra"] = model.spectra.data()
    if model.pictures is not None:
        found |= values_figures.data(model.pictures)
    if model.channels is not None:
        found["channels"] = [channel._asdict() for channel in model.channels]
    return found


def cell_of(group: GroupValues, key: str) -> Any:
    """The statistic called `key`, whether the group or its distribution has it."""
    s = group.statistics
    if key == "n_not_finite":
        return s.n_nan + s.n_plus_inf + s.n_minus_inf
    if key.startswith("q0"):
        return dict(s.quantiles).get(float(key[1:]))
    return group.kurtosis_within if key == "kurtosis_within" else getattr(s, key)


def _tables(model: ModelValues) -> tuple[Block, ...]:
    """The moments, and below them the quantiles."""
    everything = (*model.groups, model.whole)
    extra = [column for key, column in _OPTIONAL.items() if any(cell_of(group, key) for group in everything)]
    quantiles = tuple(column for column in _RECORDS if column.key.startswith("q0"))
    blocks: tuple[Block, ...] = (
        _table(model, (*_MOMENTS, *extra), Text(""), "moments"),
        _table(model, quantiles, Text("Quantiles"), "quantiles"),
    )
    if len(model.groups) < model.n_groups:
        values = {"shown": Value(len(model.groups), Unit.COUNT), "all": Value(model.n_groups, Unit.COUNT)}
        blocks += (Note(Text("{shown} of {all} groups are shown; the last line is of all", values)),)
    if model.channels is not None:
        rows = tuple((c.tensor, _AXES[c.axis], *c[2:]) for c in model.channels)
        blocks += (Table(Text("Channels that stand out"), _CHANNELS, rows, key="channels"),)
    if model.spectra is not None:
        names, leads = _leads(model)
        blocks += (model.spectra.table(key_columns(names), leads),)
    return blocks


def _leads(model: ModelValues) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The keys that are shown, and what stands in their columns: a line for each group, and the total's."""
    shown = telling(model.names, [group.keys for group in model.groups])
    if "tensor" in model.names:  # what else a tensor is stands in `numel MODEL --by tensor`
        shown = [model.names.index("tensor")]
    names = tuple(model.names[i] for i in shown)
    rows: list[tuple[Any, ...]] = [
        tuple(shown_key(n, group.keys[i]) for n, i in zip(names, shown, strict=True)) for group in model.groups
    ]
    return names, [*rows, (Text("total"), *(Value("", Unit.NAME),) * (len(names) - 1))]


def _table(model: ModelValues, columns: tuple[Column, ...], title: Text, key: str) -> Table:
    names, leads = _leads(model)
    rows = [
        (*lead, *(cell_of(group, column.key) for column in columns))
        for lead, group in zip(leads, (*model.groups, model.whole), strict=True)
    ]
    return Table(title, (*key_columns(names), *columns), tuple(rows[:-1]), rows[-1], key=key)


def _stats(group: GroupValues) -> dict[str, Any]:
    """The `stats` object of `--json`."""
    s = group.statistics
    return {
        "mean": s.mean, "std": s.std, "min": s.min, "max": s.max, "l1": s.l1, "l2": s.l2,
        "skewness": s.skewness, "kurtosis": s.kurtosis, "kurtosis_within": group.kurtosis_within,
        "numel": s.numel, "zeros": s.zeros, "nan": s.n_nan, "plus_inf": s.n_plus_inf, "minus_inf": s.n_minus_inf,
        "distinct": s.n_distinct, "outliers": s.n_outliers, "outliers_within": group.outliers_within,
        "entropy": s.entropy, "int8_sqnr": s.int8_sqnr, "effective_bits": effective_bits(s.used_bits),
        "resolution": s.resolution, "quantiles": {f"{q:g}": value for q, value in s.quantiles},
    }  # fmt: skip


def _data(model: ModelValues) -> list[dict[str, Any]]:
    return [
        {
            **dict(zip(model.names, group.keys, strict=True)),
            "n_tensors": group.n_tensors,
            "numel": group.statistics.numel,
            "stats": _stats(group),
        }
        for group in model.groups
    ]


def _records(result: tuple[ModelValues, ...]) -> Table:
    """The long form for CSV: one row per model and group."""
    names = result[0].names
    spectra = next((model.spectra for model in result if model.spectra is not None), None)
    columns = (
        Column("model", Text("model"), Unit.NAME),
        *key_columns(names),
        Column("n_tensors", Text("tensors"), Unit.COUNT),
        *_RECORDS,
        *(spectra.columns() if spectra else ()),
    )
    rows = tuple(
        (
            model.table.name,
            *("x".join(map(str, key)) if isinstance(key, tuple) else key for key in group.keys),
            group.n_tensors,
            *(cell_of(group, column.key) for column in _RECORDS),
            *of_spectrum.values(),
        )
        for model in result
        for group, of_spectrum in zip(
            model.groups, model.spectra.groups if model.spectra else ({},) * len(model.groups), strict=True
        )
    )
    return Table(Text(""), columns, rows, key="groups")


def _assumptions(result: tuple[ModelValues, ...]) -> tuple[Text, ...]:
    """How the values were measured, in sentences that hold for these models."""
    said = [
        Text(
            "parameters alone, a tied tensor once; NaN and ±∞ are counted apart, and the rest is over the finite values"
        ),
        Text("std: of the population (÷ n); kurtosis: the excess over a normal distribution"),
        Text("within tensors: each value measured by its own tensor's mean and standard deviation"),
    ]
    coarse = max((group.statistics.resolution for m in result for group in (*m.groups, m.whole)), default=0.0)
    if coarse:
        values = {"share": Value(coarse, Unit.SMALL_SHARE)}
        if all(model.exact for model in result):
            said.append(Text("outliers of wide dtypes: from bins, off by at most {share} of a value", values))
        else:
            said.append(
                Text("quantiles and outliers of wide dtypes: from bins, off by at most {share} of a value", values)
            )
    dequantised = {name for m in result for name in m.dequantised}
    said += dequantised_note(dequantised)
    dtypes = {row.tensor.dtype.name for m in result for row in m.table.rows if row.excluded is None}
    if any(name.startswith(_QUANTISED) and name not in dequantised for name in dtypes):
        said.append(Text("quantised values are taken as they are stored, without their scales"))
    spectra = [model.spectra for model in result if model.spectra is not None]
    if spectra:
        said += spectra[0].assumptions(spectra)
    return tuple(said)


def _warnings(result: tuple[ModelValues, ...]) -> tuple[Text, ...]:
    odd = [text for m in result if m.spectra for text in m.spectra.warnings(m.table.name)]
    unread = [text for m in result for text in unread_notes(m.table.name, m.n_unread, m.unread)]
    return (*odd, *unread)
