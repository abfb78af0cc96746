"""Blocks of GGUF against the gguf package's own dequantisation: the same float32, bit for bit."""

import numpy as np
import pytest

from numel.core.ggml_dtypes import GGML_DTYPES
from numel.statistics.ggml_blocks import DECODERS

gguf = pytest.importorskip("gguf")
TYPES = {dtype.name: (gguf.GGMLQuantizationType(number), dtype) for number, dtype in GGML_DTYPES.items()}


@pytest.mark.parametrize("name", [name for name in DECODERS if name != "Q1_0"])  # which gguf 0.19 only knows by name
def test_every_block_is_what_ggufs_own_package_makes_of_it(name):
    kind, dtype = TYPES[name]
    rng = np.random.default_rng(3)
    raw = rng.integers(0, 256, (2000, dtype.block_nbytes), dtype=np.uint8)
    with np.errstate(all="ignore"):  # random bytes are NaN and infinities too
        found = DECODERS[name](raw)
        expected = gguf.dequantize(raw, kind)
    assert found.dtype == np.float32
    assert found.shape == (2000, dtype.block_numel)
    assert np.array_equal(found, expected.reshape(found.shape), equal_nan=True)


def test_one_bit_is_a_sign():
    """block_q1_0 of ggml-common.h: a float16 and 128 bits, of each byte the lowest first."""
    raw = np.frombuffer(np.float16(0.5).tobytes() + bytes([0b00000101, *[0] * 15]), np.uint8)[None]
    assert DECODERS["Q1_0"](raw)[0].tolist() == [0.5, -0.5, 0.5, *[-0.5] * 125]
