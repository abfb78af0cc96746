"""Which tensors of a model are asked for? Those whose name matches, and one line where there are none."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ..core.visible import visible
from ..errors import Sentence, UnsupportedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..core.parameters import Parameter


def matching(rows: Iterable[Parameter], match: str | None, *, model: str) -> list[Parameter]:
    """The rows whose tensor's name matches `match` (with * and ?), all where it is None.

    Raises UsageError where none does, and UnsupportedError where the model holds none.
    """
    found = [row for row in rows if not match or fnmatchcase(row.tensor.name, match)]
    if not found and not match:
        hint = Sentence("numel MODEL --by tensor lists what it holds")
        raise UnsupportedError(Sentence("holds no parameters"), path=visible(model, 100), hint=hint)
    if not found:
        message = Sentence("no parameter's name matches {glob}", glob=visible(match or "", 100))
        hint = Sentence("numel MODEL --by tensor lists them")
        raise UsageError(message, path=visible(model, 100), hint=hint)
    return found
