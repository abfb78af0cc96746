"""How are the weights distributed? Moments, quantiles, outliers and entropy by component, part, layer or tensor."""

from __future__ import annotations

from collections import Counter
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.groups import KEYS, reading_order
from ..errors import Sentence, UsageError
from ..statistics import Statistics, scan
from ..statistics.engines import pool_of
from ..statistics.histogram import Merging
from ..statistics.scan import Reading
from ..statistics.summary import QUANTILES, moments
from . import values_report
from .choosing import matching
from .values_figures import Drawing, Pictures
from .values_reading import Told

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from ..core.bytes import ValueFile
    from ..core.parameters import Parameter, ParameterTable
    from ..core.report import Report
    from ..core.tensors import TensorInfo
    from ..statistics import Histogram
    from ..statistics.channels import Channel
    from ..statistics.keeping import Keeping
    from .values_spectrum import Spectra

    _Stored = Callable[[Iterable[TensorInfo]], Iterator[tuple[TensorInfo, Histogram]]]

TAKES_VALUES = True
TAKES_HISTOGRAMS = True
NEEDS_WEIGHTS = ("channels", "exact", "spectrum")  # the options that histograms cannot answer
_MOST_CHANNELS = 20
_MOST_WAITING = 1 << 18  # values that wait to be merged into groups: 4 MiB


class Options(NamedTuple):
    """`by`: keys of core.groups.KEYS, comma-separated. `match`: only tensors of that name (with * and ?).

    `sort`: a statistic, the largest first; `top`: so many groups. `channels`: rows and columns too. `exact`: wide types are
    read again for the last bit of their quantiles.
    `spectrum`: singular values, "top-k", a number or "exact". `threads`: None is one per processor; `workers`, `engine` and
    `scheduler` ask others to count. `save_histograms`: a file that answers later without the weights. `opened`, `stored` and
    `progress` come from the api: what opens the shards of each model, what gives its histograms where they are kept, and what
    hears how far it is.
    """

    by: str = "component"
    match: str | None = None
    sort: str | None = None
    top: int | None = None
    channels: bool = False
    exact: bool = False
    spectrum: str | None = None
    threads: int | None = None
    workers: int | None = None
    engine: str | None = None
    scheduler: str | None = None
    save_histograms: str | None = None
    opened: tuple[Any, ...] = ()
    stored: tuple[_Stored | None, ...] = ()
    progress: Callable[[int, int], None] | None = None


class GroupValues(NamedTuple):
    """The values of the tensors with the same keys, as one distribution.

    A mixture of two widths looks heavy-tailed though neither part is: `kurtosis_within` and `outliers_within` measure
    each value by its own tensor's mean and standard deviation.
    """

    keys: tuple[Any, ...]
    n_tensors: int
    statistics: Statistics
    kurtosis_within: float | None
    outliers_within: int | None


class ModelValues(NamedTuple):
    """The groups of one model that are shown, of `n_groups`, and all of them together.

    `n_unread` tensors are not counted, since they are of the packed dtypes `unread`. `dequantised`: how many tensors of
    which packed dtype were.
    """

    table: ParameterTable
    names: tuple[str, ...]
    groups: tuple[GroupValues, ...]
    whole: GroupValues
    n_groups: int
    n_unread: int
    unread: tuple[str, ...] = ()
    pictures: Pictures | None = None
    channels: tuple[Channel, ...] | None = None
    exact: bool = False
    spectra: Spectra | None = None
    dequantised: Mapping[str, int] = {}


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
        help="the largest first: numel, mean, std, min, max, absmax, skewness, kurtosis, kurtosis_within, zeros, nan, "
        "outliers, entropy, l1, l2 or int8_sqnr; with --spectrum spectral_norm, stable_rank, effective_rank, alpha or beyond_edge",
    )
    parser.add_argument("--top", type=int, metavar="N", help="only the first N groups")
    parser.add_argument("--channels", action="store_true", help="the rows and columns of matrices that stand out")
    parser.add_argument("--exact", action="store_true", help="quantiles of wide types to the last bit: read twice")
    parser.add_argument(
        "--spectrum",
        nargs="?",
        const="top-k",
        metavar="TIER",
        help="singular values of the matrices: top-k (the largest), a number of them, or exact (all)",
    )
    parser.add_argument(
        "--save-histograms", metavar="FILE.numel", help="keep the histograms: they answer without the weights"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="read in N threads; one per processor otherwise")
    parser.add_argument("--workers", type=int, metavar="N", help="count in N processes of this machine")
    parser.add_argument("--engine", metavar="NAME", help="who counts: threads, processes or dask")
    parser.add_argument("--scheduler", metavar="ADDRESS", help="the Dask cluster that counts, such as tcp://host:8786")


