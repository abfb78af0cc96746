"""Which weights does a file hold packed into integers, and what are they: their names, shapes and bits?

A quantised checkpoint stores a matrix of 4096 × 4096 as, say, 512 × 4096 integers of 32 bits, with scales beside it.
Counted as they lie there, a Llama 3 of 8,030,261,248 parameters would have 2 billion. Each scheme is a row of SCHEMES:
the leaf that holds the packed values, the tensor beside it that gives the scheme away, and a rule from one to the other.

FP8 and 8-bit weights (bitsandbytes' SCB, compressed-tensors' int8) need none: they have one element per parameter.
Their scales, like all others, are told by name (`rules.ROLES`).
"""

from __future__ import annotations

import json
from math import gcd, prod
from operator import itemgetter

from .core.dtypes import DType
from .core.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .core.config import ModelConfig
    from .core.tensors import Inventory, TensorInfo

    Shape = tuple[int, ...]
    Read = Callable[[TensorInfo], bytes]

_CARRIERS = {"I32": 32, "U32": 32, "U8": 8}  # what values are packed into, and its bits
_DTYPE = itemgetter(2)
_MAX_STATE_NBYTES = 4096  # bitsandbytes describes a weight in some 150 bytes of JSON


class Logical(NamedTuple):
    """What packed values are: the shape of the weight and how it is written; `is_shape_known` unless it is but flat."""

    shape: Shape
    dtype: DType
    is_shape_known: bool = True


class Weight(NamedTuple):
    """A packed tensor and what lies beside it: `beside` maps what follows the module's name to the tensor."""

    tensor: TensorInfo
    beside: Mapping[str, TensorInfo]
    stated_bits: int | None
    read: Read | None

    def shape_of(self, leaf: str) -> Shape:
        """The shape of the tensor beside it that is called so; () if there is none."""
        return self.beside[leaf].shape if leaf in self.beside else ()


class Scheme(NamedTuple):
    """A way of packing: `leaf` is packed, `mark` stands beside it, `becomes` is the leaf of the weight itself."""

    name: str
    leaf: str
    mark: str
    becomes: str
    unpack: Callable[[Weight], Logical | None]


def unpack(inventory: Inventory, config: ModelConfig | None, read: Read | None = None) -> Inventory:
    """The inventory with each packed weight as the matrix that it stands for; what lies beside it stays.

    `read` gives a tensor's bytes where they can be had: two schemes write the shape into a small tensor of its own.
    """
    if not _CARRIERS.keys() & {dtype.name for dtype in set(map(_DTYPE, inventory.tensors))}:
        return inventory
    modules = _modules(inventory)
    bits, taken, flat = _stated_bits(config), {tensor.name for tensor in inventory.tensors}, []
    tensors = list(inventory.tensors)
    for i, tensor in enumerate(tensors):
        if tensor.dtype.name not in _CARRIERS:
            continue
        for scheme in SCHEMES:
            module = tensor.name.removesuffix(scheme.leaf)
            if module == tensor.name or scheme.mark not in modules.get(module, {}):
                continue
            logical = scheme.unpack(Weight(tensor, modules[module], bits, read))
            name = module + scheme.becomes
            if logical is not None and (name == tensor.name or name not in taken):
                tensors[i] = tensor._replace(name=name, shape=logical.shape, dtype=logical.dtype)
                flat += [] if logical.is_shape_known else [name]
                break
    return inventory._replace(tensors=tuple(tensors), flat=frozenset(flat))


def _modules(inventory: Inventory) -> dict[str, dict[str, TensorInfo]]:
    """Module → what follows its name in those of its tensors that some scheme reads."""
    modules: dict[str, dict[str, TensorInfo]] = {}
    leaves = tuple(_LEAVES)
    for tensor in inventory.tensors:
        for leaf in _LEAVES if tensor.name.endswith(leaves) else ():
            if tensor.name.endswith(leaf):
                modules.setdefault(tensor.name.removesuffix(leaf), {})[leaf] = tensor
    return modules


