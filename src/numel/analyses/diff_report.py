"""How is a comparison of two checkpoints shown? A table of changes, what has no counterpart, the ranks, and a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.counts import count
from ..core.groups import reading_order
from ..core.report import Block, Chart, ChartKind, Column, Note, Report, Series, Table, Text, Unit, Value
from ..statistics.difference import Difference, total
from . import describe
from .breakdown import key_columns, shown_key, telling
from .values_reading import dequantised_note, grids_note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.parameters import Parameter
    from .diff import Diff, GroupChange, TensorChange

_CHANGES = (
    Column("n_tensors", Text("tensors"), Unit.COUNT),
    Column("n_unchanged", Text("unchanged"), Unit.COUNT),
    Column("numel", Text("parameters"), Unit.COUNT),
    Column("changed_share", Text("values that changed"), Unit.SHARE),
    Column("relative", Text("‖ΔW‖ / ‖W‖"), Unit.SHARE),
    Column("cosine", Text("cosine"), Unit.RATIO),
    Column("largest", Text("largest |Δ|"), Unit.REAL),
    Column("n_new_outliers", Text("new beyond 6 σ"), Unit.COUNT),
)
_ANGLE = Column("angle", Text("angle (radians)"), Unit.REAL)
_NOT_FINITE = Column("n_new_not_finite", Text("new NaN, ±∞"), Unit.COUNT)
_NOT_FINITE_CHANGED = Column("n_not_finite_changed", Text("changed NaN, ±∞"), Unit.COUNT)
_RANKS = (
    Column("tensor", Text("tensor"), Unit.NAME),
    Column("shape", Text("shape"), Unit.NAME),
    Column("rank", Text("rank of ΔW"), Unit.COUNT),
    Column("stable_rank", Text("stable rank"), Unit.REAL),
    Column("largest_singular_value", Text("largest singular value"), Unit.REAL),
    Column("relative", Text("‖ΔW‖ / ‖W‖"), Unit.SHARE),
)
_UNPAIRED = (
    Column("tensor", Text("tensor"), Unit.NAME),
    Column("base_shape", Text("shape in the base"), Unit.NAME),
    Column("other_shape", Text("shape in the other"), Unit.NAME),
)
_MOST_NAMES = 4
_MOST_ROWS = 20  # of what has no counterpart, and of ranks; --json has all


def report(result: Diff) -> Report:
    """The tables of the comparison; `--json` holds every tensor."""
    names = _names(result)
    blocks: tuple[Block, ...] = (
        describe.summary(result.base, count(result.base)),
        describe.summary(result.other, count(result.other)),
    )
    if result.whole.n_tensors and result.whole.n_tensors == result.whole.n_unchanged:
        said = Text("the same values in all of {n} tensors", {"n": Value(result.whole.n_tensors, Unit.COUNT)})
        blocks += (Note(said),)
    elif result.groups:
        blocks += (_table(result),)
    if len(result.groups) < result.n_groups:
        values = {"shown": Value(len(result.groups), Unit.COUNT), "all": Value(result.n_groups, Unit.COUNT)}
        blocks += (Note(Text("{shown} of {all} groups are shown; the last line is of all", values)),)
    blocks += (*_unchanged(result), *_ranks(result), *_unpaired(result), *_map(result))
    return Report(
        "diff",
        Text("What changed from {base} to {other}", names),
        blocks,
        _data(result),
        _assumptions(result),
        (*_warnings_of_both(result), *_warnings(result)),
        _records(result),
    )


def _names(result: Diff) -> dict[str, Value]:
    """What the two are called: by their places, where both have the same name."""
    pair = {"base": result.base, "other": result.other}
    alike = result.base.name == result.other.name
    return {key: Value(table.source.location if alike else table.name, Unit.NAME) for key, table in pair.items()}


def cell_of(group: GroupChange, key: str) -> Any:
    """The number called `key` of a group."""
    difference = group.difference
    if key == "changed_share":
        n_changed = difference.n_changed + difference.n_not_finite_changed
        return n_changed / difference.numel if difference.numel else None
    return getattr(group if key.startswith(("n_tensors", "n_unchanged")) else difference, key)


def _table(result: Diff) -> Table:
    columns: tuple[Column, ...] = _CHANGES
    if result.whole.difference.n_new_not_finite:
        columns += (_NOT_FINITE,)
    if result.whole.difference.n_not_finite_changed > result.whole.difference.n_new_not_finite:
        columns += (_NOT_FINITE_CHANGED,)
    shown = telling(result.names, [group.keys for group in result.groups])
    if "tensor" in result.names:  # what else a tensor is stands in `numel MODEL --by tensor`
        shown = [result.names.index("tensor")]
        columns = tuple(column for column in columns if column.key not in ("n_tensors", "n_unchanged"))
    names = tuple(result.names[i] for i in shown)
    rows = tuple(
        (
            *(shown_key(n, group.keys[i]) for n, i in zip(names, shown, strict=True)),
            *(cell_of(group, column.key) for column in columns),
        )
        for group in result.groups
    )
    blank = (Value("", Unit.NAME),) * (len(names) - 1)
    last = (Text("total"), *blank, *(cell_of(result.whole, column.key) for column in columns))
    return Table(Text(""), (*key_columns(names), *columns), rows, last, key="changes")


def _unchanged(result: Diff) -> Iterator[Note]:
    """The first tensors that nobody touched, where others were."""
    names = [tensor.row.tensor.name for tensor in result.tensors if tensor.difference.is_unchanged]
    if names and len(names) < len(result.tensors):
        more = ", …" if len(names) > _MOST_NAMES else ""
        values = {"n": Value(len(names), Unit.COUNT), "names": Value(", ".join(names[:_MOST_NAMES]) + more, Unit.NAME)}
        yield Note(Text("unchanged, {n}: {names}", values))


def _ranks(result: Diff) -> Iterator[Block]:
    """The ranks of the changed matrices, the largest change first."""
    if not result.has_rank:
        return
    with_rank = [tensor for tensor in result.tensors if tensor.rank is not None]
    if not with_rank:
        yield Note(Text("no matrix changed: there is no rank to tell"))
        return
    with_rank.sort(key=lambda tensor: -(tensor.difference.relative or 0.0))
    most = result.top or _MOST_ROWS
    rows = tuple(
        (
            t.row.tensor.name,
            _product(t.row.tensor.shape),
            t.rank.rank,
            t.rank.stable_rank,
            t.rank.largest,
            t.difference.relative,
        )
        for t in with_rank[:most]
        if t.rank is not None
    )
    yield Table(Text("The rank of what changed"), _RANKS, rows, key="ranks")
    if len(with_rank) > most:
        values = {"shown": Value(most, Unit.COUNT), "all": Value(len(with_rank), Unit.COUNT)}
        yield Note(Text("{shown} of {all} matrices are shown; --json has all", values))


def _unpaired(result: Diff) -> Iterator[Block]:
    """What lies on one side only, and what has another shape on the other."""
    rows = list(_unpaired_rows(result))
    if not rows:
        return
    shown = tuple((name, base or Value("", Unit.NAME), other or Value("", Unit.NAME)) for name, base, other in rows)
    yield Table(
        Text("Not compared: on one side only, or of another shape"), _UNPAIRED, shown[:_MOST_ROWS], key="unpaired"
    )
    if len(rows) > _MOST_ROWS:
        values = {"shown": Value(_MOST_ROWS, Unit.COUNT), "all": Value(len(rows), Unit.COUNT)}
        yield Note(Text("{shown} of {all} tensors are shown; --json has all", values))


def _unpaired_rows(result: Diff) -> Iterator[tuple[str, str | None, str | None]]:
    """Name, shape in the base, shape in the other."""
    pairing = result.pairing
    for a, b in pairing.reshaped:
        yield a.tensor.name, _product(a.tensor.shape), _product(b.tensor.shape)
    for row in pairing.only_base:
        yield row.tensor.name, _product(row.tensor.shape), None
    for row in pairing.only_other:
        yield row.tensor.name, None, _product(row.tensor.shape)


def _product(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "1"


def _map(result: Diff) -> Iterator[Chart]:
    """‖ΔW‖ / ‖W‖ of the matrices by part and layer."""
    if result.whole.n_tensors == result.whole.n_unchanged:
        return
    cells: dict[tuple[str, str, str], dict[int, list[Difference]]] = {}
    for row, difference in ((tensor.row, tensor.difference) for tensor in result.tensors):
        if row.layer is not None and len(row.tensor.shape) > 1:
            key = (row.component.value, row.part, row.tower)
            cells.setdefault(key, {}).setdefault(row.layer, []).append(difference)
    if not cells:
        return
    layers = sorted({layer for found in cells.values() for layer in found})
    one_tower = len({tower for _, _, tower in cells}) == 1
    keys = sorted(cells, key=lambda key: reading_order(("component", "part", "tower"), key))
    series = tuple(
        Series(
            key[0],
            _row_title(key, has_tower=not one_tower),
            tuple(total(cells[key][layer]).relative if layer in cells[key] else None for layer in layers),
        )
        for key in keys
    )
    if all(value is None for each in series for value in each.values):
        return
    yield Chart(
        "change",
        Text("‖ΔW‖ / ‖W‖ of the matrices, from {base} to {other}", _names(result)),
        ChartKind.MAP,
        tuple(map(str, layers)),
        series,
        Text("by part and layer"),
        Unit.SHARE,
        x_title=Text("layer"),
    )


def _row_title(key: tuple[str, str, str], *, has_tower: bool) -> Text:
    values = {name: Value(word, Unit.WORD) for name, word in zip(("component", "part", "tower"), key, strict=True)}
    return Text("{tower} · {component} · {part}" if has_tower else "{component} · {part}", values)


def _data(result: Diff) -> dict[str, Any]:
    """The body of `--json`."""
    pairing = result.pairing
    return {
        "models": [describe.model_data(table) for table in (result.base, result.other)],
        "groups": [{**dict(zip(result.names, g.keys, strict=True)), **_group_data(g)} for g in result.groups],
        "total": _group_data(result.whole),
        "tensors": [_tensor_data(tensor) for tensor in result.tensors],
        "reshaped": [
            {"tensor": a.tensor.name, "base_shape": a.tensor.shape, "other_shape": b.tensor.shape}
            for a, b in pairing.reshaped
        ],
        "only_base": [_row_data(row) for row in pairing.only_base],
        "only_other": [_row_data(row) for row in pairing.only_other],
        "unread": [{"tensor": row.tensor.name, "dtype": dtype} for row, dtype in result.unread],
        "prefix": {"of": pairing.prefixed, "text": pairing.prefix} if pairing.prefixed else None,
    }


def _group_data(group: GroupChange) -> dict[str, Any]:
    return {"n_tensors": group.n_tensors, "n_unchanged": group.n_unchanged, **_stats(group.difference)}


def _stats(d: Difference) -> dict[str, Any]:
    return {
        "numel": d.numel, "n_changed": d.n_changed, "not_finite": d.n_not_finite, "new_not_finite": d.n_new_not_finite,
        "not_finite_changed": d.n_not_finite_changed,
        "change_l2": d.change, "relative": d.relative, "cosine": d.cosine, "angle": d.angle, "largest": d.largest,
        "new_outliers": d.n_new_outliers,
    }  # fmt: skip


def _tensor_data(tensor: TensorChange) -> dict[str, Any]:
    found = {
        "tensor": tensor.row.tensor.name,
        "dtype": tensor.dtype,
        "other_dtype": tensor.other_dtype,
        "unchanged": tensor.difference.is_unchanged,
        "rounding_only": tensor.difference.is_rounding,
        **_stats(tensor.difference),
    }
    return found if tensor.rank is None else {**found, "rank": tensor.rank._asdict()}


def _row_data(row: Parameter) -> dict[str, Any]:
    return {"tensor": row.tensor.name, "shape": row.tensor.shape, "dtype": row.tensor.dtype.stated_name}


def _records(result: Diff) -> Table:
    """The long form for CSV: one row per group."""
    numbers = (*_CHANGES, _ANGLE, _NOT_FINITE, _NOT_FINITE_CHANGED)
    rows = tuple(
        (
            *("x".join(map(str, key)) if isinstance(key, tuple) else key for key in group.keys),
            *(cell_of(group, column.key) for column in numbers),
        )
        for group in result.groups
    )
    return Table(Text(""), (*key_columns(result.names), *numbers), rows, key="groups")


def _assumptions(result: Diff) -> tuple[Text, ...]:
    """How it was compared, in sentences that hold for these two."""
    said = [
        Text("ΔW: the second model less the first, element by element in float64; ‖·‖: the root of the sum of squares"),
        Text("classified as the first model is; tensors are compared that have the same name and shape on both sides"),
        Text("new beyond 6 σ: values further than 6 σ from the mean, both of the first model's tensor, where none was"),
    ]
    said += dequantised_note(result.dequantised)
    if result.has_rank:
        said.append(
            Text(
                "rank: singular values of ΔW above u·‖W‖·(1/√m + 1/√n), which rounding alone makes of them, u the unit "
                "roundoff of the dtype; stable rank: ‖ΔW‖² over the square of the largest singular value"
            )
        )
    pairing = result.pairing
    if pairing.prefixed:
        side = result.base if pairing.prefixed == "base" else result.other
        values = {"prefix": Value(pairing.prefix, Unit.NAME), "model": Value(side.name, Unit.NAME)}
        said.append(Text("the names of {model} begin with {prefix}, those of the other do not: it is left out", values))
    return tuple(said)


def _warnings_of_both(result: Diff) -> tuple[Text, ...]:
    """What is odd about the two sources, once where it is the same and they have the same name."""
    first, second = describe.warnings([result.base]), describe.warnings([result.other])
    return (*first, *(text for text in second if text not in first))


def _warnings(result: Diff) -> Iterator[Text]:
    """What was not compared, and what only looks like a change."""
    if result.unread:
        dtypes = ", ".join(sorted({dtype for _, dtype in result.unread}))
        values = {"n": Value(len(result.unread), Unit.COUNT), "dtypes": Value(dtypes, Unit.NAME)}
        yield Text("{n} tensors are not compared, as numel does not know how to: {dtypes}", values)
        yield from grids_note(dtype for _, dtype in result.unread)
    rounded = [tensor for tensor in result.tensors if tensor.difference.is_rounding]
    if rounded:
        dtypes = ", ".join(sorted({f"{tensor.dtype} → {tensor.other_dtype}" for tensor in rounded}))
        values = {"n": Value(len(rounded), Unit.COUNT), "dtypes": Value(dtypes, Unit.NAME)}
        yield Text("{n} tensors differ by nothing but the rounding between dtypes: {dtypes}", values)
