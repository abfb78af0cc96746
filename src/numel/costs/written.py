"""How many numbers does a pass write, matrix by matrix and attention by attention?

What a matrix writes is its products by how many are summed into each number, the width of its input. A matrix lies
(out, in) as torch's Linear stores it, a stack of them (…, out, in), a kernel (out, in, …). A few model types store (in,
out), and no shape says so. There the residual stream does: what reads it has its width on the side of the input, what
writes to it on the other, however a file turns them.
"""

from __future__ import annotations

import re

from ..core.parameters import Component

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.parameters import Parameter
    from .attention import Attention
    from .working import Working

# transformers' Conv1D, and experts whose class says is_transposed (tests/costs holds both lists to it).
CONV1D = frozenset({"gpt2", "gpt-sw3", "imagegpt", "openai-gpt"})
TURNED_EXPERTS = frozenset({"aria_text", "gpt_oss", "llama4_text"})

_WRITES_TO_STREAM = re.compile(r"(?:down|w2|fc2|output)\w*(?:\.weight)?$")
# Parts that are stacks of matrices; any other tensor of three dimensions is a kernel.
_STACKS = frozenset({"experts", "shared_expert", "moa_experts", "rg_lru", "x_proj_weight", "dt_proj_weight"})


def numbers(row: Parameter, products: int, model: Working) -> int:
    """The numbers that so many products with a tensor are summed into."""
    if not products:
        return 0
    name, noted = row.tensor.name, model.noted
    if noted is not None and noted.slices(name) > 1:
        return products // row.tensor.shape[-1]
    said = noted.width(name, "together" if noted.is_together(name) else "width") if noted is not None else None
    return products // _summed(row, model) if said is None else products // row.numel * said


def _summed(row: Parameter, model: Working) -> int:
    """The width of the input of one of the tensor's outputs: of a matrix its rows, of a kernel all that it covers."""
    shape, model_type = row.tensor.shape, model.fields.model_type
    if len(shape) > 3 or (len(shape) == 3 and row.part not in _STACKS):
        return row.tensor.numel // shape[0]
    out, into = shape[-2:]
    if is_pile(row):
        return out // model.experts[0] if model.experts and _WRITES_TO_STREAM.search(row.tensor.name) else into
    if row.part == "experts" and model_type in TURNED_EXPERTS:
        return _across(out, into, model.d_model, is_result=_WRITES_TO_STREAM.search(row.tensor.name) is not None)
    if model_type in CONV1D and row.component in (Component.ATTENTION, Component.MLP):
        return _across(out, into, model.d_model, is_result=row.part in ("o", "down"))
    return into


def is_pile(row: Parameter) -> bool:
    """Whether it is the matrices of all experts on top of each other (DBRX), of one shape whichever way they lead."""
    return row.part == "experts" and row.expert is None and len(row.tensor.shape) == 2


def _across(one: int, other: int, d_model: int, *, is_result: bool) -> int:
    """The side of the input: the stream's, or the one across from it for what writes to the stream."""
    across = other if one == d_model else one
    return across if is_result else d_model


def sums_of(attention: Attention, context: int, *, decoding: bool) -> int:
    """How many sums of values an attention makes, one for each query; stretches are summed with the same layer's window."""
    if attention.stride:
        return 0
    if attention.results is not None:
        return attention.results
    if attention.queries is not None:
        return attention.queries
    if decoding:
        return 1
    return context if attention.length is None or attention.is_cross else attention.length
