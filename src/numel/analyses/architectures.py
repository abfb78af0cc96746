"""Which architectures numel can count from a configuration alone, and which of their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.report import Column, Note, Report, Table, Text, Unit, Value

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence

TAKES_WORDS = True  # not models: what stands behind the command filters the list


class Options(NamedTuple):
    """`words`: all of them must occur in the model type or a class, letter case ignored."""

    words: tuple[str, ...] = ()


class Entry(NamedTuple):
    """A blueprint: its model type, the one that it extends ("" for none), its classes, and what it says of itself."""

    model_type: str
    extends: str
    classes: tuple[str, ...]
    about: str


def add_options(parser: ArgumentParser) -> None:
    """The command's own options: none."""


def analyze(entries: Sequence[Entry], options: Options) -> tuple[Entry, ...]:
    """The entries that match every word."""
    words = [word.lower() for word in options.words]
    return tuple(e for e in entries if all(w in f"{e.model_type} {' '.join(e.classes)}".lower() for w in words))


def report(result: tuple[Entry, ...]) -> Report:
    """One row per architecture."""
    columns = (
        Column("model_type", Text("model type"), Unit.NAME),
        Column("extends", Text("extends"), Unit.NAME),
        Column("classes", Text("classes"), Unit.NAME),
    )
    rows = tuple((e.model_type, Value(e.extends, Unit.NAME), ", ".join(e.classes)) for e in result)
    said = "{n} architectures, each checked against the classes of transformers 5.23 on random configurations"
    if len(result) == 1:
        said = "{n} architecture, checked against the classes of transformers 5.23 on random configurations"
    found = Note(Text(said, {"n": Value(len(result), Unit.COUNT)}))
    table = Table(Text(""), columns, rows, key="architectures")
    blocks = (table, found) if result else (Note(Text("no architecture has all of these words")),)
    data: dict[str, Any] = {"architectures": [e._asdict() for e in result]}
    return Report("architectures", Text("Architectures"), blocks, data, records=table)
