"""Text models under FlopCounterMode: fields that must agree for transformers to run a drawn configuration, and odd inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import DynamicCache, EncoderDecoderCache

if TYPE_CHECKING:
    from flop_inputs import Maker

_ROUTED: dict[str, Any] = {"n_routed_experts": 8, "num_experts_per_tok": 2, "n_group": 2, "topk_group": 1}
_MROPE: dict[str, Any] = {
    "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2,
    "rope_parameters": {"rope_type": "default", "mrope_section": [2, 3, 3]},
}  # fmt: skip
_MROPE_OF_HALF: dict[str, Any] = _MROPE | {
    "rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5, "mrope_section": [1, 1, 2]},
}
_HYBRID: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
}  # fmt: skip
_MAMBA2: dict[str, Any] = _HYBRID | {
    "mamba_n_heads": 8, "mamba_d_head": 16, "mamba_n_groups": 1, "mamba_d_state": 16, "mamba_d_conv": 4,
    "mamba_expand": 2, "mamba_chunk_size": 8,
}  # fmt: skip
_DELTA: dict[str, Any] = _HYBRID | {
    "head_dim": 16, "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8,
    "linear_value_head_dim": 16, "linear_conv_kernel_dim": 4,
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [3, 3, 2]},
}  # fmt: skip
_BLT: dict[str, Any] = {
    "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 40, "vocab_size": 64, "cross_attn_k": 2,
}  # fmt: skip
AGREEING: dict[str, dict[str, Any]] = {
    "bloom": {"slow_but_exact": False},  # which writes the same result once for each slice of it, and adds them up
    "phimoe": {"num_experts_per_tok": 2},  # what its router takes, whatever the configuration says
    "gptj": {"rotary_dim": 4, "n_head": 4, "n_embd": 64},
    "codegen": {"rotary_dim": 4, "n_head": 4, "n_embd": 64},
    **dict.fromkeys(("deepseek_v2", "deepseek_v3", "axk1", "glm4_moe_lite", "mistral4", "glm4_moe"), _ROUTED),
    "helium": {"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16},
    "solar_open": _ROUTED | {"n_shared_experts": 1},
    "mvp": {"use_prompt": False},
    "gemma3_text": {"use_bidirectional_attention": False},
    "gemma4_text": {"use_bidirectional_attention": "vision"},
    "gemma4_unified_text": {"use_bidirectional_attention": "vision"},
    "dots1": _ROUTED | {"n_group": 1},
    # layers of both kinds, since transformers' caches want one with attention, and kernels that have a width
    "jamba": _HYBRID | {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_conv": 4, "mamba_d_state": 16},
    "bamba": _MAMBA2 | {"attn_layer_indices": [1]},
    "granitemoehybrid": _MAMBA2
    | {"layer_types": ["linear_attention", "full_attention", "linear_attention"]}
    | {"num_local_experts": 4, "num_experts_per_tok": 2, "intermediate_size": 32, "shared_intermediate_size": 32},
    "falcon_h1": _MAMBA2 | {"mamba_d_ssm": 128},
    "mamba": {"conv_kernel": 4, "state_size": 16},
    "falcon_mamba": {"conv_kernel": 4, "state_size": 16},
    "lfm2": {"conv_L_cache": 3},
    "lfm2_moe": _HYBRID | {"conv_L_cache": 3, "layer_types": ["conv", "full_attention", "conv"]},
    "mamba2": {
        "hidden_size": 64,
        "num_heads": 8,
        "head_dim": 16,
        "expand": 2,
        "n_groups": 1,
        "conv_kernel": 4,
        "state_size": 16,
        "chunk_size": 8,
        "num_hidden_layers": 2,
    },
    "nemotron_h": _HYBRID
    | {
        "mamba_num_heads": 8,
        "mamba_head_dim": 16,
        "n_groups": 1,
        "ssm_state_size": 16,
        "conv_kernel": 4,
        "chunk_size": 8,
        "head_dim": 16,
        "expand": 2,
        "layers_block_type": ["mamba", "attention", "mlp"],
    },
    **dict.fromkeys(("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text"), _DELTA),
    "qwen2_vl_text": _MROPE,
    "qwen2_5_omni_text": _MROPE,
    **dict.fromkeys(("glm4v_text", "glm4v_moe_text", "glm_ocr_text"), _MROPE_OF_HALF),
    "dbrx": {
        "d_model": 64,
        "n_heads": 4,
        "n_layers": 2,
        "attn_config": {"kv_n_heads": 2, "clip_qkv": 8, "rope_theta": 1e4},
        "ffn_config": {"ffn_hidden_size": 48, "moe_num_experts": 4, "moe_top_k": 2},
    },
    "deberta": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]},
    "esm": {"pad_token_id": 1},
    "ibert": {"quant_mode": False},  # its softmax of integers is none that torch knows
    "kimi_linear": _HYBRID
    | {
        "layer_types": ["linear_attention", "full_attention", "linear_attention"],
        "mlp_layer_types": ["dense", "sparse", "sparse"],
        "linear_conv_kernel_dim": 4,
        "linear_head_dim": 8,
        "linear_num_heads": 4,
        "num_experts_per_tok": 2,
        "n_group": 1,
        "topk_group": 1,
        "num_key_value_heads": 4,
    },
    "jetmoe": {"kv_channels": 8},  # of one number there are no rotary pairs
    "minimax_m3_vl_text": {
        "num_hidden_layers": 3,
        "layer_types": ["minimax_m3_sparse", "full_attention", "minimax_m3_sparse"],
    },
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "qwen2_5_vl_text": _MROPE,
}
# (decoders that run only where many fields agree, and small ones of those that are large as they are drawn)
AGREEING |= {
    "hunyuan_vl_text": _MROPE | {"head_dim": 16, "rope_parameters": {"rope_type": "default", "mrope_section": [2, 2, 2, 2]}},
    "diffusion_gemma_text": {"use_bidirectional_attention": "vision", "hidden_size": 32, "num_experts": 4},
    "moshi_depth": {"num_codebooks": 12},  # as many as there are tokens in a sequence, and more
    "zamba2": {
        "hidden_size": 64, "num_hidden_layers": 6, "num_attention_heads": 4, "num_key_value_heads": 4,
        "attention_hidden_size": 128, "attention_head_dim": 32, "adapter_rank": 8, "num_mem_blocks": 2,
        "layers_block_type": ["mamba", "hybrid", "hybrid", "mamba", "hybrid", "hybrid"], "use_shared_attention_adapter": True,
        "mamba_d_state": 16, "mamba_d_conv": 4, "mamba_expand": 2, "mamba_headdim": 16, "n_mamba_heads": 8, "chunk_size": 8,
        "num_query_groups": 4, "use_mem_rope": False,
    },
    "mistral_large4_text": {
        "hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 4,
        "no_rope_layers": [1, 0, 1, 0], "kv_source_layers": [0, 1, 0, 1], "indexer_types": ["full", "shared", "full", "full"],
        "mlp_layer_types": ["dense", "sparse", "sparse", "sparse"], "n_group": 1, "topk_group": 1,
    },
    "dots3_note_text": {
        "hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 4, "sliding_window": 6,
        "swa_num_key_value_heads": 2, "index_topk": 4,
        "layer_types": ["full_attention", "indexed_attention", "sliding_attention"], "swa_num_attention_heads": 2,
        "mlp_layer_types": ["dense", "sparse", "sparse"], "n_group": 1, "topk_group": 1, "num_experts_per_tok": 2,
    },
    # (what experts do that do nothing depends on the weights; their share is tested by hand)
    "longcat_flash": {
        "zero_expert_num": 0, "n_routed_experts": 8, "moe_topk": 2, "hidden_size": 64, "num_layers": 2, "vocab_size": 64,
        "num_attention_heads": 4, "num_key_value_heads": 4, "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 16,
        "qk_rope_head_dim": 8, "v_head_dim": 12, "ffn_hidden_size": 48, "expert_ffn_hidden_size": 32,
    },
    "bailing_hybrid": {
        "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 16,
        "layer_types": ["linear_attention", "full_attention"], "mlp_layer_types": ["dense", "sparse"], "vocab_size": 64,
        "short_conv_kernel_size": 4, "n_group": 1, "topk_group": 1, "n_routed_experts": 4, "num_local_experts": 4,
        "num_experts_per_tok": 2, "kv_lora_rank": 16, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16, "v_head_dim": 16,
    },
    "inkling_text": {
        "num_hidden_layers": 3, "layer_types": ["hybrid_sliding", "hybrid", "hybrid_sliding"], "sliding_window_size": 6,
        "mlp_layer_types": ["dense", "sparse", "sparse"], "hidden_size": 64,
    },
    "doge": {"is_moe": True, "num_experts": 16, "num_experts_per_tok": 3},
    "xlstm": {
        "hidden_size": 128, "embedding_dim": 128, "num_heads": 4, "qk_dim_factor": 0.5, "v_dim_factor": 1.0, "mode": "inference",
        "return_last_states": True, "chunk_size": 64, "max_inference_chunksize": 64, "num_blocks": 2, "num_hidden_layers": 2,
        "chunkwise_kernel": "chunkwise--native_autograd", "sequence_kernel": "native_sequence__native", "step_kernel": "native",
    },
    "t5_gemma_module": {"dropout_rate": 0.0, "is_decoder": False},  # (the first comes from what stands around it)
    "qwen4_exp_text": _DELTA | {
        "hidden_size": 32, "num_hidden_layers": 2, "layer_types": ["linear_attention", "indexed_attention"], "num_experts": 4,
        "indexer_n_heads": 4, "indexer_kv_heads": 1, "indexer_head_dim": 8, "indexer_budget": 4, "indexer_compress_ratio": 2,
        "ple_layer_ids": [1], "ngram_vocab_size_base": 50, "heads_per_ngram": 2, "ple_embed_dim": 32, "hc_lowrank": 12,
        "num_experts_per_tok": 2, "moe_intermediate_size": 24, "eos_token_id": 1, "split_ngram_parts": 2,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 1, 1], "partial_rotary_factor": 0.5},
    },
    "glm5_next_text": {
        "hidden_size": 32, "num_hidden_layers": 3, "layer_types": ["linear_attention", "indexed_attention", "indexed_attention"],
        "indexer_types": ["full", "full", "shared"], "mlp_layer_types": ["dense", "sparse", "sparse"], "hc_sinkhorn_iters": 2,
        "index_kpool": 2, "index_topk": 4, "index_n_heads": 2, "index_head_dim": 8, "num_attention_heads": 4, "hc_mult": 2,
        "num_key_value_heads": 4, "q_lora_rank": 12, "kv_lora_rank": 16, "qk_nope_head_dim": 8, "v_head_dim": 8,
        "linear_head_dim": 8, "linear_num_heads": 2, "linear_conv_kernel_dim": 3, "n_group": 1, "topk_group": 1,
        "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "qk_rope_head_dim": 0,
    },
    "inkling2_text": {
        "num_hidden_layers": 3, "layer_types": ["hybrid_sliding", "hybrid", "hybrid_sliding"], "sliding_window_size": 6,
        "hidden_size": 64, "n_layers_per_attn_res_block": 2, "n_routed_experts": 4, "num_experts_per_tok": 2,
    },
    "reformer": {
        "is_decoder": False, "attn_layers": ["local", "lsh", "local"], "local_attn_chunk_length": 2, "lsh_attn_chunk_length": 4,
        "num_hashes": 3, "num_buckets": None, "chunk_size_feed_forward": 0, "chunk_size_lm_head": 0, "max_position_embeddings": 64,
        "axial_pos_embds": False,
    },
    **{
        name: {
            "backbone_hidden_size": 48, "use_ordered_embeddings": ordered, "num_centroids": 16, "centroid_intermediate_top_k": 3,
            "text_config": {
                "model_type": text, "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
                "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "global_head_dim": 16, "sliding_window": 6,
                "layer_types": ["sliding_attention", "full_attention"], "hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0,
            },
        }
        for name, text, ordered in (
            ("gemma4_assistant", "gemma4_text", True), ("gemma4_unified_assistant", "gemma4_unified_text", False)
        )
    },
    "zaya": {"hidden_size": 32, "num_hidden_layers": 2, "layer_types": ["hybrid", "hybrid_sliding"], "sliding_window": 6, "num_experts": 4},
}  # fmt: skip
# (around these)
AGREEING |= {
    "diffusion_gemma": {
        "canvas_length": 5, "tie_word_embeddings": True, "text_config": {
            "model_type": "diffusion_gemma_text", "vocab_size": 64, "hidden_size": 32, "intermediate_size": 48, "num_experts": 4,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "global_head_dim": 16,
            "num_global_key_value_heads": 1, "layer_types": ["sliding_attention", "full_attention"], "sliding_window": 6,
            "top_k_experts": 2, "moe_intermediate_size": 24, "use_bidirectional_attention": "vision",
        },
    },
    "blt": {
        "patch_size": 3, "max_patch_length": 3, "patching_threshold": 1e9, "patching_mode": "entropy", "patch_in_forward": True,
        "encoder_hash_byte_group_vocab": 50, "encoder_hash_byte_group_size": [3, 4], "cross_attn_k": 2,
        "encoder_config": _BLT | {"model_type": "blt_local_encoder", "num_hidden_layers": 1, "hidden_size_global": 48},
        "decoder_config": _BLT | {"model_type": "blt_local_decoder", "num_hidden_layers": 3, "hidden_size_global": 48},
        "global_config": _BLT | {"model_type": "blt_global_transformer", "hidden_size": 48, "num_hidden_layers": 2},
        "patcher_config": _BLT | {"model_type": "blt_patcher", "hidden_size": 16, "num_hidden_layers": 2},
    },
    "glm5_next": {"text_config": AGREEING["glm5_next_text"] | {"model_type": "glm5_next_text", "vocab_size": 64, "pad_token_id": 1}},
    "dots3_note": {
        "text_config": AGREEING["dots3_note_text"] | {
            "model_type": "dots3_note_text", "vocab_size": 64, "pad_token_id": 1, "n_routed_experts": 4, "q_lora_rank": 16, "kv_lora_rank": 16,
            "moe_intermediate_size": 24, "swa_q_lora_rank": 16, "swa_kv_lora_rank": 16, "intermediate_size": 32,
        },
        "vision_config": {
            "model_type": "dots3_note_vision_encoder", "hidden_size": 96, "intermediate_size": 24, "num_hidden_layers": 1,
            "num_attention_heads": 4, "patch_size": 4, "moe_intermediate_size": 64, "num_local_experts": 8, "adapter_in_dim": 96,
            "adapter_out_dim": 64, "adapter_merge_size": 2, "pyramid_num_routed": [-1],
        },
        "audio_config": {
            "model_type": "dots3_note_audio_encoder", "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 1, "downsample_hidden_size": 96, "head_dim": 16,
            "adapter_input_size": 24, "adapter_out_dim": 64,
        },
    },
}  # fmt: skip


_HEARD = 11  # tokens of a text that is read out: as many as the tests ask for


def _uncached(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Tokens for an encoder that would fill a cache if it were asked to."""
    return {"input_ids": _ids(config, n, batch, device), "use_cache": False}


