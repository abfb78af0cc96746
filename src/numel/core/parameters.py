"""What each tensor is for: the taxonomy, a parameter with its place in it, and the table of all of them."""

from __future__ import annotations

from enum import StrEnum

from .records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .config import ModelConfig
    from .counts import Counts
    from .formulas import Formula
    from .holdings import Checkpoint
    from .tensors import Source, TensorInfo


class Component(StrEnum):
    """The kinds of parts a Transformer is made of, in the order in which tables show them."""

    EMBEDDING = "embedding"
    ATTENTION = "attention"
    LINEAR_ATTENTION = "linear_attention"
    SSM = "ssm"
    RECURRENT = "recurrent"
    CONV = "conv"
    MLP = "mlp"
    MOE = "moe"
    NORM = "norm"
    HEAD = "head"
    RESIDUAL = "residual"
    PROJECTOR = "projector"
    ADAPTER = "adapter"
    ROTARY = "rotary"
    OTHER = "other"
    BUFFER = "buffer"
    UNCLASSIFIED = "unclassified"

    __hash__ = str.__hash__  # an enum's own is a function of Python's, called for each of 91,000 rows


class Place(NamedTuple):
    """Where a parameter belongs: everything that its name (and its siblings) tell."""

    component: Component
    part: str
    role: str = "weight"
    tower: str = "main"


class Parameter(NamedTuple):
    """A tensor and its place. `numel` is what it adds to the total: 0 when `excluded` says why not.

    `excluded` is "buffer", "tied" (a second copy of `tied_to`), "scale" (of quantisation) or "mtp" (a layer for
    multi-token prediction that the model does not run); None for a parameter.
    """

    tensor: TensorInfo
    component: Component
    part: str
    role: str
    tower: str
    layer: int | None
    expert: int | None
    numel: int
    tied_to: str | None = None
    excluded: str | None = None


class ParameterTable(NamedTuple):
    """Every tensor of one model in its place. `rule` names the classification that put it there.

    `counts` are by numel's own rule whatever `rule` is, `kinds` the rows by what they have in common; None: not
    computed yet (core.counts.count and core.kinds.kinds_of do). `checkpoints`: those of a configuration, with
    what they hold beside the rows that count; none for a source that is one.
    """

    name: str
    source: Source
    rows: tuple[Parameter, ...]
    config: ModelConfig | None = None
    aliases: Mapping[str, str] = {}
    formulas: tuple[Formula, ...] = ()
    hyperparameters: Mapping[str, Any] = {}
    rule: str = "numel"
    warnings: tuple[str, ...] = ()
    counts: Counts | None = None
    kinds: tuple[tuple[Parameter, int], ...] | None = None
    checkpoints: tuple[Checkpoint, ...] = ()

    @property
    def model_type(self) -> str | None:
        """The architecture's name in transformers, when a config says it."""
        return self.config.model_type if self.config else None
