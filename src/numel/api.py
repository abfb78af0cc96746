"""What a user of the library calls, and the only place where sources, formats, blueprints, analyses and views meet."""

from __future__ import annotations

import os
import sys
from io import StringIO

from .analyses import ANALYSES
from .beside import with_checkpoints
from .classify import classify, disagreements
from .core.counts import Counts, count
from .core.records import NamedTuple
from .delivery import Delivery, deliver
from .errors import Sentence, UsageError
from .opening import is_live, open_histograms, open_inventory, open_live, open_values
from .registry import find
from .views import VIEWS
from .views.options import ViewOptions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, TextIO

    from matplotlib.axes import Axes

    from .classify import Disagreement
    from .core.parameters import Parameter, ParameterTable
    from .core.report import Report
    from .frames import GroupTable, ValueTable

__all__ = [
    "Comparison",
    "Delivery",
    "Model",
    "Plot",
    "ask",
    "check_places",
    "compare",
    "deliver",
    "inspect",
    "listed",
    "report",
]


def inspect(  # noqa: PLR0913 - each says one thing of the source
    source: object,
    *,
    config: Mapping[str, Any] | None = None,
    name: str | None = None,
    rule: str = "numel",
    overrides: Mapping[str, Any] | None = None,
    form: str = "hub",
) -> Model:
    """The parameters of a model, each in its place.

    `source`: the name of a published model, a path (safetensors file, folder, index, config.json), a configuration as
    a dict, a `torch.nn.Module`, or a state dict. torch is imported for none of them. `config`: hyper-parameters for a
    source that has none (a bare header, a state dict). `rule`: "numel", or "study" for the original's substrings.
    `overrides`: fields of the configuration to change, for a model that does not exist. `form`: the names that a
    configuration's tensors have, "hub" for those of checkpoints (one tensor per expert), "memory" for those of the model
    as transformers 5 loads it (fused experts).

    Raises a subclass of NumelError: SourceNotFoundError, CorruptFileError, ConfigError, UnsupportedError.

    >>> inspect("gpt2").total
    124439808
    >>> inspect({"model_type": "gpt2", "n_layer": 24, "n_embd": 1024, "n_head": 16}).total
    354823168
    """
    inventory = open_inventory(source, config=config, overrides=overrides, form=form)
    if name is not None:
        inventory = inventory._replace(name=name)
    table = with_checkpoints(classify(inventory, rule=rule), inventory)
    return Model(table, live=source if is_live(source) else None)


def compare(*sources: object, rule: str = "numel") -> Comparison:
    """Several models beside each other; each source as for `inspect`, or a Model.

    >>> [model.total for model in compare("gpt2", "gpt2-xl")]
    [124439808, 1557611200]
    """
    if not sources:
        message = Sentence("nothing to compare")
        raise UsageError(message, hint=Sentence("give a model or more"))
    return Comparison(tuple(s if isinstance(s, Model) else inspect(s, rule=rule) for s in sources))


class Model:
    """The parameters of one model. Prints as a table; every number is an attribute.

    Of a live module or state dict it keeps hold, for its values.
    """

    def __init__(self, table: ParameterTable, *, live: object = None) -> None:
        self.table = table
        self.live = live
        self.counts: Counts = count(table)

    @property
    def name(self) -> str:
        """What the model is called."""
        return self.table.name

    @property
    def total(self) -> int:
        """Parameters, tied ones once; no buffers, no quantisation scales."""
        return self.counts.total

    @property
    def non_embedding(self) -> int:
        """`total` less token and position embeddings and less an untied output matrix."""
        return self.counts.non_embedding

    @property
    def active(self) -> int | None:
        """Parameters that work on one token; None when the number of experts per token is unknown."""
        return self.counts.active

    @property
    def stored(self) -> int:
        """Elements in the source, whatever they are."""
        return self.counts.stored

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """Every tensor with its place, in the source's order."""
        return self.table.rows

    def __getitem__(self, name: str) -> Parameter:
        """The tensor called `name`. Raises KeyError."""
        for row in self.table.rows:
            if row.tensor.name == name:
                return row
        raise KeyError(name)

    def by(self, *keys: str, split: bool = False) -> GroupTable:
        """The parameters summed by component, part, layer, tower, expert, role, dtype, template or tensor.

        `split`: fused tensors as their parts: query, key and value; gate and up; each expert.
        """
        return Comparison((self,)).by(*keys, split=split)

    def values(self, *keys: str, **options: Any) -> ValueTable:
        """How the values are distributed, by component or as in `by`: mean, std, quantiles, kurtosis, zeros and so on.

        `options` are those of `numel values`: `match`, `sort`, `top`, `exact`, `spectrum`, `threads`. The model must hold
        values: a file, a folder, a live module or a state dict. Raises MissingValuesError for others.

        >>> import numpy
        >>> model = inspect({"fc1.weight": numpy.eye(4, dtype=numpy.float32)})
        >>> model.values("tensor").to_dicts()[0]["zeros"]
        12
        """
        return Comparison((self,)).values(*keys, **options)

    def report(self, command: str = "show", **options: Any) -> Report:
        """What the command of that name has to say of this model, as plain data."""
        return Comparison((self,)).report(command, **options)

    @property
    def plot(self) -> Plot:
        """Figures: `model.plot.share(ax=ax)`."""
        return Plot((self.table,))

    def __repr__(self) -> str:
        return rendered(self.report(), "terminal")

    def _repr_html_(self) -> str:
        return rendered(self.report(), "fragment")


