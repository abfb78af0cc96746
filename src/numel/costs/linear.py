"""What does one weight matrix cost: on how many tokens does it work, and how much of it is read for that?"""

from __future__ import annotations

from ..core.parameters import Component
from ..core.records import NamedTuple
from .attention import CROSS
from .setting import nbytes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.dtypes import DType
    from ..core.parameters import Parameter


class Tokens(NamedTuple):
    """Sequences of the batch; new tokens of each that the model reads, and those that an encoder reads."""

    batch: int
    new: int
    encoded: int
    has_encoder: bool = False

    @property
    def all_new(self) -> int:
        """New tokens of the whole batch."""
        return self.batch * self.new


# Parts of attention that no token is multiplied with: tables that are looked up, and factors.
_NO_PRODUCT = frozenset({"rel_pos_bias", "sink", "scale"})
# State-space and recurrent parameters that are matrices in shape alone: they act element by element.
_ELEMENTWISE = frozenset({"A_log", "D", "dt_bias"})
_LINEAR_EMBEDDINGS = frozenset({"proj", "per_layer_proj"})


def linear_cost(
    row: Parameter, tokens: Tokens, experts: tuple[int, int] | None, phase: str, held_as: DType | None
) -> tuple[int, int, int, int] | None:
    """Parameters, FLOPs, their bytes and the bytes read of one tensor; None for what is no parameter.

    The FLOPs of routed experts are as if every expert worked on every token: the share k/E is taken of their sum.

    A lookup reads the rows of its tokens. Of routed experts a token works with k of E, and T tokens touch
    E·(1 − (1 − k/E)^T) different ones, the expected number when the router sends each token to k of them at random.
    """
    if row.excluded is not None:
        return None
    dtype, numel = held_as or row.tensor.dtype, row.numel
    nbytes = nbytes_of(dtype, numel)
    if row.tower in ("vision", "audio") or row.component is Component.PROJECTOR:
        return numel, 0, nbytes, 0  # works on pictures and sounds, not on tokens of text
    n = _tokens_of(row, tokens)
    times = 3 if phase == "train" else 1
    if _is_lookup(row):
        row_numel = row.tensor.shape[-1] if row.tensor.shape else 1
        return numel, 0, nbytes, min(nbytes, nbytes_of(dtype, row_numel * n))
    read = nbytes if n else 0
    if not _is_product(row):
        return numel, 0, nbytes, read
    if row.component is Component.MOE and row.part == "experts" and experts is not None:
        n_experts, used = experts
        touched = 1 - (1 - used / n_experts) ** n
        return numel, times * 2 * numel * n, nbytes, round(nbytes * touched)
    return numel, times * 2 * numel * n, nbytes, read


def _tokens_of(row: Parameter, tokens: Tokens) -> int:
    if not tokens.has_encoder and CROSS.search(row.tensor.name):
        return 0  # nothing to attend to
    if row.tower == "encoder" or (row.part in ("k", "v") and CROSS.search(row.tensor.name)):
        return tokens.batch * tokens.encoded  # keys and values of an encoder's output are made once
    if row.component is Component.HEAD and "pooler" in row.tensor.name:
        return tokens.batch  # the first token of each sequence alone
    return tokens.all_new


def _is_lookup(row: Parameter) -> bool:
    if row.component is Component.EMBEDDING:
        return row.part not in _LINEAR_EMBEDDINGS
    return row.part == "rel_pos_bias"


def _is_product(row: Parameter) -> bool:
    """Whether tokens are multiplied with the tensor as a matrix (or a kernel): biases, gains and tables are not."""
    if len(row.tensor.shape) < 2 or row.role == "bias" or row.part in _NO_PRODUCT or row.part in _ELEMENTWISE:
        return False
    return row.component is not Component.NORM or row.part in ("gate_mlp", "adaln")