def _stated_bits(config: ModelConfig | None) -> int | None:
    """The bits of a weight as the configuration states them, for the schemes whose files do not tell."""
    fields = config.fields if config else {}
    stated = fields.get("quantization_config", fields.get("quantization"))
    if not isinstance(stated, dict):
        return None
    groups = stated.get("config_groups")
    group = next(iter(groups.values()), None) if isinstance(groups, dict) else None
    weights = group.get("weights") if isinstance(group, dict) else None
    bits = weights.get("num_bits") if isinstance(weights, dict) else stated.get("bits")
    return bits if type(bits) is int and 1 <= bits <= 8 else None


def packed(name: str, bits: int, carrier: str) -> DType:
    """The type of values of so many bits that lie side by side in integers.

    >>> packed("GPTQ4", 4, "I32"), packed("GPTQ3", 3, "I32")
    (DType(name='GPTQ4', block_nbytes=4, block_numel=8, block_stored=1), DType(name='GPTQ3', block_nbytes=12, block_numel=32, block_stored=3))
    """
    width = _CARRIERS[carrier]
    shared = gcd(bits, width)
    return DType(name, bits // shared * width // 8, width // shared, bits // shared)


def _gptq_or_awq(weight: Weight) -> Logical | None:
    """`qweight` beside `scales` of (in / group, out).

    GPTQ packs along the input, (in · bits / 32, out), and AWQ along the output, (in, out · bits / 32).
    Sources: AutoGPTQ, nn_modules/qlinear/qlinear_cuda.py; AutoAWQ, awq/modules/linear/gemm.py.
    """
    scales, zeros, shape = weight.shape_of(".scales"), weight.shape_of(".qzeros"), weight.tensor.shape
    if len(shape) != 2 or len(scales) != 2:
        return None
    out = scales[1]
    if shape[1] == out:
        bits = 32 * zeros[1] // out if len(zeros) == 2 else weight.stated_bits or 4
        return _matrix(f"GPTQ{bits}", bits, weight.tensor, (out, shape[0] * 32 // max(bits, 1)))
    bits = 32 * shape[1] // max(out, 1)
    return _matrix(f"AWQ{bits}", bits, weight.tensor, (out, shape[0]))


def _compressed(weight: Weight) -> Logical | None:
    """compressed-tensors: `weight_packed`, of bytes with FP4 or FP6 numbers, or of integers along the input.

    Rows of integers are filled up to whole words; `weight_shape` says where the weight ends. Source: compressed_tensors,
    compressors/pack_quantized, nvfp4, mxfp4 and mxfp6 (of their scales each serves 16, 32 and 32 numbers).
    """
    tensor = weight.tensor
    *outer, last = tensor.shape or (0,)
    if tensor.dtype.name == "U8":
        if ".weight_global_scale" in weight.beside:
            return _matrix("NVFP4", 4, tensor, (*outer, 2 * last))
        scales = weight.shape_of(".weight_scale")
        bits = 6 if scales and 32 * 6 * scales[-1] == 8 * last else 4
        return _matrix(f"MXFP{bits}", bits, tensor, (*outer, last * 8 // bits))
    bits = weight.stated_bits or 4
    written = _written_shape(weight)
    if written and written[:-1] == tuple(outer) and written[-1] > 0 and -(-written[-1] * bits // 32) == last:
        return Logical(written, DType(f"INT{bits}", 4 * last, written[-1], last))  # a row is a block
    return _matrix(f"INT{bits}", bits, tensor, (*outer, last * 32 // bits))


def _written_shape(weight: Weight) -> Shape | None:
    """The shape that compressed-tensors writes beside a weight, as two integers of 64 bits."""
    tensor = weight.beside.get(".weight_shape")
    if tensor is None or weight.read is None or tensor.dtype.name != "I64" or tensor.numel > 4:
        return None
    raw = weight.read(tensor)
    return tuple(int.from_bytes(raw[at : at + 8], "little", signed=True) for at in range(0, len(raw), 8))


def _bitsandbytes(weight: Weight) -> Logical | None:
    """Four bits of bitsandbytes: a flat `weight` of bytes; the shape stands in the JSON of its `quant_state`.

    Source: bitsandbytes/functional.py, QuantState.as_dict.
    """
    kind = next((kind for kind in ("nf4", "fp4") if _STATE + kind in weight.beside), "nf4")
    flat = (2 * weight.tensor.numel,)
    state = weight.beside.get(_STATE + kind)
    if state is not None and weight.read is not None and (state.nbytes or 0) <= _MAX_STATE_NBYTES:
        shape = _shape_in(weight.read(state))
        found = _matrix(kind.upper(), 4, weight.tensor, shape) if shape else None
        if found:
            return found
    found = _matrix(kind.upper(), 4, weight.tensor, flat)
    return found and found._replace(is_shape_known=False)


def _shape_in(raw: bytes) -> Shape | None:
    try:
        state = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    shape: Any = state.get("shape") if isinstance(state, dict) else None
    if not isinstance(shape, list) or not all(type(size) is int and size > 0 for size in shape):
        return None
    return tuple(shape)


def _mxfp4(weight: Weight) -> Logical | None:
    """gpt-oss: `…_blocks` of (experts, out, groups, 16 bytes) is the weight of (experts, in, out), 32 values a group.

    Source: transformers, integrations/mxfp4.py, convert_moe_packed_tensors, which turns it round.
    """
    if len(weight.tensor.shape) != 4:
        return None
    experts, out, groups, n = weight.tensor.shape
    return _matrix("MXFP4", 4, weight.tensor, (experts, groups * 2 * n, out))


def _scaled_bytes(weight: Weight) -> Logical | None:
    """A `weight` of bytes beside `weight_scale`: ModelOpt's NVFP4 with a scale for 16 values, or BitNet's four a byte.

    Sources: NVIDIA TensorRT-Model-Optimizer, quantization/qtensor/nvfp4_tensor.py; transformers, integrations/bitnet.py.
    """
    tensor, scale = weight.tensor, weight.beside[".weight_scale"]
    *outer, last = tensor.shape or (0,)
    if scale.numel == 1 and len(tensor.shape) == 2:
        return _matrix("TERNARY", 2, tensor, (4 * tensor.shape[0], last))
    if scale.numel * 8 == tensor.numel and scale.dtype.name.startswith("F8"):
        return _matrix("NVFP4", 4, tensor, (*outer, 2 * last))
    return None


def _mlx(weight: Weight) -> Logical | None:
    """MLX: a `weight` of 32-bit words along the input beside `scales` of (out, in / group), 64 a group unless stated.

    Source: MLX, mlx.core.quantize; mlx-lm writes bits and group size into the configuration.
    """
    *outer, last = weight.tensor.shape or (0,)
    scales = weight.shape_of(".scales")
    bits = weight.stated_bits or (32 * last // (64 * scales[-1]) if scales and scales[-1] else 0)
    if bits not in (2, 3, 4, 5, 6, 8):
        return None
    return _matrix(f"MLX{bits}", bits, weight.tensor, (*outer, last * 32 // bits))


def _matrix(name: str, bits: int, tensor: TensorInfo, shape: Shape) -> Logical | None:
    """The weight of this shape, if its values are what the packed tensor has room for; padding may follow them."""
    room = tensor.numel * _CARRIERS[tensor.dtype.name]
    if not 1 <= bits <= 8 or any(size < 0 for size in shape) or prod(shape) * bits > room:
        return None
    dtype = packed(name, bits, tensor.dtype.name)
    if dtype.nbytes(prod(shape)) != tensor.nbytes:  # padded: the type says of how much each value takes its part
        return None
    return Logical(shape, dtype)


_STATE = ".weight.quant_state.bitsandbytes__"
SCHEMES: tuple[Scheme, ...] = (
    Scheme("GPTQ, AWQ", ".qweight", ".scales", ".weight", _gptq_or_awq),
    Scheme("compressed-tensors", ".weight_packed", ".weight_scale", ".weight", _compressed),
    Scheme("bitsandbytes", ".weight", ".weight.absmax", ".weight", _bitsandbytes),
    Scheme("MXFP4", "_blocks", "_scales", "", _mxfp4),
    Scheme("ModelOpt, BitNet", ".weight", ".weight_scale", ".weight", _scaled_bytes),
    Scheme("MLX", ".weight", ".scales", ".weight", _mlx),
)
_LEAVES = frozenset(
    {leaf for scheme in SCHEMES for leaf in (scheme.leaf, scheme.mark)}
    | {".qzeros", ".weight_shape", ".weight_global_scale", _STATE + "nf4", _STATE + "fp4"}
)
