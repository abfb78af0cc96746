"""The hyper-parameters in a config.json, or in the dict that it would be in Python.

Only what every configuration has in common is checked here: that it is JSON, an object, and says which architecture
it is for. Which fields an architecture needs, and of what type, its blueprint knows.
"""

from __future__ import annotations

import re

from ..core.config import ModelConfig
from ..core.visible import visible, visible_path
from ..errors import ConfigError, Sentence
from .strict_json import MAX_PATH_SHOWN
from .strict_json import parse as parse_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..core.bytes import ByteSource

MAX_CONFIG_NBYTES = 10_000_000  # the largest published ones are lists of 100,000 labels, about 3 MB
_EXPECTED = Sentence("a config.json is an object with model_type or architectures")

# transformers < 5 wrote the open end of Mamba 2's time_step_limit as the bare word, which is no JSON. No shape
# depends on it, so these configurations are read as if it were null; any other Infinity is refused.
_OPEN_LIMIT = rb'("time_step_limit"[ \t\n\r]*+:[ \t\n\r]*+\[[ \t\n\r]*+[0-9.eE+-]++[ \t\n\r]*+,[ \t\n\r]*+)Infinity'


def read(source: ByteSource) -> ModelConfig:
    """The configuration in a config.json.

    Raises CorruptFileError when it is no JSON, ConfigError when it is no model's configuration.
    """
    path = visible_path(source.name, MAX_PATH_SHOWN)
    if source.size > MAX_CONFIG_NBYTES:
        message = Sentence(
            "has {size} bytes; a config.json of more than {max_config_nbytes} cannot be meant",
            size=source.size,
            max_config_nbytes=MAX_CONFIG_NBYTES,
        )
        raise ConfigError(message, path=path)
    raw = source.read(0, source.size)
    if not raw.lstrip().startswith(b"{"):
        from .recognise import refuse_foreign

        refuse_foreign(source, "config.json", also="JSON text")
    if b"Infinity" in raw:
        raw = re.sub(_OPEN_LIMIT, rb"\1null    ", raw)
    value = parse_json(raw, path=source.name)
    if not isinstance(value, dict):
        message = Sentence("is not a model configuration: it holds no object")
        raise ConfigError(message, path=path, hint=_EXPECTED)
    return parse(value, path=source.name)


def parse(mapping: Mapping[str, Any], *, path: str | None = None) -> ModelConfig:
    """The configuration that `mapping` is. Raises ConfigError when it does not say what it configures.

    >>> parse({"model_type": "gpt2", "n_layer": 12}).model_type
    'gpt2'
    >>> parse({"learning_rate": 0.001})
    Traceback (most recent call last):
    numel.errors.ConfigError: is not a model configuration: it has neither model_type nor architectures (a config.json is an object with model_type or architectures)
    """
    shown = None if path is None else visible_path(path, MAX_PATH_SHOWN)
    for key in mapping:
        if not isinstance(key, str):
            message = Sentence(
                "the names of a configuration's fields are texts, and {key} is none", key=visible(repr(key), 40)
            )
            raise ConfigError(message, path=shown)
    model_type, architectures = mapping.get("model_type"), mapping.get("architectures")
    if model_type is None and not architectures:
        what = (
            Sentence("it is the index of a sharded model")
            if "weight_map" in mapping
            else Sentence("it has neither model_type nor architectures")
        )
        message = Sentence("is not a model configuration: {what}", what=what)
        raise ConfigError(message, path=shown, hint=_EXPECTED)
    if model_type is not None and not isinstance(model_type, str):
        message = Sentence("model_type must be a text, not {model_type}", model_type=visible(str(model_type), 40))
        raise ConfigError(message, path=shown, field="model_type")
    if architectures is not None and not (
        isinstance(architectures, list | tuple) and all(isinstance(name, str) for name in architectures)
    ):
        message = Sentence(
            "architectures must be a list of class names, not {architectures}",
            architectures=visible(str(architectures), 40),
        )
        raise ConfigError(message, path=shown, field="architectures")
    return ModelConfig(dict(mapping), shown)
