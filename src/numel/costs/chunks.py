"""What does a prompt cost in layers with a state, that is worked off in chunks: products within each, and states between them?

Counted as transformers' eager code runs it, and so do the kernels of mamba_ssm and flash-linear-attention: a prompt is padded
to whole chunks, but lightning attention's last one is as short as it comes. What is done element by element is 0, and so is
the triangular system that the gated delta rule solves in each chunk, as FlopCounterMode counts it.
"""

from __future__ import annotations

from ..core.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.parameters import Parameter
    from .families import Family
    from .fields import TextFields

# Kernels and transformers have chunks of so many tokens for the gated delta rule, whatever the configuration says.
OF_DELTA = 64


class Chunked(NamedTuple):
    """Multiply-adds of one layer for a prompt of one sequence, and the numbers that they write."""

    products: int
    written: int


def in_chunks(row: Parameter, n: int, fields: TextFields, family: Family, heads: int) -> Chunked | None:
    """A prompt of `n` tokens in the layer of an output projection; None for a recurrence that has no form in chunks.

    `heads`: how many decays Mamba-2 has in that layer.
    """
    width = row.numel // fields.d_model
    if family.recurrence == "mamba2":
        size = fields.integer("chunk_size", "mamba_chunk_size", default=256, least=1)
        return _mamba2(n, size, heads, width // heads, fields.integer("mamba_d_state", "ssm_state_size", "state_size"))
    if family.recurrence == "lightning":
        size = fields.integer("block_size", default=256, least=1)
        return _lightning(n, size, fields.n_heads, width // fields.n_heads)
    if family.recurrence in ("delta", "kda"):
        keys = fields.integer("linear_key_head_dim", "linear_head_dim", least=1)
        values = fields.integer("linear_value_head_dim", default=keys, least=1)
        return _delta(n, width // values, keys, values, by_channel=family.recurrence == "kda")
    return None


def _mamba2(n: int, size: int, heads: int, width: int, state: int) -> Chunked:
    """State-space duality (Dao and Gu 2024, arXiv 2405.21060, section 6): heads of `width` channels with N = `state`.

    In each chunk every token meets every other (C and B, then what they weigh), a state is made and one is read out;
    between chunks, each state is the sum of all before it, and an empty one stands in front.
    """
    chunks = -(-n // size)
    between = (chunks + 1) ** 2 * width * state
    within = size * (size * state + size * width + 2 * width * state)
    written = chunks * (size * size + 2 * size * width + width * state) + (chunks + 1) * width * state
    return Chunked(heads * (chunks * within + between), heads * written)


def _delta(n: int, heads: int, keys: int, values: int, *, by_channel: bool) -> Chunked:
    """The gated delta rule (Yang et al. 2024, arXiv 2412.06464), whose decay is one of each head.

    `by_channel`: Kimi's, which decays each channel by itself (Kimi Team 2025, arXiv 2510.26692): its tokens meet element by
    element, and the system is solved once for values and for keys.
    """
    chunks, size = -(-n // OF_DELTA), OF_DELTA
    across = 3 * size * keys * values  # what the state foretells, what is read out of it, what is added to it
    if by_channel:
        within, written = size * size * (2 * values + keys), size * (4 * values + keys)
    else:
        within, written = size * size * (2 * keys + values), 2 * size * size + 3 * size * values
    return Chunked(heads * chunks * (within + across), heads * chunks * (written + keys * values))


def _lightning(n: int, size: int, heads: int, width: int) -> Chunked:
    """Lightning attention (MiniMax 2025, arXiv 2501.08313): scores within a block, one product each with and to the state."""
    whole, rest = divmod(n, size)
    n_blocks, squares = whole + (rest > 0), whole * size * size + rest * rest
    products = 2 * squares * width + 2 * n * width * width
    return Chunked(heads * products, heads * (squares + 2 * n * width + n_blocks * width * width))
