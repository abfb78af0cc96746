"""Name → plug-in, imported when it is used and not before; an unknown name gets near ones offered."""

from __future__ import annotations

from importlib import import_module

from .core.records import NamedTuple
from .core.visible import visible
from .errors import Sentence, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


class Plugin(NamedTuple):
    """Where a plug-in lives ("module:attribute", or a module alone) and one line on what it does."""

    target: str
    help: str = ""

    def load(self) -> Any:
        """The plug-in itself; its heavy imports happen here."""
        module, _, attribute = self.target.partition(":")
        loaded = import_module(module)
        return getattr(loaded, attribute) if attribute else loaded


_MANY = 100  # names, whose first eight nobody would want to read


def find(registry: Mapping[str, Plugin], name: str, *, kind: str) -> Any:
    """The plug-in called `name`, loaded. Raises UsageError that offers near names."""
    if name not in registry:
        message = Sentence("no {kind} called '{name}'", kind=kind, name=visible(name, 60))
        raise UsageError(message, hint=near_hint(name, registry))
    return registry[name].load()


def near_hint(name: str, known: Iterable[str]) -> str:
    """What to say of an unknown name: `did you mean a, b?`, or the start of what there is."""
    from difflib import get_close_matches  # only on the way to an error

    names = list(known)
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return Sentence("did you mean {near}?", near=", ".join(near))
    if not names:
        return Sentence("there is none")
    if len(names) > _MANY:  # the first of so many say nothing
        return Sentence("there are {n} others.", n=str(len(names)))
    return Sentence("there is {names}", names=", ".join(names[:8]) + (", …" if len(names) > 8 else ""))
