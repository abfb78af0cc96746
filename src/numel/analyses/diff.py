"""Where did the weights change from one checkpoint to another? ‖ΔW‖ / ‖W‖ by component, part, layer or tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.groups import KEYS, reading_order
from ..core.visible import visible
from ..errors import MissingValuesError, Sentence, UsageError
from ..statistics.difference import Difference, Files, Pair, differences, total
from ..statistics.turned import Turned
from . import diff_report
from .choosing import matching
from .pairing import Pairing, pair_up
from .values_reading import Told

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Sequence

    from ..core.bytes import ValueFile
    from ..core.parameters import Parameter, ParameterTable
    from ..core.report import Report
    from ..statistics.rank import Rank

TAKES_VALUES = True


class Options(NamedTuple):
    """`by`: keys of core.groups.KEYS, comma-separated. `match`: only tensors of that name (with * and ?).

    `sort`: a column, the largest first; `top`: so many groups. `rank`: the rank of each changed matrix's ΔW too.
    `threads`: None is one per processor. `opened` and `progress` come from the api.
    """

    by: str = "component"
    match: str | None = None
    sort: str | None = None
    top: int | None = None
    rank: bool = False
    threads: int | None = None
    opened: tuple[Callable[[str], ValueFile], ...] = ()
    progress: Callable[[int, int], None] | None = None


class GroupChange(NamedTuple):
    """The tensors with the same keys: how many they are, how many of them hold the same values, and the rest's change."""

    keys: tuple[Any, ...]
    n_tensors: int
    n_unchanged: int
    difference: Difference


class TensorChange(NamedTuple):
    """One tensor: its row in the base, the two dtypes, what changed, and the rank of the change if it was asked for."""

    row: Parameter
    dtype: str
    other_dtype: str
    difference: Difference
    rank: Rank | None = None


class Diff(NamedTuple):
    """Two models compared. `groups` are shown, of `n_groups`; `unread` pairs have values that numel cannot set side by side.

    Those of the dtypes `dequantised` are compared as the numbers that they stand for.
    """

    base: ParameterTable
    other: ParameterTable
    names: tuple[str, ...]
    groups: tuple[GroupChange, ...]
    n_groups: int
    whole: GroupChange
    tensors: tuple[TensorChange, ...]
    pairing: Pairing
    unread: tuple[tuple[Parameter, str], ...]
    has_rank: bool
    top: int | None = None
    dequantised: tuple[str, ...] = ()


SORTS: dict[str, Callable[[GroupChange], float | None]] = {
    "relative": lambda group: group.difference.relative,
    "change": lambda group: group.difference.change,
    "largest": lambda group: group.difference.largest,
    "changed": lambda group: group.difference.n_changed,
    "outliers": lambda group: group.difference.n_new_outliers,
    "angle": lambda group: group.difference.angle,
    "numel": lambda group: group.difference.numel,
}


