"""What do the blocks of a GGUF file stand for? Each block format of ggml as float32, with ggml's own arithmetic.

The layouts: ggml/src/ggml-common.h (the structs block_q4_0 to block_iq4_xs); the arithmetic: dequantize_row_* in
ggml/src/ggml-quants.c. Those with a grid of ggml's own (`GRIDS`) are read where the gguf package is installed: ggml_grids.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]  # (blocks, bytes of a block)
    Floats = NDArray[np.float32]  # (blocks, values of a block)

# ggml-common.h, kvalues_iq4nl; and the E2M1 numbers doubled, kvalues_mxfp4
_IQ4 = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.float32)
_E2M1_DOUBLED = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.float32)


def _half(blocks: Bytes, at: int) -> Floats:
    """The float16 at byte `at` of each block, (blocks, 1)."""
    found: Floats = np.ascontiguousarray(blocks[:, at : at + 2]).view(np.float16).astype(np.float32)
    return found


def _nibbles(packed: Bytes) -> Bytes:
    """The lower halves of all bytes, then the upper ones: along the last axis."""
    return np.concatenate([packed & 15, packed >> 4], axis=-1)


def _pairs(packed: Bytes) -> Bytes:
    """Two bits each: of all bytes the lowest two, then the next, to the highest: along the last axis."""
    return np.concatenate([(packed >> shift) & 3 for shift in (0, 2, 4, 6)], axis=-1)


def _bits(packed: Bytes) -> Bytes:
    """Single bits, of each byte the lowest first: along the last axis."""
    return np.unpackbits(packed, axis=-1, bitorder="little")


def _q4_0(b: Bytes) -> Floats:
    return _half(b, 0) * (_nibbles(b[:, 2:]).astype(np.float32) - 8)


def _q4_1(b: Bytes) -> Floats:
    return _half(b, 0) * _nibbles(b[:, 4:]).astype(np.float32) + _half(b, 2)


def _q5_0(b: Bytes) -> Floats:
    quants = _nibbles(b[:, 6:]) | (_bits(b[:, 2:6]) << 4)
    return _half(b, 0) * (quants.astype(np.float32) - 16)


def _q5_1(b: Bytes) -> Floats:
    quants = _nibbles(b[:, 8:]) | (_bits(b[:, 4:8]) << 4)
    return _half(b, 0) * quants.astype(np.float32) + _half(b, 2)


def _q8_0(b: Bytes) -> Floats:
    return _half(b, 0) * b[:, 2:].view(np.int8).astype(np.float32)


def _scaled(scales: Floats, quants: NDArray[np.generic]) -> Floats:
    """Each scale times its equal share of the quants."""
    n, n_scales = scales.shape
    found: Floats = scales[:, :, None] * quants.reshape(n, n_scales, -1).astype(np.float32)
    return found.reshape(n, -1)


def _scaled_less(scales: Floats, quants: Bytes, minima: Floats) -> Floats:
    """The same, less a minimum of each share."""
    n, n_scales = scales.shape
    found: Floats = scales[:, :, None] * quants.reshape(n, n_scales, -1).astype(np.float32) - minima[:, :, None]
    return found.reshape(n, -1)


def _q2_k(b: Bytes) -> Floats:
    scales, packed = b[:, :16], b[:, 16:80].reshape(-1, 2, 32)
    d, least = _half(b, 80), _half(b, 82)
    return _scaled_less(d * (scales & 15).astype(np.float32), _pairs(packed), least * (scales >> 4).astype(np.float32))


def _q3_k(b: Bytes) -> Floats:
    high = _bits(b[:, :32].reshape(-1, 32, 1)).transpose(0, 2, 1)  # bit k of byte j belongs to value 32 k + j
    low = _pairs(b[:, 32:96].reshape(-1, 2, 32)).reshape(-1, 8, 32)
    packed = b[:, 96:108]
    scales = (_nibbles(packed[:, :8]) | (_pairs(packed[:, 8:]) << 4)).astype(np.float32) - 32
    return _scaled(_half(b, 108) * scales, low.astype(np.int8) - 4 * (1 - high).astype(np.int8))


def _six_bits(packed: Bytes) -> tuple[Floats, Floats]:
    """Eight scales and eight minima of six bits in twelve bytes (get_scale_min_k4)."""
    scales, minima, rest = packed[:, :4], packed[:, 4:8], packed[:, 8:]
    upper = (rest & 15) | ((scales >> 6) << 4), (rest >> 4) | ((minima >> 6) << 4)
    both = [np.concatenate([first & 63, second], axis=1) for first, second in zip((scales, minima), upper, strict=True)]
    return both[0].astype(np.float32), both[1].astype(np.float32)


def _q4_k(b: Bytes) -> Floats:
    scales, minima = _six_bits(b[:, 4:16])
    return _scaled_less(_half(b, 0) * scales, _nibbles(b[:, 16:].reshape(-1, 4, 32)), _half(b, 2) * minima)


def _q5_k(b: Bytes) -> Floats:
    scales, minima = _six_bits(b[:, 4:16])
    high = _bits(b[:, 16:48].reshape(-1, 32, 1)).transpose(0, 2, 1)
    quants: Bytes = _nibbles(b[:, 48:].reshape(-1, 4, 32)).reshape(-1, 8, 32) | (high << np.uint8(4))
    return _scaled_less(_half(b, 0) * scales, quants, _half(b, 2) * minima)


def _q6_k(b: Bytes) -> Floats:
    low = _nibbles(b[:, :128].reshape(-1, 2, 64)).reshape(-1, 8, 32)
    high = _pairs(b[:, 128:192].reshape(-1, 2, 32)).reshape(-1, 8, 32)
    quants = (low | (high << 4)).astype(np.int8) - 32
    return _scaled(_half(b, 208) * b[:, 192:208].view(np.int8).astype(np.float32), quants)


def _iq4_nl(b: Bytes) -> Floats:
    return _half(b, 0) * _IQ4[_nibbles(b[:, 2:])]


def _iq4_xs(b: Bytes) -> Floats:
    high = np.ascontiguousarray(b[:, 2:4]).view(np.uint16) >> (2 * np.arange(8, dtype=np.uint16)) & 3
    low = np.stack([b[:, 4:8] & 15, b[:, 4:8] >> 4], axis=-1).reshape(-1, 8)
    scales = (low | (high << 4)).astype(np.float32) - 32
    return _scaled(_half(b, 0) * scales, _IQ4[_nibbles(b[:, 8:].reshape(-1, 8, 16))])


def _tq2_0(b: Bytes) -> Floats:
    return _half(b, 64) * (_pairs(b[:, :64].reshape(-1, 2, 32)).reshape(-1, 256).astype(np.float32) - 1)


def _trits(packed: Bytes, n: int) -> Bytes:
    """The first `n` digits to base 3 of fractions of 256, all first ones first: along the last axis."""
    shifted = [packed * np.uint8(3**k) for k in range(n)]  # what runs over is meant to
    return np.concatenate([(digit.astype(np.uint16) * 3 >> 8).astype(np.uint8) for digit in shifted], axis=-1)


def _tq1_0(b: Bytes) -> Floats:
    digits = np.concatenate([_trits(b[:, :32], 5), _trits(b[:, 32:48], 5), _trits(b[:, 48:52], 4)], axis=1)
    return _half(b, 52) * (digits.astype(np.float32) - 1)


def _mxfp4(b: Bytes) -> Floats:
    return np.ldexp(_E2M1_DOUBLED[_nibbles(b[:, 1:])], b[:, :1].astype(np.int32) - 128)


def _nvfp4(b: Bytes) -> Floats:
    code = b[:, :4].astype(np.int32)
    exponent, fraction = code >> 3 & 15, (code & 7).astype(np.float32)
    scales = np.where(exponent == 0, np.ldexp(fraction, -9), np.ldexp(1 + fraction / 8, exponent - 7)) / 2
    scales[(code == 0) | (code == 127)] = 0  # ggml_ue4m3_to_fp32
    return _scaled(scales.astype(np.float32), _E2M1_DOUBLED[_nibbles(b[:, 4:].reshape(-1, 4, 8))])


def _q1_0(b: Bytes) -> Floats:
    return _half(b, 0) * (2 * _bits(b[:, 2:]).astype(np.float32) - 1)


DECODERS: dict[str, Callable[[Bytes], Floats]] = {
    "Q1_0": _q1_0,
    "Q4_0": _q4_0,
    "Q4_1": _q4_1,
    "Q5_0": _q5_0,
    "Q5_1": _q5_1,
    "Q8_0": _q8_0,
    "Q2_K": _q2_k,
    "Q3_K": _q3_k,
    "Q4_K": _q4_k,
    "Q5_K": _q5_k,
    "Q6_K": _q6_k,
    "IQ4_NL": _iq4_nl,
    "IQ4_XS": _iq4_xs,
    "TQ1_0": _tq1_0,
    "TQ2_0": _tq2_0,
    "MXFP4": _mxfp4,
    "NVFP4": _nvfp4,
}
GRIDS = frozenset({"IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"})


def decoder(name: str) -> Callable[[Bytes], Floats] | None:
    """What makes float32 of the blocks of that type; None for another, and for one of GRIDS where gguf is not installed."""
    if name not in GRIDS:
        return DECODERS.get(name)
    try:
        module = import_module(".ggml_grids", __package__)
    except ImportError:
        return None
    found: Callable[[Bytes], Floats] = module.decoder(name)
    return found