class Comparison:
    """Several models beside each other, in the order given."""

    def __init__(self, models: tuple[Model, ...]) -> None:
        self.models = models

    def __iter__(self) -> Any:
        return iter(self.models)

    def __len__(self) -> int:
        return len(self.models)

    def by(self, *keys: str, split: bool = False) -> GroupTable:
        """As `Model.by`, one row per model and group."""
        from .analyses.breakdown import grouped
        from .frames import GroupTable

        chosen = keys or ("component",)
        tables = tuple(model.table for model in self.models)
        shown = report(tables, "show", by=",".join(chosen), split=split)  # raises for a key that does not exist
        groupings = grouped(tables, chosen, split=split)
        return GroupTable(groupings, lambda form: rendered(shown, "fragment" if form == "html" else form))

    def report(self, command: str = "show", **options: Any) -> Report:
        """What the command of that name has to say of these models, as plain data."""
        live = tuple(model.live for model in self.models)
        return report(tuple(model.table for model in self.models), command, live=live, **options)

    def values(self, *keys: str, **options: Any) -> ValueTable:
        """As `Model.values`, one row per model and group."""
        from .frames import ValueTable

        shown = self.report("values", by=",".join(keys or ("component",)), **options)
        return ValueTable(shown.data["models"], lambda form: rendered(shown, "fragment" if form == "html" else form))

    @property
    def plot(self) -> Plot:
        """Figures: `comparison.plot.share(ax=ax)`."""
        return Plot(tuple(model.table for model in self.models))

    def __repr__(self) -> str:
        return rendered(self.report(), "terminal")

    def _repr_html_(self) -> str:
        return rendered(self.report(), "fragment")


class Plot(NamedTuple):
    """Figures of models; each takes and returns matplotlib Axes."""

    tables: tuple[ParameterTable, ...]

    def share(self, *, ax: Axes | None = None, lang: str = "en") -> Axes:
        """The share of each component, one full bar per model."""
        return self._draw("show", "share", ax, lang)

    def attention_mlp(self, *, ax: Axes | None = None, lang: str = "en") -> Axes:
        """The study's own figure: attention and MLP in percent, grouped by model."""
        return self._draw("study", "attention-mlp", ax, lang)

    def scaling(self, *, ax: Axes | None = None, lang: str = "en") -> Axes:
        """The share of each component against the size of the model."""
        return self._draw("scaling", "scaling", ax, lang)

    def _draw(self, command: str, key: str, ax: Axes | None, lang: str) -> Axes:
        from .core.report import charts
        from .views.figure import draw

        chart = next(c for c in charts(report(self.tables, command)) if c.key == key)
        axes: Axes = draw(chart, lang, ax=ax)
        return axes


def check_places(wanted: Delivery, command: str, specs: Sequence[str], *, histograms: str | None = None) -> None:
    """Raises UsageError, before anything is counted, where an answer cannot be written or would overwrite a model."""
    is_folder = command == "study" and wanted.output is not None and not os.path.splitext(wanted.output)[1]
    output = None if is_folder else wanted.output
    if output is not None or wanted.save is not None:
        from .places import check_places as check

        check(output, wanted.save, specs, histograms=histograms)


