"""Published models by name: their configurations, and the totals that others print for them."""

from __future__ import annotations

import json
import os
from functools import cache

from ..core.config import ModelConfig
from ..core.records import NamedTuple
from ..core.visible import visible
from ..errors import Sentence, SourceNotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_FILE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "presets", "models.jsonl")
_ID = '{"id": "'  # how each line of the file starts: a name is found without parsing 186 configurations


class Preset(NamedTuple):
    """A published model: `id` as on the hub, `facts` as presets/models.jsonl holds them (sources included)."""

    id: str
    facts: Mapping[str, Any]

    @property
    def short_name(self) -> str:
        """The id without its owner: `gpt2-xl`."""
        return self.id.rpartition("/")[2]

    @property
    def config(self) -> ModelConfig:
        """Its configuration."""
        return ModelConfig(self.facts["config"], f"preset {self.id}")


@cache
def _lines() -> tuple[str, ...]:
    with open(_FILE, encoding="utf-8") as file:
        return tuple(file)


def _id(line: str) -> str:
    return line[len(_ID) : line.index('"', len(_ID))]


def ids() -> tuple[str, ...]:
    """Every preset's id, in the file's order: by family, small to large."""
    return tuple(_id(line) for line in _lines())


def all_presets() -> tuple[Preset, ...]:
    """Every preset."""
    return tuple(Preset(_id(line), json.loads(line)) for line in _lines())


def lookup(name: str) -> Preset | None:
    """The preset with this id or short name (letter case ignored), None if there is none."""
    wanted = name.lower()
    for line in _lines():
        found = _id(line)
        if found.lower() == wanted or found.rpartition("/")[2].lower() == wanted:
            return Preset(found, json.loads(line))
    return None


def find(name: str) -> Preset:
    """The preset called `name`. Raises SourceNotFoundError that offers near names.

    >>> find("gpt2-xl").id
    'openai-community/gpt2-xl'
    """
    preset = lookup(name)
    if preset is None:
        from difflib import get_close_matches  # only on the way to an error

        known = [spelling for i in ids() for spelling in (i.rpartition("/")[2], i)]
        by_case = {spelling.lower(): spelling for spelling in known}
        near = [by_case[n] for n in get_close_matches(name.lower(), by_case, n=3, cutoff=0.6)]
        message = Sentence("no model, file or folder called '{name}'", name=visible(name, 100))
        hint = (
            Sentence("did you mean {near}?", near=", ".join(near))
            if near
            else Sentence("numel models lists the names; a path may also be given")
        )
        raise SourceNotFoundError(message, hint=hint)
    return preset
