"""What looks wrong in one tensor by itself? Each check is a function that gives findings; `alone` asks them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.parameters import Component
from ..core.report import Text, Unit, Value
from ..statistics.constant import constant_lines, may_have_constant_lines
from ..statistics.decode import decoded
from ..statistics.initial import Likeness, Start, likeness
from ..statistics.int8 import sqnr_by_line
from ..statistics.summary import Statistics
from .gammas import DEAD_GAMMA, is_gamma

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ..core.bytes import ValueFile
    from ..core.parameters import Parameter, ParameterTable
    from ..core.tensors import TensorInfo
    from ..statistics import Histogram

LEAST_SQNR = 20.0  # dB: a hundredth of the energy of the weights becomes noise
_GOOD_SQNR = 30.0  # dB
_LEAST_DISTINCT = 8  # values: tensors with fewer may be alike by chance
_LEAST_INT8 = 1024  # elements: smaller matrices stay as they are
_FLOATS = frozenset({"F64", "F32", "F16", "BF16"})
_SHOWN = 6  # numbers of rows, columns or channels in a sentence; --json has all


class Finding(NamedTuple):
    """One line of the diagnosis: `kind` is stable and English, `details` are for programs."""

    severity: str
    kind: str
    tensor: str | None
    what: Text
    number: Value
    advice: Text
    details: dict[str, Any]


class Setting(NamedTuple):
    """What the checks need to know of the model: how its matrices may begin, which of its γ are stored as γ − 1, its padding token.

    `opened` opens what Facts.tensor lies in; `is_turned`: whether the rows of a packed one come as columns.
    """

    opened: Callable[[str], ValueFile]
    starts: Callable[[Parameter], tuple[Start, ...]]
    is_less_one: Callable[[Parameter], bool]
    padding: int | None = None
    is_turned: Callable[[str], bool] = lambda _: False


def padding_of(table: ParameterTable) -> int | None:
    """The token that stands for nothing, whose entry in torch.nn.Embedding is zero and stays so; None if nobody says it."""
    stated = [table.config.fields] if table.config else []
    while stated:
        fields = stated.pop(0)
        if type(fields.get("pad_token_id")) is int:
            return int(fields["pad_token_id"])
        stated += [value for value in fields.values() if isinstance(value, dict)]
    return None


class Facts(NamedTuple):
    """What is kept of a tensor once its histogram is gone: its row, and the tensor as it is read (packed ones as F32)."""

    row: Parameter
    tensor: TensorInfo
    likeness: Likeness | None
    digest: str | None
    narrow: str | None
    is_constant: bool


def facts_of(row: Parameter, tensor: TensorInfo, histogram: Histogram, setting: Setting) -> Facts:
    """What the comparison of tensors will need. No digest for constant ones, which are alike without a reason."""
    is_constant = histogram.least == histogram.greatest
    tells = not is_constant and len(histogram.counts) >= _LEAST_DISTINCT
    digest = f"{row.tensor.dtype.name} {histogram.digest()}" if tells and row.excluded != "buffer" else None
    like = None
    if row.tensor.dtype.name in _FLOATS and row.excluded is None:
        like = likeness(histogram, setting.starts(row))
    return Facts(row, tensor, like, digest, None if is_constant else narrower(row, histogram), is_constant)


def narrower(row: Parameter, histogram: Histogram) -> str | None:
    """The type of 16 bits that holds every value of an F32 tensor as it is; None if there is none."""
    if row.tensor.dtype.name != "F32" or histogram.resolution or not histogram.n_finite:
        return None
    values = np.asarray(histogram.values).astype(np.float32)
    if not (values.view(np.uint32) & np.uint32(0xFFFF)).any():
        return "BF16"
    with np.errstate(over="ignore"):
        return "F16" if np.array_equal(values.astype(np.float16).astype(np.float32), values) else None


def alone(facts: Facts, histogram: Histogram, setting: Setting) -> Iterator[Finding]:
    """What looks wrong in one tensor."""
    row = facts.row
    if not row.tensor.numel:
        yield Finding(
            "warning",
            "empty",
            row.tensor.name,
            Text("holds no values: a size of its shape is 0"),
            Value(0, Unit.COUNT),
            Text("write the checkpoint again"),
            {"shape": row.tensor.shape},
        )
        return
    yield from _not_finite(row, histogram)
    if row.excluded is not None or not histogram.n_finite:
        return
    yield from _lines(facts, histogram, setting)
    yield from _dead_gamma(facts, setting)
    yield from _int8(facts, histogram, setting)


def _not_finite(row: Parameter, histogram: Histogram) -> Iterator[Finding]:
    """NaN anywhere, and infinities but in buffers: a causal mask is made of them."""
    n_inf = histogram.n_plus_inf + histogram.n_minus_inf
    counts = [("nan", histogram.n_nan, Text("values are NaN"))]
    if row.excluded != "buffer":
        counts.append(("infinite", n_inf, Text("values are infinite")))
    for kind, n, what in counts:
        if n:
            share = {"share": n / row.tensor.numel}
            advice = Text("training diverged or a cast overflowed: go back to an earlier checkpoint")
            yield Finding("error", kind, row.tensor.name, what, Value(n, Unit.COUNT), advice, share)


def _lines(facts: Facts, histogram: Histogram, setting: Setting) -> Iterator[Finding]:
    """Matrices, rows and columns that hold one value."""
    row = facts.row
    name, is_table = row.tensor.name, row.component is Component.EMBEDDING or row.part == "lm_head"
    if facts.is_constant and len(row.tensor.shape) > 1 and row.tensor.numel > 1:
        value = Value(histogram.least, Unit.REAL)
        what, advice = Text("every value is the same"), Text("nothing was loaded here, or the part does nothing")
        yield Finding("warning", "constant", name, what, value, advice, {"value": histogram.least})
        return
    if facts.is_constant or not may_have_constant_lines(facts.tensor, histogram):
        return
    rows, columns = constant_lines(facts.tensor, setting.opened(facts.tensor.shard or ""))
    if setting.is_turned(name):
        rows, columns = columns, rows
    kinds = (
        ("dead_rows", rows.zero, rows.n_lines, Text("of {all} rows are zero throughout: {which}")),
        ("dead_columns", columns.zero, columns.n_lines, Text("of {all} columns are zero throughout: {which}")),
        ("constant_rows", rows.other, rows.n_lines, Text("of {all} rows hold one value throughout: {which}")),
        (
            "constant_columns",
            columns.other,
            columns.n_lines,
            Text("of {all} columns hold one value throughout: {which}"),
        ),
    )
    for kind, found, n_lines, what in kinds:
        is_padded = row.component is Component.EMBEDDING and kind == "dead_rows"
        numbers = tuple(number for number in found if not (is_padded and number == setting.padding))
        if numbers:
            is_token = is_table and kind.endswith("rows")  # tokens that nobody trained, padding above all
            yield Finding(
                "note" if is_token else "warning",
                kind,
                name,
                what._replace(values={"all": Value(n_lines, Unit.COUNT), "which": Value(_listed(numbers), Unit.FORMULA)}),
                Value(len(numbers), Unit.COUNT),
                Text("padding, or entries that were never trained") if is_token else Text("dead units: prune or train them again"),
                {"numbers": numbers, "of": n_lines},
            )  # fmt: skip


def _listed(numbers: tuple[int, ...]) -> str:
    return ", ".join(map(str, numbers[:_SHOWN])) + (", …" if len(numbers) > _SHOWN else "")


def _dead_gamma(facts: Facts, setting: Setting) -> Iterator[Finding]:
    """Scales of norms that switch their channel off; where γ − 1 is stored, −1 is dead and 0 is not."""
    row = facts.row
    if not is_gamma(row):
        return
    tensor = facts.tensor
    file = setting.opened(tensor.shard or "")
    size = np.abs(
        decoded(tensor.dtype.name, file.read(tensor.offset or 0, tensor.nbytes or 0)) + setting.is_less_one(row)
    )
    middle = float(np.nanmedian(size))
    dead = tuple(np.flatnonzero(size <= DEAD_GAMMA * middle).tolist())
    if dead:
        values = {"all": Value(tensor.numel, Unit.COUNT), "which": Value(_listed(dead), Unit.FORMULA)}
        what = Text("of {all} γ are dead: {which}", values)
        advice = Text("these channels end here: prune them, or look at the weight decay of γ")
        details = {"numbers": dead, "of": tensor.numel}
        yield Finding("warning", "dead_gamma", tensor.name, what, Value(len(dead), Unit.COUNT), advice, details)


def _int8(facts: Facts, histogram: Histogram, setting: Setting) -> Iterator[Finding]:
    """Matrices of which int8 with one scale keeps little, and what finer scales would keep."""
    tensor = facts.row.tensor
    if len(tensor.shape) < 2 or tensor.numel < _LEAST_INT8 or tensor.dtype.name not in _FLOATS:
        return
    sqnr = Statistics.of(histogram, at=()).int8_sqnr
    if sqnr is None or sqnr >= LEAST_SQNR:
        return
    by_row, by_column = sqnr_by_line(tensor, setting.opened(tensor.shard or ""))
    values = {"rows": Value(by_row, Unit.REAL), "columns": Value(by_column, Unit.REAL)}
    what = Text("dB are left by int8; with a scale per row {rows}, per column {columns}", values)
    advice = Text("leave it in 16 bits, or take its outliers apart")
    if (by_row or 0.0) >= min(_GOOD_SQNR, max(by_column or 0.0, LEAST_SQNR)):
        advice = Text("quantise it by row")
    elif (by_column or 0.0) >= LEAST_SQNR:
        advice = Text("quantise it by column")
    details = {"sqnr": sqnr, "sqnr_by_row": by_row, "sqnr_by_column": by_column}
    yield Finding("note", "int8", tensor.name, what, Value(sqnr, Unit.REAL), advice, details)
