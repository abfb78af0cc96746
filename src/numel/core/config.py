"""The hyper-parameters of a model, as its config.json states them."""

from __future__ import annotations

from .records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class ModelConfig(NamedTuple):
    """A configuration: `fields` as published (absent ones absent), `path` where it was read.

    >>> ModelConfig({"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]}).architecture
    'GPT2LMHeadModel'
    """

    fields: Mapping[str, Any]
    path: str | None = None

    @property
    def model_type(self) -> str | None:
        """transformers' name of the architecture, None when the config does not say."""
        value = self.fields.get("model_type")
        return value if isinstance(value, str) else None

    @property
    def architecture(self) -> str | None:
        """The class with which the weights were saved (`architectures[0]`), None when unknown."""
        value = self.fields.get("architectures")
        return value[0] if isinstance(value, list) and value and isinstance(value[0], str) else None

    def changed(self, overrides: Mapping[str, Any]) -> ModelConfig:
        """With other values; a dot leads into a configuration inside, and where there is none, the name is left whole.

        >>> ModelConfig({"text_config": {"vocab_size": 9}}).changed({"text_config.num_layers": 2, "a.b": 1}).fields
        {'text_config': {'vocab_size': 9, 'num_layers': 2}, 'a.b': 1}
        """
        fields = dict(self.fields)
        for name, value in overrides.items():
            outer, dot, inner = name.partition(".")
            if dot and isinstance(fields.get(outer), dict):
                fields[outer] = dict(ModelConfig(fields[outer]).changed({inner: value}).fields)
            else:
                fields[name] = value
        return self._replace(fields=fields)
