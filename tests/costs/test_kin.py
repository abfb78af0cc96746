"""Types that transformers does not have cost what a type of the same shapes costs, which was held against torch."""

from __future__ import annotations

import pytest

import numel
from numel.costs.estimate import estimate
from numel.costs.families import KIN
from numel.costs.setting import Setting, dtype_called
from numel.errors import UsageError

SEVEN_B = {
    "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 32, "tie_word_embeddings": False, "max_position_embeddings": 8192,
}  # fmt: skip
K2 = {
    "hidden_size": 7168, "intermediate_size": 18432, "moe_intermediate_size": 2048, "num_hidden_layers": 61,
    "num_attention_heads": 64, "n_routed_experts": 384, "n_shared_experts": 1, "num_experts_per_tok": 8,
    "first_k_dense_replace": 1, "q_lora_rank": 1536, "kv_lora_rank": 512, "qk_rope_head_dim": 64, "qk_nope_head_dim": 128,
    "v_head_dim": 128, "vocab_size": 163840,
}  # fmt: skip
FALCON = {
    "hidden_size": 4544, "num_hidden_layers": 32, "num_attention_heads": 71, "multi_query": True, "bias": False,
    "new_decoder_architecture": False, "parallel_attn": True, "alibi": False, "vocab_size": 65024,
}  # fmt: skip
FALCON_40B = FALCON | {
    "hidden_size": 8192, "num_hidden_layers": 60, "num_attention_heads": 128, "new_decoder_architecture": True,
}  # fmt: skip
MOE = SEVEN_B | {
    "vocab_size": 126464,
    "first_k_dense_replace": 1,
    "moe_intermediate_size": 1408,
    "num_experts_per_tok": 6,
    "num_key_value_heads": 4,
}
MINIMAX = SEVEN_B | {
    "vocab_size": 200064,
    "num_hidden_layers": 4,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
    "head_dim": 128,
    "num_key_value_heads": 8,
}
KINDS = ["linear_attention"] * 3 + ["full_attention"]
# (their own fields, where they are called otherwise, beside those of both)
SIZES = {
    "RefinedWeb": ({"n_head_kv": 8}, {**FALCON_40B, "num_kv_heads": 8}),
    "RefinedWebModel": ({}, FALCON),
    "aquila": ({}, {**SEVEN_B, "vocab_size": 100008}),
    "bailing_moe": (
        {"num_experts": 64, "num_shared_experts": 2, "head_dim": 128},
        {**MOE, "n_routed_experts": 64, "n_shared_experts": 2, "head_dim": 128},
    ),
    "chatglm": (
        {"num_layers": 32, "ffn_hidden_size": 11008, "multi_query_attention": True, "multi_query_group_num": 4},
        {**SEVEN_B, "num_key_value_heads": 4, "head_dim": 128, "padded_vocab_size": 65024, "vocab_size": 65024},
    ),
    "exaone4_5_text": ({}, {**SEVEN_B, "num_key_value_heads": 8, "sliding_window": 300, "vocab_size": 102400}),
    "minimax_m1": ({"attn_type_list": [0, 0, 0, 1]}, {**MINIMAX, "layer_types": KINDS}),
    "minimax_text_01": ({"attn_type_list": [0, 0, 0, 1]}, {**MINIMAX, "layer_types": KINDS}),
    "openelm": (
        {
            "model_dim": 4096,
            "num_transformer_layers": 32,
            "num_query_heads": [32] * 32,
            "num_kv_heads": [32] * 32,
            "ffn_multipliers": [2.6875] * 32,
        },
        {**SEVEN_B, "vocab_size": 32000},
    ),
    "phi-msft": ({"n_embd": 4096, "n_layer": 32, "n_head": 32, "n_inner": 11008}, {**SEVEN_B, "vocab_size": 51200}),
    "baichuan": ({}, {**SEVEN_B, "vocab_size": 125696}),
    "exaone": ({"num_layers": 32}, {**SEVEN_B, "num_key_value_heads": 8, "vocab_size": 102400}),
    "internlm2": ({"bias": False}, {**SEVEN_B, "num_key_value_heads": 8, "vocab_size": 92544}),
    "kimi_k2": ({}, K2),
    "mimo": ({}, {**SEVEN_B, "num_key_value_heads": 8, "vocab_size": 151680}),
    "minicpm": ({}, {**SEVEN_B, "vocab_size": 122753}),
    "qwen": ({"intermediate_size": 22016, "seq_length": 8192}, {**SEVEN_B, "vocab_size": 151936}),
    "stablelm_epoch": ({}, {**SEVEN_B, "vocab_size": 50304}),
}
BF16 = dtype_called("bf16", "--dtype")


