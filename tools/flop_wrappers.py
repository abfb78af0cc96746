"""Models of pictures or sounds around a text model under FlopCounterMode: what makes a drawn configuration run, and what the model is given."""

from __future__ import annotations

from math import isqrt
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from transformers import AutoModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

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


_ASKING: dict[str, Any] = {  # (queries are fewer than the prompt has tokens)
    "vision_config": _EYE, "num_query_tokens": 2, "image_token_id": 5, "video_token_id": 5,
    "qformer_config": {
        "hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 40, "encoder_hidden_size": 32,
        "vocab_size": 99,
    },
    "text_config": {
        "model_type": "opt", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_dim": 48, "vocab_size": 99,
        "word_embed_proj_dim": 32,
    },
}  # fmt: skip
AGREEING: dict[str, dict[str, Any]] = {
    "hunyuan_vl": {"text_config": _TEXT | flop_texts.AGREEING["hunyuan_vl_text"], "vision_config": _EYE},
    "muse_spark": {"text_config": _TEXT | _EXPERTS, "vision_config": _EYE, "audio_config": _EAR},
    "unlimited_ocr": {
        "text_config": _TEXT | _EXPERTS | {"num_key_value_heads": 4},
        "vision_config": flop_towers.AGREEING["unlimited_ocr_vision"],
    },
    "ernie4_5_vl_moe": {
        "text_config": _TEXT
        | {"hidden_size": 64, "mlp_layer_types": ["dense", "sparse"], "moe_num_experts": 4, "moe_k": 2}
        | {"moe_intermediate_size": [16, 8], "rope_parameters": {"rope_type": "default", "mrope_section": [3, 3, 2]}},
        "vision_config": {"depth": 1, "hidden_size": 32, "num_heads": 4, "intermediate_size": 48},
    },
    "blip": {"vision_config": _EYE, "text_config": _TEXT | {"encoder_hidden_size": 32}},
    "kosmos-2": {
        "text_config": {"embed_dim": 32, "layers": 2, "ffn_dim": 48, "attention_heads": 4, "vocab_size": 99},
        "vision_config": _EYE,
        "latent_query_num": 2,
    },
    "idefics": _TEXT
    | {
        "num_hidden_layers": 4,
        "cross_layer_interval": 2,
        "use_resampler": True,
        "head_dim": None,
        "vision_config": _EYE | {"embed_dim": 32},
    }
    | {
        "perceiver_config": {
            "resampler_n_latents": 3,
            "resampler_depth": 2,
            "resampler_n_heads": 2,
            "resampler_head_dim": 8,
        }
    },
    "pix2struct": {
        "max_patches": 9,
        "text_config": {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "d_ff": 48, "vocab_size": 99, "d_kv": 8},
        "vision_config": _EYE | {"d_kv": 12, "d_ff": 40, "hidden_size": 32, "patch_embed_hidden_size": 12},
    },
    "vision-encoder-decoder": {
        "encoder": _EYE | {"model_type": "vit"},
        "decoder": {
            "model_type": "trocr",
            "d_model": 24,
            "decoder_layers": 2,
            "decoder_attention_heads": 2,
            "decoder_ffn_dim": 40,
            "vocab_size": 99,
            "cross_attention_hidden_size": 32,
            "is_decoder": True,
            "add_cross_attention": True,
        },
    },
    "pp_formulanet": {
        "text_config": {
            "d_model": 32,
            "decoder_layers": 2,
            "decoder_attention_heads": 2,
            "decoder_ffn_dim": 48,
            "vocab_size": 99,
        },
        "vision_config": flop_towers.AGREEING["pp_formulanet_vision"]
        | {"decoder_hidden_size": 32, "post_conv_in_channels": 24, "output_channels": 24, "post_conv_out_channels": 40}
        | {"post_conv_mid_channels": 16, "mlp_dim": 40},
    },
    "pi0": {
        "vlm_config": {
            "model_type": "paligemma",
            "projection_dim": 32,
            "image_token_id": 5,
            "text_config": _TEXT | {"model_type": "gemma", "head_dim": 8, "num_key_value_heads": 1},
            "vision_config": _EYE | {"model_type": "siglip_vision_model", "vision_use_head": False},
        },
        "dit_config": _TEXT
        | {"model_type": "gemma", "hidden_size": 24, "intermediate_size": 40, "head_dim": 8, "num_key_value_heads": 1},
        "chunk_size": 3,
        "max_state_dim": 6,
        "max_action_dim": 7,
        "cameras": 2,
    },
    "blip-2": _ASKING,
    "instructblip": _ASKING,
    "instructblipvideo": _ASKING,
    "siglip2": {
        "text_config": _TEXT | {"projection_size": 32, "max_position_embeddings": 16},
        "vision_config": _EYE | {"num_patches": 16, "vision_use_head": True},
    },
    "owlvit": {"vision_config": _EYE},
    "owlv2": {"vision_config": _EYE},
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


def _siglip2(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """A text, and a picture of as many patches as there are places."""
    seen, ids = config.vision_config, torch.ones((batch, n), dtype=torch.long, device=device)
    side = isqrt(seen.num_patches)
    patches = torch.zeros((batch, side * side, 3 * seen.patch_size**2), device=device)
    mask = torch.ones((batch, side * side), dtype=torch.long, device=device)
    shapes = torch.tensor([[side, side]] * batch)
    return {"input_ids": ids, "pixel_values": patches, "pixel_attention_mask": mask, "spatial_shapes": shapes}


def _found(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """A picture, and the name of what is looked for."""
    ids = torch.ones((batch, n), dtype=torch.long, device=device)
    size = config.vision_config.image_size
    channels = getattr(config.vision_config, "num_channels", 3)
    picture = torch.zeros((batch, channels, size, size), device=device)
    return {"input_ids": ids, "attention_mask": ids, "pixel_values": picture}


def _pictured(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """A picture, a text, and an answer for what writes one."""
    given = _found(config, n, batch, device)
    return {
        "input_ids": given["input_ids"],
        "pixel_values": given["pixel_values"],
        "decoder_input_ids": given["input_ids"],
    }


def _instructed(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """A picture, or four of a film, a prompt, and of it what the Q-Former reads."""
    given, frames = _pictured(config, n, batch, device), 4 if "video" in config.model_type else 1
    if frames > 1:
        given["pixel_values"] = given["pixel_values"][:, None].repeat(1, frames, 1, 1, 1)
    return given | {"qformer_input_ids": given["input_ids"][:, frames * config.num_query_tokens :]}


def _placed(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """A picture, and a prompt that begins with what stands for it."""
    given = _pictured(config, n, batch, device)
    mask = torch.tensor([[int(i < config.latent_query_num) for i in range(n)]] * batch, device=device)
    return given | {"image_embeds_position_mask": mask}


def _without_picture(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001 - called as makers are
    """What stands in the place of a picture that was seen before."""
    return {"image_embeds": torch.zeros((batch, 1, config.text_config.embed_dim), device=device)}


def _looked_at(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """One picture for all of a prompt."""
    given = _pictured(config, n, batch, device)
    mask = torch.ones((batch, n, 1), dtype=torch.long, device=device)
    return {
        "input_ids": given["input_ids"],
        "pixel_values": given["pixel_values"][:, None],
        "image_attention_mask": mask,
    }


def _seen_before(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001
    """The vectors of a picture."""
    seen = config.vision_config
    places = (seen.image_size // seen.patch_size) ** 2 + 1
    name = "perceiver_embeddings" if config.use_resampler else "image_encoder_embeddings"
    kept = config.perceiver_config.resampler_n_latents if config.use_resampler else places
    mask = torch.ones((batch, 1, 1), dtype=torch.long, device=device)
    return {name: torch.zeros((batch, 1, kept, seen.embed_dim), device=device), "image_attention_mask": mask}


def _flattened(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Flat patches with the row and the column of each before them, and the beginning of an answer."""
    patches = torch.ones((batch, config.max_patches, 2 + config.vision_config.patch_embed_hidden_size), device=device)
    return {"flattened_patches": patches, "decoder_input_ids": torch.ones((batch, n), dtype=torch.long, device=device)}


def _written(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """A picture, and the beginning of what is written."""
    size = getattr(config, "vision_config" if hasattr(config, "vision_config") else "encoder").image_size
    height, width = size if isinstance(size, (list, tuple)) else (size, size)
    ids = torch.ones((batch, n), dtype=torch.long, device=device)
    return {"pixel_values": torch.zeros((batch, 3, height, width), device=device), "decoder_input_ids": ids}


def _left_by_the_eye(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001
    """What the decoder looks at, where the class looks for it."""
    side = -(-(config.vision_config.image_size // config.vision_config.patch_size) // 4)
    left = torch.zeros((batch, side * side, config.text_config.d_model), device=device)
    return {"encoder_outputs": BaseModelOutputWithPooling(last_hidden_state=left, pooler_output=left)}


def _moving(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001
    """A robot's state, and what is to become its movements."""
    noise = torch.zeros((batch, config.chunk_size, config.max_action_dim), device=device)
    state = torch.zeros((batch, config.max_state_dim), device=device)
    return {"state": state, "noise": noise, "timestep": torch.zeros(batch, device=device)}


def _acting(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """The same with a prompt, and what the cameras see."""
    size = config.vlm_config.vision_config.image_size
    return _moving(config, n, batch, device) | {
        "input_ids": torch.ones((batch, n), dtype=torch.long, device=device),
        "pixel_values": torch.zeros((batch, config.cameras, 3, size, size), device=device),
        "pixel_attention_mask": torch.ones((batch, config.cameras), dtype=torch.bool, device=device),
    }


# What is given beside a new token's id and the cache.
LATER: dict[str, Maker] = {
    "kosmos-2": _without_picture,
    "idefics": _seen_before,
    "pp_formulanet": _left_by_the_eye,
    "pi0": _moving,
}

# Types whose one step leaves in the cache what the next is not to see: it is cut off, as they do it themselves.
CROPPED = frozenset({"pi0"})

# What is kept beside the cache, by its name in what comes out.
KEPT: dict[str, str] = {"idefics": "image_hidden_states"}
INPUTS: dict[str, Maker] = {
    "kosmos-2": _placed,
    "pi0": _acting,
    "vision-encoder-decoder": _written,
    "pp_formulanet": _written,
    "pix2struct": _flattened,
    "idefics": _looked_at,
    "blip-2": _pictured,
    "instructblip": _instructed,
    "instructblipvideo": _instructed,
    "siglip2": _siglip2,
    "owlvit": _found,
    "owlv2": _found,
    "blip": _pictured,
}

MADE_AGAIN: dict[str, tuple[str, ...]] = {"vision-encoder-decoder": ("enc_to_dec_proj",)}
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
