"""Models of pictures or sounds around a text model under FlopCounterMode: what makes a drawn configuration run, and what the model is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from transformers import AutoModel

import flop_texts
import flop_towers

if TYPE_CHECKING:
    from collections.abc import Callable

    from flop_inputs import Maker

_TEXT: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48,
    "vocab_size": 99,
}  # fmt: skip
_EXPERTS: dict[str, Any] = {
    "n_routed_experts": 4,
    "num_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
}
_EYE: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "image_size": 32, "patch_size": 8,
}  # fmt: skip
_EAR: dict[str, Any] = {
    "hidden_sizes": [16, 32], "depths": [1, 1], "num_hidden_layers": 2, "patch_sizes": [4, 2], "out_hidden_size": 32,
}  # fmt: skip


AGREEING: dict[str, dict[str, Any]] = {
    "hunyuan_vl": {"text_config": _TEXT | flop_texts.AGREEING["hunyuan_vl_text"], "vision_config": _EYE},
    "muse_spark": {"text_config": _TEXT | _EXPERTS, "vision_config": _EYE, "audio_config": _EAR},
    "unlimited_ocr": {
        "text_config": _TEXT | _EXPERTS | {"num_key_value_heads": 4},
        "vision_config": flop_towers.AGREEING["unlimited_ocr_vision"],
    },
    "fast_vlm": {
        "text_config": _TEXT | {"model_type": "qwen2"},
        "vision_config": {
            "model_type": "timm_wrapper",
            "architecture": "fastvit_mci3",
            "hidden_size": 3072,
            "model_args": {"inference_mode": True},
        },
    },
    "gemma3n": {
        "text_config": _TEXT
        | {
            "layer_types": ["sliding_attention", "full_attention"],
            "num_kv_shared_layers": 0,
            "vocab_size_per_layer_input": 99,
            "activation_sparsity_pattern": [0.0, 0.0],
        },
        "audio_config": {"hidden_size": 32, "conf_num_attention_heads": 2, "conf_num_hidden_layers": 1},
        "vision_config": {"model_type": "gemma3n_vision", "architecture": "mobilenetv5_300m_enc"},
    },
    "nemotron_h_omni": {
        "text_config": _TEXT | flop_texts.AGREEING["nemotron_h"] | {"model_type": "nemotron_h"},
        "vision_config": _EYE | {"model_type": "radio", "video_temporal_patch_size": 2},
        "audio_config": None,
        "vision_hidden_size": 32,
        "projector_hidden_size": 24,
    },
}

INPUTS: dict[str, Maker] = {}

# Modules that run on every token though what they make of words is thrown away.
DISCARDED: dict[str, tuple[str, ...]] = {"gemma3n": (".embed_vision", ".embed_audio")}


def _without_timm(cls: Any, config: Any) -> Any:
    """The model less its tower, which another library would build, and through which no text passes."""
    build = AutoModel.from_config

    def build_others(config: Any, **more: Any) -> Any:
        return torch.nn.Identity() if hasattr(config, "architecture") else build(config, **more)

    with patch.object(AutoModel, "from_config", build_others):
        return cls._from_config(config, attn_implementation="eager")


BUILT: dict[str, Callable[[Any, Any], Any]] = {
    "FastVlmForConditionalGeneration": _without_timm,
    "Gemma3nForConditionalGeneration": _without_timm,
}