def ask(
    command: str,
    specs: Sequence[str],
    *,
    rule: str = "numel",
    overrides: Mapping[str, Any] | None = None,
    form: str = "hub",
    **options: Any,
) -> Report:
    """What `command` says of the models that these names or paths mean."""
    if command == "study" and rule != "numel":
        message = Sentence("the study compares its original's rule with numel's by itself")
        raise UsageError(message, hint=Sentence("leave --rule out"))
    inventories = [open_inventory(spec, overrides=overrides, form=form) for spec in specs]
    tables = tuple(with_checkpoints(classify(inventory, rule=rule), inventory) for inventory in inventories)
    if command == "show" and rule == "study":
        options["against"] = tuple(
            disagreements(classify(inventory), table) for inventory, table in zip(inventories, tables, strict=True)
        )
    analysis = find(ANALYSES, command, kind="command")
    runs = hasattr(analysis, "runs_models") and analysis.runs_models(options)
    if runs or hasattr(analysis, "TAKES_VALUES") or hasattr(analysis, "reads_values"):
        from .core.report import Unit
        from .progress import Progress

        with Progress(sys.stderr, Unit.COUNT if runs else Unit.NBYTES) as progress:
            return report(tables, command, **{**options, "progress": progress})
    return report(tables, command, **options)


def report(tables: Sequence[ParameterTable], command: str, *, live: Sequence[object] = (), **options: Any) -> Report:
    """What `command` says of the models. Raises UsageError for an unknown command.

    `live`: for each model the module or state dict that it is, None for one that lies elsewhere.
    """
    analysis = find(ANALYSES, command, kind="command")
    if command == "study" and "beyond" not in options:
        options["beyond"] = _beyond(analysis.REFERENCE_MODELS)
    if hasattr(analysis, "TAKES_VALUES") or hasattr(analysis, "reads_values"):
        options |= _opened(tables, analysis, options, live or (None,) * len(tables))
    if hasattr(analysis, "runs_models") and analysis.runs_models(options):
        from .running import openers

        options["runs"] = openers(tables, live or (None,) * len(tables))
    result: Report = analysis.report(analysis.analyze(tables, analysis.Options(**options)))
    return result


def _opened(
    tables: Sequence[ParameterTable], analysis: Any, options: Mapping[str, Any], live: Sequence[object]
) -> dict[str, Any]:
    """What gives the analysis values: files of weights, live models, or histograms where they do and are there.

    An analysis that `reads_values` takes them of the models that hold some, and goes without for the others.
    """
    answers = hasattr(analysis, "TAKES_HISTOGRAMS") and not any(options.get(name) for name in analysis.NEEDS_WEIGHTS)
    wanted = [
        not hasattr(analysis, "reads_values")
        or ((held is not None or table.source.holds_values) and analysis.reads_values(options, table.source))
        for table, held in zip(tables, live, strict=True)
    ]
    stored = tuple(
        open_histograms(table.source) if answers and asked else None
        for table, asked in zip(tables, wanted, strict=True)
    )
    opened = tuple(
        None if histograms is not None or not asked
        else open_live(held) if held is not None else open_values(table.name, table.source)
        for table, histograms, held, asked in zip(tables, stored, live, wanted, strict=True)
    )  # fmt: skip
    return {"opened": opened, "stored": stored} if answers else {"opened": opened}


def listed(command: str, words: Sequence[str], **chosen: Any) -> Report:
    """What a command says that is asked of no model: `models`, `architectures`, `fit`."""
    from .known import given

    analysis = find(ANALYSES, command, kind="command")
    options = analysis.Options(**{**chosen, "words": tuple(words)})
    if hasattr(analysis, "choose"):  # what it is asked of hangs on the options
        options = analysis.choose(options)
    result: Report = analysis.report(analysis.analyze(given(command, analysis, options), options))
    return result


def _beyond(names: Sequence[str]) -> tuple[tuple[ParameterTable, tuple[Disagreement, ...]], ...]:
    """Each of these models, and where the study's rule puts its parameters elsewhere."""
    inventories = [open_inventory(name) for name in names]
    tables = [(classify(inventory), classify(inventory, rule="study")) for inventory in inventories]
    return tuple((ours, disagreements(ours, theirs)) for ours, theirs in tables)


def render(shown: Report, view: str, out: TextIO, options: ViewOptions) -> None:
    """Write the report as `view` (of VIEWS) draws it."""
    find(VIEWS, view, kind="view")(shown, out, options)


def rendered(shown: Report, view: str) -> str:
    """The report as text in English: what `repr` prints, or an HTML fragment."""
    out = StringIO()
    if view == "fragment":
        from .views.html import fragment

        return fragment(shown, "en")
    render(shown, view, out, ViewOptions(lang="en", width=None if sys.stdout.isatty() else 200, color=False))
    return out.getvalue().rstrip("\n")