SORTS: dict[str, Callable[[GroupValues], float | None]] = {
    "numel": lambda group: group.statistics.numel,
    "mean": lambda group: group.statistics.mean,
    "std": lambda group: group.statistics.std,
    "min": lambda group: group.statistics.min,
    "max": lambda group: group.statistics.max,
    "absmax": lambda group: max((abs(x) for x in group.statistics[7:9] if x is not None), default=None),
    "skewness": lambda group: group.statistics.skewness,
    "kurtosis": lambda group: group.statistics.kurtosis,
    "kurtosis_within": lambda group: group.kurtosis_within,
    "zeros": lambda group: group.statistics.zeros,
    "nan": lambda group: group.statistics.n_nan,
    "outliers": lambda group: group.statistics.n_outliers,
    "entropy": lambda group: group.statistics.entropy,
    "l1": lambda group: group.statistics.l1,
    "l2": lambda group: group.statistics.l2,
    "int8_sqnr": lambda group: group.statistics.int8_sqnr,
}


SPECTRUM_SORTS = ("spectral_norm", "stable_rank", "effective_rank", "alpha", "beyond_edge")  # with --spectrum


def analyze(models: Sequence[ParameterTable], options: Options) -> tuple[ModelValues, ...]:
    """The distributions of each model. Raises UsageError for what cannot be asked, and what a scan raises."""
    _check(options)
    pool = pool_of(options.engine, workers=options.workers, scheduler=options.scheduler)
    if options.save_histograms is not None and (options.match or len(models) > 1):
        message = Sentence("--save-histograms keeps one whole model")
        raise UsageError(message, hint=Sentence("leave --match out, and give one model"))
    all_stored = options.stored or (None,) * len(models)
    told = [
        Told(table, _chosen(table, options.match), open_shard)
        for table, open_shard in zip(models, options.opened, strict=True)
    ]
    if options.spectrum is not None:
        from .values_spectrum import plan  # 10 ms, and asked for seldom

        for each in told:
            each.plan = plan(each.rows, each.tensors, options.spectrum)
    total, n_before, found = sum(each.nbytes for each in told), 0, []
    for each, stored in zip(told, all_stored, strict=True):
        reading = Reading(options.threads, progress=_progress(options.progress, n_before, total), pool=pool)
        found.append(_of_model(each, options, reading, stored))
        n_before += each.nbytes
    return tuple(found)


