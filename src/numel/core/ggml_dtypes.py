"""Which element types do GGUF files have, by the number that stands in them?

Sources: ggml/include/ggml.h (enum ggml_type) and gguf-py 0.19.0, gguf/constants.py (GGML_QUANT_SIZES). The scales of a
block lie in the block, so its bytes are all that a weight costs. Numbers that are absent are types that ggml gave up.
"""

from __future__ import annotations

from .dtypes import SAFETENSORS_DTYPES, DType

GGML_DTYPES: dict[int, DType] = {
    0: SAFETENSORS_DTYPES["F32"],
    1: SAFETENSORS_DTYPES["F16"],
    2: DType("Q4_0", 18, 32),
    3: DType("Q4_1", 20, 32),
    6: DType("Q5_0", 22, 32),
    7: DType("Q5_1", 24, 32),
    8: DType("Q8_0", 34, 32),
    9: DType("Q8_1", 40, 32),
    10: DType("Q2_K", 84, 256),
    11: DType("Q3_K", 110, 256),
    12: DType("Q4_K", 144, 256),
    13: DType("Q5_K", 176, 256),
    14: DType("Q6_K", 210, 256),
    15: DType("Q8_K", 292, 256),
    16: DType("IQ2_XXS", 66, 256),
    17: DType("IQ2_XS", 74, 256),
    18: DType("IQ3_XXS", 98, 256),
    19: DType("IQ1_S", 50, 256),
    20: DType("IQ4_NL", 18, 32),
    21: DType("IQ3_S", 110, 256),
    22: DType("IQ2_S", 82, 256),
    23: DType("IQ4_XS", 136, 256),
    24: SAFETENSORS_DTYPES["I8"],
    25: SAFETENSORS_DTYPES["I16"],
    26: SAFETENSORS_DTYPES["I32"],
    27: SAFETENSORS_DTYPES["I64"],
    28: SAFETENSORS_DTYPES["F64"],
    29: DType("IQ1_M", 56, 256),
    30: SAFETENSORS_DTYPES["BF16"],
    34: DType("TQ1_0", 54, 256),
    35: DType("TQ2_0", 66, 256),
    39: DType("MXFP4", 17, 32),
    40: DType("NVFP4", 36, 64),
    41: DType("Q1_0", 18, 128),
}
