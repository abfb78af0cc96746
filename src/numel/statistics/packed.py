"""What do packed integers stand for with the scales beside them? Each scheme of quantised safetensors as float32.

`numel.quantised` says which tensors are packed, and as what; here is the arithmetic, each with its source. All products are
of float32, so a value is off by half a unit in the last place at most from the scheme's real number.
"""

from __future__ import annotations

import json
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .decode import decoded, values_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from ..core.tensors import TensorInfo

    Floats = NDArray[np.float32]
    Read = Callable[[TensorInfo], bytes]
    ReadPart = Callable[[int, int], bytes]  # from byte, so many bytes of the packed tensor

_AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)  # AutoAWQ, awq/utils/packing_utils.py: which column each four bits of a word hold
_NESTED_BLOCK = 256
_FP8_BLOCK = 128
_MAX_STATE_NBYTES = 4096


class Unpacked(NamedTuple):
    """`shape` of the values as they come; `decode(first, n, read)` gives those of n units of `unit` values each.

    `is_turned`: the matrix comes with input × output where its shape says output × input.
    """

    shape: tuple[int, ...]
    unit: int
    decode: Callable[[int, int, ReadPart], Floats]
    is_turned: bool = False


class Packed(NamedTuple):
    """A packed tensor, the tensors of its module by what follows the module's name, and how they are read."""

    tensor: TensorInfo
    beside: Mapping[str, TensorInfo]
    read: Read
    stated: Mapping[str, Any]

    def has(self, *leaves: str) -> bool:
        """Whether all of these lie beside it."""
        return all(leaf in self.beside for leaf in leaves)

    def array(self, leaf: str) -> Floats:
        """The tensor called so as float32, in its own shape."""
        tensor = self.beside[leaf]
        return decoded(tensor.dtype.name, self.read(tensor)).astype(np.float32).reshape(tensor.shape)

    def words(self, leaf: str) -> NDArray[np.uint32]:
        """The tensor called so as words of 32 bits, in its own shape."""
        tensor = self.beside[leaf]
        return np.frombuffer(self.read(tensor), np.uint32).reshape(tensor.shape)

    @property
    def bits(self) -> int:
        """The bits of a value, as the name of its type ends."""
        return int("".join(c for c in self.tensor.dtype.name if c.isdigit()) or 4)


def fields(words: NDArray[np.uint32], bits: int) -> NDArray[np.uint8]:
    """The values of so many bits that lie in the words of the last axis, the lowest bits first, on over word ends."""
    words_each, n_each = _run(bits)
    run = words.reshape(*words.shape[:-1], -1, words_each)
    found = np.empty((*run.shape[:-1], n_each), np.uint8)
    for k in range(n_each):
        at, shift = divmod(k * bits, 32)
        value = run[..., at] >> np.uint32(shift)
        if shift + bits > 32:
            value = value | run[..., at + 1] << np.uint32(32 - shift)
        found[..., k] = value & ((1 << bits) - 1)
    return found.reshape(*words.shape[:-1], -1)


def _run(bits: int) -> tuple[int, int]:
    """After how many words values end where a word ends, and how many they are."""
    words = next(n for n in (1, 3, 5, 7) if 32 * n % bits == 0)
    return words, 32 * words // bits


def _rows(packed: Packed, nbytes_each: int, decode: Callable[[NDArray[np.uint8], slice], Any]) -> Unpacked:
    """Of rows that take `nbytes_each` bytes: `decode` gives the values of such bytes (rows, bytes), which stand at the slice."""
    *outer, width = packed.tensor.shape
    del outer

    def read(first: int, n: int, part: ReadPart) -> Floats:
        raw = np.frombuffer(part(first * nbytes_each, n * nbytes_each), np.uint8).reshape(n, nbytes_each)
        found: Floats = decode(raw, slice(first, first + n))[:, :width].astype(np.float32, copy=False)
        return found

    return Unpacked(packed.tensor.shape, width, read)