def _of_model(told: Told, options: Options, reading: Reading, stored: _Stored | None) -> ModelValues:
    open_shard, pool = told.open, reading.pool
    if told.is_in_memory:  # nobody else can open it
        reading = reading._replace(pool=None)
    elif told.packed and pool is not None:
        reading = reading._replace(pool=lambda _: pool(told.opening))
    reading = told.reading(reading)
    drawing = Drawing(options.sort)
    with _keeping(options.save_histograms, told.table) as kept:
        if kept is not None:
            reading = reading._replace(journal=kept.journal)
        histograms = scan(told.tensors, open_shard, reading) if stored is None else stored(told.tensors)
        seen = _seen(told.rows, histograms, drawing, kept)
        names, groups, whole = _values(told, options, seen, open_shard if options.exact else None)
    channels = spectra = None
    of_keys: dict[tuple[Any, ...], dict[str, Any]] = {}
    if told.plan is not None:
        from .values_spectrum import measure

        spectra = measure(told.plan, open_shard, options.progress)
        of_keys = spectra.cells_of(_getters(options.by).values())
    shown = _arranged(groups, options, of_keys)
    if options.channels:
        from ..statistics.channels import outliers  # numpy

        channels = tuple(map(told.as_shaped, outliers(told.tensors, open_shard, most=options.top or _MOST_CHANNELS)))
    return ModelValues(
        told.table,
        names,
        shown,
        whole,
        len(groups),
        len(told.unknown),
        tuple(sorted(set(told.unknown.values()))),
        drawing.result(),
        channels,
        options.exact,
        spectra and spectra.grouped(of_keys, (group.keys for group in shown)),
        Counter(told.packed.values()),
    )


def _seen(
    rows: list[Parameter], histograms: Iterator[tuple[TensorInfo, Histogram]], drawing: Drawing, kept: Keeping | None
) -> Iterator[Histogram]:
    """The histograms on their way, seen by the figures and by the file that keeps them."""
    for row, (_, histogram) in zip(rows, histograms, strict=True):
        drawing.add(row, histogram)
        if kept is not None:
            kept.saving.add(row.tensor, histogram)
        yield histogram


def _keeping(path: str | None, table: ParameterTable) -> AbstractContextManager[Keeping | None]:
    """What keeps the histograms of a model in a file, if that is wished."""
    if path is None:
        return nullcontext()
    from ..statistics.keeping import keeping

    return keeping(path, table)


def _keys(by: str) -> tuple[str, ...]:
    return tuple(key.strip() for key in by.split(","))


def _getters(by: str) -> dict[str, Callable[[Parameter], Any]]:
    """The columns that `by` asks for, and what stands in them."""
    return {name: get for key in _keys(by) for name, get in KEYS[key].items()}


def _check(options: Options) -> None:
    """Raises UsageError for what cannot be asked."""
    for key in _keys(options.by):
        if key not in KEYS:
            message = Sentence("cannot group by '{key}'", key=key)
            raise UsageError(message, hint=Sentence("there is {names}", names=", ".join(KEYS)))
    if options.sort in SPECTRUM_SORTS and options.spectrum is None:
        message = Sentence("cannot sort by '{key}'", key=options.sort)
        raise UsageError(message, hint=Sentence("--spectrum measures it"))
    if options.sort is not None and options.sort not in (*SORTS, *SPECTRUM_SORTS):
        message = Sentence("cannot sort by '{key}'", key=options.sort)
        raise UsageError(message, hint=Sentence("there is {names}", names=", ".join((*SORTS, *SPECTRUM_SORTS))))
    if options.spectrum is not None:
        from .values_spectrum import k_of

        k_of(options.spectrum)
    for name, number in (("--top", options.top), ("--threads", options.threads), ("--workers", options.workers)):
        if number is not None and number < 1:
            message = Sentence("{option}: it must be 1 or more", option=f"{name} {number}")
            raise UsageError(message)


def _progress(hears: Callable[[int, int], None] | None, n_before: int, total: int) -> Callable[[int], None] | None:
    """What a scan of one model tells is told of all of them."""
    return None if hears is None else lambda n_done: hears(n_before + n_done, total)


def _chosen(table: ParameterTable, match: str | None) -> list[Parameter]:
    """The parameters whose values are asked for, in the order in which they lie in the files."""
    rows = matching((row for row in table.rows if row.excluded is None), match, model=table.name)
    return sorted(rows, key=lambda row: (row.tensor.shard or "", row.tensor.offset or 0))


