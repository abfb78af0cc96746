"""Published models by name: their configurations, and the totals that others print for them."""

from __future__ import annotations

import json
import os
from functools import cache

from ..core.config import ModelConfig
from ..core.holdings import Published
from ..core.records import NamedTuple
from ..core.visible import visible
from ..errors import Sentence, SourceNotFoundError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_FILE = os.path.join(os.path.dirname(os.path.dirname(__file__)), "presets", "models.jsonl")
# Fields that tell no model from another; of the last the infinity is not read.
_SAYS_NOTHING = frozenset({"transformers_version", "_name_or_path", "torch_dtype", "dtype", "time_step_limit"})
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

    @property
    def published(self) -> Published | None:
        """What is known of the checkpoint that it was published as."""
        numel = self.facts.get("hub_safetensors_total")
        return Published(self.id, numel, self.facts["source"]) if isinstance(numel, int) else None


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


def published_with(config: ModelConfig, total: int) -> tuple[Published, ...]:
    """The checkpoints that were published with `config`: of `total` parameters, and nothing that both state differs."""
    mark = f'"total_params": {total},'
    near = [Preset(_id(line), json.loads(line)) for line in _lines() if mark in line]
    alike = [preset for preset in near if preset.config.model_type == config.model_type]
    return tuple(p.published for p in alike if p.published and _agree(config.fields, p.facts["config"]))


def _agree(given: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    return all(given[name] == known[name] for name in (given.keys() & known.keys()) - _SAYS_NOTHING)


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