def gptq(packed: Packed) -> Unpacked | None:
    """scales[g] · (q − (zero[g] + 1)), the group g of an input by `g_idx`; no + 1 in format gptq_v2.

    Source: AutoGPTQ, nn_modules/qlinear/qlinear_cuda_old.py; GPTQModel, utils/model.py, convert_gptq_v1_to_v2_format.
    """
    if not packed.has(".scales", ".qzeros"):
        return None
    bits, (out, width) = packed.bits, packed.tensor.shape
    words_each, n_each = _run(bits)
    scales = packed.array(".scales")
    zeros = fields(packed.words(".qzeros"), bits)[:, :out].astype(np.float32)
    zeros += packed.stated.get("checkpoint_format") != "gptq_v2"
    groups: NDArray[Any]
    if packed.has(".g_idx"):
        groups = np.frombuffer(packed.read(packed.beside[".g_idx"]), np.int32)
    else:
        groups = np.arange(width) // -(-width // len(scales))

    def read(first: int, n: int, part: ReadPart) -> Floats:
        size = words_each * out * 4
        words = np.frombuffer(part(first * size, n * size), np.uint32).reshape(n, words_each, out)
        quants = fields(np.ascontiguousarray(words.transpose(0, 2, 1)), bits).transpose(0, 2, 1).reshape(-1, out)
        group = groups[first * n_each : (first + n) * n_each]
        found: Floats = scales[group] * (quants.astype(np.float32) - zeros[group])
        return found

    return Unpacked((width, out), n_each * out, read, is_turned=True)


