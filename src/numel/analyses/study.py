"""The study of where a family's parameters live, as a document: numbers, figures, reasons, and an audit of the original."""

from __future__ import annotations

from argparse import BooleanOptionalAction
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.counts import Counts, count
from ..core.parameters import Component
from ..core.report import (
    Block,
    Chart,
    ChartKind,
    Column,
    Derivation,
    Formulas,
    Note,
    NoteKind,
    Report,
    Section,
    Table,
    Text,
    Unit,
    Value,
)  # fmt: skip
from ..errors import MissingValuesError
from . import breakdown, claims, describe, norms, scaling, study_audit, study_cost, study_limits
from .derivation import Derived, derive

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ..core.parameters import ParameterTable
    from ..core.tensors import Source
    from .four_sizes import Claim
    from .values import ModelValues

NEEDS_WEIGHTS = ()  # histograms answer everything
TAKES_HISTOGRAMS = True

# Models on which the study's rule is tried beyond GPT-2: one of each habit of naming.
REFERENCE_MODELS = (
    "google-bert/bert-base-uncased",
    "facebook/opt-125m",
    "meta-llama/Llama-3.2-1B",
    "Qwen/Qwen3-8B",
    "mistralai/Mixtral-8x22B-v0.1",
)


class Options(NamedTuple):
    """`beyond`: other models, each with where the study's rule differs from numel's (classify.disagreements).

    `command_line`: what was typed, so that the document can say how to repeat it. `values`: whether weights are read, None
    as far as they lie on this machine. `opened`, `stored` and `progress` come from the api, as for the values.
    """

    beyond: tuple[tuple[ParameterTable, Sequence[Any]], ...] = ()
    command_line: str = ""
    values: bool | None = None
    opened: tuple[Any, ...] = ()
    stored: tuple[Any, ...] = ()
    progress: Callable[[int, int], None] | None = None


class Study(NamedTuple):
    """All that the document says, as data."""

    tables: tuple[ParameterTable, ...]
    counts: tuple[Counts, ...]
    breakdown: breakdown.Breakdown
    scaling: scaling.Scaling | None
    norms: tuple[norms.ModelNorms, ...]
    derived: tuple[Derived, ...]
    claims: tuple[Claim, ...]
    beyond: tuple[study_audit.Misplaced, ...]
    costs: study_cost.Costed
    values: tuple[ModelValues, ...]
    command_line: str


