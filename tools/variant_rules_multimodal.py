"""What the drawing of configurations must know of models that read pictures, sound and words together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

Fields = dict[str, Any]


def _emu3(_: Fields, __: Random) -> Fields:
    return {"vocabulary_map": {"<image>": 1}}  # nothing is built without it


def _vqgan(_: Fields, random: Random) -> Fields:
    n = random.choice([1, 2, 3])  # norms of 32 groups divide each width
    return {
        "base_channels": random.choice([32, 64]),
        "channel_multiplier": [random.choice([1, 2]) for _ in range(n)],
        "attn_resolutions": [i for i in range(n) if random.random() < 0.4],
        "num_res_blocks": random.choice([0, 1, 2]),
    }


def _gemma3n_audio(_: Fields, random: Random) -> Fields:
    pairs = [[random.choice([1, 3]), random.choice([3, 5])] for _ in range(2)]
    strides = [[2, random.choice([1, 2])] for _ in range(2)]
    return {
        "sscp_conv_channel_size": [random.choice([16, 24]), random.choice([8, 32])],
        "sscp_conv_kernel_size": random.choice([pairs, [[3, 3], [3, 3]]]),
        "sscp_conv_stride_size": random.choice([strides, [[2, 2], [2, 2]]]),
    }


def _qwen4_exp_text(fields: Fields, random: Random) -> Fields:
    n_layers = fields.get("num_hidden_layers", 40)
    kinds = [random.choice(["linear_attention", "full_attention", "indexed_attention"]) for _ in range(n_layers)]
    hashed = [i + 1 for i in range(n_layers) if kinds[i] == "linear_attention" and random.random() < 0.5]
    indexer = {"indexer_n_heads": random.choice([1, 2]), "indexer_kv_heads": 1, "indexer_head_dim": 64}
    budget = {"indexer_budget": 8, "indexer_compress_ratio": 4, "rope_parameters": None}
    tables = {
        "ngram_size": random.choice([2, 3]),
        "heads_per_ngram": random.choice([1, 2]),
        "ngram_vocab_size_base": random.choice([100, 131]),
        "make_ngram_vocab_size_divisible_by": random.choice([8, 24]),
        "split_ngram_parts": random.choice([1, 3, 8]),
        "ple_embed_dim": random.choice([None, 32]),
        "eos_token_id": 1,
    }
    agreed = {"layer_types": kinds, "hc_count": random.choice([2, 3]), "hc_lowrank": random.choice([8, 16])}
    return indexer | budget | tables | agreed | {"ple_layer_ids": random.choice([None, hashed, hashed])}


def _gemma4_assistant(fields: Fields, random: Random) -> Fields:
    text = dict(fields.get("text_config") or {})
    n_layers = random.choice([2, 4])
    none = {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0}  # the class wants it said
    off = {"enable_moe_block": False, "use_double_wide_mlp": False}
    kinds = [random.choice(["sliding_attention", "full_attention"]) for _ in range(n_layers - 1)] + ["full_attention"]
    layers = {"num_hidden_layers": n_layers, "layer_types": kinds, "num_kv_shared_layers": n_layers}
    return {"text_config": text | none | off | layers}


def _ernie4_5_vl_moe_text(fields: Fields, random: Random) -> Fields:
    n_layers = fields.get("num_hidden_layers", 28)
    kinds = random.choice([None, [random.choice(["dense", "sparse"]) for _ in range(n_layers)]])
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [3, 3, 2]}
    heads = {"hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": random.choice([1, 4])}
    sizes = random.choice([None, [random.choice([16, 24]), random.choice([8, 16])]])
    drawn = {"moe_intermediate_size": sizes, "moe_num_experts": 3, "head_dim": 16, "rope_parameters": rope}
    return heads | drawn | {"moe_num_shared_experts": random.choice([0, 1, 2]), "mlp_layer_types": kinds}


def _joined_patches(_: Fields, random: Random) -> Fields:
    return {"merge_kernel_size": [random.choice([1, 2]), 2]}


def _perceiver(_: Fields, random: Random) -> Fields:
    sizes = {"num_cross_attention_heads": random.choice([1, 1, 2]), "train_size": random.choice([[8, 12], [4, 6, 8]])}
    return sizes | {"image_size": random.choice([8, 12]), "d_latents": 8 * random.choice([4, 6]), "d_model": 32}


def _deepseek_ocr2_text(fields: Fields, random: Random) -> Fields:
    kinds = [random.choice(["dense", "sparse"]) for _ in range(fields.get("num_hidden_layers", 32))]
    return {"mlp_layer_types": kinds, "n_shared_experts": random.choice([1, 2]), "n_routed_experts": 3}


def _chameleon(_: Fields, random: Random) -> Fields:
    return {"vocabulary_map": {"<image>": 1}, "swin_norm": random.choice([False, True])}  # nothing is built without it


def _chameleon_vqgan(fields: Fields, random: Random) -> Fields:
    drawn = _vqgan(fields, random) | {"resolution": 64, "attn_type": random.choice(["vanilla", "vanilla", "none"])}
    return drawn | {"attn_resolutions": random.choice([None, [64], [32, 16]])}


def _janus_vision(_: Fields, random: Random) -> Fields:
    return {
        "image_size": random.choice([32, 48]),
        "patch_size": random.choice([8, 16]),
        "depth": random.choice([1, 2, 3]),
    }


def _sam(_: Fields, random: Random) -> Fields:
    return {"image_size": random.choice([64, 96]), "patch_size": random.choice([8, 16]), "mlp_ratio": 2.0}


def _minicpmv_vision(_: Fields, random: Random) -> Fields:
    return {"window_kernel_size": [random.choice([1, 2]), 2], "image_size": 32, "patch_size": random.choice([8, 16])}


def _cosmos3_edge_text(_: Fields, __: Random) -> Fields:
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [3, 3, 2]}  # half a head in all
    return {"head_dim": 16, "rope_parameters": rope}


def _evolla(_: Fields, random: Random) -> Fields:
    chain = {"hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 40, "vocab_size": 30}
    chain |= {"num_hidden_layers": 2, "position_embedding_type": random.choice(["rotary", "absolute"])}
    chain |= {"emb_layer_norm_before": random.choice([True, False]), "max_position_embeddings": 24}
    crossed = random.choice([{}, {"is_decoder": True, "add_cross_attention": True}])
    added = {"aligner_num_add_layers": random.choice([1, 2]), "resampler_depth": random.choice([1, 2])}
    return added | {"protein_encoder_config": chain | crossed}


def _diffusion_gemma_text(fields: Fields, random: Random) -> Fields:
    n_layers = fields.get("num_hidden_layers", 30)
    kinds = [random.choice(["sliding_attention", "full_attention"]) for _ in range(n_layers - 1)] + ["full_attention"]
    experts = {"num_experts": 3, "top_k_experts": 2, "moe_intermediate_size": 24}
    heads = {"global_head_dim": 16, "num_global_key_value_heads": random.choice([None, 1])}
    return experts | heads | {"layer_types": random.choice([None, kinds])}


def _fast_vlm(fields: Fields, random: Random) -> Fields:
    folded = {"model_args": {"inference_mode": True}, "hidden_size": 3072, "do_pooling": True, "global_pool": "avg"}
    tower = {"model_type": "timm_wrapper", "architecture": "fastvit_mci3"} | folded
    text = {**(fields.get("text_config") or {}), "num_hidden_layers": 2}
    return {"vision_config": random.choice([None, tower]), "text_config": text, "vision_feature_layer": -1}


# Fields that must agree with others: called with what was drawn, returns what to change.
MULTIMODAL: dict[str, Callable[[Fields, Random], Fields]] = {
    "chameleon": _chameleon,
    "chameleon_vqgan": _chameleon_vqgan,
    "deepseek_ocr2_text": _deepseek_ocr2_text,
    "deepseek_ocr2_sam_vision_model": _sam,
    "cosmos3_edge_text": _cosmos3_edge_text,
    "minicpmv4_6_vision": _minicpmv_vision,
    "minicpmv4_7_vision": _minicpmv_vision,
    "minicpm_ocr_vision": _minicpmv_vision,
    "evolla": _evolla,
    "diffusion_gemma_text": _diffusion_gemma_text,
    "emu3": _emu3,
    "janus_vision_model": _janus_vision,
    "janus_vqgan": _vqgan,
    "sam_vision_model": _sam,
    "emu3_vqgan": _vqgan,
    "ernie4_5_vl_moe_text": _ernie4_5_vl_moe_text,
    "kimi_k25_vision": _joined_patches,
    "perceiver": _perceiver,
    "fast_vlm": _fast_vlm,
    "gemma3n_audio": _gemma3n_audio,
    "gemma4_assistant": _gemma4_assistant,
    "qwen4_exp_text": _qwen4_exp_text,
}
