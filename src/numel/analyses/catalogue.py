"""Which published models numel knows by name, and what total each is published with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.report import Column, Note, Report, Table, Text, Unit, Value

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence


TAKES_WORDS = True  # not models: what stands behind the command filters the list


class Options(NamedTuple):
    """`words`: all of them must occur in the id, the model type or the class, letter case ignored."""

    words: tuple[str, ...] = ()


class Entry(NamedTuple):
    """A preset as the list shows it; `is_counted`: there is a blueprint for it."""

    id: str
    model_type: str
    architecture: str
    published_total: int | None
    agreement: str
    source: str
    is_counted: bool


def add_options(parser: ArgumentParser) -> None:
    """The command's own options: none."""


def analyze(entries: Sequence[Entry], options: Options) -> tuple[Entry, ...]:
    """The entries that match every word."""
    words = [word.lower() for word in options.words]
    return tuple(e for e in entries if all(w in f"{e.id} {e.model_type} {e.architecture}".lower() for w in words))


# What the total of numel is against the published one, by the code in presets/models.jsonl.
_AGAINST = {
    "exact": Text("the same"),
    "explained_delta": Text("the same, less what the file stores beside it"),
    "reuploads_only": Text("the same as in re-uploads"),
    "no_exact_published": Text("no exact total published"),
    "disagrees": Text("differs: the published one is wrong"),
}


def report(result: tuple[Entry, ...]) -> Report:
    """One row per model."""
    columns = (
        Column("id", Text("model"), Unit.NAME),
        Column("model_type", Text("model type"), Unit.NAME),
        Column("published_total", Text("published total"), Unit.COUNT),
        Column("agreement", Text("numel counts"), Unit.WORD),
    )
    rows = tuple(
        (e.id, e.model_type, e.published_total, _AGAINST[e.agreement] if e.is_counted else Text("no blueprint"))
        for e in result
    )
    said = "{n} models; the part behind the slash is enough as a name"
    if len(result) == 1:
        said = "{n} model; the part behind the slash is enough as a name"
    found = Note(Text(said, {"n": Value(len(result), Unit.COUNT)}))
    table = Table(Text(""), columns, rows, key="models")
    codes = tuple((e.id, e.model_type, e.published_total, e.agreement if e.is_counted else None) for e in result)
    data: dict[str, Any] = {"models": [e._asdict() for e in result]}
    blocks = (table, found) if result else (Note(Text("no model has all of these words")),)
    return Report("models", Text("Published models"), blocks, data, records=table._replace(rows=codes))
