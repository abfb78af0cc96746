"""What looks wrong in the weights? NaN, dead or constant lines, dead γ, untouched, doubled and needlessly wide tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..core.visible import visible
from ..errors import MissingValuesError, Sentence, UsageError
from ..statistics.scan import Reading, scan
from . import doctor_report
from .choosing import matching
from .doctor_checks import Facts, Setting, alone, facts_of, padding_of
from .doctor_compared import between, starts_of
from .gammas import less_one
from .values_reading import Told

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Sequence

    from ..core.bytes import ValueFile
    from ..core.parameters import Parameter, ParameterTable
    from ..core.report import Report
    from .doctor_checks import Finding

TAKES_VALUES = True
SEVERITIES = ("error", "warning", "note")


class Options(NamedTuple):
    """`match`: only tensors of that name (with * and ?). `strict`: errors and warnings fail the command.

    `threads`: None is one per processor. `opened` and `progress` come from the api.
    """

    match: str | None = None
    strict: bool = False
    threads: int | None = None
    opened: tuple[Callable[[str], ValueFile], ...] = ()
    progress: Callable[[int, int], None] | None = None


class Examination(NamedTuple):
    """What was found in one model, the worst first; `n_tensors` were read, those of the dtypes `unread` were not.

    Those of the dtypes `dequantised` were read as the numbers that they stand for.
    """

    table: ParameterTable
    findings: tuple[Finding, ...]
    n_tensors: int
    n_unread: int
    unread: tuple[str, ...]
    setting: Setting
    is_strict: bool
    dequantised: tuple[str, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Whether it was asked to fail, and anything but notes was found."""
        return self.is_strict and any(finding.severity != "note" for finding in self.findings)


def add_options(parser: ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--match", metavar="GLOB", help="only the tensors of that name, such as '*.mlp.*'")
    parser.add_argument("--strict", action="store_true", help="exit code 1 where there is an error or a warning")
    parser.add_argument("--threads", type=int, metavar="N", help="read in N threads; one per processor otherwise")


def analyze(models: Sequence[ParameterTable], options: Options) -> tuple[Examination, ...]:
    """What looks wrong in each model. Raises UsageError for what cannot be asked, and what reading raises."""
    if options.threads is not None and options.threads < 1:
        message = Sentence("{option}: it must be 1 or more", option=f"--threads {options.threads}")
        raise UsageError(message)
    told = [
        Told(table, _chosen(table, options.match), opened) for table, opened in zip(models, options.opened, strict=True)
    ]
    n_bytes = sum(each.nbytes for each in told)
    found, n_before = [], 0
    for each in told:
        found.append(_examined(each, options, (n_before, n_bytes)))
        n_before += each.nbytes
    return tuple(found)


def _chosen(table: ParameterTable, match: str | None) -> list[Parameter]:
    """The tensors to look at, in the order in which they lie in the files: parameters, copies, scales and buffers."""
    rows = matching(table.rows, match, model=table.name)
    for row in rows:
        if row.tensor.shard is None or row.tensor.offset is None:
            message = Sentence("the values of {name} are not known, only its shape", name=visible(row.tensor.name, 120))
            raise MissingValuesError(message, hint=Sentence("give the safetensors file or the folder that holds them"))
    return sorted(rows, key=lambda row: (row.tensor.shard or "", row.tensor.offset or 0))


def _examined(told: Told, options: Options, done: tuple[int, int]) -> Examination:
    """One model: every tensor by itself while it is read, then all of them beside each other."""
    table, (n_before, n_bytes) = told.table, done
    hears = options.progress
    progress = None if hears is None else lambda n_done: hears(n_before + n_done, n_bytes)
    setting = Setting(told.open, starts_of(table), less_one(table), padding_of(table), told.is_turned)
    findings: list[Finding] = []
    facts: list[Facts] = []
    histograms = scan(told.tensors, told.open, told.reading(Reading(options.threads, progress=progress)))
    for row, (tensor, histogram) in zip(told.rows, histograms, strict=True):
        found = facts_of(row, tensor, histogram, setting)
        findings += alone(found, histogram, setting)
        facts.append(found)
    findings += between(table, facts, setting)
    order = {row.tensor.name: i for i, row in enumerate(table.rows)}
    findings.sort(key=lambda finding: (SEVERITIES.index(finding.severity), order.get(finding.tensor or "", -1)))
    dtypes = tuple(sorted(set(told.unknown.values())))
    return Examination(
        table, tuple(findings), len(facts), len(told.unknown), dtypes, setting, options.strict, told.dequantised
    )


def report(result: tuple[Examination, ...]) -> Report:
    """The findings of each model."""
    return doctor_report.report(result)
