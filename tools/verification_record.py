"""Brings the record of what was compared with transformers up to date; `numel.blueprints.verified` reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import transformers
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING_NAMES

from numel.blueprints.library import model_types
from numel.blueprints.verified import RECORD, Verification, digest, verifications
from transformers_reference import knows
from variant_rules import LEFT_OUT, NO_HUB_FORM

if TYPE_CHECKING:
    from collections.abc import Callable

# The tasks whose model types the record goes through: what to call each, and transformers' mapping for it.
TASKS = {
    "causal-lm": "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
    "masked-lm": "MODEL_FOR_MASKED_LM_MAPPING_NAMES",
    "seq2seq-lm": "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES",
    "image-text-to-text": "MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES",
    "image-classification": "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
}


def tasks() -> dict[str, dict[str, str]]:
    """Model type → task → class, as this release of transformers has them."""
    found: dict[str, dict[str, str]] = {}
    for task, mapping in TASKS.items():
        for model_type, cls in getattr(modeling_auto, mapping).items():
            found.setdefault(model_type, {})[task] = cls if isinstance(cls, str) else cls[0]
    return found


def wanted() -> set[str]:
    """What the record names: all that has a blueprint, and all that transformers builds as a model, parts left out."""
    mappings = [getattr(modeling_auto, name) for name in dir(modeling_auto) if name.startswith("MODEL_")]
    built = {name for mapping in mappings for name in mapping if name in CONFIG_MAPPING_NAMES}
    return {*model_types(), *tasks(), *built}


def stale() -> list[str]:
    """The model types whose blueprint is not in the record, or stands there as another text."""
    known = verifications() if Path(RECORD).exists() else {}
    return [name for name in model_types() if name not in known or known[name].digest != digest(name)]


def update(verify: Callable[[str], tuple[list[str], int, int]]) -> list[str]:
    """Compare what is stale and write the record anew; the model types that were compared.

    `verify(model_type)` says which classes were compared, on how many configurations, and how many differences there are.
    """
    known = verifications() if Path(RECORD).exists() else {}
    compared = stale()
    in_tasks = tasks()
    rows = {name: known.get(name, Verification(name)) for name in sorted(wanted())}
    for name in compared:
        rows[name] = _compared(name, verify)
        _write({**known, **rows}, in_tasks)  # an interrupted run keeps what it has done
    _write(rows, in_tasks)
    return compared


def _compared(name: str, verify: Callable[[str], tuple[list[str], int, int]]) -> Verification:
    if not knows(name):
        return Verification(name, digest=digest(name))
    classes, n_configurations, n_differences = verify(name)
    return Verification(
        name, {}, digest(name), transformers.__version__, tuple(classes), n_configurations, n_differences,
        name not in NO_HUB_FORM, tuple(sorted(LEFT_OUT.get(name, ()))),
    )  # fmt: skip


def _write(rows: dict[str, Verification], in_tasks: dict[str, dict[str, str]]) -> None:
    lines = [json.dumps(rows[name]._replace(tasks=in_tasks.get(name, {}))._asdict()) for name in sorted(rows)]
    Path(RECORD).write_text("\n".join(lines) + "\n", encoding="utf-8")