class _Group:
    """One group while its tensors come in."""

    def __init__(self, most: int = _MOST_WAITING) -> None:
        self.merging = Merging(most)
        self.tensors: list[TensorInfo] = []
        self.n_tensors = self.outliers = self.n_weighed = 0
        self.weighted = 0.0

    def add(self, tensor: TensorInfo, histogram: Histogram) -> None:
        """One more tensor."""
        self.tensors.append(tensor)
        _, std, kurtosis, outliers = moments(histogram)
        n_weighed = histogram.n_finite if std and kurtosis is not None else 0
        self._add(histogram, 1, outliers or 0, (kurtosis or 0.0) * n_weighed, n_weighed)

    def include(self, group: _Group) -> None:
        """Another group, whole."""
        self.tensors += group.tensors
        self._add(group.merging.result(), group.n_tensors, group.outliers, group.weighted, group.n_weighed)

    def _add(self, histogram: Histogram, n_tensors: int, outliers: int, weighted: float, n_weighed: int) -> None:
        self.merging.add(histogram)
        self.n_tensors += n_tensors
        self.outliers += outliers
        self.weighted += weighted
        self.n_weighed += n_weighed

    def result(self, keys: tuple[Any, ...], again: Callable[[str], ValueFile] | None) -> GroupValues:
        """What its values come to; `again` opens the files for a second look at the quantiles."""
        within = self.weighted / self.n_weighed if self.n_weighed else None
        histogram = self.merging.result()
        found = Statistics.of(histogram)
        if again is not None and histogram.resolution and histogram.n_finite:
            from ..statistics.second_pass import SecondPass  # numpy

            second = SecondPass(histogram, QUANTILES)
            second.read(self.tensors, again)
            found = found._replace(quantiles=second.quantiles())
        return GroupValues(keys, self.n_tensors, found, within, self.outliers)


def _values(
    told: Told,
    options: Options,
    histograms: Iterator[Histogram],
    again: Callable[[str], ValueFile] | None,
) -> tuple[tuple[str, ...], list[GroupValues], GroupValues]:
    """The groups of one model, in reading order, and all of it. A group is done, and its histogram gone, with its last tensor."""
    getters = _getters(options.by)
    keys_of = [tuple(get(row) for get in getters.values()) for row in told.rows]
    left = Counter(keys_of)
    most = _MOST_WAITING // max(len(left), 1)  # however many are under way, together they hold no more
    done: dict[tuple[Any, ...], GroupValues | None] = dict.fromkeys(keys_of)
    groups: dict[tuple[Any, ...], _Group] = {}
    whole = _Group()
    for keys, tensor, histogram in zip(keys_of, told.tensors, histograms, strict=True):
        group = groups.setdefault(keys, _Group(most))
        group.add(tensor, histogram)
        left[keys] -= 1
        if not left[keys]:
            done[keys] = group.result(keys, again)
            whole.include(groups.pop(keys))
    names = tuple(getters)
    found = [group for group in done.values() if group is not None]
    if "tensor" in getters:
        order = {row.tensor.name: i for i, row in enumerate(told.table.rows)}
        found.sort(key=lambda group: order[group.keys[names.index("tensor")]])
    else:
        found.sort(key=lambda group: reading_order(names, group.keys))
    return names, found, whole.result((), again)


def _arranged(
    groups: list[GroupValues], options: Options, spectra: Mapping[tuple[Any, ...], dict[str, Any]]
) -> tuple[GroupValues, ...]:
    """As `sort` and `top` ask; groups without the statistic last."""
    if options.sort is not None:
        name = options.sort
        measure = SORTS.get(name) or (lambda group: spectra.get(group.keys, {}).get(name))
        known = [(group, measure(group)) for group in groups]
        last = float("inf")
        groups = [group for group, _ in sorted(known, key=lambda pair: last if pair[1] is None else -pair[1])]
    return tuple(groups[: options.top])


def report(result: tuple[ModelValues, ...]) -> Report:
    """The tables of each model."""
    return values_report.report(result)