def add_options(parser: ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument(
        "--values",
        action=BooleanOptionalAction,
        help="read the weights for the chapter on their values; else those that lie on this machine are read",
    )


def reads_values(options: Mapping[str, Any], source: Source) -> bool:
    """Whether the values of a source that holds some are read: of what lies far away only if it is wished."""
    wished = options.get("values")
    return "://" not in source.location if wished is None else bool(wished)


def analyze(models: Sequence[ParameterTable], options: Options) -> Study:
    """Breakdown, trend, norms and audit of `models` together."""
    tables = tuple(models)
    beyond = tuple(study_audit.misplaced(table, found) for table, found in options.beyond)
    trend = scaling.analyze(tables, scaling.Options()) if len(tables) > 1 else None
    return Study(
        tables,
        tuple(count(table) for table in tables),
        breakdown.analyze(tables, breakdown.Options()),
        trend,
        norms.analyze(tables, norms.Options(opened=options.opened, stored=options.stored)),
        derive(tables[0]) if tables else (),
        claims.audit(tables, beyond),
        beyond,
        study_cost.costed(tables),
        _read(tables, options),
        options.command_line,
    )


def _read(tables: Sequence[ParameterTable], options: Options) -> tuple[ModelValues, ...]:
    """The values of the models that hold some."""
    nothing = (None,) * len(tables)
    ways = zip(tables, options.opened or nothing, options.stored or nothing, strict=True)
    given = [(table, opened, stored) for table, opened, stored in ways if (opened or stored) and table.rows]
    if not given:
        return ()
    from .study_values import read  # what counts values, for models that hold some

    found: list[ModelValues] = []
    for each in given:
        try:
            found += read([each], options.progress)
        except MissingValuesError:  # a module on the meta device
            continue
    return tuple(found)


def report(result: Study) -> Report:
    """The document."""
    sections = (
        _question(result), _sizes(result), _shares(result), _reasons(result), _trend(result), _norms(result),
        _values(result), study_cost.section(result.costs), *study_audit.audit(result.claims),
        *study_audit.beyond(result.beyond),
        study_limits.section(
            [model.table.name for model in result.values], [each.estimate.table.name for each in result.costs.costs]
        ),
        _repeat(result),
    )  # fmt: skip
    title = Text("Where the parameters of {models} live", {"models": _models(result)})
    of_values, odd = _said_of_values(result)
    return Report(
        "study",
        title,
        tuple(section for section in sections if section.blocks),
        _data(result),
        (
            *describe.assumptions(result.tables),
            *norms.assumptions(result.norms),
            *of_values,
            *study_cost.conventions(result.costs),
        ),
        (*describe.warnings(result.tables), *odd),
    )


def _said_of_values(result: Study) -> tuple[tuple[Text, ...], tuple[Text, ...]]:
    """How values were counted, and which were not."""
    if not result.values:
        return (), ()
    from . import study_values

    return study_values.conventions(result.values), study_values.warnings(result.values)


def _models(result: Study) -> Value:
    return Value(", ".join(table.name for table in result.tables), Unit.NAME)


def _paragraph(template: str, values: dict[str, Value | Text] | None = None) -> Note:
    return Note(Text(template, values or {}), NoteKind.PARAGRAPH)


def _question(result: Study) -> Section:
    return Section(
        Text("Question and method"),
        (
            Note(
                Text(
                    "A Transformer is usually described by one number, its parameters. This document asks where they live: "
                    "in which component, and how that changes as a family of models grows."
                )
            ),
            Note(
                Text(
                    "Every tensor of {models} was listed with its name and shape, its elements were counted (the product of "
                    "the shape), and it was assigned to one component. Shares are of the "
                    "whole model, so they add up to 100 percent.",
                    {"models": _models(result)},
                )
            ),
        ),
    )


_FIELDS = ("n_layer", "n_embd", "n_head", "num_hidden_layers", "hidden_size", "intermediate_size", "num_attention_heads",
           "num_key_value_heads", "vocab_size", "n_positions")  # fmt: skip


def _sizes(result: Study) -> Section:
    fields = [f for f in _FIELDS if any(f in table.hyperparameters for table in result.tables)]
    columns = (
        Column("model", Text("model"), Unit.NAME),
        *(Column(f, Text("{name}", {"name": Value(f, Unit.NAME)}), Unit.INDEX) for f in fields),
        Column("total", Text("parameters"), Unit.COUNT),
        Column("non_embedding", Text("without embeddings"), Unit.COUNT),
    )
    rows = tuple(
        (t.name, *(t.hyperparameters.get(f) for f in fields), c.total, c.non_embedding)
        for t, c in zip(result.tables, result.counts, strict=True)
    )
    table = Table(Text(""), columns, rows, key="sizes")
    return Section(Text("The models"), (table,))


def _shares(result: Study) -> Section:
    blocks = tuple(
        block for block in breakdown.report(result.breakdown).blocks if isinstance(block, Table)
    )  # the summary lines of single models stand in the chapter before
    stacked = breakdown.share_chart(result.breakdown)
    beside = [_paragraph("The whole bar is the model; norm is thinner than a line and stands as text.")]
    beside = beside if len(result.tables) > 1 else []  # of one model the table has the bars
    return Section(
        Text("Where the parameters live"),
        (*blocks, stacked, *beside, study_chart(result.breakdown), _paragraph(
            "The original's own figure: attention and MLP in percent. The rest of each model has no bar in it."
        )),
    )  # fmt: skip


def study_chart(result: breakdown.Breakdown) -> Chart:
    """The original's grouped bars: attention and MLP per model, in percent of the whole."""
    full = breakdown.share_chart(result, ChartKind.GROUPED)
    two = tuple(s for s in full.series if s.key in ("attention", "mlp"))
    return full._replace(key="attention-mlp", title=Text("Attention against MLP"), series=two)


def _reasons(result: Study) -> Section:
    if not result.derived:
        return Section(Text("Why"), ())
    lines = tuple(
        Derivation(Text("{what}", {"what": Value(d.component.value, Unit.WORD)}), d.symbols, d.numbers, d.numel)
        for d in result.derived
    )
    title = Text("{model}, term by term", {"model": Value(result.tables[0].name, Unit.NAME)})
    blocks: list[Block] = [
        _paragraph(
            "The shapes follow from the configuration. A term is one matrix or vector; a factor in front of a bracket is how "
            "often it occurs."
        ),
        Formulas(title, lines),
    ]
    if _is_plain_gpt2(result.tables):
        ratio = {c.component: c.numel for c in result.derived}
        blocks.append(
            Note(
                Text(
                    "With d for the width, attention has 4·d² + 4·d parameters in each layer (three matrices for query, key "
                    "and value, one for the output) and the MLP 8·d² + 5·d (one matrix that widens to 4·d, one that narrows "
                    "back). Their ratio is (8·d + 5) / (4·d + 4) = 2 − 3 / (4·d + 4): just below 2, {ratio} here, and closer "
                    "to 2 the wider the model.",
                    {"ratio": Value(ratio[Component.MLP] / ratio[Component.ATTENTION], Unit.RATIO)},
                )
            )
        )
    return Section(Text("Why: the architecture"), tuple(blocks))


def _is_plain_gpt2(tables: Sequence[ParameterTable]) -> bool:
    return all(
        t.model_type == "gpt2" and t.hyperparameters.get("n_inner") == 4 * t.hyperparameters.get("n_embd", 0)
        for t in tables
    )


def _trend(result: Study) -> Section:
    if result.scaling is None:
        return Section(Text("How the shares move with size"), ())
    blocks = scaling.report(result.scaling).blocks
    lead = _paragraph(
        "A component whose count grows faster than the model gains share. Which field of the configuration it grows with "
        "decides: matrices between two widths grow with the square of the width and with the layers, the embedding only "
        "with the width as long as the vocabulary stays."
    )
    return Section(Text("How the shares move with size"), (lead, *blocks))


def _norms(result: Study) -> Section:
    table, *rest = norms.counted(result.norms)
    verdicts = tuple(block for block in rest if isinstance(block, Note))
    if all(n.n_beta for n in result.norms):
        lead = _paragraph(
            "A layer normalisation has a scale γ (its weight) and a shift β (its bias) for each dimension: "
            "y = γ · (x − μ) / √(σ² + ε) + β."
        )
    else:
        lead = _paragraph(
            "A normalisation has a scale γ (its weight) for each dimension, and may have a shift β (its bias)."
        )
    return Section(Text("Layer normalisation"), (lead, table, *verdicts))


def _values(result: Study) -> Section:
    """The weights themselves, of the models that hold some; of the others one sentence."""
    title = Text("How the values are distributed")
    known = {id(model.table): model for model in result.values}
    blocks: list[Block] = []
    if known:
        from . import study_values

        blocks.append(study_values.opening())
        of_norms = [(known[id(each.table)], each) for each in result.norms if id(each.table) in known]
        blocks += [b for k, (model, each) in enumerate(of_norms) for b in study_values.blocks(model, each, number=k)]
    return Section(title, (*blocks, *_without_values(result, known)))


def _without_values(result: Study, known: Mapping[int, object]) -> Iterator[Note]:
    """Which models hold no values or were not asked for them, and how they would stand here."""
    others = [table for table in result.tables if id(table) not in known]
    held = [table.name for table in others if table.source.holds_values]
    bare = [table.name for table in others if not table.source.holds_values]
    if held:
        yield Note(
            Text(
                "The weights of {models} were not read; --values reads them.",
                {"models": Value(", ".join(held), Unit.NAME)},
            )
        )
    if bare:
        yield Note(
            Text(
                "Of {models} only names and shapes are known: a name or a configuration holds no values. A folder, a "
                "safetensors or GGUF file, histograms (model.numel) or a live module in its place, as in numel study ./model/, "
                "fills this chapter.",
                {"models": Value(", ".join(bare), Unit.NAME)},
            )
        )


def _repeat(result: Study) -> Section:
    if not result.command_line:
        return Section(Text("To repeat this"), ())
    values = {"command": Value(result.command_line, Unit.FORMULA)}
    return Section(Text("To repeat this"), (Note(Text("{command}", values)),))


def _data(result: Study) -> dict[str, Any]:
    shown = breakdown.report(result.breakdown).data["models"]
    layer_norms = norms.report(result.norms).data["models"]
    keys = ("norms", "sites", "values")
    models = [{**m, **{key: n[key] for key in keys}} for m, n in zip(shown, layer_norms, strict=True)]
    trend = scaling.report(result.scaling).data if result.scaling else {}
    return {
        "models": models,
        "growth": trend.get("growth"),
        "trends": trend.get("trends", []),
        "claims": [c._asdict() for c in result.claims],
        "beyond": [m._asdict() for m in result.beyond],
        "costs": study_cost.data(result.costs),
        "distributions": _distributions(result),
    }


def _distributions(result: Study) -> list[dict[str, Any]]:
    if not result.values:
        return []
    from . import study_values

    return [{"name": model.table.name, **study_values.data(model)} for model in result.values]
