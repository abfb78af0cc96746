"""What does each bit pattern mean? The values of every element type of 8 and 16 bits, as float64.

The formats of 8 bits: "FP8 Formats for Deep Learning" (Micikevicius et al., 2022, table 1) for E4M3 and E5M2, the FNUZ
variants of "8-bit Numerical Formats for Deep Neural Networks" (Noune et al., 2022), E8M0 and F4 of the OCP Microscaling
Formats specification 1.0 (2023, 5.3.3 and 5.4.1).
"""

from __future__ import annotations

from array import array
from functools import cache
from math import inf, nan

from ..kernels import kernels

# dtype → bits of the exponent, bits of the fraction, bias, what the top exponent means
_FLOAT8 = {
    "F8_E4M3": (4, 3, 7, "nan"),  # no infinity; NaN is all ones
    "F8_E5M2": (5, 2, 15, "ieee"),
    "F8_E4M3FNUZ": (4, 3, 8, "fnuz"),  # NaN is what would be −0
    "F8_E5M2FNUZ": (5, 2, 16, "fnuz"),
}
ONE_BYTE = frozenset({"BOOL", "U8", "I8", "F8_E8M0", "F4", *_FLOAT8})
TWO_BYTES = frozenset({"F16", "BF16", "I16", "U16"})
WIDE = {"F64": "d", "I32": "i", "U32": "I", "I64": "q", "U64": "Q"}  # as array and numpy call them
_F4 = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0)
_INTEGERS = {"U8": (0, 1 << 8), "I8": (1 << 7, 1 << 8), "I16": (1 << 15, 1 << 16), "U16": (0, 1 << 16)}  # the sign, all


@cache
def pattern_values(dtype: str) -> memoryview[float]:
    """What each pattern of the dtype stands for: (256,) or (65536,), (16,) for F4; NaN and ±inf as such."""
    if dtype in ("BF16", "F16"):
        return kernels().halves(dtype == "BF16")
    if dtype in _FLOAT8:
        found = [_float8(code, *_FLOAT8[dtype]) for code in range(256)]
    elif dtype == "F8_E8M0":
        found = [*(2.0**e for e in range(-127, 128)), nan]
    elif dtype == "F4":
        found = [*_F4, *(-x for x in _F4)]
    elif dtype == "BOOL":
        found = [0.0, *(1.0,) * 255]
    else:
        sign, n = _INTEGERS[dtype]
        found = [float(k - n if sign and k >= sign else k) for k in range(n)]
    return memoryview(array("d", found))


def _float8(code: int, n_exponent: int, n_fraction: int, bias: int, special: str) -> float:
    exponent, top = (code >> n_fraction) & ((1 << n_exponent) - 1), (1 << n_exponent) - 1
    fraction = (code & ((1 << n_fraction) - 1)) / (1 << n_fraction)
    size = (1 + fraction) * 2.0 ** (exponent - bias) if exponent else fraction * 2.0 ** (1 - bias)
    if (special == "nan" and code & 0x7F == 0x7F) or (special == "fnuz" and code == 0x80):
        size = nan
    elif special == "ieee" and exponent == top:
        size = nan if fraction else inf
    return -size if code >> 7 else size
