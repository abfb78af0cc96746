"""Encoders of pictures under FlopCounterMode: what makes a drawn configuration run, and what the model is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from flop_inputs import Maker

AGREEING: dict[str, dict[str, Any]] = {
    "donut-swin": {"use_absolute_embeddings": False},  # it has a class among its positions, and no token for it
    "swinv2": {"use_absolute_embeddings": False},
}


def _seen(size: int, name: str = "pixel_values") -> Maker:
    """A square picture of `size` where the configuration states none; the rest is drawn small."""

    def make(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001 - every maker is called alike
        return {name: torch.zeros((batch, getattr(config, "num_channels", 3), size, size), device=device)}

    return make


def _film(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001
    """A film of as many frames as the configuration states."""
    shape = (batch, config.num_frames, config.num_channels, config.image_size, config.image_size)
    return {"pixel_values": torch.zeros(shape, device=device)}


INPUTS: dict[str, Maker] = {
    **dict.fromkeys(("resnet", "bit", "regnet", "poolformer", "cvt", "hgnet_v2", "pp_lcnet"), _seen(224)),
    "segformer": _seen(512),
    **dict.fromkeys(("videomae", "vivit", "timesformer"), _film),
}

# What a head wants besides: pixels of patches again are as many as the picture's.
_REDRAWN: dict[str, Any] = {
    "image_size": 64,
    "patch_size": 4,
    "depths": [1, 2, 1],
    "num_heads": [2, 4, 2],
    "encoder_stride": 16,
}
HEADS: dict[str, dict[str, Any]] = {
    "SwinForMaskedImageModeling": _REDRAWN,
    "Swinv2ForMaskedImageModeling": _REDRAWN,
}

# Classes that are no model by themselves, and those that do not run at drawn configurations.
WITHOUT: frozenset[str] = frozenset()
