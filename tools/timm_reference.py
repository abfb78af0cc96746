"""What torch counts when the two towers run that timm builds and transformers only wraps: FastVLM's and Gemma 3n's.

    pip install timm torchvision
    python tools/timm_reference.py

Both stay out of the environment of the tests, since torchvision brings a torch of its own. What is printed stands in
tests/costs/test_timm_towers.py, with timm's version.
"""

from __future__ import annotations

import importlib
from typing import Any

import torch
import transformers
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from written_reference import WrittenMode

# Pictures of the usual size, and of smaller, odd and flat ones.
_OTHERS = ((512, 512), (250, 331), (64, 97))
_SIZES = {"fastvit_mci3": ((1024, 1024), *_OTHERS), "mobilenetv5_300m_enc": ((768, 768), *_OTHERS)}


def counted(config: Any, size: tuple[int, int], batch: int) -> tuple[int, int]:
    """FLOPs and numbers written of a pass of transformers' model over `batch` pictures, on the meta device.

    Attention runs as products, which a fused kernel hides from the counter.
    """
    with torch.device("meta"), torch.no_grad():
        model = transformers.AutoModel.from_config(config).eval().requires_grad_(False)
        picture = torch.zeros((batch, 3, *size))
        counter = FlopCounterMode(display=False)
        written = WrittenMode(model, lambda: (), lambda module: False)  # noqa: ARG005
        with counter, written, sdpa_kernel(SDPBackend.MATH):
            model(picture)
    return counter.get_total_flops(), written.total


def main() -> None:
    """One line for each picture."""
    print("timm", importlib.import_module("timm").__version__, "torch", torch.__version__)
    for whole in (transformers.FastVlmConfig(), transformers.Gemma3nConfig()):
        config = whole.vision_config
        for size in _SIZES[config.architecture]:
            print(config.architecture, size, *counted(config, size, batch=2))


if __name__ == "__main__":
    main()
