"""What do the blocks of a GGUF file stand for whose values lie on ggml's own grids (IQ1, IQ2, IQ3)? The gguf package knows.

Those grids are tables of ggml's, found by search and not by a formula; gguf (`pip install 'numel[gguf]'`) is ggml's own reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gguf import GGMLQuantizationType, dequantize

if TYPE_CHECKING:
    from collections.abc import Callable

    from .ggml_blocks import Bytes, Floats


def decoder(name: str) -> Callable[[Bytes], Floats]:
    """What makes (blocks, values of a block) in float32 of (blocks, bytes of a block) of that type."""
    kind = GGMLQuantizationType[name]

    def decode(blocks: Bytes) -> Floats:
        found: Floats = dequantize(blocks, kind)
        return found

    return decode
