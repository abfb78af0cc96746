"""How does a long scan survive? Its histograms go into a file, and what is counted into a journal beside it until that is whole."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from ..core.visible import visible_path
from ..errors import Sentence, StoppedError
from .artefact import Saving
from .journal import LineJournal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.parameters import ParameterTable

_MAX_SHOWN = 120


class Keeping(NamedTuple):
    """Where finished tensors and finished jobs go."""

    saving: Saving
    journal: LineJournal


@contextmanager
def keeping(path: str, table: ParameterTable) -> Iterator[Keeping]:
    """The file of histograms at `path` and its journal. Raises StoppedError that says how to go on after Ctrl-C."""
    journal = LineJournal(path + ".journal")
    try:
        with Saving(path, table) as saving:
            yield Keeping(saving, journal)
        journal.close(remove=True)
    except KeyboardInterrupt as error:
        if not journal.holds_something():
            raise
        message = Sentence("stopped; what is counted so far is kept")
        hint = Sentence("the same command goes on from there")
        raise StoppedError(message, path=visible_path(journal.path, _MAX_SHOWN), hint=hint) from error
    finally:
        journal.close()
