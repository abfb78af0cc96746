"""What the drawing of configurations must know of single model types, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
SENSELESS["blip_text_model"] = {"has_pooler"}  # no field of a config: the model around it says so
# no field of a config either: the model around it says how its file holds query, key and value
_IN_NEMO = ("asr_audio", "audio", "word_timestamp")
SENSELESS |= {f"nemotron3_5_transcribe_{part}": {"is_fused"} for part in _IN_NEMO}
SENSELESS |= {name: {"is_fused"} for name in ("nemotron3_diarization", "nemotron3_diarization_audio")}
SENSELESS["chinese_clip_text_model"] = {"has_pooler"}
SENSELESS["blt"] = {"tie_word_embeddings"}  # would tie an embedding inside a sub-configuration to the head outside it


# Public classes without a section: a config that names one is counted as another class, with a warning.
LEFT_OUT: dict[str, set[str]] = {
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
    "glm4v_moe_text",  # published inside glm4v_moe alone, where its experts are split
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


def _emu3(_: Fields, __: Random) -> Fields:
    return {"vocabulary_map": {"<image>": 1}}  # nothing is built without it


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


def _encodec(_: Fields, random: Random) -> Fields:
    sizes = {"codebook_size": random.choice([8, 64]), "num_filters": random.choice([8, 16]), "compress": 2}
    ratios = random.choice([[8, 5, 4, 2], [4, 2, 2]])
    return sizes | {"sampling_rate": 24000, "upsampling_ratios": ratios, "target_bandwidths": [1.5, 6.0]}


def _t5gemma2(fields: Fields, _: Random) -> Fields:
    encoder, decoder = fields.get("encoder") or {}, fields.get("decoder") or {}
    text = {**(encoder.get("text_config") or {}), "hidden_size": 48, "vocab_size": 200, "num_attention_heads": 2}
    alike = {"hidden_size": 48, "vocab_size": 200, "num_attention_heads": 2, "num_key_value_heads": 1}
    return {"encoder": {**encoder, "text_config": text | {"num_key_value_heads": 1}}, "decoder": decoder | alike}


def _mimi(_: Fields, random: Random) -> Fields:
    sizes = {"codebook_size": random.choice([8, 64]), "num_filters": random.choice([8, 16]), "compress": 2}
    rates = {"sampling_rate": 24000, "upsampling_ratios": random.choice([None, [4, 2, 2]]), "hidden_size": 64}
    return (
        sizes | rates | {"upsample_groups": random.choice([1, 64]), "num_quantizers": 4, "num_semantic_quantizers": 1}
    )


def _moshi(_: Fields, random: Random) -> Fields:
    # 5.23 fits a depth decoder to the rest when its configuration is given, not when it is absent, but then on reloading
    return {"depth_decoder_config": {"hidden_size": random.choice([32, 48]), "num_attention_heads": 2, "ffn_dim": 40}}


def _in_stages(choices: dict[str, tuple[Any, ...]], count: str = "", **scalars: tuple[Any, ...]) -> Rule:
    """A rule for a network in stages: its lists are drawn with one entry a stage; `count` states how many there are."""

    def rule(_: Fields, random: Random) -> Fields:
        n = random.choice([2, 3, 4])
        lists = {name: [random.choice(values) for _ in range(n)] for name, values in choices.items()}
        return lists | ({count: n} if count else {}) | {name: random.choice(values) for name, values in scalars.items()}

    return rule


_CONVNEXT = _in_stages(
    {"depths": (1, 2, 3), "hidden_sizes": (16, 24, 40)}, "num_stages", out_indices=(None, [1], [0, 2], [-1])
)
_SWIN = _in_stages(
    {"depths": (1, 2, 3), "num_heads": (2, 4)},
    embed_dim=(16, 24, 40),
    mlp_ratio=(2.0, 1.5),
    image_size=(32, [32, 64]),
    patch_size=(2, 4),
    window_size=(2, 4),
    out_indices=(None, [1], [0, 2], [-1]),
)
_RESNET = _in_stages({"depths": (1, 2, 3), "hidden_sizes": (16, 24, 40, 64)}, groups_width=(8,))

_CVT = {
    "embed_dim": (16, 24, 32),
    "num_heads": (1, 2),
    "mlp_ratio": (2.0, 1.5),
    "patch_sizes": (3, 5, 7),
    "qkv_bias": (True, False),
    "cls_token": (True, False),
    "qkv_projection_method": ("dw_bn", "avg"),
    "kernel_qkv": (1, 3),
    "depth": (5, 6),  # the class takes the rates of dropping from a list as long as a stage, by the stage's number
} | dict.fromkeys(("patch_stride", "patch_padding", "padding_kv", "stride_kv", "padding_q", "stride_q"), (1,))
_CVT |= dict.fromkeys(("drop_rate", "attention_drop_rate", "drop_path_rate"), (0.0,))
_HGNET = {
    "stage_in_channels": (8, 16),
    "stage_mid_channels": (8, 24),
    "stage_out_channels": (16, 32),
    "stage_num_blocks": (1, 2),
    "stage_downsample": (True, False),
    "stage_downsample_strides": (2,),
    "stage_light_block": (True, False),
    "stage_kernel_size": (3, 5),
    "stage_numb_of_layers": (1, 2, 3),
    "hidden_sizes": (16, 32),
    "depths": (1,),
}


def _levit(_: Fields, random: Random) -> Fields:
    widths = [random.choice([32, 64, 96]) for _ in range(3)]
    lists = {"num_attention_heads": (2, 4), "depths": (1, 2), "key_dim": (8, 16), "mlp_ratio": (0, 2, 3)}
    drawn = {name: [random.choice(values) for _ in range(3)] for name, values in lists.items()}
    sizes = {"image_size": random.choice([64, 100]), "patch_size": random.choice([8, 16])}
    ops = [["Subsample", 8, random.choice([2, 4]), random.choice([1, 4]), random.choice([0, 2]), 2], [""]]
    made = {"kernel_size": random.choice([1, 3])} | random.choice([{}, {"down_ops": ops}])
    return drawn | sizes | made | {"hidden_sizes": widths, "attention_ratio": [random.choice([1, 2]) for _ in range(3)]}


def _textnet(_: Fields, random: Random) -> Fields:
    counts = [random.choice([1, 2, 3]) for _ in range(4)]
    kernels = [[random.choice([[3, 3], [1, 3], [3, 1]]) for _ in range(n)] for n in counts]
    strides = [[random.choice([1, 2]) for _ in range(n)] for n in counts]
    layers = random.choice([{}, {"conv_layer_kernel_sizes": kernels, "conv_layer_strides": strides}])
    return layers | {"hidden_sizes": [random.choice([16, 24]) for _ in range(5)]}


def _pp_lcnet(_: Fields, random: Random) -> Fields:
    def block() -> list[Any]:
        return [
            random.choice([3, 5]),
            random.choice([16, 32]),
            random.choice([16, 32]),
            1,
            random.choice([True, False]),
        ]

    blocks = [[block() for _ in range(random.choice([1, 2]))] for _ in range(5)]
    sizes = {"scale": random.choice([0.25, 1.0, 2.5]), "divisor": random.choice([4, 8]), "reduction": 4}
    return sizes | {"block_configs": random.choice([None, blocks])}


def _parakeet_encoder(_: Fields, random: Random) -> Fields:
    sizes = {"num_mel_bins": random.choice([32, 40, 64]), "subsampling_factor": random.choice([1, 2, 4, 8])}
    return sizes | {"subsampling_conv_stride": 2, "num_key_value_heads": random.choice([1, 2])}


def _shallow(*names: str) -> Rule:
    """A rule that gives each of these sub-configurations, where none was drawn, two layers: the default has dozens."""

    def rule(fields: Fields, _: Random) -> Fields:
        return {name: fields.get(name) or {"num_hidden_layers": 2} for name in names}

    return rule


def _canary(fields: Fields, random: Random) -> Fields:
    decoder = fields.get("decoder_config") or {}
    vocabulary = {"vocab_size": fields.get("vocab_size", 16384)}
    return {"decoder_config": decoder | vocabulary, **_shallow("encoder_config")(fields, random)}


def _nemo_speechlm(fields: Fields, random: Random) -> Fields:
    text = {"hybrid_override_pattern": random.choice(["ME*", "EM-M"]), "hidden_size": 64, "n_routed_experts": 4}
    parts = _shallow("asr_config")(fields.get("audio_config") or {}, random)
    speakers = {"audio_config": {"num_hidden_layers": random.choice([1, 2])}}
    audio = {"diarization_config": speakers} | (fields.get("audio_config") or {}) | parts
    return {"text_config": fields.get("text_config") or text, "audio_config": audio}


def _speecht5(fields: Fields, random: Random) -> Fields:
    n = random.choice([1, 2, 3])
    lists = {"conv_dim": (16, 24), "conv_kernel": (2, 3, 10), "conv_stride": (2,)}
    drawn = {name: [random.choice(values) for _ in range(n)] for name, values in lists.items()}
    masks = {name: random.choice([0.0, 0.1]) for name in ("mask_time_prob", "mask_feature_prob")}
    heads = {"decoder_attention_heads": fields.get("encoder_attention_heads", 12)}
    return drawn | masks | heads | {"num_conv_pos_embedding_groups": random.choice([2, 4])}


def _seamless_m4t(fields: Fields, random: Random) -> Fields:
    n, n_kernels = random.choice([1, 2, 3]), random.choice([1, 2])
    rates = {"upsample_rates": [2] * n, "upsample_kernel_sizes": [random.choice([4, 8]) for _ in range(n)]}
    dilations = [[1, 3, 5][: random.choice([1, 2, 3])] for _ in range(n_kernels)]
    blocks: Fields = {
        "t2u_variance_predictor_kernel_size": 3,
        "resblock_kernel_sizes": [random.choice([3, 7]) for _ in range(n_kernels)],
    }
    heads = fields.get("decoder_attention_heads", 16)
    stacks = ("encoder", "t2u_encoder", "t2u_decoder", "speech_encoder")
    agreed: Fields = {f"{stack}_attention_heads": heads for stack in stacks} | {"conv_depthwise_kernel_size": 5}
    return rates | blocks | agreed | {"resblock_dilation_sizes": dilations, "upsample_initial_channel": 64}


def _wav2vec2(fields: Fields, random: Random) -> Fields:
    lists = {"tdnn_dim": (16, 24), "tdnn_kernel": (1, 3), "tdnn_dilation": (1,)}
    n = random.choice([1, 2, 3])
    tdnn = {name: [random.choice(values) for _ in range(n)] for name, values in lists.items()}
    codes = {"num_codevector_groups": 2, "codevector_dim": random.choice([16, 32]), "num_codevectors_per_group": 8}
    drawn = _speecht5(fields, random)
    del drawn["decoder_attention_heads"]
    return drawn | tdnn | codes | {"adapter_kernel_size": random.choice([1, 3])}


def _wav2vec2_bert(fields: Fields, random: Random) -> Fields:
    drawn = _wav2vec2(fields, random) | {"conv_depthwise_kernel_size": 5, "adapter_stride": 2}
    drawn |= {"vocab_size": random.choice([32, 50])}
    for name in ("conv_dim", "conv_kernel", "conv_stride", "num_conv_pos_embedding_groups"):
        del drawn[name]
    return drawn | random.choice([{}, {"add_adapter": True, "use_intermediate_ffn_before_adapter": True}])


def _vibevoice_tokenizer(_: Fields, random: Random) -> Fields:
    n = random.choice([1, 2, 3])
    depths = [random.choice([1, 2, 3]) for _ in range(n + 1)]
    return {"depths": depths, "downsampling_ratios": [random.choice([2, 3, 4]) for _ in range(n)]}


_BEIT = _in_stages(
    {}, out_indices=([0, 1, 2, 3],), image_size=(32, [32, 64]), patch_size=(8, 16), num_hidden_layers=(4,)
)
_PYRAMID = {
    "depths": (1, 2),
    "sr_ratios": (1, 2),
    "hidden_sizes": (16, 32),
    "patch_sizes": (2, 3, 4),
    "strides": (1, 2),
    "num_attention_heads": (2, 4),
    "mlp_ratios": (2, 4),
}
_PVT = _in_stages({**_PYRAMID, "sequence_reduction_ratios": (1, 2)}, "num_encoder_blocks", image_size=(128,))


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
    "beit": _BEIT,
    "blip-2": _blip_2,
    "bit": _in_stages({"depths": (1, 2), "hidden_sizes": (96, 128, 256)}, embedding_size=(32, 64), num_groups=(4, 8)),
    "efficientnet": _in_stages(
        {"kernel_sizes": (3, 5), "in_channels": (8, 20), "out_channels": (8, 20), "expand_ratios": (1, 3)}
        | {"num_block_repeats": (1, 2), "strides": (1, 2)},
        width_coefficient=(1.0, 1.1, 2.0),
        depth_coefficient=(1.0, 1.4),
        hidden_dim=(1280,),
    ),
    "focalnet": _in_stages(
        {"depths": (1, 2), "focal_levels": (1, 2, 3), "focal_windows": (3, 5)},
        embed_dim=(16, 24),
        mlp_ratio=(2.0, 1.5),
        image_size=(32,),
        patch_size=(2, 4, [4, 2]),
    ),
    "mobilevit": lambda _, random: {
        "hidden_sizes": [random.choice([24, 32, 48]) for _ in range(3)],
        "num_attention_heads": random.choice([2, 4]),
        "neck_hidden_sizes": [random.choice([8, 16, 20]) for _ in range(7)],
        "conv_kernel_size": random.choice([1, 3]),
        "expand_ratio": random.choice([2.0, 3.5]),
    },
    "hiera": _in_stages(
        {"depths": (1, 2), "num_heads": (1, 2), "masked_unit_attention": (True, False)},
        embed_dim=(16, 24),
        embed_dim_multiplier=(2.0, 1.5),
        num_query_pool=(1,),
        image_size=([64, 64], [64, 128]),
        decoder_hidden_size=(None, 32),
        decoder_depth=(2,),
        decoder_num_heads=(2,),
        mlp_ratio=(2.0, 4.0),
        out_indices=(None, [1], [0, 2], [-1]),
    ),
    "mobilenet_v1": _in_stages({}, depth_multiplier=(1.0, 0.75, 0.35), min_depth=(8, 16)),
    "mobilenet_v2": _in_stages(
        {},
        depth_multiplier=(1.0, 0.75, 0.35, 1.4),
        depth_divisible_by=(8, 4),
        min_depth=(8, 16),
        expand_ratio=(6.0, 3.0),
    ),
    "cvt": _in_stages(_CVT),
    "hgnet_v2": _in_stages(_HGNET, stem_channels=([3, 8, 16], [1, 16, 24])),
    "levit": _levit,
    "mobilevitv2": lambda _, random: {
        "width_multiplier": random.choice([0.5, 1.0, 1.75, 2.0]),
        "base_attn_unit_dims": [random.choice([32, 40, 64]) for _ in range(3)],
        "n_attn_blocks": [random.choice([1, 2]) for _ in range(3)],
        "conv_kernel_size": random.choice([1, 3]),
        "expand_ratio": random.choice([2.0, 3.5]),
        "ffn_multiplier": random.choice([2, 3]),
    },
    "pp_lcnet": _pp_lcnet,
    "swiftformer": _in_stages(
        {"depths": (1, 2), "embed_dims": (16, 24), "downsamples": (True, False)}, down_patch_size=(3, 5, [3, 5])
    ),
    "textnet": _textnet,
    "convnext": _CONVNEXT,
    "convnextv2": _CONVNEXT,
    "donut-swin": _SWIN,
    "emu3": _emu3,
    "data2vec-vision": _BEIT,
    "aria": lambda _, random: {"projector_patch_to_query_dict": random.choice([None, {"25": 3, "64": 5}])},
    "florence_vision": _in_stages(
        {
            "depths": (1, 2),
            "patch_size": (2, 3),
            "patch_prenorm": (True, False),
            "embed_dim": (16, 32),
            "num_heads": (2, 4),
        }
        | {"num_groups": (2, 4), "patch_stride": (1, 2), "patch_padding": (1,)},
        mlp_ratio=(2.0, 1.5),
    ),
    "pvt": _PVT,
    "pvt_v2": _in_stages(_PYRAMID, "num_encoder_blocks"),
    "regnet": _RESNET,
    "resnet": _RESNET,
    "segformer": _in_stages(_PYRAMID, "num_encoder_blocks"),
    "vision-encoder-decoder": _vision_encoder_decoder,
    "swin": _SWIN,
    "swinv2": _SWIN,
    "canary": _canary,
    "cohere_asr": _shallow("encoder_config"),
    "nemo_speechlm": _nemo_speechlm,
    "vibevoice": _shallow("text_config"),
    "moonshine_streaming": lambda _, random: {"num_key_value_heads": random.choice([1, 2])},  # the class sets none
    "parakeet_encoder": _parakeet_encoder,
    "parakeet_tdt": lambda _, random: {"durations": random.choice([[0, 1], [0, 1, 2, 4, 8]])},
    "seamless_m4t": _seamless_m4t,
    "seamless_m4t_v2": _seamless_m4t,
    "speech-encoder-decoder": _speech_encoder_decoder,
    "speecht5": _speecht5,
    "wav2vec2": _wav2vec2,
    "hubert": _wav2vec2,
    "wavlm": _wav2vec2,
    "sew": _wav2vec2,
    "dinov3_vit": lambda _, random: {
        "num_register_tokens": random.choice([1, 4]),
        "patch_size": random.choice([8, [4, 8]]),
    },
    "wav2vec2-conformer": lambda fields, random: (
        _wav2vec2(fields, random) | {"conv_depthwise_kernel_size": 5, "vocab_size": random.choice([32, 50])}
    ),
    "audio-spectrogram-transformer": lambda _, random: {
        "patch_size": random.choice([4, 8]),
        "frequency_stride": random.choice([2, 5]),
        "time_stride": random.choice([3, 4]),
        "max_length": random.choice([40, 64]),
    },
    "wav2vec2-bert": _wav2vec2_bert,
    "unispeech": _wav2vec2,
    "unispeech-sat": _wav2vec2,
    "data2vec-audio": _wav2vec2,
    "vibevoice_acoustic_tokenizer": _vibevoice_tokenizer,
    "vibevoice_acoustic_tokenizer_encoder": _vibevoice_tokenizer,
    "vibevoice_acoustic_tokenizer_decoder": _vibevoice_tokenizer,
    "axk2": _latent_attention,
    "reformer": _reformer,
    "squeezebert": _squeezebert,
    "lfm2_moe": _lfm2_moe,
    "xmod": _xmod,
    "moshi": _moshi,
    "mimi": _mimi,
    "t5gemma2": _t5gemma2,
    "encodec": _encodec,
    "dots3_note_text": _dots3_note_text,
    "dots3_note_vision_encoder": _dots3_note_vision,
}
