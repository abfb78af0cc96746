"""What transformers makes of a configuration that has no blueprint: its own class, built without weights.

The module stands on torch's meta device, where a tensor has a shape and no memory. Nothing is downloaded, and code
that a configuration points to (`auto_map`, trust_remote_code) is never run: only classes of the installed transformers.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
import transformers
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from ..core.config import ModelConfig
from ..core.tensors import Source
from ..core.visible import visible
from ..errors import ConfigError, Sentence, UnsupportedError, UsageError
from .module import read

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ..core.tensors import Inventory

# Where a config names no class: the first of these tasks that transformers has one for, else the bare model.
_TASKS = (
    "CAUSAL_LM", "SEQ_TO_SEQ_CAUSAL_LM", "MASKED_LM", "IMAGE_TEXT_TO_TEXT", "IMAGE_CLASSIFICATION", "SPEECH_SEQ_2_SEQ",
    "PRETRAINING",
)  # fmt: skip
_REPEATS = re.compile(r"(?:layers?|blocks|experts?)$")
_MOST_REPEATS = 10_000  # a module takes time for each of them, and no model has as many


def knows(model_type: str) -> bool:
    """Whether the installed transformers has an architecture of that name."""
    return model_type in CONFIG_MAPPING


def _has(fields: Mapping[str, Any], field: str) -> bool:
    """Whether a configuration has a field; a dot leads into one inside."""
    outer, dot, inner = field.partition(".")
    below = fields.get(outer)
    return _has(below, inner) if dot and isinstance(below, dict) else field in fields


def build(config: ModelConfig, *, name: str, overrides: Mapping[str, Any]) -> Inventory:
    """The tensors of the class that `config` names, under the names that they have in memory; a warning says so.

    Raises ConfigError or UnsupportedError where transformers refuses the configuration, UsageError for an override of a
    field that it does not have.
    """
    fields = config.changed(overrides).fields
    model_type = str(config.model_type)
    check_repeats(fields, config.path)
    with quietly_offline():
        try:
            made = CONFIG_MAPPING[model_type].from_dict(dict(fields))
            known = CONFIG_MAPPING[model_type].from_dict(dict(config.fields)).to_dict()
            cls = class_of(model_type, config.architecture)
            with torch.device("meta"):
                module = cls._from_config(made)
        except Exception as error:  # whatever a class raises at numbers that it cannot use
            message = Sentence(
                "transformers {version} builds no {model_type} from this config: {why}",
                version=transformers.__version__, model_type=model_type, why=visible(" ".join(str(error).split()), 160),
            )  # fmt: skip
            raise UnsupportedError(message, path=config.path) from error
    for field in overrides:
        if (
            not _has(known, field)
            and field not in made.attribute_map
            and field not in ("architectures", "dtype", "torch_dtype")
        ):
            message = Sentence(
                "{field} is not a field of {model_type}", field=visible(field, 100), model_type=model_type
            )
            raise UsageError(message)
    said = Sentence(
        "there is no blueprint for {model_type}: built by transformers {version} on the meta device as {cls}, with the "
        "names that it has in memory",
        model_type=model_type, version=transformers.__version__, cls=cls.__name__,
    )  # fmt: skip
    asked = config.architecture
    others = () if asked in (None, cls.__name__) else (_other_class(str(asked), cls.__name__),)
    return read(module)._replace(
        name=name,
        source=Source("module", "transformers", config.path or ""),
        config=ModelConfig({**made.to_dict(), **fields}, config.path),
        warnings=(said, *others),
    )


def _other_class(asked: str, cls: str) -> Sentence:
    return Sentence("transformers has no class {asked} for it: counted as {cls}", asked=visible(asked, 80), cls=cls)


def class_of(model_type: str, asked: str | None) -> Any:
    """The class that is asked for, if transformers has it for this model type; else the usual one."""
    wanted = CONFIG_MAPPING[model_type]
    found = getattr(transformers, asked, None) if asked and asked.isidentifier() else None
    if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel) and found.config_class is wanted:
        return found
    others = sorted(name for name in dir(modeling_auto) if name.endswith("_MAPPING_NAMES"))
    for mapping in (*(f"MODEL_FOR_{task}_MAPPING_NAMES" for task in _TASKS), "MODEL_MAPPING_NAMES", *others):
        usual = getattr(modeling_auto, mapping, {}).get(model_type)
        if usual:
            return getattr(transformers, usual if isinstance(usual, str) else usual[0])
    message = "no class of its own"
    raise LookupError(message)


def check_repeats(fields: Mapping[str, Any], path: str | None) -> None:
    """Raises ConfigError for more layers or experts than any model has."""
    for field, value in fields.items():
        if isinstance(value, dict):
            check_repeats(value, path)
        elif type(value) is int and _REPEATS.search(field) and not 0 <= value <= _MOST_REPEATS:
            message = Sentence(
                "{field} = {value}: must be at most {most}", field=field, value=value, most=_MOST_REPEATS
            )
            raise ConfigError(message, path=path, field=field)


@contextmanager
def quietly_offline() -> Iterator[None]:
    """No network, no log lines and no warnings meanwhile, whatever a class would fetch or say."""
    import huggingface_hub.constants as hub

    before = os.environ.get("HF_HUB_OFFLINE"), hub.HF_HUB_OFFLINE, logging.root.manager.disable
    os.environ["HF_HUB_OFFLINE"], hub.HF_HUB_OFFLINE = "1", True
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        hub.HF_HUB_OFFLINE = before[1]
        logging.disable(before[2])
        if before[0] is None:
            del os.environ["HF_HUB_OFFLINE"]
        else:
            os.environ["HF_HUB_OFFLINE"] = before[0]
