"""The study of where a family's parameters live, as a document: numbers, figures, reasons, and an audit of the original."""

from __future__ import annotations

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
from . import breakdown, claims, describe, norms, scaling
from .derivation import Derived, derive

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence

    from ..core.parameters import ParameterTable
    from .four_sizes import Claim

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

    `command_line`: what was typed, so that the document can say how to repeat it.
    """

    beyond: tuple[tuple[ParameterTable, Sequence[Any]], ...] = ()
    command_line: str = ""


class Misplaced(NamedTuple):
    """What the study's rule gets wrong on a model.

    `numel`: attention, MLP, expert and norm parameters that it puts elsewhere or nowhere; `share`: of all of those;
    `norm_found`: the share of the norms that it finds; `examples`: the largest and the most telling names.
    """

    model: str
    numel: int
    share: float
    norm_found: float
    examples: tuple[str, ...]


class Study(NamedTuple):
    """All that the document says, as data."""

    tables: tuple[ParameterTable, ...]
    counts: tuple[Counts, ...]
    breakdown: breakdown.Breakdown
    scaling: scaling.Scaling | None
    norms: tuple[norms.ModelNorms, ...]
    derived: tuple[Derived, ...]
    claims: tuple[Claim, ...]
    beyond: tuple[Misplaced, ...]
    command_line: str


def add_options(parser: ArgumentParser) -> None:
    """The command's own options: none beyond where to write."""


def analyze(models: Sequence[ParameterTable], options: Options) -> Study:
    """Breakdown, trend, norms and audit of `models` together."""
    tables = tuple(models)
    beyond = tuple(misplaced(table, found) for table, found in options.beyond)
    trend = scaling.analyze(tables, scaling.Options()) if len(tables) > 1 else None
    return Study(
        tables,
        tuple(count(table) for table in tables),
        breakdown.analyze(tables, breakdown.Options()),
        trend,
        norms.analyze(tables, norms.Options()),
        derive(tables[0]) if tables else (),
        claims.audit(tables, beyond),
        beyond,
        options.command_line,
    )


# The components of the study's three kinds: experts do an MLP's work, linear attention an attention's.
_KINDS = (Component.ATTENTION, Component.LINEAR_ATTENTION, Component.MLP, Component.MOE, Component.NORM)


def misplaced(table: ParameterTable, found: Sequence[Any]) -> Misplaced:
    """What the study's rule makes of a model's attention, MLP and norm, from its disagreements with numel."""
    total = sum(row.numel for row in table.rows if row.component in _KINDS)
    norm = sum(row.numel for row in table.rows if row.component is Component.NORM)
    wrong = [d for d in found if d.kind != "no_rule"]
    wrong_norm = sum(d.numel for d in wrong if d.component is Component.NORM)
    largest = [d.template for d in wrong][:2]
    telling = [d.template for d in wrong if d.component is Component.NORM and d.template not in largest][:2]
    numel = sum(d.numel for d in wrong)
    return Misplaced(table.name, numel, numel / (total or 1), 1 - wrong_norm / (norm or 1), (*largest, *telling))


def report(result: Study) -> Report:
    """The document."""
    sections = (
        _question(result), _sizes(result), _shares(result), _reasons(result), _trend(result), _norms(result),
        *_audit(result), *_beyond(result), _limits(), _repeat(result),
    )  # fmt: skip
    title = Text("Where the parameters of {models} live", {"models": _models(result)})
    return Report(
        "study",
        title,
        tuple(section for section in sections if section.blocks),
        _data(result),
        describe.assumptions(result.tables),
        describe.warnings(result.tables),
    )


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
    return Section(
        Text("Where the parameters live"),
        (*blocks, stacked, _paragraph(
            "The whole bar is the model; norm is thinner than a line and stands as text."
        ), study_chart(result.breakdown), _paragraph(
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
    table, *rest = norms.report(result.norms).blocks
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


def _audit(result: Study) -> tuple[Section, ...]:
    if not result.claims:
        return ()
    columns = (
        Column("section", Text("section"), Unit.NAME),
        Column("claimed", Text("the original says"), Unit.NAME),
        Column("verdict", Text("verdict"), Unit.WORD),
        Column("true", Text("what is true"), Unit.NAME),
    )
    rows = tuple((c.section, c.claimed, c.verdict, c.true) for c in result.claims)
    lead = _paragraph("Each claim of the original study, with the section where it stands, beside the count.")
    return (Section(Text("Audit of the original study"), (lead, Table(Text(""), columns, rows, key="claims"))),)


def _beyond(result: Study) -> tuple[Section, ...]:
    if not result.beyond:
        return ()
    columns = (
        Column("model", Text("model"), Unit.NAME),
        Column("numel", Text("misplaced or left out"), Unit.COUNT),
        Column("share", Text("share"), Unit.SHARE),
        Column("norm_found", Text("norms found"), Unit.SHARE),
        Column("examples", Text("for example"), Unit.NAME),
    )
    rows = tuple((m.model, m.numel, m.share, m.norm_found, "  ".join(m.examples)) for m in result.beyond)
    lead = _paragraph(
        'The original sorts by substrings: "attn" or "attention", "mlp" or "fc", "ln". On GPT-2 that is right. Other '
        "architectures name their tensors differently; the share is of their attention, MLP, expert and norm parameters."
    )
    return (
        Section(Text("The rule of the original, beyond GPT-2"), (lead, Table(Text(""), columns, rows, key="beyond"))),
    )


def _limits() -> Section:
    """The original's own three limits, and what numel has for each today."""
    return Section(
        Text("Limits of the original, and what numel shows"),
        (
            Note(
                Text(
                    "It counts only and says nothing of the values. This document reads only shapes; numel values reads the "
                    "weights themselves: how each component is distributed, its outliers, its dead γ."
                )
            ),
            Note(
                Text(
                    "It draws no line to performance, and a share of the parameters is not a share of the work: the token "
                    "embedding is only looked up, while the tied output matrix multiplies every token. numel cost gives the "
                    "FLOPs, bytes and time of each component."
                )
            ),
            Note(
                Text(
                    "It stops at GPT-2. numel counts every architecture for which it has a blueprint (numel architectures "
                    "lists them), and every safetensors or GGUF file; numel scaling shows the trend of any family."
                )
            ),
        ),
    )


def _repeat(result: Study) -> Section:
    if not result.command_line:
        return Section(Text("To repeat this"), ())
    values = {"command": Value(result.command_line, Unit.FORMULA)}
    return Section(Text("To repeat this"), (Note(Text("{command}", values)),))


def _data(result: Study) -> dict[str, Any]:
    shown = breakdown.report(result.breakdown).data["models"]
    layer_norms = norms.report(result.norms).data["models"]
    models = [{**m, "norms": n["norms"], "sites": n["sites"]} for m, n in zip(shown, layer_norms, strict=True)]
    trend = scaling.report(result.scaling).data if result.scaling else {}
    return {
        "models": models,
        "growth": trend.get("growth"),
        "trends": trend.get("trends", []),
        "claims": [c._asdict() for c in result.claims],
        "beyond": [m._asdict() for m in result.beyond],
    }
