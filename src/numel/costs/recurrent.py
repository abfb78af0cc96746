"""What does a layer that keeps a state instead of a cache do for a token, and how large is that state?

Counted as the recurrence that decoding runs, in FlopCounterMode's convention: the state is read out by one product
(2 FLOPs for each of its numbers), its update is element by element and 0. A prompt in chunks is another matter: `chunks`.
"""

from __future__ import annotations

from ..core.parameters import Component
from ..core.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.parameters import Parameter, ParameterTable
    from .families import Family
    from .fields import TextFields


class State(NamedTuple):
    """Numbers that one tensor's layer keeps of a whole sequence, how many a product reads for a token, and what it writes."""

    kept: int
    read: int = 0
    written: int = 0


def states_of(table: ParameterTable, fields: TextFields, family: Family) -> list[tuple[Parameter, State]]:
    """The tensors that go with a state, in order; none for a model that keeps only a cache."""
    found = ((row, state_of(row, fields, family)) for row in table.rows) if family.recurrence else ()
    return [(row, state) for row, state in found if state is not None]


def state_of(row: Parameter, fields: TextFields, family: Family) -> State | None:
    """The state that goes with the tensor, None for one without.

    Of a convolution over k tokens the last k − 1 inputs are kept. Mamba (Gu and Dao 2023) keeps A's shape, channels ×
    N; Mamba-2 (Dao and Gu 2024) has one A a head, so that the channels are those of the output projection.
    The gated delta rule (Yang et al. 2024, arXiv 2412.06464) keeps keys × values of each head, and reads it for the
    key, to learn what to correct, and for the query. Lightning attention (MiniMax 2025, arXiv 2501.08313) keeps keys ×
    values, and its update is a product as its reading is. RWKV (Peng et al. 2023) keeps five vectors a layer, RG-LRU (De
    et al. 2024, Griffin) one.
    """
    if not family.recurrence or row.excluded is not None or row.role != "weight":
        return None
    shape, made = row.tensor.shape, None
    if _is_kernel(row) or _is_short_conv(row):
        return State(row.numel - shape[0])
    if family.recurrence == "mamba" and row.part == "A_log":
        made = State(row.numel, row.numel, row.numel // shape[-1])
    elif family.recurrence == "rwkv" and row.component is Component.RECURRENT and row.part == "output":
        made = State(3 * shape[-1] + 2 * shape[0])
    elif family.recurrence == "rglru" and row.part == "linear_out":
        made = State(shape[-1])
    elif row.part in ("out_proj", "o_proj", "dense") and row.component in (Component.SSM, Component.LINEAR_ATTENTION):
        made = _behind(row, fields, family)
    return made


def _behind(row: Parameter, fields: TextFields, family: Family) -> State | None:
    """The state in front of an output projection, whose width is that of all heads."""
    width = row.numel // fields.d_model
    if family.recurrence == "mamba2" and row.component is Component.SSM:
        numel = width * fields.integer("mamba_d_state", "ssm_state_size", "state_size")
        return State(numel, numel, width)
    if row.component is Component.SSM or family.recurrence not in ("delta", "kda", "lightning"):
        return None
    head = (
        fields.integer("linear_key_head_dim", "linear_head_dim")
        if family.recurrence in ("delta", "kda")
        else width // fields.n_heads
    )
    written = 2 * width if family.recurrence in ("delta", "kda") else width * head + width
    return State(width * head, 2 * width * head, written)


def _is_kernel(row: Parameter) -> bool:
    """A depthwise kernel over the last tokens; some have one for each of query, key and value."""
    if row.component is Component.RECURRENT:
        return row.part == "conv_1d"
    return row.component in (Component.SSM, Component.LINEAR_ATTENTION) and row.part.endswith("conv1d")


def _is_short_conv(row: Parameter) -> bool:
    """LFM2's: a depthwise kernel, stored as (channels, 1, k)."""
    return row.component is Component.CONV and row.part == "short_conv" and len(row.tensor.shape) == 3
