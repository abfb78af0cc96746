"""What does a GPT-2 checkpoint look like as it was published? Writes one of that layout, sparse, without the weights.

The old files hold the base model (`h.0…`, no `transformer.` in front, no head), float32, and beside the parameters the
causal mask of every layer, `h.N.attn.bias`, a buffer of [1, 1, 1024, 1024].
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

N_POSITIONS = 1024
VOCAB_SIZE = 50257
FLOAT32_NBYTES = 4


class Size(NamedTuple):
    """A size of GPT-2. `total`: trainable parameters, the tied head once; `stored`: with the masks, as the hub says."""

    name: str
    n_layer: int
    n_embd: int
    n_head: int
    total: int
    stored: int

    @property
    def repository(self) -> str:
        """Its id on the hub."""
        return f"openai-community/{self.name}"

    @property
    def config(self) -> dict[str, object]:
        """Its config.json."""
        return {
            "architectures": ["GPT2LMHeadModel"],
            "model_type": "gpt2",
            "activation_function": "gelu_new",
            "n_ctx": N_POSITIONS,
            "n_embd": self.n_embd,
            "n_head": self.n_head,
            "n_layer": self.n_layer,
            "n_positions": N_POSITIONS,
            "layer_norm_epsilon": 1e-5,
            "vocab_size": VOCAB_SIZE,
        }


SIZES = (
    Size("gpt2", 12, 768, 12, 124_439_808, 137_022_720),
    Size("gpt2-medium", 24, 1024, 16, 354_823_168, 379_988_992),
    Size("gpt2-large", 36, 1280, 20, 774_030_080, 811_778_816),
    Size("gpt2-xl", 48, 1600, 25, 1_557_611_200, 1_607_942_848),
)


def tensors(size: Size) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Name and shape of every tensor in the published file."""
    width = size.n_embd
    yield "wte.weight", (VOCAB_SIZE, width)
    yield "wpe.weight", (N_POSITIONS, width)
    for layer in range(size.n_layer):
        for name, shape in _block(width):
            yield f"h.{layer}.{name}", shape
    yield "ln_f.weight", (width,)
    yield "ln_f.bias", (width,)


def _block(width: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "ln_1.weight", (width,)
    yield "ln_1.bias", (width,)
    yield "attn.bias", (1, 1, N_POSITIONS, N_POSITIONS)  # the causal mask: no parameter
    yield "attn.c_attn.weight", (width, 3 * width)
    yield "attn.c_attn.bias", (3 * width,)
    yield "attn.c_proj.weight", (width, width)
    yield "attn.c_proj.bias", (width,)
    yield "ln_2.weight", (width,)
    yield "ln_2.bias", (width,)
    yield "mlp.c_fc.weight", (width, 4 * width)
    yield "mlp.c_fc.bias", (4 * width,)
    yield "mlp.c_proj.weight", (4 * width, width)
    yield "mlp.c_proj.bias", (width,)


def write(folder: Path, size: Size) -> Path:
    """Write config.json and model.safetensors of `size` into `folder`; the safetensors file.

    The header is real; the values are a hole in the file, which the file system reads as zeros and does not store.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(size.config, indent=2), encoding="utf-8")
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in tensors(size):
        begin, end = end, end + _numel(shape) * FLOAT32_NBYTES
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": (begin, end)}
    assert end == size.stored * FLOAT32_NBYTES, f"{size.name} is not as published"
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path = folder / "model.safetensors"
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(file.tell() + end)
    return path


def _numel(shape: tuple[int, ...]) -> int:
    n = 1
    for length in shape:
        n *= length
    return n