@pytest.mark.parametrize("phase", ["prefill", "decode"])
@pytest.mark.parametrize("model_type", sorted(SIZES))
def test_the_same_shapes_cost_the_same(model_type, phase):
    own, both = SIZES[model_type]
    setting = Setting(phase, 1000, 2, BF16)
    found, known = (
        estimate(numel.inspect({**both, **more, "model_type": name}).table, setting)
        for name, more in ((model_type, own), (KIN[model_type], {}))
    )
    for field in ("flops", "kv_nbytes", "kv_moved_nbytes"):
        assert found.total(field) == known.total(field) > 0


def test_kimi_k2_keeps_what_deepseek_v3_keeps():
    found = estimate(numel.inspect({**K2, "model_type": "kimi_k2"}).table, Setting(context=8, kv_dtype=BF16))
    assert found.kv_per_token == 61 * (512 + 64) * 2


def test_the_first_deepseek_with_experts_by_hand():
    """DeepSeekMoE 16B (arXiv 2401.06066, section 5.1): 2 shared and 6 of 64 routed experts, a dense first layer."""
    n, d = 100, 2048
    fields = {
        "model_type": "deepseek", "hidden_size": d, "num_hidden_layers": 28, "num_attention_heads": 16,
        "num_key_value_heads": 16, "intermediate_size": 10944, "moe_intermediate_size": 1408, "n_routed_experts": 64,
        "n_shared_experts": 2, "num_experts_per_tok": 6, "first_k_dense_replace": 1, "vocab_size": 102400,
        "tie_word_embeddings": False,
    }  # fmt: skip
    dense, sparse = 3 * d * 10944, 64 * d + 3 * d * 1408 * (2 + 6)
    matrices = 28 * 4 * d * d + dense + 27 * sparse + d * 102400
    found = estimate(numel.inspect(fields).table, Setting(context=n, kv_dtype=BF16))
    assert found.total("flops") == 2 * n * matrices + 28 * 4 * n * n * d
    assert found.kv_per_token == 28 * 2 * d * 2


def test_saprot_is_esm_without_a_head():
    fields = {
        "hidden_size": 1280, "num_hidden_layers": 33, "num_attention_heads": 20, "intermediate_size": 5120, "vocab_size": 446,
        "position_embedding_type": "rotary", "max_position_embeddings": 1026, "emb_layer_norm_before": False,
    }  # fmt: skip
    found, known = (
        estimate(numel.inspect({**fields, "model_type": name}).table, Setting(context=1000, batch=2))
        for name in ("saprot", KIN["saprot"])
    )
    assert found.total("flops") == sum(w.flops for w in known.works if w.component != "head") > 0


def test_llada2_runs_as_ling_does_and_decodes_no_single_token():
    fields = {**MOE, "num_experts": 64, "num_shared_experts": 2, "head_dim": 128}
    llada, ling = (numel.inspect({**fields, "model_type": name}).table for name in ("llada2_moe", "bailing_moe"))
    for field in ("flops", "kv_nbytes"):
        assert estimate(llada, Setting()).total(field) == estimate(ling, Setting()).total(field) > 0
    with pytest.raises(UsageError, match="not decoding"):
        estimate(llada, Setting("decode"))


def test_intern_vit_is_the_tower_of_internvl():
    fields = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
    own, known = (
        numel.inspect({**fields, "image_size": 448, "patch_size": 14, "model_type": name}).table
        for name in ("intern_vit_6b", KIN["intern_vit_6b"])
    )
    setting = Setting(context=1025, batch=2)
    assert estimate(own, setting).total("flops") == estimate(known, setting).total("flops") > 0


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_internvl_s_tower_does_nothing_to_text(phase):
    text = {**SEVEN_B, "num_key_value_heads": 8, "vocab_size": 92544, "bias": False, "model_type": "internlm2"}
    found, known = (
        estimate(numel.inspect(fields).table, Setting(phase, 1000, 2, BF16))
        for fields in ({"model_type": "internvl_chat", "llm_config": text}, text)
    )
    for field in ("flops", "kv_nbytes"):
        assert found.total(field) == known.total(field) > 0


def test_every_kin_is_held_to_something():
    assert set(KIN) == set(SIZES) | {"deepseek", "saprot", "intern_vit_6b"}
