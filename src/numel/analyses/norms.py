"""Normalisation alone: how many γ and β there are, where they stand, what share of the model they are, and their values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.counts import count
from ..core.groups import template_of
from ..core.parameters import Component
from ..core.report import Block, Chart, Column, Note, Report, Table, Text, Unit, Value
from ..errors import MissingValuesError
from . import describe
from .gammas import is_about_one

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Mapping, Sequence

    from ..core.parameters import ParameterTable
    from ..core.tensors import Source
    from .norms_values import Spread


NEEDS_WEIGHTS = ()  # histograms answer everything
TAKES_HISTOGRAMS = True


class Options(NamedTuple):
    """`values`: whether the γ and β of models that hold weights are read.

    `opened` and `stored` come from the api: for each model what opens its shards, what gives its histograms, or None.
    """

    values: bool = True
    opened: tuple[Any, ...] = ()
    stored: tuple[Any, ...] = ()
    progress: Callable[[int, int], None] | None = None


class NormSite(NamedTuple):
    """One norm of the architecture, with all the layers in which it stands. γ is the scale, β the shift."""

    name: str
    part: str
    n_norms: int
    n_gamma: int
    n_beta: int


class ModelNorms(NamedTuple):
    """The norms of one model beside all its weights and biases. `n_weights` includes γ, `n_biases` β.

    `spreads`: the values of each γ and β; None where they are not read.
    """

    table: ParameterTable
    sites: tuple[NormSite, ...]
    total: int
    n_weights: int
    n_biases: int
    spreads: tuple[Spread, ...] | None = None

    @property
    def n_gamma(self) -> int:
        """Scales."""
        return sum(site.n_gamma for site in self.sites)

    @property
    def n_beta(self) -> int:
        """Shifts."""
        return sum(site.n_beta for site in self.sites)

    @property
    def n_norms(self) -> int:
        """Normalisation layers: those with a scale or a shift."""
        return sum(site.n_norms for site in self.sites)

    @property
    def numel(self) -> int:
        """γ and β together, and whatever else a norm holds."""
        return self.n_gamma + self.n_beta

    @property
    def share(self) -> float:
        """Of the model's total, 0..1."""
        return self.numel / (self.total or 1)


