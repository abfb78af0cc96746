"""How was each architecture compared with transformers? The record that `tools/verify_blueprints.py --table` keeps."""

from __future__ import annotations

import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from .language import parent_of
from .library import has_blueprint, load, source_text

if TYPE_CHECKING:
    from collections.abc import Mapping

RECORD = os.path.join(os.path.dirname(__file__), "verified.jsonl")


class Verification(NamedTuple):
    """What is known of one model type.

    `tasks`: task → its class in transformers' mapping for that task. `digest`: of the blueprint's text as it was
    compared, "" where there is none. `configurations`: how many were compared, over all `classes`, each as the
    configuration is given and as transformers saves it, in memory and (`hub_compared`) by the hub's names.
    `left_out`: classes that the blueprint does not describe.
    """

    model_type: str
    tasks: Mapping[str, str] = {}
    digest: str = ""
    transformers: str = ""
    classes: tuple[str, ...] = ()
    configurations: int = 0
    differences: int = 0
    hub_compared: bool = True
    left_out: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """exact · exact in memory · differs · inside others · outside transformers · changed since · fallback."""
        if not has_blueprint(self.model_type):
            return "fallback"
        if self.digest and not self.transformers:
            return "outside transformers" if self.digest == digest(self.model_type) else "changed since"
        if not self.digest or not self.configurations:
            return "inside others"
        if self.digest != digest(self.model_type):
            return "changed since"
        if self.differences:
            return "differs"
        return "exact" if self.hub_compared else "exact in memory"


def verifications() -> dict[str, Verification]:
    """The record by model type, in alphabetical order: all that have a blueprint, and all in the tasks' mappings.

    >>> gpt2 = verifications()["gpt2"]
    >>> gpt2.tasks["causal-lm"], gpt2.differences
    ('GPT2LMHeadModel', 0)
    """
    with open(RECORD, encoding="utf-8") as file:
        rows: list[dict[str, Any]] = [json.loads(line) for line in file]
    return {row["model_type"]: Verification(**row) for row in rows}


def digest(model_type: str) -> str:
    """A digest of the blueprint's text and of all others that it extends or includes.

    >>> digest("gpt2") == digest("gpt2") != digest("llama")
    True
    """
    texts = [source_text(name) for name in sorted(_needed(model_type))]
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


def _needed(model_type: str) -> set[str]:
    waiting, seen = [model_type], set[str]()
    while waiting:
        name = waiting.pop()
        if name in seen or not has_blueprint(name):
            continue
        seen.add(name)
        parent = parent_of(source_text(name))
        waiting += [parent] if parent else []
        waiting += [rule.sub.model_type for rule in load(name).rules if rule.sub]
    return seen