def awq(packed: Packed) -> Unpacked | None:
    """scales[g] · (q − zero[g]). Source: AutoAWQ, awq/utils/packing_utils.py, dequantize_gemm."""
    if not packed.has(".scales", ".qzeros") or packed.bits != 4:
        return None
    out, width = packed.tensor.shape
    scales = packed.array(".scales")
    zeros = _awq_columns(packed.words(".qzeros")).astype(np.float32)
    group_size = -(-width // len(scales))

    def read(first: int, n: int, part: ReadPart) -> Floats:
        quants = _awq_columns(np.frombuffer(part(first * out // 2, n * out // 2), np.uint32).reshape(n, -1))
        group = np.arange(first, first + n) // group_size
        found: Floats = scales[group] * (quants.astype(np.float32) - zeros[group])
        return found

    return Unpacked((width, out), out, read, is_turned=True)


def _awq_columns(words: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """The values in the order of the columns."""
    found = np.empty((*words.shape, 8), np.uint8)
    for k, column in enumerate(_AWQ_ORDER):
        found[..., column] = words >> np.uint32(4 * k) & 15
    return found.reshape(len(words), -1)


def compressed_integers(packed: Packed) -> Unpacked | None:
    """scale · (q − zero point), both stored with 2^(bits − 1) added. Source: compressed_tensors, compressors/pack_quantized."""
    if not packed.has(".weight_scale") or len(packed.tensor.shape) != 2:
        return None
    bits, (out, width) = packed.bits, packed.tensor.shape
    scales = packed.array(".weight_scale").reshape(-1, packed.beside[".weight_scale"].shape[-1] if out > 1 else 1)
    scales = np.broadcast_to(scales, (out, scales.shape[1]))
    zeros: Any = np.float32(1 << (bits - 1))
    if packed.has(".weight_zero_point"):  # packed along the output
        if packed.beside[".weight_zero_point"].dtype.name != "I32":
            return None
        turned = np.ascontiguousarray(packed.words(".weight_zero_point").T)
        zeros = fields(turned, bits)[:, :out].T.astype(np.float32)
    if packed.has(".weight_g_idx"):
        groups = decoded("I32", packed.read(packed.beside[".weight_g_idx"])).astype(np.int64)
    else:
        groups = np.arange(width) // -(-width // scales.shape[1])

    def values(raw: NDArray[np.uint8], at: slice) -> Any:
        words = raw.view(np.uint32)
        quants = fields(np.pad(words, ((0, 0), (0, -words.shape[1] % _run(bits)[0]))), bits)[:, :width]
        zero = zeros[at][:, groups] if getattr(zeros, "ndim", 0) else zeros
        return scales[at][:, groups] * (quants.astype(np.float32) - zero)

    return _rows(packed, 4 * -(-width * bits // 32), values)


def mlx(packed: Packed) -> Unpacked | None:
    """scale · q + bias. Source: MLX, mlx.core.dequantize."""
    if not packed.has(".scales", ".biases"):
        return None
    bits, width = packed.bits, packed.tensor.shape[-1]
    n_groups = packed.beside[".scales"].shape[-1]
    scales, biases = (packed.array(leaf).reshape(-1, n_groups, 1) for leaf in (".scales", ".biases"))
    if width * bits % 32 or width % n_groups:
        return None

    def values(raw: NDArray[np.uint8], at: slice) -> Any:
        # bytes and not words: of 3, 5 and 6 bits eight values fill so many bytes, which is the same run of bits
        quants = fields(raw.view(np.uint32), bits) if width * bits // 32 % _run(bits)[0] == 0 else _of_bytes(raw, bits)
        quants = quants.reshape(len(raw), n_groups, -1).astype(np.float32)
        return (scales[at] * quants + biases[at]).reshape(len(raw), -1)

    return _rows(packed, width * bits // 8, values)


def _of_bytes(raw: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Values of so many bits in a run of bytes, the lowest bits first."""
    single = np.unpackbits(raw, axis=-1, bitorder="little").reshape(len(raw), -1, bits)
    found: NDArray[np.uint8] = (single << np.arange(bits, dtype=np.uint8)).sum(axis=-1, dtype=np.uint8)
    return found


def fp4(packed: Packed) -> Unpacked | None:
    """E2M1 numbers, two in a byte, the first in its lower half, times a scale for 16 or 32 of them.

    NVFP4 of compressed-tensors divides its scales by a global one, that of ModelOpt multiplies with a second one. Sources:
    compressed_tensors, compressors/nvfp4; TensorRT-Model-Optimizer, quantization/qtensor/nvfp4_tensor.py; MXFP4: OCP
    Microscaling Formats 1.0, 6.3; transformers, integrations/mxfp4.py.
    """
    leaf = next((leaf for leaf in (".weight_scale", "_scales") if packed.has(leaf)), None)
    if leaf is None:
        return None
    scale = packed.beside[leaf]
    kind = "F8_E8M0" if scale.dtype.name == "U8" else scale.dtype.name
    scales = values_of(kind)[np.frombuffer(packed.read(scale), np.uint8)].astype(np.float32)
    tensor = packed.tensor
    is_turned = leaf == "_scales"  # gpt-oss: (experts, in, out), stored as (experts, out, groups of in)
    shape = (tensor.shape[0], tensor.shape[2], tensor.shape[1]) if is_turned else tensor.shape
    width, n_rows = shape[-1], prod(shape[:-1])
    scales = scales.reshape(n_rows, -1)
    if not scales.shape[1] or width % scales.shape[1]:
        return None
    for other, times in ((".weight_global_scale", -1), (".weight_scale_2", 1)):
        if packed.has(other):
            factor = packed.array(other).reshape(-1) ** np.float32(times)
            scales = scales * np.repeat(factor, n_rows // len(factor))[:, None]
    numbers = values_of("F4").astype(np.float32)

    def values(raw: NDArray[np.uint8], at: slice) -> Any:
        found = numbers[np.stack([raw & 15, raw >> 4], axis=-1)].reshape(len(raw), scales.shape[1], -1)
        return (found * scales[at][:, :, None]).reshape(len(raw), -1)

    found = _rows(packed._replace(tensor=tensor._replace(shape=shape)), width // 2, values)
    return found._replace(is_turned=is_turned)


def bitsandbytes4(packed: Packed) -> Unpacked | None:
    """quant_map[code] · absmax of 64 values (or as `quant_state` says), the first in the upper half of a byte.

    absmax may be quantised itself: nested_quant_map[code] · nested_absmax of 256 of them, plus an offset. Source:
    bitsandbytes/functional.py, dequantize_4bit and QuantState.
    """
    states = [leaf for leaf in packed.beside if ".quant_state." in leaf]
    if not packed.has(".weight.absmax", ".weight.quant_map") or len(states) != 1:
        return None
    state = packed.beside[states[0]]
    try:
        stated = json.loads(packed.read(state)) if (state.nbytes or 0) <= _MAX_STATE_NBYTES else {}
    except (ValueError, RecursionError):
        return None
    size = stated.get("blocksize", 64) if isinstance(stated, dict) else None
    if type(size) is not int or size < 2 or size % 2 or packed.tensor.numel % size:
        return None
    absmax = packed.array(".weight.absmax").reshape(-1)
    if packed.has(".weight.nested_absmax", ".weight.nested_quant_map"):
        codes = np.frombuffer(packed.read(packed.beside[".weight.absmax"]), np.uint8)
        each = stated.get("nested_blocksize", _NESTED_BLOCK)
        outer = packed.array(".weight.nested_absmax").reshape(-1)[np.arange(len(codes)) // each]
        absmax = packed.array(".weight.nested_quant_map")[codes] * outer
        absmax = absmax + np.float32(stated.get("nested_offset", 0.0))
    numbers = packed.array(".weight.quant_map")

    def read(first: int, n: int, part: ReadPart) -> Floats:
        raw = np.frombuffer(part(first * size // 2, n * size // 2), np.uint8)
        found: Floats = (
            numbers[np.stack([raw >> 4, raw & 15], axis=-1)].reshape(n, size) * absmax[first : first + n, None]
        )
        return found

    return Unpacked(packed.tensor.shape, size, read)


def scaled(packed: Packed) -> Unpacked | None:
    """FP8 or int8 times a scale: of the tensor, of each row, or of each block of 128 × 128 (or as it divides them).

    bitsandbytes' SCB is the largest |x| of a row, which 127 stands for. Sources: transformers, integrations/finegrained_fp8.py;
    compressed_tensors, quantization/lifecycle/forward.py, dequantize; bitsandbytes/functional.py, int8_vectorwise_dequant.
    """
    tensor = packed.tensor
    leaf = next((leaf for leaf in (".weight_scale_inv", ".weight_scale", ".SCB") if packed.has(leaf)), None)
    if leaf is None or len(tensor.shape) < 2 or packed.has(".weight_zero_point"):
        return None
    scales = packed.array(leaf) / np.float32(127 if leaf == ".SCB" else 1)
    if scales.ndim == 1 and scales.size in (1, tensor.shape[0]):
        scales = scales.reshape(-1, *(1,) * (len(tensor.shape) - 1))
    elif scales.ndim == 0:
        scales = scales.reshape((1,) * len(tensor.shape))
    if scales.ndim != len(tensor.shape) or any(s > n or not s for s, n in zip(scales.shape, tensor.shape, strict=True)):
        return None
    width = tensor.shape[-1]
    columns = _share(width, scales.shape[-1])
    places = np.ix_(*(_share(n, s) for n, s in zip(tensor.shape[:-1], scales.shape[:-1], strict=True)))
    of_rows = np.arange(prod(scales.shape[:-1])).reshape(scales.shape[:-1])[places].reshape(-1)
    flat = scales.reshape(-1, scales.shape[-1])

    def values(raw: NDArray[np.uint8], at: slice) -> Any:
        numbers = decoded(tensor.dtype.name, raw.tobytes()).astype(np.float32).reshape(len(raw), width)
        return numbers * flat[of_rows[at]][:, columns]

    return _rows(packed, width, values)


def _share(n: int, n_scales: int) -> NDArray[np.int64]:
    """Which scale each of n places has: one for 128 of them where there are as many, else for equal shares."""
    each = _FP8_BLOCK if -(-n // _FP8_BLOCK) == n_scales else -(-n // n_scales)
    return np.arange(n) // each


SCHEMES: tuple[tuple[str, Callable[[Packed], Unpacked | None]], ...] = (  # how the types' names begin
    ("GPTQ", gptq),
    ("AWQ", awq),
    ("INT", compressed_integers),
    ("MLX", mlx),
    ("NVFP4", fp4),
    ("MXFP4", fp4),
    ("NF4", bitsandbytes4),
    ("FP4", bitsandbytes4),
    ("F8_E4M3", scaled),
    ("F8_E5M2", scaled),
    ("I8", scaled),
)
