"""Which configurations of a family have about so many parameters?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.counts import Counts, count
from ..core.report import Block, Column, Note, NoteKind, Report, Table, Text, Unit, Value
from ..errors import Sentence, UsageError
from .shapes import ASPECTS, Candidate, Family, Shape, parse_count, search

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable, Mapping, Sequence

    from ..core.parameters import ParameterTable

__all__ = ["Family", "Options", "Template"]

TAKES_WORDS = True  # not models: a word behind the command is the family, as --like
ABOUT_WORDS = "the family: the same as --like"


class Options(NamedTuple):
    """`like`: a published model, an architecture or a config.json. `aspect`: width by depth; None for any usual one."""

    words: Sequence[str] = ()
    params: str = ""
    like: str = ""
    vocab: int | None = None
    aspect: float | None = None
    heads: int | None = None
    top: int = 10


class Template(NamedTuple):
    """The family, and the table of any of its configurations."""

    family: Family
    table: Callable[[Mapping[str, Any]], ParameterTable]


class Fit(NamedTuple):
    """The candidates, nearest first, each with its counts."""

    family: Family
    budget: int
    candidates: tuple[tuple[Candidate, Counts], ...]
    options: Options


def add_options(parser: ArgumentParser) -> None:
    """The command's own options."""
    parser.add_argument("--params", required=True, metavar="N", help="how many parameters: 1.5B, 350M, 124439808")
    parser.add_argument(
        "--like", default="", metavar="MODEL", help="the family: a model, an architecture, a config.json"
    )
    parser.add_argument("--vocab", type=int, metavar="N", help="size of the vocabulary, if another than the family's")
    parser.add_argument("--aspect", type=float, metavar="RATIO", help="width by number of layers, about")
    parser.add_argument("--heads", type=int, metavar="N", help="number of attention heads; else heads keep their width")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="how many configurations to show")


def choose(options: Options) -> Options:
    """The options with the family that they name, by --like or by a word. Raises UsageError."""
    named = [*([options.like] if options.like else []), *options.words]
    if len(named) != 1:
        message = (
            Sentence("fit varies one family, and here are {n}", n=len(named))
            if named
            else Sentence("fit needs a family to vary")
        )
        raise UsageError(message, hint=Sentence("for example: numel fit --params 1.5B --like gpt2"))
    for name, value in (
        ("vocab", options.vocab),
        ("aspect", options.aspect),
        ("heads", options.heads),
        ("top", options.top),
    ):
        if value is not None and not 0 < value <= 10**7:  # NaN is refused too
            message = Sentence(
                "--{name} {value}: must be more than 0 and at most 10,000,000", name=name, value=str(value)
            )
            raise UsageError(message)
    parse_count(options.params)
    return options._replace(like=named[0], words=())


def analyze(template: Template, options: Options) -> Fit:
    """The configurations nearest to the budget. Raises UsageError where there is none."""
    family, budget = template.family, parse_count(options.params)
    shape = Shape(family, n_heads=options.heads, vocab_size=options.vocab)
    found = search(shape, budget, aspect=options.aspect, n=min(options.top, 200))
    counted = tuple((candidate, count(template.table(candidate.fields))) for candidate in found)
    return Fit(family, budget, counted, options)


def report(result: Fit) -> Report:
    """One row per configuration."""
    names = tuple(dict.fromkeys(name for candidate, _ in result.candidates for name in candidate.changed))
    columns = (
        *(Column(name, Text("{name}", {"name": Value(name, Unit.NAME)}), Unit.INDEX) for name in names),
        Column("total", Text("parameters"), Unit.COUNT),
        Column("deviation", Text("deviation"), Unit.SHARE),
        Column("aspect", Text("width by depth"), Unit.RATIO),
        Column("non_embedding", Text("without embeddings"), Unit.SHORT_COUNT),
    )
    rows = tuple(
        (*(c.changed.get(name) for name in names), c.total, _deviation(c, result), c.aspect, counts.non_embedding)
        for c, counts in result.candidates
    )
    blocks: tuple[Block, ...] = (_head(result), Table(Text(""), columns, rows, key="candidates"))
    data = {
        "budget": result.budget,
        "like": result.family.name,
        "candidates": [
            {
                "config": c.fields, "fields": c.changed, "counts": dict(counts._asdict()),
                "deviation": _deviation(c, result), "aspect": c.aspect,
            }
            for c, counts in result.candidates
        ],
    }  # fmt: skip
    return Report("fit", Text("Configurations for a number of parameters"), blocks, data, _assumptions(result))


def _deviation(candidate: Candidate, result: Fit) -> float:
    return candidate.total / result.budget - 1


def _head(result: Fit) -> Note:
    values = {
        "n": Value(len(result.candidates), Unit.COUNT),
        "model": Value(result.family.name, Unit.NAME),
        "budget": Value(result.budget, Unit.COUNT),
    }
    return Note(Text("{n} configurations like {model}, nearest to {budget} parameters first", values), NoteKind.SUMMARY)


def _assumptions(result: Fit) -> tuple[Text, ...]:
    low, high = (Value(int(bound), Unit.COUNT) for bound in ASPECTS)
    if result.options.aspect is None:
        said = Text(
            "width by depth from {low} to {high}, where published models lie; Kaplan et al. (2020) find the loss to "
            "depend little on it",
            {"low": low, "high": high},
        )
    else:
        said = Text("width by depth within 10 % of {aspect}", {"aspect": Value(result.options.aspect, Unit.RATIO)})
    heads = Text("kept from the family: how wide a head is, and how many query heads share a key head")
    if result.options.heads is not None:
        heads = Text("the number of attention heads is that of --heads, whatever their width")
    return (
        Text("each total is counted from the configuration itself, as numel counts its config.json"),
        Text(
            "kept from the family: the MLP's width by the model's, the number of experts, whether the output matrix is "
            "tied"
        ),
        heads,
        said,
    )