def add_options(parser: ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument(
        "--by",
        default="component",
        metavar="KEY[,KEY]",
        help="group by component, part, layer, tower, expert, role, dtype, template or tensor",
    )
    parser.add_argument("--match", metavar="GLOB", help="only the tensors of that name, such as '*.mlp.*'")
    parser.add_argument(
        "--sort",
        metavar="STAT",
        help="the largest first: relative, change, largest, changed, outliers, angle or numel",
    )
    parser.add_argument("--top", type=int, metavar="N", help="only the first N groups")
    parser.add_argument("--rank", action="store_true", help="how many directions the change of each matrix has (SVD)")
    parser.add_argument("--threads", type=int, metavar="N", help="read in N threads; one per processor otherwise")


def analyze(models: Sequence[ParameterTable], options: Options) -> Diff:
    """The second model against the first. Raises UsageError for what cannot be asked, and what reading raises."""
    if len(models) != 2:
        message = Sentence("diff compares two models, and {n} are given", n=len(models))
        raise UsageError(message, hint=Sentence("first the base, then what became of it"))
    _check(options)
    base, other = models
    told = [
        Told(table, _chosen(table, options.match), opened) for table, opened in zip(models, options.opened, strict=True)
    ]
    pairing = pair_up(told[0].chosen, told[1].chosen)
    if not pairing.pairs and not pairing.reshaped:
        message = Sentence("{base} and {other} have no tensor's name in common", base=_name(base), other=_name(other))
        raise UsageError(message, hint=Sentence("numel MODEL --by tensor lists them"))
    turned = Turned(told[0].open), Turned(told[1].open)
    read = _as_read(pairing, told, turned)
    unreadable = tuple(
        (a, "+".join(dict.fromkeys((a.tensor.dtype.name, b.tensor.dtype.name))))
        for a, b in pairing.pairs
        if a.tensor.name not in read
    )
    rows = {a.tensor.name: (a, b) for a, b in pairing.pairs}
    pairs = sorted(read.values(), key=lambda pair: (pair.base.shard or "", pair.base.offset or 0))
    tensors = _compared(pairs, rows, (turned[0].open, turned[1].open), options)
    names, groups, whole = _grouped(base, tensors, options.by)
    shown = groups
    if options.sort is not None:
        measure = SORTS[options.sort]
        shown = sorted(groups, key=lambda group: (value := measure(group)) is None or -value)
    return Diff(
        base, other, names, tuple(shown[: options.top]), len(groups), whole, tensors, pairing, unreadable,
        options.rank, options.top, tuple(dtype for each in told for dtype in each.dequantised),
    )  # fmt: skip


def _as_read(pairing: Pairing, told: Sequence[Told], turned: Sequence[Turned]) -> dict[str, Pair]:
    """The pairs whose values can be set side by side, by the name in the base.

    A packed matrix may come as its transpose; what lies there the other way round is turned beside it.
    """
    found = {}
    by_name = [each.by_name for each in told]
    for rows in pairing.pairs:
        names = [row.tensor.name for row in rows]
        base, other = by_name[0].get(names[0]), by_name[1].get(names[1])
        if base is None or other is None:
            continue
        is_turned = [each.is_turned(name) for each, name in zip(told, names, strict=True)]
        if is_turned == [True, False]:
            other = turned[1].tensor(other)
        elif is_turned == [False, True]:
            base = turned[0].tensor(base)
        if base.shape == other.shape:
            found[names[0]] = Pair(base, other)
    return found


def _check(options: Options) -> None:
    """Raises UsageError for what cannot be asked."""
    for key in _keys(options.by):
        if key not in KEYS:
            message = Sentence("cannot group by '{key}'", key=visible(key, 60))
            raise UsageError(message, hint=Sentence("there is {names}", names=", ".join(KEYS)))
    if options.sort is not None and options.sort not in SORTS:
        message = Sentence("cannot sort by '{key}'", key=visible(options.sort, 60))
        raise UsageError(message, hint=Sentence("there is {names}", names=", ".join(SORTS)))
    for name, number in (("--top", options.top), ("--threads", options.threads)):
        if number is not None and number < 1:
            message = Sentence("{option}: it must be 1 or more", option=f"{name} {number}")
            raise UsageError(message)


def _keys(by: str) -> tuple[str, ...]:
    return tuple(key.strip() for key in by.split(","))


def _name(table: ParameterTable) -> str:
    return visible(table.name, 100)


def _chosen(table: ParameterTable, match: str | None) -> list[Parameter]:
    """The parameters that are asked for. Raises MissingValuesError for one whose values lie nowhere."""
    rows = matching((row for row in table.rows if row.excluded is None), match, model=table.name)
    for row in rows:
        if row.tensor.shard is None or row.tensor.offset is None:
            message = Sentence("the values of {name} are not known, only its shape", name=visible(row.tensor.name, 120))
            raise MissingValuesError(message, hint=Sentence("give the safetensors file or the folder that holds them"))
    return rows


def _compared(
    pairs: list[Pair],
    rows: dict[str, tuple[Parameter, Parameter]],
    opened: tuple[Callable[[str], ValueFile], Callable[[str], ValueFile]],
    options: Options,
) -> tuple[TensorChange, ...]:
    """Each pair read once, and its rank if that is asked for."""
    n_total = sum(pair.nbytes for pair in pairs)
    hears = options.progress
    progress = None if hears is None else lambda n_done: hears(n_done, n_total)
    found = []
    for pair, difference in differences(pairs, opened, threads=options.threads, progress=progress):
        rank = None
        if options.rank and not difference.is_unchanged and len(pair.base.shape) == 2 and pair.base.numel:
            from ..statistics.rank import rank_of_change

            rank = rank_of_change(pair, difference, Files(opened))
        row, other = rows[pair.base.name]
        found.append(TensorChange(row, row.tensor.dtype.name, other.tensor.dtype.name, difference, rank))
    return tuple(found)


def _grouped(
    table: ParameterTable, tensors: tuple[TensorChange, ...], by: str
) -> tuple[tuple[str, ...], list[GroupChange], GroupChange]:
    """The groups in reading order, and all of it."""
    getters = {name: get for key in _keys(by) for name, get in KEYS[key].items()}
    order = {row.tensor.name: i for i, row in enumerate(table.rows)}
    groups: dict[tuple[Any, ...], list[TensorChange]] = {}
    for tensor in sorted(tensors, key=lambda tensor: order[tensor.row.tensor.name]):
        groups.setdefault(tuple(get(tensor.row) for get in getters.values()), []).append(tensor)
    names = tuple(getters)
    found = [_group(keys, members) for keys, members in groups.items()]
    if "tensor" not in names:
        found.sort(key=lambda group: reading_order(names, group.keys))
    return names, found, _group((), tensors)


def _group(keys: tuple[Any, ...], members: Sequence[TensorChange]) -> GroupChange:
    n_unchanged = sum(member.difference.is_unchanged for member in members)
    return GroupChange(keys, len(members), n_unchanged, total([member.difference for member in members]))


def report(result: Diff) -> Report:
    """The tables of the comparison, and the map of the change."""
    return diff_report.report(result)
