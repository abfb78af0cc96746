"""What does a configuration state about the text model, whatever it calls it and wherever it nests it?"""

from __future__ import annotations

from ..core.visible import visible
from ..errors import Sentence, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

    from ..core.parameters import ParameterTable

# Where configurations of several towers keep the text model's part.
_NESTED = ("text_config", "llm_config", "language_config", "thinker_config")

_POSITIONS = (
    "max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "seq_length", "max_target_positions",
    "n_ctx",
)  # fmt: skip
_WIDTHS = ("hidden_size", "n_embd", "d_model", "n_embed", "dim", "emb_dim", "hidden_dim", "embed_dim", "model_dim")
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "decoder_attention_heads", "encoder_attention_heads")
_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers", "encoder_layers")


class TextFields:
    """The fields of the text model: as the file states them, else as the blueprint fills them in."""

    def __init__(self, table: ParameterTable) -> None:
        stated: Mapping[str, Any] = table.config.fields if table.config else {}
        filled: Mapping[str, Any] = table.hyperparameters
        name = next((n for n in _NESTED if isinstance(stated.get(n), dict) or isinstance(filled.get(n), dict)), None)
        self._name = table.name
        self._outer, self._filled = stated, filled
        self.model_type: str = table.model_type or ""
        self.wrapper = ""  # the model type around the text model's own
        if name is not None:
            self.wrapper = self.model_type
            stated, filled = stated.get(name) or {}, filled.get(name) or {}
            self.model_type = str(stated.get("model_type") or filled.get("model_type") or self.model_type)
        self._layers = (stated, filled)
        self.stream: int | None = None  # the width that a pass file says

    def of_pictures(self) -> TextFields:
        """The fields of the vision tower, for a model that has one beside its text."""
        made: TextFields = object.__new__(type(self))
        made._name, made._outer, made.model_type, made.wrapper = self._name, self._outer, self.model_type, ""
        stated, filled = self._outer.get("vision_config"), self._filled.get("vision_config")
        is_beside = isinstance(stated, dict) or isinstance(filled, dict)
        made._filled = self._filled
        made.stream = self.stream
        made._layers = (stated or {}, filled or {}) if is_beside else self._layers
        return made

    def get(self, *names: str, default: Any = None) -> Any:
        """The first of these fields that is there and not null."""
        for fields in self._layers:
            for name in names:
                if fields.get(name) is not None:
                    return fields[name]
        return default

    def states(self, name: str) -> bool:
        """Whether the file itself has the field, even as null."""
        return name in self._layers[0]

    def values(self, *, outer: bool = False) -> dict[str, Any]:
        """All fields of the text model (`outer`: of what stands around it): as filled in, then as stated."""
        stated, filled = (self._outer, self._filled) if outer else self._layers
        return _filled_in(stated, filled)

    def integer(self, *names: str, default: int | None = None, least: int = 0) -> int:
        """The first of these fields as a whole number, of `least` or more. Raises UnsupportedError where none is one."""
        found = self.get(*names)
        if found is None:
            found = default
        if type(found) is not int or found < least:
            message = Sentence("{model}: the configuration does not say {field}", model=self._name, field=names[0])
            raise UnsupportedError(message, hint=Sentence("give {option}", option=f"--set {names[0]}=…"))
        return found

    def refuse(self, name: str) -> NoReturn:
        """Raises UnsupportedError for a field whose value nothing can be made of."""
        values = {"model": self._name, "field": name, "value": visible(str(self.get(name)), 60)}
        raise UnsupportedError(Sentence("{model}: {field} = {value}: it cannot be that", **values))

    @property
    def d_model(self) -> int:
        """The width of the residual stream."""
        return self.integer(*_WIDTHS) if self.stream is None else self.stream

    @property
    def n_heads(self) -> int:
        """Query heads."""
        return self.integer(*_HEADS)

    @property
    def n_layers(self) -> int:
        """Layers of the stack."""
        return self.integer(*_LAYERS)

    @property
    def n_positions(self) -> int | None:
        """The longest context that the configuration states, None where it states none."""
        found = self.get(*_POSITIONS)
        return found if type(found) is int and found > 0 else None


def _filled_in(stated: Mapping[str, Any], filled: Mapping[str, Any]) -> dict[str, Any]:
    """What is stated, and on top what is filled in, in nested parts too."""
    made = {**stated, **filled}
    for name, value in filled.items():
        if isinstance(value, dict) and isinstance(stated.get(name), dict):
            made[name] = _filled_in(stated[name], value)
    return made
