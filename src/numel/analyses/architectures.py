"""Which architectures can numel count, which of their classes, and how was each verified?"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.report import Block, Column, Note, Report, Table, Text, Unit, Value

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence

TAKES_WORDS = True  # not models: what stands behind the command filters the list


class Options(NamedTuple):
    """`words`: all of them must occur in the model type, a class, a task or the state, letter case ignored."""

    words: tuple[str, ...] = ()


class Entry(NamedTuple):
    """A model type: the one that its blueprint extends ("" for none), the blueprint's classes, its own remark.

    `state`, `tasks`, `n_compared` and `left_out` are those of blueprints.verified; `n_published`: how many presets of
    this type come out at their published total.
    """

    model_type: str
    extends: str
    classes: tuple[str, ...]
    about: str
    state: str = "exact"
    tasks: tuple[str, ...] = ()
    n_compared: int = 0
    left_out: tuple[str, ...] = ()
    n_published: int = 0


def add_options(parser: ArgumentParser) -> None:
    """The command's own options: none."""


def analyze(entries: Sequence[Entry], options: Options) -> tuple[Entry, ...]:
    """The entries that match every word."""
    words = [word.lower() for word in options.words]
    return tuple(
        e
        for e in entries
        if all(w in f"{e.model_type} {' '.join(e.classes)} {' '.join(e.tasks)} {e.state}".lower() for w in words)
    )


def report(result: tuple[Entry, ...]) -> Report:
    """One row per architecture, how many there are of each state, and what the states mean."""
    columns = (
        Column("model_type", Text("model type"), Unit.NAME),
        Column("state", Text("verified"), Unit.WORD),
        Column("n_compared", Text("comparisons"), Unit.COUNT),
        Column("n_published", Text("published totals met"), Unit.COUNT),
        Column("extends", Text("extends"), Unit.NAME),
        Column("classes", Text("classes"), Unit.NAME),
    )
    rows = tuple(
        (
            e.model_type, e.state, e.n_compared or None, e.n_published or None, Value(e.extends, Unit.NAME),
            Value(", ".join(e.classes), Unit.NAME),
        )
        for e in result
    )  # fmt: skip
    table = Table(Text(""), columns, rows, key="architectures")
    blocks: tuple[Block, ...] = (table, *_states(result))
    if not result:
        blocks = (Note(Text("no architecture has all of these words")),)
    data: dict[str, Any] = {"architectures": [e._asdict() for e in result]}
    return Report("architectures", Text("Architectures"), blocks, data, _assumptions() if result else (), records=table)


def _states(result: tuple[Entry, ...]) -> tuple[Note, ...]:
    counted = Counter(e.state for e in result).most_common()
    text = Text("{n} {state}")
    return tuple(
        Note(text._replace(values={"n": Value(n, Unit.COUNT), "state": Value(s, Unit.WORD)})) for s, n in counted
    )


def _assumptions() -> tuple[Text, ...]:
    return (
        Text(
            "exact: names, shapes, ties and buffers are those of transformers' classes, in memory and by the names of "
            "checkpoints, in each comparison: a class at its default configuration, with a switch flipped, or at random"
        ),
        Text(
            "inside others: a part that transformers builds inside another model only; fallback: no blueprint, so "
            "transformers builds it where it is installed"
        ),
        Text(
            "outside transformers: a class of the publisher's own code, which numel never runs; its names are those of the "
            "published checkpoints, its totals those of the published models"
        ),
    )