def add_options(parser: ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--no-values", dest="values", action="store_false", help="shapes alone: leave γ and β unread")


def reads_values(options: Mapping[str, Any], source: Source) -> bool:
    """Whether the values of a source that holds some are read: the norms' are few, wherever they lie."""
    del source
    return bool(options.get("values", True))


def analyze(models: Sequence[ParameterTable], options: Options) -> tuple[ModelNorms, ...]:
    """The norms of each model, and their values where they are at hand."""
    nothing = (None,) * len(models)
    ways = zip(models, options.opened or nothing, options.stored or nothing, strict=True)
    return tuple(_norms(table)._replace(spreads=_spreads(table, opened, stored)) for table, opened, stored in ways)


def _spreads(table: ParameterTable, opened: Any, stored: Any) -> tuple[Spread, ...] | None:
    if opened is None and stored is None:
        return None
    from .norms_values import read  # what counts values, for models that hold some

    try:
        return read(table, opened, stored)
    except MissingValuesError:  # a module on the meta device
        return None


def _norms(table: ParameterTable) -> ModelNorms:
    sites: dict[str, list[NormSite]] = {}
    weights = biases = 0
    for row in table.rows:
        is_bias = row.role == "bias"
        weights += 0 if is_bias else row.numel
        biases += row.numel if is_bias else 0
        if row.component is Component.NORM and row.numel:
            owner = template_of(row.tensor.name).rpartition(".")[0]
            gamma, beta = (0, row.numel) if is_bias else (row.numel, 0)
            sites.setdefault(owner, []).append(NormSite(owner, row.part, 1, gamma, beta))
    return ModelNorms(table, tuple(_merge(group) for group in sites.values()), count(table).total, weights, biases)


def _merge(tensors: list[NormSite]) -> NormSite:
    """The γ and β tensors of one norm, all layers together; a norm counts once even if it has both."""
    gammas = [t for t in tensors if t.n_gamma]
    betas = [t for t in tensors if t.n_beta]
    return NormSite(
        tensors[0].name,
        tensors[0].part,
        max(len(gammas), len(betas)),
        sum(t.n_gamma for t in gammas),
        sum(t.n_beta for t in betas),
    )


def report(result: tuple[ModelNorms, ...]) -> Report:
    """A row per model, then a row per norm of each model, then what the numbers say."""
    blocks = (*counted(result), *_values(result), *without_values(result))
    data = {"models": [_data(norms) for norms in result]}
    tables = [norms.table for norms in result]
    return Report(
        "norms",
        Text("Normalisation layers"),
        blocks,
        data,
        (*describe.assumptions(tables), *assumptions(result)),
        describe.warnings(tables),
        _records(result),
    )


def counted(result: Sequence[ModelNorms]) -> tuple[Block, ...]:
    """What shapes alone say."""
    return (_models(result), *(_sites(norms) for norms in result), *(_verdict(norms) for norms in result))


def _values(result: Sequence[ModelNorms]) -> tuple[Block, ...]:
    """What the values say, model by model."""
    known = [norms for norms in result if norms.spreads]
    if not known:
        return ()
    from .norms_values import blocks

    found = [blocks(norms.table, norms.spreads or ()) for norms in known]
    return tuple(
        block._replace(key=f"{block.key}-{k + 1}") if k and isinstance(block, Chart) else block
        for k, of in enumerate(found)
        for block in of
    )


def without_values(result: Sequence[ModelNorms]) -> tuple[Note, ...]:
    """Which models say nothing of the values of γ and β, and how they would."""
    names = ", ".join(
        norms.table.name for norms in result if norms.spreads is None and not norms.table.source.holds_values
    )
    said = Text(
        "the values of γ and β are not read of {models}: a name or a configuration holds none; a folder, a file of weights "
        "or of histograms, or a live module in its place shows them",
        {"models": Value(names, Unit.NAME)},
    )
    return (Note(said),) if names else ()


def assumptions(result: Sequence[ModelNorms]) -> tuple[Text, ...]:
    """What the columns of values mean, and how γ were read that are stored as γ − 1."""
    if not any(norms.spreads for norms in result):
        return ()
    names = ", ".join(norms.table.name for norms in result if norms.spreads and is_about_one(norms.table))
    said = Text("{models}: its norms store γ − 1; γ itself is shown", {"models": Value(names, Unit.NAME)})
    columns = Text(
        "γ and β: std of the population; dead, near 0: at most a millionth of the median size of the norm; from 1, from 0: "
        "the root mean square of the distance from where they begin"
    )
    return (columns, said) if names else (columns,)


def _records(result: Sequence[ModelNorms]) -> Table | None:
    """The rows of CSV: of the values where there are any."""
    if not any(norms.spreads for norms in result):
        return None
    from .norms_values import records

    return records([(norms.table.name, norms.spreads or ()) for norms in result])


def _models(result: Sequence[ModelNorms]) -> Table:
    columns = (
        Column("model", Text("model"), Unit.NAME),
        Column("n_norms", Text("norms"), Unit.COUNT),
        Column("n_gamma", Text("γ (scale)"), Unit.COUNT),
        Column("n_beta", Text("β (shift)"), Unit.COUNT),
        Column("numel", Text("γ + β"), Unit.COUNT),
        Column("share", Text("share of the model"), Unit.SHARE),
    )
    rows = tuple((n.table.name, n.n_norms, n.n_gamma, n.n_beta, n.numel, n.share) for n in result)
    return Table(Text("Normalisation layers"), columns, rows, key="norms")


def _sites(norms: ModelNorms) -> Table:
    columns = (
        Column("name", Text("norm"), Unit.NAME),
        Column("part", Text("part"), Unit.WORD),
        Column("n_norms", Text("norms"), Unit.COUNT),
        Column("n_gamma", Text("γ (scale)"), Unit.COUNT),
        Column("n_beta", Text("β (shift)"), Unit.COUNT),
    )
    rows = tuple(tuple(site) for site in norms.sites)
    title = Text("Each norm of {model}", {"model": Value(norms.table.name, Unit.NAME)})
    return Table(title, columns, rows, key="sites")


def _verdict(norms: ModelNorms) -> Note:
    values = {
        "model": Value(norms.table.name, Unit.NAME),
        "gamma": Value(norms.n_gamma, Unit.COUNT),
        "beta": Value(norms.n_beta, Unit.COUNT),
        "weights": Value(norms.n_weights, Unit.COUNT),
        "biases": Value(norms.n_biases, Unit.COUNT),
    }
    if not norms.numel:
        return Note(Text("{model}: its norms have no parameters", values))
    if norms.n_gamma == norms.n_beta:
        return Note(
            Text(
                "{model}: as many γ as β ({gamma} each), one of each per dimension; the whole model has {weights} weights "
                "and {biases} biases",
                values,
            )
        )
    if not norms.n_beta:
        return Note(Text("{model}: {gamma} γ and no β: its norms scale and do not shift", values))
    return Note(Text("{model}: {gamma} γ and {beta} β", values))


def _data(norms: ModelNorms) -> dict[str, object]:
    return {
        **describe.model_data(norms.table),
        "norms": {
            "n_norms": norms.n_norms,
            "n_gamma": norms.n_gamma,
            "n_beta": norms.n_beta,
            "numel": norms.numel,
            "share": norms.share,
            "n_weights": norms.n_weights,
            "n_biases": norms.n_biases,
        },
        "sites": [site._asdict() for site in norms.sites],
        "values": None if norms.spreads is None else [spread._asdict() for spread in norms.spreads],
    }
