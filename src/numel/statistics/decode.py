"""What does each bit pattern mean? The values of every element type of 8 and 16 bits, as float64.

The formats of 8 bits: "FP8 Formats for Deep Learning" (Micikevicius et al., 2022, table 1) for E4M3 and E5M2, the FNUZ
variants of "8-bit Numerical Formats for Deep Neural Networks" (Noune et al., 2022), E8M0 and F4 of the OCP Microscaling
Formats specification 1.0 (2023, 5.3.3 and 5.4.1).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels.twin import widened

if TYPE_CHECKING:
    from numpy.typing import NDArray

# dtype → bits of the exponent, bits of the fraction, bias, what the top exponent means
_FLOAT8 = {
    "F8_E4M3": (4, 3, 7, "nan"),  # no infinity; NaN is all ones
    "F8_E5M2": (5, 2, 15, "ieee"),
    "F8_E4M3FNUZ": (4, 3, 8, "fnuz"),  # NaN is what would be −0
    "F8_E5M2FNUZ": (5, 2, 16, "fnuz"),
}
ONE_BYTE = frozenset({"BOOL", "U8", "I8", "F8_E8M0", "F4", *_FLOAT8})
TWO_BYTES = frozenset({"F16", "BF16", "I16", "U16"})
WIDE = {"F64": np.float64, "I32": np.int32, "U32": np.uint32, "I64": np.int64, "U64": np.uint64}
_F4 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


@cache
def values_of(dtype: str) -> NDArray[np.float64]:
    """What each pattern of the dtype stands for: (256,) or (65536,), (16,) for F4; NaN and ±inf as such."""
    found = _values_of(dtype)
    found.setflags(write=False)
    return found


def decoded(dtype: str, raw: bytes) -> NDArray[np.float64]:
    """The values one by one, in their order; F4 has two in a byte, the first in its lower half."""
    if dtype == "F4":
        pairs = np.frombuffer(raw, np.uint8)
        patterns = np.stack([pairs & 15, pairs >> 4], axis=1).ravel()
    elif dtype == "BF16":  # the upper half of an F32: four times as fast as the table
        return widened((np.frombuffer(raw, np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32))
    elif dtype in ONE_BYTE or dtype in TWO_BYTES:
        patterns = np.frombuffer(raw, np.uint8 if dtype in ONE_BYTE else np.uint16)
    else:
        kind: Any = np.float32 if dtype == "F32" else WIDE[dtype]
        return widened(np.frombuffer(raw, kind))
    found: NDArray[np.float64] = values_of(dtype)[patterns]
    return found


def _values_of(dtype: str) -> NDArray[np.float64]:
    byte, word = np.arange(256, dtype=np.uint8), np.arange(65536, dtype=np.uint16)
    if dtype in _FLOAT8:
        return _float8(*_FLOAT8[dtype])
    if dtype == "BF16":
        return widened((word.astype(np.uint32) << 16).view(np.float32))
    if dtype == "F16":
        return widened(word.view(np.float16))
    if dtype == "F8_E8M0":
        return np.array([*(2.0**e for e in range(-127, 128)), np.nan])
    if dtype == "F4":
        return np.array([*_F4, *(-x for x in _F4)])
    integers = {"BOOL": byte != 0, "U8": byte, "I8": byte.view(np.int8), "I16": word.view(np.int16), "U16": word}
    found: NDArray[np.float64] = integers[dtype].astype(np.float64)
    return found


def _float8(n_exponent: int, n_fraction: int, bias: int, special: str) -> NDArray[np.float64]:
    code = np.arange(256)
    exponent = (code >> n_fraction) & ((1 << n_exponent) - 1)
    fraction = code & ((1 << n_fraction) - 1)
    normal = (1 + fraction / (1 << n_fraction)) * 2.0 ** (exponent - bias)
    found = np.where(exponent == 0, fraction / (1 << n_fraction) * 2.0 ** (1 - bias), normal)
    found = np.where(code >= 128, -found, found)
    if special == "nan":
        found[[0x7F, 0xFF]] = np.nan
    elif special == "ieee":
        top = exponent == (1 << n_exponent) - 1
        found[top] = np.where(fraction[top] == 0, np.where(code[top] < 128, np.inf, -np.inf), np.nan)
    else:
        found[0x80] = np.nan
    return found
