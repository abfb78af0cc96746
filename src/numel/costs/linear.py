"""What does one weight matrix cost: on how many tokens does it work, and how much of it is read for that?"""

from __future__ import annotations

import re

from ..core.parameters import Component
from ..core.records import NamedTuple
from .attention import CROSS
from .distances import MAPS
from .pictures import is_pooled, tokens_of_picture, works_on_pictures
from .setting import nbytes_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..core.dtypes import DType
    from ..core.parameters import Parameter
    from .noted import Noted
    from .pictures import Picture


class Tokens(NamedTuple):
    """Sequences of the batch; new tokens of each that the model reads, and those that an encoder reads.

    `picture`: what is seen beside the text or instead of it. `skipped`: layers that have nothing to work on. `pooled`:
    how the names of what works on one vector of each sequence begin. `distances`: how many are embedded and mapped, for
    the batch together. `noted`: what a pass file says. `one_answer`: the head works on one vector of each sequence.
    """

    batch: int
    new: int
    encoded: int
    has_encoder: bool = False
    picture: Picture | None = None
    skipped: frozenset[int] = frozenset()
    pooled: str = ""
    distances: int = 0
    noted: Noted | None = None
    one_answer: bool = False

    @property
    def all_new(self) -> int:
        """New tokens of the whole batch."""
        return self.batch * self.new


# Parts of attention that no token is multiplied with: tables that are looked up, and factors.
_NO_PRODUCT = frozenset({"rel_pos_bias", "sink", "scale"})
# State-space and recurrent parameters that are matrices in shape alone: they act element by element.
_ELEMENTWISE = frozenset({"A_log", "D", "dt_bias"})
ROUTED = frozenset({(Component.MOE.value, "experts"), (Component.ATTENTION.value, "moa_experts")})
_ON_REQUEST = "contact_head."  # ESM's, of which no plain pass makes use
_LINEAR_EMBEDDINGS = frozenset({"proj", "per_layer_proj"})
# Whether the second sentence follows the first; which of several texts is the right one.
_ONE = re.compile(r"pooler|seq_relationship|sop_classifier|multiple_choice_head")
_ASKED_OF_ALL = re.compile(
    r"(?:^|\.)score\."
)  # a head of decoders, and of what is made of one, of which one answer is taken
_VECTORS = re.compile(r"time_mix_\w+$|compressor\.(?:ape|position_bias)$")


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
    said = tokens.noted.vectors(row.tensor.name) if tokens.noted is not None else None
    if said == "idle" or (said is None and _is_idle(row, tokens)):
        return numel, 0, nbytes, 0
    n = _tokens_of(row, tokens)
    if isinstance(said, int):
        n = said if tokens.noted is not None and tokens.noted.is_shared(row.tensor.name) else tokens.batch * said
    times = 3 if phase == "train" else 1
    is_sure = tokens.noted is not None and tokens.noted.is_sure(row.tensor.name)
    if said == "lookup" or (said != "table" and not is_sure and _is_lookup(row)):
        row_numel = row.tensor.shape[-1] if row.tensor.shape else 1
        return numel, 0, nbytes, min(nbytes, nbytes_of(dtype, row_numel * n))
    read = nbytes if n else 0
    if said == "table" or not _is_product(row, is_sure=is_sure):
        return numel, 0, nbytes, read
    if (row.component.value, row.part) in ROUTED and experts is not None and not is_sure:
        n_experts, used = experts
        touched = 1 - (1 - used / n_experts) ** n
        return numel, times * 2 * numel * n, nbytes, round(nbytes * touched)
    slices = tokens.noted.slices(row.tensor.name) if tokens.noted is not None else 1
    met = min(n // tokens.batch, slices)
    return numel, times * 2 * (numel // slices) * n, nbytes, read * met // slices if slices > 1 else read


def alike(rows: Iterable[Parameter], noted: Noted | None = None) -> Iterable[tuple[Parameter, int]]:
    """Each tensor; of a layer's numbered experts the first of those that are alike, with how many there are.

    `noted`: a pass file by which experts of one shape differ.
    """
    found: dict[object, list[Any]] = {}
    for row in rows:
        tensor = row.tensor
        key: object = tensor.name
        if row.expert is not None:
            module, end = tensor.name.partition("expert")[0], tensor.name.rsplit(".", 2)[1:]
            said = noted.vectors(tensor.name) if noted is not None else None
            key = (said, module, *end, row.role, row.excluded, tensor.shape, tensor.dtype)
        found.setdefault(key, [row, 0])[1] += 1
    return ((row, n) for row, n in found.values())


def _is_idle(row: Parameter, tokens: Tokens) -> bool:
    """Whether a tensor works on pictures or sounds that are not there, or on an encoder's output that is not."""
    if row.layer in tokens.skipped and row.tower not in ("vision", "audio"):
        return True
    if row.tensor.name.startswith(_ON_REQUEST) or f".{_ON_REQUEST}" in row.tensor.name:
        return True
    if works_on_pictures(row, tokens.picture) or (tokens.noted is not None and tokens.noted.works(row.tower)):
        return False
    return row.tower in ("vision", "audio") or (row.component is Component.PROJECTOR and not is_pooled(row))


def _tokens_of(row: Parameter, tokens: Tokens) -> int:
    """How many vectors of the whole batch are multiplied with the tensor."""
    name, n = row.tensor.name, tokens.new
    if tokens.distances and MAPS.search(name):
        return tokens.distances
    if tokens.picture is not None and works_on_pictures(row, tokens.picture):
        n = tokens_of_picture(row, tokens.picture)
    elif row.component is Component.PROJECTOR or (tokens.pooled and name.startswith(tokens.pooled)):
        n = 1
    elif not tokens.has_encoder and CROSS.search(name):
        n = 0  # nothing to attend to
    elif row.tower == "encoder" or (row.part in ("k", "v") and CROSS.search(name)):
        is_halved = row.component is Component.CONV and ".conv1." in name  # the second one halves a sound's length
        n = tokens.encoded * (2 if is_halved else 1)  # keys and values of an encoder's output are made once
    elif row.component is Component.HEAD and (
        (tokens.one_answer and not _ASKED_OF_ALL.search(name)) or _ONE.search(name)
    ):
        n = 1  # the first token of each sequence alone, or its mean
    return tokens.batch * n


def _is_lookup(row: Parameter) -> bool:
    if row.component is Component.EMBEDDING:
        return row.part not in _LINEAR_EMBEDDINGS and row.part != "patch_or_feature"
    return row.part == "rel_pos_bias"


def _is_product(row: Parameter, *, is_sure: bool = False) -> bool:
    """Whether tokens are multiplied with the tensor as a matrix (or a kernel): biases, gains and tables are not.

    `is_sure`: a pass file says that it is one, whatever its name.
    """
    if len(row.tensor.shape) < 2 or row.role == "bias":
        return False
    if is_sure:
        return True
    if row.role == "bias" or row.part in _NO_PRODUCT or row.part in _ELEMENTWISE:
        return False
    if row.component is Component.HEAD and row.part == "pooling" and row.tensor.name.endswith("probe"):
        return False
    if _VECTORS.search(row.tensor.name):
        return False  # RWKV's, stored as (1, 1, channels); what is added to gates
    return row.component is not Component.NORM or row.part in ("gate_mlp", "adaln")
