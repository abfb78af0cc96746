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


# Fields that must agree with others: called with what was drawn, returns what to change.
MULTIMODAL: dict[str, Callable[[Fields, Random], Fields]] = {
    "emu3": _emu3,
    "emu3_vqgan": _vqgan,
    "gemma3n_audio": _gemma3n_audio,
    "gemma4_assistant": _gemma4_assistant,
    "qwen4_exp_text": _qwen4_exp_text,
}
