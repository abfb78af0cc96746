"""What does the study's rule get wrong, over all architectures?"""

from __future__ import annotations

from statistics import fmean, median
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.kinds import kinds_of
from ..core.parameters import Component
from ..core.report import Block, Column, Note, Report, Table, Text, Unit, Value
from ..errors import Sentence, UsageError

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Iterable, Sequence

    from ..core.parameters import ParameterTable

TAKES_WORDS = True  # not models: the words filter the architectures

TASKS = ("causal-lm", "masked-lm", "seq2seq-lm", "image-text-to-text", "image-classification", "other")
FORMS = ("memory", "hub")
# The study knows three kinds; experts do an MLP's work, linear attention an attention's.
_KINDS = {
    "attention": (Component.ATTENTION, Component.LINEAR_ATTENTION),
    "mlp": (Component.MLP, Component.MOE),
    "norm": (Component.NORM,),
}


class Options(NamedTuple):
    """`task`: one of TASKS, or "" for all. `form`: names as in memory or as on the hub. `top`: rows to show, 0: all."""

    words: Sequence[str] = ()
    task: str = ""
    form: str = "memory"
    rule: str = "study"
    top: int = 20


class Entry(NamedTuple):
    """An architecture's default model in one task. `disagreements` are those of classify; None: it has no default."""

    model_type: str
    task: str
    table: ParameterTable | None
    disagreements: Sequence[Any] = ()


class Verdict(NamedTuple):
    """What the rule makes of one model, in parameters; `found` maps a kind to (all, those that the rule finds)."""

    model_type: str
    task: str
    total: int
    left_out: int
    misassigned: int
    no_rule: int
    found: dict[str, tuple[int, int]]
    worst: str

    @property
    def wrong_share(self) -> float:
        """What has one of the study's three kinds and is not put there, or is put there and has another."""
        return (self.left_out + self.misassigned) / self.total

    def found_share(self, kind: str) -> float | None:
        """The share of the parameters of a kind that the rule finds; None where there are none."""
        n, right = self.found[kind]
        return right / n if n else None


class Audit(NamedTuple):
    """The verdicts, the worst first, and the architectures whose defaults make no model."""

    verdicts: tuple[Verdict, ...]
    skipped: tuple[str, ...]
    options: Options


