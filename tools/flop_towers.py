"""Towers of pictures under FlopCounterMode: which class is one, what makes a drawn configuration run, and what it is given to see.

Where a picture may have any size it is a square of VECTORS patches, of whole blocks for what merges blocks of patches.
"""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any

import torch
from transformers import Gemma4UnifiedTextConfig, IdeficsConfig

if TYPE_CHECKING:
    from collections.abc import Callable

    from flop_inputs import Maker

_GRID = 36  # patches of a square picture: blocks of 2 × 2 and 3 × 3 are whole


def _first(config: Any, *names: str, default: Any = 1) -> Any:
    return next((getattr(config, name) for name in names if getattr(config, name, None) is not None), default)


def _grid(n: int, batch: int) -> torch.Tensor:
    """Frames, rows and columns of each picture."""
    return torch.tensor([[1, isqrt(n), isqrt(n)]] * batch)


def _channels(config: Any) -> int:
    return int(_first(config, "in_channels", "in_chans", "num_channels", default=3))


def packed(name: str) -> Maker:
    """The patches of all pictures one behind the other, each flat."""

    def make(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
        depth = _first(config, "temporal_patch_size", "patch_temporal")
        channels = 3 if hasattr(config, "patch_temporal") else _channels(config)
        numel = channels * depth * config.patch_size**2
        return {name: torch.zeros((batch * n, numel), device=device), "grid_thw": _grid(n, batch)}

    return make


def square(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Pictures of rows and columns, of `n` patches."""
    side = isqrt(n) * config.patch_size
    return {"pixel_values": torch.zeros((batch, _channels(config), side, side), device=device)}


def _of_patches(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Patches one behind the other, each of rows and columns."""
    shape = (batch * n, _channels(config), config.patch_size, config.patch_size)
    return {"pixel_values": torch.zeros(shape, device=device), "grid_thw": _grid(n, batch)}


def _video_llama_3(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    return packed("pixel_values")(config, n, batch, device) | {"merge_sizes": torch.tensor([2] * batch)}


def _paddleocr(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    given = _of_patches(config, n, batch, device)
    return given | {"pixel_values": given["pixel_values"][None]}


def _siglip2(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    numel = _channels(config) * config.patch_size**2
    return {
        "pixel_values": torch.zeros((batch, n, numel), device=device),
        "pixel_attention_mask": torch.ones((batch, n), dtype=torch.long, device=device),
        "spatial_shapes": torch.tensor([[isqrt(n)] * 2] * batch),
    }


def _flattened(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Patches with the row and the column of each before them."""
    numel = (
        2 + _channels(config) * config.patch_size**2
        if hasattr(config, "num_channels")
        else 2 + config.patch_embed_hidden_size
    )
    patches = torch.ones((batch, n, numel), device=device)
    return {"flattened_patches": patches}


def _gemma4(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    side = torch.arange(isqrt(n))
    places = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1).reshape(1, n, 2).repeat(batch, 1, 1)
    return {
        "pixel_values": torch.zeros((batch, n, 3 * config.patch_size**2), device=device),
        "pixel_position_ids": places.to(device),
    }


def _strips(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """The patches of all pictures side by side in one strip."""
    shape = (1, _channels(config), config.patch_size, batch * n * config.patch_size)
    return {"pixel_values": torch.zeros(shape, device=device), "target_sizes": torch.tensor([[isqrt(n)] * 2] * batch)}


def _tiles(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001 - every maker is called alike
    """A picture of as many tiles as there may be."""
    shape = (batch, 1, config.max_num_tiles, _channels(config), config.image_size, config.image_size)
    return {
        "pixel_values": torch.zeros(shape, device=device),
        "aspect_ratio_ids": torch.ones((batch, 1), dtype=torch.long, device=device),
        "aspect_ratio_mask": torch.ones((batch, 1, config.max_num_tiles), dtype=torch.long, device=device),
    }


def _sized(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001
    size = getattr(config, "sam_config", config).image_size
    size = size if isinstance(size, (list, tuple)) else (size, size)
    return {"pixel_values": torch.zeros((batch, _channels(config), *size), device=device)}


def _inkling(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    shape = (batch * n, config.temporal_patch_size, config.patch_size, config.patch_size, config.num_channels)
    return {"pixel_values": torch.zeros(shape, device=device)}


def _inkling2(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    merge = config.spatial_merge_size
    side = merge * config.patch_size
    shape = (batch * n // merge**2, side, side, config.num_channels)
    grid = torch.tensor([[1, isqrt(n) // merge, isqrt(n) // merge]] * batch)
    return {"pixel_values": torch.zeros(shape, device=device), "image_grid_thw": grid}


def _vectors(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """What a tower before it makes."""
    mask = torch.ones((batch, n), dtype=torch.long, device=device)
    return {"context": torch.zeros((batch, n, config.hidden_size), device=device), "attention_mask": mask}


def _molmo2(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001
    h, w = config.image_size if isinstance(config.image_size, (list, tuple)) else (config.image_size,) * 2
    patches = (h // config.patch_size) * (w // config.patch_size)
    return {"pixel_values": torch.zeros((batch, patches, 3 * config.patch_size**2), device=device)}


def _molmo2_adapter(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    width = config.hidden_size * len(config.vision_feature_layer)
    return {
        "image_features": torch.zeros((batch, n, width), device=device),
        "pooled_patches_idx": torch.arange(batch * n, device=device).reshape(-1, 4),
    }


def _context(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    return {"context": torch.zeros((batch, n, config.embed_dim), device=device)}


def _gemma4_unified(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    places = _gemma4(config, n, batch, device)["pixel_position_ids"]
    return {
        "pixel_values": torch.zeros((batch, n, 3 * config.model_patch_size**2), device=device),
        "image_position_ids": places,
    }


def _embedded(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """What a first eye leaves, half of it what it saw and half learned queries."""
    return {"inputs_embeds": torch.zeros((batch, n, config.hidden_size), device=device), "num_patches": n // 2}


def _seen(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """What a first eye leaves, in rows and columns."""
    return {"patch_embeds": torch.zeros((batch, config.hidden_size, isqrt(n), isqrt(n)), device=device)}


_FLAT = """
qwen2_vl_vision qwen2_5_vl_vision qwen3_vl_vision qwen3_vl_moe_vision qwen3_5_vision qwen3_5_moe_vision qwen4_exp_vision glm4v_vision
glm4v_moe_vision glm_ocr_vision glm5_next_vision exaone4_5_vision ernie4_5_vl_moe_vision cohere_compass_vision
qwen2_5_omni_vision_encoder qwen3_omni_moe_vision_encoder
"""
_PIXELS = """
dots3_note_vision_encoder cosmos3_edge_vision hunyuan_vl_vision lfm3_vl_vision minimax_m3_vl_vision muse_glimmer_vision
muse_spark_vision
"""
_SQUARE = "pixtral smolvlm_vision idefics2_vision idefics3_vision step3p5_vision radio"
_OF_SAM = """
got_ocr2_vision sam_vision_model deepseek_ocr2_sam_vision_model unlimited_ocr_sam_vision_model pp_formulanet_vision
pp_chart2table_vision
"""
_OF_ONE_SIZE = "kosmos_2_vision_model ovis2_vision granite_docling_vision idefics_vision llama4_vision_model"
_OF_QWEN3 = "qwen3_vl_vision qwen3_vl_moe_vision qwen3_omni_moe_vision_encoder cohere_compass_vision qwen4_exp_vision"
_OF_MINICPM = "minicpm_ocr_vision minicpmv4_6_vision minicpmv4_7_vision"
INPUTS: dict[str, Maker] = {
    **dict.fromkeys(_FLAT.split(), packed("hidden_states")),
    **dict.fromkeys(_PIXELS.split(), packed("pixel_values")),
    **dict.fromkeys(_SQUARE.split(), square),
    **dict.fromkeys(_OF_MINICPM.split(), _strips),
    **dict.fromkeys((_OF_SAM + _OF_ONE_SIZE).split(), _sized),
    **dict.fromkeys(("deepseek_ocr2_vision", "unlimited_ocr_vision"), _sized),
    **dict.fromkeys(("kosmos_2_5_vision_model", "pix2struct_vision_model"), _flattened),
    "kimi_k25_vision": _of_patches,
    "paddleocr_vl_vision": _paddleocr,
    "video_llama_3_vision": _video_llama_3,
    "siglip2_vision_model": _siglip2,
    "gemma4_vision": _gemma4,
    "gemma4_unified_vision": _gemma4_unified,
    "mllama_vision_model": _tiles,
    "inkling_vision": _inkling,
    "inkling2_vision": _inkling2,
    "idefics2_perceiver": _vectors,
    "idefics_perciever": _context,
    "deepseek_ocr2_encoder": _embedded,
    "unlimited_ocr_vision_encoder": _seen,
    "molmo2_vision": _molmo2,
    "molmo2_adapter": _molmo2_adapter,
}
VECTORS: dict[str, int] = {name: _GRID for name, make in INPUTS.items() if make not in (_sized, _tiles, _molmo2)}
_SMALL: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2, "image_size": 64, "patch_size": 8,
}  # fmt: skip
_SAM: dict[str, Any] = _SMALL | {"window_size": 3, "global_attn_indexes": [1]}
_SECOND: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48,
}  # fmt: skip
_TWO_EYES: dict[str, Any] = {"sam_config": _SAM | {"downsample_channels": [48, 64]}, "encoder_config": _SECOND}
_ANY_SIZE: dict[str, Any] = {"patch_size": 4}
_BLOCKS: dict[str, Any] = _ANY_SIZE | {"depth": 3, "spatial_merge_size": 2}
_DEEPSTACK: dict[str, Any] = _BLOCKS | {"deepstack_visual_indexes": [0, 2], "num_position_embeddings": 16}
_WINDOWS: dict[str, Any] = _BLOCKS | {"window_size": 16, "fullatt_block_indexes": [1]}  # (2 blocks wide, of 3)
_MUSE: dict[str, Any] = {
    "patch_size": 4, "pos_emb_height": 4, "pos_emb_width": 4, "merge_size": 2, "num_hidden_layers": 3,
    "layer_types": ["window_attention", "full_attention", "window_attention"],
}  # fmt: skip
_MINICPM: dict[str, Any] = {"num_hidden_layers": 4, "insert_layer_id": 1, "patch_size": 4}
AGREEING: dict[str, dict[str, Any]] = {
    **dict.fromkeys(VECTORS, _ANY_SIZE),
    **dict.fromkeys(_OF_SAM.split(), _SAM),
    **dict.fromkeys(_OF_ONE_SIZE.split(), _SMALL),
    **dict.fromkeys(("deepseek_ocr2_vision", "unlimited_ocr_vision"), _TWO_EYES),
    **dict.fromkeys(_OF_QWEN3.split(), _DEEPSTACK),
    **dict.fromkeys(("qwen2_5_vl_vision", "qwen2_5_omni_vision_encoder", "exaone4_5_vision"), _WINDOWS),
    **dict.fromkeys(("muse_glimmer_vision", "muse_spark_vision"), _MUSE),
    **dict.fromkeys(_OF_MINICPM.split(), _MINICPM),
    "siglip2_vision_model": {"patch_size": 4, "vision_use_head": True},
    "gemma4_vision": {"patch_size": 4, "pooling_kernel_size": 3},
    "lfm3_vl_vision": {
        "patch_size": 4,
        "num_hidden_layers": 2,
        "layer_types": ["conv", "full_attention"],
        "conv_kernel_size": 3,
    },
    "inkling_vision": {},
    "idefics_perciever": {"embed_dim": 64},  # of the tower before it
    "molmo2_vision": {"patch_size": 4, "image_size": [12, 20], "num_position_embeddings": 15},
    "llama4_vision_model": _SMALL
    | {"intermediate_size": 128, "projector_input_dim": 32, "projector_output_dim": 32, "pixel_shuffle_ratio": 0.5},
    "mllama_vision_model": _SMALL
    | {
        "attention_heads": 2,
        "max_num_tiles": 4,
        "supported_aspect_ratios": None,
        "intermediate_layers_indices": [0, 2],
        "num_global_layers": 2,
    },
}


def _resampler(cls: Any, config: Any) -> Any:
    """The resampler of IDEFICS, which takes its numbers one by one."""
    whole = IdeficsConfig(vision_config={"embed_dim": config.embed_dim}, perceiver_config=config.to_dict())
    sizes = (config.resampler_depth, config.resampler_n_heads, config.resampler_head_dim, config.resampler_n_latents)
    return cls(whole, config.embed_dim, *sizes)


def _unified(cls: Any, config: Any) -> Any:
    """The eye of Gemma 4 Unified, less the map to the language model's width."""
    made = cls(config, Gemma4UnifiedTextConfig(hidden_size=8))
    made.multimodal_embedder = torch.nn.Identity()
    return made


BUILT: dict[str, Callable[[Any, Any], Any]] = {
    "IdeficsVisionTransformer": lambda cls, config: cls(config),
    "IdeficsPerceiverResampler": _resampler,
    "Gemma4UnifiedVisionEmbedder": _unified,
}
CLASSES: dict[str, str] = {
    "idefics_vision": "idefics.IdeficsVisionTransformer",
    "idefics_perciever": "idefics.IdeficsPerceiverResampler",
    "gemma4_unified_vision": "gemma4_unified.Gemma4UnifiedVisionEmbedder",
    "pp_chart2table_vision": "got_ocr2.GotOcr2VisionEncoder",
    "qwen2_vl_vision": "qwen2_vl.Qwen2VisionTransformerPretrainedModel",
    "qwen2_5_vl_vision": "qwen2_5_vl.Qwen2_5_VisionTransformerPretrainedModel",
    "qwen2_5_omni_vision_encoder": "qwen2_5_omni.Qwen2_5OmniVisionEncoder",
    "qwen3_omni_moe_vision_encoder": "qwen3_omni_moe.Qwen3OmniMoeVisionEncoder",
    "ernie4_5_vl_moe_vision": "ernie4_5_vl_moe.Ernie4_5_VLMoeVisionTransformerPretrainedModel",
    "idefics2_vision": "idefics2.Idefics2VisionTransformer",
    "idefics2_perceiver": "idefics2.Idefics2PerceiverResampler",
    "got_ocr2_vision": "got_ocr2.GotOcr2VisionEncoder",
    "kosmos_2_vision_model": "kosmos2.Kosmos2VisionModel",
    "kosmos_2_5_vision_model": "kosmos2_5.Kosmos2_5VisionModel",
    "deepseek_ocr2_encoder": "deepseek_ocr2.DeepseekOcr2VisionEncoder",
    "unlimited_ocr_vision_encoder": "unlimited_ocr.UnlimitedOcrVisionEncoder",
    "deepseek_ocr2_sam_vision_model": "deepseek_ocr2.DeepseekOcr2SamVisionEncoder",
    "unlimited_ocr_sam_vision_model": "unlimited_ocr.UnlimitedOcrSamVisionEncoder",
    "minicpmv4_6_vision": "minicpmv4_6.MiniCPMV4_6VisionModel",
    "ovis2_vision": "ovis2.Ovis2VisionModel",
}
