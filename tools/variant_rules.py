"""What the drawing of configurations must know of single model types, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from variant_rules_multimodal import MULTIMODAL
from variant_rules_pictures import PICTURES
from variant_rules_speech import SPEECH

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Rule = Callable[["Fields", Random], "Fields"]

Fields = dict[str, Any]

# Switches that are left alone: `is_decoder` of an encoder, which only another class sets, and what a release of
# transformers overrules although checkpoints are otherwise (5.23 ties every T5 and unties those that hold two matrices).
SENSELESS: dict[str, set[str]] = {
    name: {"is_decoder", "tie_word_embeddings"} for name in ("longt5", "mt5", "t5", "umt5")
}
SENSELESS["switch_transformers"] = {"is_decoder"}
SENSELESS["vibevoice_asr"] = {"acoustic_tokenizer_chunk_size"}  # a multiple of all ratios; no shape reads it
SENSELESS["moonshine_streaming_encoder"] = {"sliding_windows"}  # two numbers a layer; no shape reads them
SENSELESS["moshi"] = {"depth_decoder_config"}  # see _moshi below
SENSELESS["hrm_text"] = {"H_cycles", "L_cycles"}  # how often the stacks are run: 0 is no model, and no shape reads it
SENSELESS["blip_text_model"] = {"has_pooler"}  # no field of a config: the model around it says so
# no field of a config either: the model around it says how its file holds query, key and value
_IN_NEMO = ("asr_audio", "audio", "word_timestamp")
SENSELESS |= {f"nemotron3_5_transcribe_{part}": {"is_fused"} for part in _IN_NEMO}
SENSELESS |= {name: {"is_fused"} for name in ("nemotron3_diarization", "nemotron3_diarization_audio")}
SENSELESS["radio"] = {"has_conditioner"}  # no field either: the model around it may leave it away
SENSELESS["inkling_text"] = {"is_fused"}
SENSELESS["step3p5"] = {"is_split"}
SENSELESS["qianfan_ocr_vision"] = {"is_fused"}
SENSELESS["minimax_m3_vl_text"] = {"is_split"}  # no field of a config: the model with eyes is published so
SENSELESS["chinese_clip_text_model"] = {"has_pooler"}
SENSELESS["paddleocr_vl"] = {"tie_word_embeddings"}  # 5.23 ties a flat file's head, the published one is not
SENSELESS["blt"] = {"tie_word_embeddings"}  # would tie an embedding inside a sub-configuration to the head outside it


# Public classes without a section: a config that names one is counted as another class, with a warning.
LEFT_OUT: dict[str, set[str]] = {
    "diffusion_gemma": {"DiffusionGemmaDecoderModel"},  # half of a stack, published inside the model alone
    "esm": {"EsmForProteinFolding"},  # a folding model of its own around the encoder
    # parts of the model, published inside it alone
    "seamless_m4t": {
        "SeamlessM4TCodeHifiGan",
        "SeamlessM4TTextToUnitModel",
        "SeamlessM4TTextToUnitForConditionalGeneration",
    },
}


# Types whose names on the hub transformers 5.23 does not give back, so that only the loaded form is compared.
NO_HUB_FORM = {
    "deepseek_ocr2_text",  # published inside deepseek_ocr2 alone, where its experts are split
    "ernie4_5_vl_moe_text",  # published inside ernie4_5_vl_moe alone, where its experts are split
    "kimi_k25",  # it would write `blocks` for the language model's layers too
    "kimi_k25_vision",  # published inside kimi_k25 alone, where query, key and value are one
    "molmo2",  # it would cut the table of tokens in half, where checkpoints keep new tokens apart
    "molmo2_text",
    "glm4v_moe_text",  # published inside glm4v_moe alone, where its experts are split
    "qianfan_ocr",  # it would write the language model's layers as `encoder.layers` too, as checkpoints have the tower's
    "esm",  # it would write `encoder.layer.*.attention…` with the star, and call the norms' weights gamma
}


def _gpt_neo(fields: Fields, random: Random) -> Fields:
    return {"attention_types": [[[random.choice(["global", "local"])], fields.get("num_layers", 24)]]}


def _dbrx(fields: Fields, _: Random) -> Fields:
    # 5.23 reads rope_theta from the attention's own configuration, where nothing sets it by default
    attention = fields.get("attn_config") or {}
    return {"attn_config": {**attention, "rope_theta": 10000.0}}


def _lfm2_moe(fields: Fields, random: Random) -> Fields:
    n_layers = fields.get("num_hidden_layers", 32)  # the class has no default for what must be as long
    return {"layer_types": [random.choice(["conv", "full_attention"]) for _ in range(n_layers)]}


def _latent_attention(fields: Fields, _: Random) -> Fields:
    groups = 2 if fields.get("n_routed_experts", 8) % 2 == 0 else 1
    return {"n_group": groups, "topk_group": 1}


def _squeezebert(fields: Fields, random: Random) -> Fields:
    groups = ("q_groups", "k_groups", "v_groups", "post_attention_groups", "intermediate_groups", "output_groups")
    width = fields.get("hidden_size", 768)
    return {"embedding_size": width} | {name: random.choice([1, 2, 4]) for name in groups}


def _reformer(fields: Fields, random: Random) -> Fields:
    width = fields.get("hidden_size", 256)
    layers = [random.choice(["local", "lsh"]) for _ in range(random.choice([1, 2, 3]))]
    shape = [random.choice([3, 4, 8]), random.choice([2, 5])]
    return {"attn_layers": layers, "axial_pos_shape": shape, "axial_pos_embds_dim": [width // 4, width - width // 4]}


def _cohere_compass(_: Fields, __: Random) -> Fields:
    rope = {"rope_type": "default", "rope_theta": 10000.0}  # the class wants one for each kind of layer and sets none
    return {"rope_parameters": {"full_attention": rope, "sliding_attention": rope}}


def _deepseek_v4(fields: Fields, random: Random) -> Fields:
    heads = fields.get("num_attention_heads", 64)
    n_layers = fields.get("num_hidden_layers", 43)
    kinds = ["sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention"]
    layers = {"layer_types": random.choice([None, [random.choice(kinds) for _ in range(n_layers)]])}
    layers["mlp_layer_types"] = random.choice([None, [random.choice(["moe", "hash_moe"]) for _ in range(n_layers)]])
    return layers | {"o_groups": random.choice([1, 2, heads]), "hc_mult": random.choice([1, 2, 3])}


def _gemma4_text(fields: Fields, random: Random) -> Fields:
    n_layers = fields.get("num_hidden_layers", 30)
    n_shared = random.choice([0, n_layers // 3])
    kinds = [random.choice(["sliding_attention", "full_attention"]) for _ in range(n_layers)]
    if n_layers > 2:  # a layer that reuses keys and values needs an earlier one of its kind
        kinds[:2] = ["sliding_attention", "full_attention"]
    kinds[-1] = "full_attention"
    experts = {"num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 24}
    heads = {"global_head_dim": 16, "num_global_key_value_heads": random.choice([None, 1])}
    return {"num_kv_shared_layers": n_shared if n_layers > 2 else 0, "layer_types": kinds} | experts | heads


def _esm(fields: Fields, random: Random) -> Fields:  # noqa: ARG001 - every rule is called alike
    return {"vocab_size": fields.get("vocab_size") or 33, "is_folding_model": False}  # the class sets no vocabulary


def _gemma3n_text(fields: Fields, random: Random) -> Fields:
    n_layers = fields.get("num_hidden_layers", 35)
    kinds = [random.choice(["sliding_attention", "full_attention"]) for _ in range(n_layers)]
    kinds[:2] = ["sliding_attention", "full_attention"][:n_layers]
    widths = random.choice([48, [random.choice([16, 32]) for _ in range(n_layers)]])
    sparsity = {"activation_sparsity_pattern": [0.0] * n_layers}
    shared = {"num_kv_shared_layers": random.choice([0, max(n_layers - 2, 0)])}
    return (
        {"layer_types": kinds, "intermediate_size": widths, "altup_num_inputs": random.choice([2, 3])}
        | sparsity
        | shared
    )


def _bailing_hybrid(fields: Fields, random: Random) -> Fields:
    n_layers = fields.get("num_hidden_layers", 42)
    kinds = [random.choice(["linear_attention", "full_attention"]) for _ in range(n_layers)]
    return {"n_group": 1, "topk_group": 1, "layer_types": random.choice([None, kinds])}


def _xmod(_: Fields, random: Random) -> Fields:
    return {"languages": random.choice([["en_XX"], ["de_DE", "en_XX", "vi_VN"]])}


def _gemma4_unified_assistant(fields: Fields, _: Random) -> Fields:
    # 5.23 builds no text model in which every layer reuses keys and values, as the published assistants have it
    return {
        "text_config": {
            **(fields.get("text_config") or {}),
            "num_hidden_layers": 4,
            "num_kv_shared_layers": 2,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
        }
    }


def _dots3_note_text(fields: Fields, random: Random) -> Fields:
    heads = fields.get("num_attention_heads", 128)
    sliding = {
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 24,
        "qk_nope_head_dim": 8,
        "kv_lora_rank": 40,
    }
    shared = {"n_group": 1, "topk_group": 1, "num_key_value_heads": heads, "index_head_dim": 64, "n_shared_experts": 2}
    width = {"q_lora_rank": 16, "qk_rope_head_dim": 16, "head_dim": 64}
    more = {"use_dsa": random.choice([True, False]), "moe_layer_freq": random.choice([1, 2])}
    return shared | width | random.choice([{}, more]) | {f"swa_{name}": value for name, value in sliding.items()}


def _dots3_note_vision(fields: Fields, random: Random) -> Fields:
    n_layers = fields.get("num_hidden_layers", 42)
    kinds = [random.choice(["dense", "sparse"]) for _ in range(n_layers)]
    counts = [random.choice([-1, 2, 3]) for _ in range(n_layers)]
    agreed = {"adapter_in_dim": fields.get("hidden_size", 1536), "adapter_merge_size": 2, "spatial_merge_size": 2}
    return agreed | random.choice([{"mlp_layer_types": kinds}, {"mlp_layer_types": None, "pyramid_num_routed": counts}])


def _t5gemma2(fields: Fields, _: Random) -> Fields:
    encoder, decoder = fields.get("encoder") or {}, fields.get("decoder") or {}
    text = {**(encoder.get("text_config") or {}), "hidden_size": 48, "vocab_size": 200, "num_attention_heads": 2}
    alike = {"hidden_size": 48, "vocab_size": 200, "num_attention_heads": 2, "num_key_value_heads": 1}
    return {"encoder": {**encoder, "text_config": text | {"num_key_value_heads": 1}}, "decoder": decoder | alike}


def _blip_2(fields: Fields, random: Random) -> Fields:
    tower = dict(fields.get("vision_config") or {})  # a class without the tower would accept patches of no size
    return {"vision_config": tower | {"patch_size": random.choice([8, 16])}}


def _vision_encoder_decoder(fields: Fields, random: Random) -> Fields:
    crosses: Fields = {"is_decoder": True, "add_cross_attention": True, "vocab_size": 130}
    decoders: list[Fields] = [
        fields.get("decoder", {}),
        {"model_type": "trocr", "d_model": 32, "decoder_layers": 2, "decoder_attention_heads": 2} | crosses,
        {"model_type": "mbart", "d_model": 48, "decoder_layers": 2, "decoder_attention_heads": 2} | crosses,
        {"model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 2} | crosses,
    ]
    swin = {"model_type": "donut-swin", "embed_dim": 16, "depths": [1, 2], "num_heads": [2, 2]}
    return {"encoder": random.choice([fields.get("encoder", {}), swin]), "decoder": random.choice(decoders)}


def _speech_encoder_decoder(fields: Fields, random: Random) -> Fields:
    hubert = {"model_type": "hubert", "hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    decoder = _vision_encoder_decoder(fields, random)["decoder"]
    return {"encoder": random.choice([fields.get("encoder", {}), hubert]), "decoder": decoder}


# Fields that must agree with others: called with what was drawn, returns what to change.
ADAPT: dict[str, Callable[[Fields, Random], Fields]] = {
    **MULTIMODAL,
    **PICTURES,
    **SPEECH,
    "gpt_neo": _gpt_neo,
    "bailing_hybrid": _bailing_hybrid,
    "cohere_compass_text": _cohere_compass,
    "dbrx": _dbrx,
    "deepseek_v4": _deepseek_v4,
    "esm": _esm,
    "gemma3n_text": _gemma3n_text,
    "gemma4_text": _gemma4_text,
    "gemma4_unified_text": _gemma4_text,
    "gemma4_unified_assistant": _gemma4_unified_assistant,
    "blip-2": _blip_2,
    "aria": lambda _, random: {"projector_patch_to_query_dict": random.choice([None, {"25": 3, "64": 5}])},
    "vision-encoder-decoder": _vision_encoder_decoder,
    "speech-encoder-decoder": _speech_encoder_decoder,
    "axk2": _latent_attention,
    "reformer": _reformer,
    "squeezebert": _squeezebert,
    "lfm2_moe": _lfm2_moe,
    "xmod": _xmod,
    "t5gemma2": _t5gemma2,
    "dots3_note_text": _dots3_note_text,
    "dots3_note_vision_encoder": _dots3_note_vision,
}
