"""What the drawing of configurations must know of image towers: lists that are as long as there are stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Rule = Callable[["Fields", Random], "Fields"]

Fields = dict[str, Any]


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


_DINAT = _in_stages(
    {"depths": (1, 2), "num_heads": (2, 4), "dilations": ([1, 1],)},
    embed_dim=(16, 24, 40),
    mlp_ratio=(2.0, 1.5),
    patch_size=(4,),
    kernel_size=(3, 7),
    layer_scale_init_value=(0.0, 0.1),
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


def _few_layers(n: int, experts: str) -> Rule:
    """A rule that gives a text model, where none was drawn, few layers and experts: the default has thousands."""
    return lambda fields, _: {"text_config": fields.get("text_config") or {"num_hidden_layers": n, experts: 4}}


def _idefics(_: Fields, random: Random) -> Fields:
    # 5.23 cannot draw gates at random; every n-th layer needs an n
    return {"alpha_initializer": random.choice(["zeros", "ones"]), "cross_layer_interval": random.choice([1, 2])}


def _hunyuan_vl(fields: Fields, random: Random) -> Fields:
    # 5.23 builds nothing of a language model whose heads' size is left to be derived
    return {"text_config": {**(fields.get("text_config") or {}), "head_dim": random.choice([8, 16])}}


def _granite4_vision(fields: Fields, random: Random) -> Fields:
    tower = {**(fields.get("vision_config") or {}), "hidden_size": random.choice([64, 128]), "num_attention_heads": 2}
    layers = random.choice([[], [[-1, 0]], [[0, 0], [-1, 1]]])  # the class sets none and counts them all the same
    return {"vision_config": tower, "downsample_rate": random.choice(["1/4", "4/12"]), "deepstack_layer_map": layers}


def _granite_docling_vision(_: Fields, random: Random) -> Fields:
    fine = {"use_fine_route": random.choice([True, False]), "scale_factor": random.choice([2, 4])}
    return fine | {"image_size": 64, "patch_size": 8}


def _granite_docling(fields: Fields, random: Random) -> Fields:
    width = random.choice([32, 48])  # of both sides of the connector
    text = {
        **(fields.get("text_config") or {}),
        "hidden_size": width,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
    }
    tower = {**(fields.get("vision_config") or {}), **_granite_docling_vision(fields, random)}
    tower["out_hidden_size"] = width
    router = random.choice([None, 24]) if tower["use_fine_route"] else None
    return {"text_config": text, "vision_config": tower, "density_router_hidden_size": router}


def _nemotron_h_omni(fields: Fields, random: Random) -> Fields:
    ear = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 40}
    ear |= {
        "subsampling_conv_channels": 8,
        "projection_hidden_size": 24,
        "projection_bias": random.choice([True, False]),
    }
    eye = {**(fields.get("vision_config") or {}), "video_temporal_patch_size": 2}
    given = {"audio_config": random.choice([None, ear]), "vision_config": eye, "video_temporal_patch_size": 2}
    return given | {"downsample_ratio": random.choice([0.5, 0.25])}


def _glm5_next_text(fields: Fields, random: Random) -> Fields:
    alike = {"num_key_value_heads": fields.get("num_attention_heads", 64), "qk_rope_head_dim": 0}
    return alike | {"q_lora_rank": 24, "index_kpool": random.choice([4, 8]), "index_topk": 64}


def _mistral_large4_text(fields: Fields, random: Random) -> Fields:
    n_layers = fields.get("num_hidden_layers", 72)
    sources = [i if random.random() < 0.6 else 0 for i in range(n_layers)]  # whose cache a layer reads
    return {"kv_source_layers": random.choice([None, sources])}


def _inkling_vision(_: Fields, random: Random) -> Fields:
    # with fewer layers than scales 5.23 asks scipy which scales to leave out
    patch, frames, n_layers = random.choice([(6, 2, 7), (8, 2, 9), (15, 3, 6), (4, 4, 8)])
    return {"patch_size": patch, "temporal_patch_size": frames, "num_hidden_layers": n_layers, "num_channels": 3}


def _inkling_mm_model(fields: Fields, random: Random) -> Fields:
    tower = {**(fields.get("vision_config") or {}), **_inkling_vision(fields, random)}
    return {"vision_config": tower, **_few_layers(6, "n_routed_experts")(fields, random)}


def _inkling2(fields: Fields, random: Random) -> Fields:
    text = _few_layers(6, "n_routed_experts")(fields, random)
    width = {"text_hidden_size": text["text_config"].get("hidden_size", 4608)}
    return {"vision_config": {**(fields.get("vision_config") or {}), **width}, **text}


def _muse_spark_audio(_: Fields, random: Random) -> Fields:
    n = random.choice([2, 3])
    choices = {"patch_sizes": (2, 3, 5), "hidden_sizes": (16, 24), "depths": (1, 2)}
    lists = {name: [random.choice(values) for _ in range(n)] for name, values in choices.items()}
    return lists | {"num_hidden_layers": n, "mlp_ratio": random.choice([2.0, 4.0])}


def _pp_formulanet_vision(_: Fields, random: Random) -> Fields:
    sizes = {"image_size": 64, "patch_size": random.choice([8, 16]), "window_size": random.choice([0, 2])}
    return sizes | {"num_hidden_layers": 3, "global_attn_indexes": [1]}


def _udop(_: Fields, random: Random) -> Fields:
    more = {"type": "horizontal", "relative_attention_num_buckets": 12, "prefix_bucket": random.choice([True, False])}
    distances = random.choice([None, [{"type": "1d"}, more], [{"type": "1d"}]])
    return {"feed_forward_proj": random.choice(["relu", "gated-gelu"]), "relative_bias_args": distances}


# Called with what was drawn, returns what to change.
PICTURES: dict[str, Callable[[Fields, Random], Fields]] = {
    "beit": _BEIT,
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
    "idefics": _idefics,
    "hunyuan_vl": _hunyuan_vl,
    "granite4_vision": _granite4_vision,
    "granite_docling": _granite_docling,
    "granite_docling_vision": _granite_docling_vision,
    "nemotron_h_omni": _nemotron_h_omni,
    "glm5_next": _few_layers(4, "n_routed_experts"),
    "minimax_m3_vl": _few_layers(2, "num_local_experts"),
    "mistral_large4": _few_layers(2, "n_routed_experts"),
    "muse_spark": _few_layers(2, "num_local_experts"),
    "step3p7": _few_layers(4, "n_routed_experts"),
    "unlimited_ocr": _few_layers(2, "n_routed_experts"),
    "glm5_next_text": _glm5_next_text,
    "mistral_large4_text": _mistral_large4_text,
    "inkling_vision": _inkling_vision,
    "inkling_mm_model": _inkling_mm_model,
    "inkling2": _inkling2,
    "udop": _udop,
    "pp_formulanet_vision": _pp_formulanet_vision,
    "pp_chart2table_vision": _pp_formulanet_vision,
    "unlimited_ocr_sam_vision_model": _pp_formulanet_vision,
    "muse_spark_audio": _muse_spark_audio,
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
    "data2vec-vision": _BEIT,
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
    "dinat": _DINAT,
    "swin": _SWIN,
    "swinv2": _SWIN,
    "dinov3_vit": lambda _, random: {
        "num_register_tokens": random.choice([1, 4]),
        "patch_size": random.choice([8, [4, 8]]),
    },
}