def _whole(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    return {"input_ids": _ids(config, n, batch, device)}


def _with_streams(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Dia's decoder: so many codes at each step, and what an encoder made of a text."""
    return {
        "input_ids": torch.ones((batch, n, config.num_channels), dtype=torch.long, device=device),
        "encoder_hidden_states": torch.zeros((batch, _HEARD, config.cross_hidden_size), device=device),
        "past_key_values": EncoderDecoderCache(DynamicCache(), DynamicCache()),
    }


def _with_delay(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Voxtral Realtime's: how late the text may come, as one vector for each sequence."""
    return {
        "input_ids": _ids(config, n, batch, device),
        "t_cond": torch.zeros((batch, 1, config.hidden_size), device=device),
    }


def _with_codes(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Moshi's: words, and the codes of what it said and heard."""
    codes = torch.ones((batch, config.num_codebooks, n), dtype=torch.long, device=device)
    return {"input_ids": _ids(config, n, batch, device), "moshi_audio_codes": codes, "user_audio_codes": codes}


def _with_steps(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Moshi's depth decoder: what the large decoder made of each step."""
    return {
        "input_ids": _ids(config, n, batch, device),
        "last_hidden_state": torch.zeros((batch, n, config.input_size), device=device),
    }


def _of_codebooks(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """MusicGen's: a row for each codebook of each sequence."""
    return {"input_ids": _ids(config, n, batch * config.num_codebooks, device)}


def _drafting(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """An assistant of Gemma 4's: what the large model made of each token, and its keys and values."""
    text = config.text_config
    kept = {}
    for kind, layer in zip(text.layer_types, text.per_layer_config, strict=True):
        shape = (batch, layer.num_key_value_heads, n, layer.head_dim)
        kept[kind] = (torch.zeros(shape, device=device), torch.zeros(shape, device=device))
    states = torch.zeros((batch, n, 2 * config.backbone_hidden_size), device=device)
    # (5.23 fails where it would leave out all but the last tokens, and no layer has an embedding of its own)
    more = {"logits_to_keep": None} if config.model_type == "gemma4_assistant" else {}
    return {"inputs_embeds": states, "shared_kv_states": kept, **more}


def _patches(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Parts of BLT: bytes, or patches of four bytes but for the first."""
    n_patches = 1 + -(-(n - 1) // 4)
    if config.model_type == "blt_global_transformer":
        width = config.encoder_cross_output_size or config.hidden_size
        return {"inputs_embeds": torch.zeros((batch, n, width), device=device)}
    if config.model_type == "blt_local_encoder":
        ids = torch.arange(n, device=device).add(3).div(4, rounding_mode="floor").expand(batch, n)
        return {"input_ids": _ids(config, n, batch, device), "num_patches": n_patches, "patch_ids": ids}
    states = torch.zeros((batch, n, config.hidden_size), device=device)
    return {
        "inputs_embeds": states,
        "patch_embeds": torch.zeros((batch, n_patches, config.hidden_size_global), device=device),
    }


def _ids(config: Any, n: int, batch: int, device: Any) -> Any:  # noqa: ARG001 - called as a maker is
    return torch.ones((batch, n), dtype=torch.long, device=device)


INPUTS: dict[str, Maker] = {
    **dict.fromkeys(("musicgen_decoder", "musicgen_melody_decoder"), _of_codebooks),
    **dict.fromkeys(("bert-generation", "blt", "blt_patcher"), _uncached),
    **dict.fromkeys(("blt_global_transformer", "blt_local_decoder", "blt_local_encoder"), _patches),
    "cpmant": _whole,
    "dia_decoder": _with_streams,
    **dict.fromkeys(("gemma4_assistant", "gemma4_unified_assistant"), _drafting),
    "moshi": _with_codes,
    "moshi_depth": _with_steps,
    "voxtral_realtime_text": _with_delay,
}
EVERY_TIME = frozenset({"cpmant", "dia_decoder", "moshi", "moshi_depth", "voxtral_realtime_text"})

WHOLE = frozenset({"cpmant"})

CLASSES: dict[str, str] = {
    "diffusion_gemma": "diffusion_gemma.DiffusionGemmaForBlockDiffusion",
    "moshi": "moshi.MoshiForConditionalGeneration",
    "t5_gemma_module": "t5gemma.T5GemmaEncoder",
    "bert-generation": "bert_generation.BertGenerationEncoder",
    "kosmos_2_text_model": "kosmos2.Kosmos2TextModel",
    "kosmos_2_5_text_model": "kosmos2_5.Kosmos2_5TextModel",
    "canary_decoder": "canary.CanaryDecoder",
    "dia_decoder": "dia.DiaDecoder",
    "moshi_depth": "moshi.MoshiDepthDecoder",
    "blt_global_transformer": "blt.BltGlobalTransformer",
    "blt_local_encoder": "blt.BltLocalEncoder",
    "blt_local_decoder": "blt.BltLocalDecoder",
}
