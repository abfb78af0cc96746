"""Normalisation alone: how many γ and β there are, where they stand, and what share of the model they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ..core.counts import count
from ..core.groups import template_of
from ..core.parameters import Component
from ..core.report import Block, Column, Note, Report, Table, Text, Unit, Value
from . import describe

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence

    from ..core.parameters import ParameterTable


class Options(NamedTuple):
    """Nothing to choose."""


class NormSite(NamedTuple):
    """One norm of the architecture, with all the layers in which it stands. γ is the scale, β the shift."""

    name: str
    part: str
    n_norms: int
    n_gamma: int
    n_beta: int


class ModelNorms(NamedTuple):
    """The norms of one model beside all its weights and biases. `n_weights` includes γ, `n_biases` β."""

    table: ParameterTable
    sites: tuple[NormSite, ...]
    total: int
    n_weights: int
    n_biases: int

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
    """The command's own options: none."""


def analyze(models: Sequence[ParameterTable], options: Options) -> tuple[ModelNorms, ...]:
    """The norms of each model."""
    del options
    return tuple(_norms(table) for table in models)


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
    blocks: tuple[Block, ...] = (
        _models(result),
        *(_sites(norms) for norms in result),
        *(_verdict(norms) for norms in result),
    )
    data = {"models": [_data(norms) for norms in result]}
    tables = [norms.table for norms in result]
    return Report(
        "norms", Text("Normalisation layers"), blocks, data, describe.assumptions(tables), describe.warnings(tables)
    )


def _models(result: tuple[ModelNorms, ...]) -> Table:
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
                "{model}: as many γ as β ({gamma} each), one of both per dimension; the whole model has {weights} weights "
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
    }