def add_options(parser: ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--task", choices=TASKS, default="", help="only the architectures that do this")
    parser.add_argument(
        "--form", choices=FORMS, default="memory", help="names as transformers holds them, or the hub's"
    )
    parser.add_argument("--rule", choices=("study",), default="study", help="the rule to audit: the original study's")
    parser.add_argument(
        "--top", type=int, default=20, metavar="N", help="architectures to show, the worst first; 0: all"
    )


def choose(options: Options) -> Options:
    """The options, if they make sense. Raises UsageError."""
    if options.top < 0:
        message = Sentence("--top {top}: must not be negative", top=str(options.top))
        raise UsageError(message)
    return options


def analyze(entries: Iterable[Entry], options: Options) -> Audit:
    """The verdict on each architecture. Raises UsageError where the words leave none."""
    verdicts, skipped = [], []
    for entry in entries:
        if entry.table is None or not any(row.numel for row in entry.table.rows):  # its defaults may make no layer
            skipped.append(entry.model_type)
        else:
            verdicts.append(_verdict(entry, entry.table))
    if not verdicts:
        message = Sentence("no architecture is called like that")
        raise UsageError(message, hint=Sentence("numel architectures lists them"))
    verdicts.sort(key=lambda v: (-v.wrong_share, v.model_type, v.task))
    return Audit(tuple(verdicts), tuple(dict.fromkeys(skipped)), options)


def _verdict(entry: Entry, table: ParameterTable) -> Verdict:
    sums: dict[Component, int] = {}
    for row, n in kinds_of(table):
        sums[row.component] = sums.get(row.component, 0) + n * row.numel
    faults = dict.fromkeys(("left_out", "misassigned", "no_rule"), 0)
    missed = dict.fromkeys(sums, 0)
    for fault in entry.disagreements:
        faults[fault.kind] += fault.numel
        missed[fault.component] += fault.numel
    found = {}
    for kind, components in _KINDS.items():
        n = sum(sums.get(c, 0) for c in components)
        found[kind] = (n, n - sum(missed.get(c, 0) for c in components))
    worst = next((f.template for f in entry.disagreements if f.kind != "no_rule"), "")
    return Verdict(entry.model_type, entry.task, sum(sums.values()), found=found, worst=worst, **faults)


def report(result: Audit) -> Report:
    """A row for each task, then one for each architecture."""
    data = {
        "form": result.options.form,
        "tasks": [_summary(task, verdicts) for task, verdicts in _by_task(result)],
        "architectures": [
            {
                **{name: value for name, value in v._asdict().items() if name != "found"},
                "wrong_share": v.wrong_share,
                "found_share": {kind: v.found_share(kind) for kind in _KINDS},
            }
            for v in result.verdicts
        ],
        "skipped": list(result.skipped),
    }
    blocks: tuple[Block, ...] = (_task_table(result), _table(result, result.options.top))
    if result.skipped:
        names = {"names": Value(", ".join(result.skipped), Unit.NAME)}
        blocks = (*blocks, Note(Text("left out, since their defaults make no model: {names}", names)))
    return Report(
        "audit-rule", Text("What the study's rule gets wrong"), blocks, data, _assumptions(), (), _table(result, 0)
    )


def _by_task(result: Audit) -> list[tuple[str, list[Verdict]]]:
    grouped = [(task, [v for v in result.verdicts if v.task == task]) for task in TASKS]
    return [(task, verdicts) for task, verdicts in grouped if verdicts]


def _summary(task: str, verdicts: list[Verdict]) -> dict[str, Any]:
    wrong = [v.wrong_share for v in verdicts]
    total = sum(v.total for v in verdicts)
    shares = {kind: [s for v in verdicts if (s := v.found_share(kind)) is not None] for kind in _KINDS}
    return {
        "task": task,
        "n_architectures": len(verdicts),
        "wrong_median": median(wrong),
        "wrong_mean": fmean(wrong),
        "wrong_max": max(wrong),
        "n_over_a_tenth_wrong": sum(share > 0.1 for share in wrong),
        "n_with_norms": len(shares["norm"]),
        "n_without_any_norm_found": sum(share == 0 for share in shares["norm"]),
        "found_mean": {kind: fmean(s) if s else None for kind, s in shares.items()},
        "left_out_share": sum(v.left_out for v in verdicts) / total,
        "misassigned_share": sum(v.misassigned for v in verdicts) / total,
        "no_rule_share": sum(v.no_rule for v in verdicts) / total,
    }


_FOUND = (
    Column("attention", Text("attention found"), Unit.SHARE),
    Column("mlp", Text("MLP found"), Unit.SHARE),
    Column("norm", Text("norms found"), Unit.SHARE),
)


def _task_table(result: Audit) -> Table:
    columns = (
        Column("task", Text("task"), Unit.NAME),
        Column("n_architectures", Text("architectures"), Unit.COUNT),
        Column("wrong_median", Text("wrong, median"), Unit.SHARE),
        Column("wrong_mean", Text("wrong, mean"), Unit.SHARE),
        Column("wrong_max", Text("wrong, most"), Unit.SHARE),
        Column("n_over_a_tenth_wrong", Text("over 10 %"), Unit.COUNT),
        *_FOUND,
    )
    keys = [column.key for column in columns[:6]]
    summaries = [_summary(task, verdicts) for task, verdicts in _by_task(result)]
    rows = tuple((*(s[key] for key in keys), *(s["found_mean"][kind] for kind in _KINDS)) for s in summaries)
    return Table(Text("By task: means over the architectures"), columns, rows, key="tasks")


def _table(result: Audit, top: int) -> Table:
    columns = (
        Column("model_type", Text("model type"), Unit.NAME),
        Column("task", Text("task"), Unit.NAME),
        Column("total", Text("parameters"), Unit.COUNT),
        Column("wrong_share", Text("wrong"), Unit.SHARE),
        Column("misassigned_share", Text("misassigned"), Unit.SHARE),
        Column("no_rule_share", Text("no rule for it"), Unit.SHARE),
        *_FOUND,
        Column("worst", Text("the largest fault"), Unit.NAME),
    )
    rows = tuple(
        (
            v.model_type, v.task, v.total, v.wrong_share, v.misassigned / v.total, v.no_rule / v.total,
            *(v.found_share(kind) for kind in _KINDS), Value(v.worst, Unit.NAME),
        )
        for v in result.verdicts[: top or None]
    )  # fmt: skip
    return Table(Text("By architecture, the worst first"), columns, rows, key="architectures")


def _assumptions() -> tuple[Text, ...]:
    return (
        Text("each architecture's own default configuration, in the class that transformers has for the task"),
        Text(
            'the study\'s rule: upper and lower case distinguished, first match: "attn" or "attention", then "mlp" or '
            '"fc", then "ln"; held against it leniently: experts count as MLP and linear attention as attention'
        ),
        Text(
            "wrong: parameters of attention, MLP or norm that the rule leaves out or puts elsewhere, and others that it "
            "puts there; embeddings, heads and state-space layers, for which it has no rule, are not held against it"
        ),
    )
