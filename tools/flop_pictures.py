"""Encoders of pictures under FlopCounterMode: what makes a drawn configuration run, and what the model is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from transformers.models.dinat import modeling_dinat
from transformers.utils import import_utils

if TYPE_CHECKING:
    from collections.abc import Callable

    from flop_inputs import Maker

AGREEING: dict[str, dict[str, Any]] = {
    "donut-swin": {  # 5.23 keeps distances for whole windows alone, and a class among its positions without a token for it
        "image_size": [64, 48],
        "patch_size": 4,
        "window_size": 3,
        "depths": [1, 2, 1],
        "num_heads": [2, 4, 2],
        "use_absolute_embeddings": False,
    },
    "efficientnet": {  # stages that fit together, and sides that are odd: 75, 37, 19, 9
        "image_size": 75,
        "width_coefficient": 1.0,
        "depth_coefficient": 1.4,
        "depth_divisor": 8,
        "hidden_dim": 1280,
        "in_channels": [32, 16, 24],
        "out_channels": [16, 24, 40],
        "kernel_sizes": [3, 5, 3],
        "strides": [2, 2, 1],
        "num_block_repeats": [1, 2, 1],
        "expand_ratios": [1, 3, 6],
        "depthwise_padding": [0],
    },
    # a size that their configurations do not have; a picture of 224 is larger than it need be
    **{key: {"image_size": [64, 90]} for key in ("bit", "regnet")},
    "segformer": {"image_size": [64, 90], "strides": [2, 2, 1, 1], "reshape_last_stage": True},
    "pvt_v2": {"image_size": 64},
    "florence_vision": {"image_size": [64, 90], "in_channels": 3, "window_size": 5},
    "pvt": {  # 5.23 makes positions for patches of two from stage to stage
        "image_size": 64,
        "patch_sizes": [4, 2, 2, 2],
        "strides": [4, 2, 2, 2],
        "sequence_reduction_ratios": [4, 2, 2, 1],
        "num_encoder_blocks": 4,
        "depths": [1, 2, 1, 1],
        "hidden_sizes": [16, 24, 32, 40],
        "num_attention_heads": [1, 2, 2, 4],
        "mlp_ratios": [4, 2, 4, 2],
    },
    "cvt": {  # a class in the last stage alone
        "image_size": [64, 90],
        "patch_sizes": [7, 3, 3],
        "patch_stride": [4, 2, 2],
        "patch_padding": [2, 1, 1],
        "embed_dim": [16, 24, 32],
        "num_heads": [1, 2, 4],
        "depth": [1, 2, 3],
        "mlp_ratio": [2.0, 4.0, 2.0],
        "attention_drop_rate": [0.0] * 3,
        "drop_rate": [0.0] * 3,
        "drop_path_rate": [0.0] * 3,
        "qkv_bias": [True] * 3,
        "cls_token": [False, False, True],
        "qkv_projection_method": ["dw_bn"] * 3,
        "kernel_qkv": [3] * 3,
        "padding_kv": [1] * 3,
        "stride_kv": [2] * 3,
        "padding_q": [1] * 3,
        "stride_q": [1] * 3,
    },
    "hgnet_v2": {
        "image_size": [64, 90],
        "num_channels": 3,
        "stem_channels": [3, 16, 24],
        "stage_in_channels": [24, 32, 48],
        "stage_mid_channels": [16, 24, 24],
        "stage_out_channels": [32, 48, 64],
        "stage_num_blocks": [1, 2, 1],
        "stage_downsample": [False, True, True],
        "stage_downsample_strides": [2, 2, 2],
        "stage_light_block": [False, True, True],
        "stage_kernel_size": [3, 5, 3],
        "stage_numb_of_layers": [2, 3, 1],
        "hidden_sizes": [32, 48, 64],
        "depths": [1, 1, 1],
    },
    "pp_lcnet": {
        "image_size": [64, 90],
        "scale": 0.5,
        "divisor": 8,
        "reduction": 4,
        "stem_channels": 16,
        "stem_stride": 2,
        "block_configs": [
            [[3, 16, 32, 1, False]],
            [[3, 32, 64, 2, False], [5, 64, 64, 1, True]],
            [[5, 64, 96, 2, True]],
            [[3, 96, 96, 1, False]],
            [[3, 96, 64, 2, False]],
        ],
    },
    "textnet": {
        "image_size": [96, 70],
        "stem_num_channels": 3,
        "stem_stride": 2,
        "stem_kernel_size": 3,
        "stem_out_channels": 16,
        "hidden_sizes": [16, 24, 16, 24, 24],
    },
    "mobilevitv2": {"image_size": [96, 106], "patch_size": 2},
    "swiftformer": {"image_size": [64, 90], "mlp_ratio": 2, "down_stride": 2, "down_pad": 1},
    "chameleon_vqgan": {
        "resolution": 48,
        "base_channels": 32,
        "channel_multiplier": [1, 2, 1],
        "attn_resolutions": [24],
        "in_channels": 3,
        "latent_channels": 24,
        "embed_dim": 24,
        "num_res_blocks": 2,
    },
    "janus_vqgan": {
        "num_patches": 5,
        "base_channels": 32,
        "channel_multiplier": [1, 2, 1],
        "in_channels": 3,
        "num_res_blocks": 1,
        "latent_channels": 24,
    },
    "emu3_vqgan": {
        "image_size": 40,
        "base_channels": 32,
        "channel_multiplier": [1, 2, 2],
        "attn_resolutions": [1, 2],
        "hidden_size": 64,
        "num_attention_heads": 2,
        "in_channels": 3,
        "num_res_blocks": 2,
        "latent_channels": 4,
        "embed_dim": 4,
        "temporal_downsample_factor": 4,
    },
    "vivit": {"image_size": 48, "tubelet_size": [2, 16, 16], "num_frames": 6},
    "timesformer": {"image_size": 48, "patch_size": 16, "num_frames": 4},
    "videomae": {"image_size": 48, "patch_size": 16, "num_frames": 6, "tubelet_size": 2, "num_channels": 3},
    "vilt": {
        "image_size": 96,
        "patch_size": 32,
        "num_images": -1,
        "modality_type_vocab_size": 3,
        "num_hidden_layers": 2,
        "type_vocab_size": 2,
    },
    "dinat": {  # neighbourhoods that the picture holds, that are higher than it, and larger both ways
        "image_size": [64, 90],
        "depths": [2, 2, 1],
        "num_heads": [2, 2, 4],
        "dilations": [[1, 5], [3, 2], [3]],
        "kernel_size": 3,
    },
    "focalnet": {"image_size": 64, "patch_size": 4},
    "mobilevit": {"image_size": [64, 90], "patch_size": 2},
    "poolformer": {"image_size": [64, 90], "num_encoder_blocks": 4, "pool_size": 3},
    "hiera": {"decoder_depth": 2, "decoder_hidden_size": 32},
    "vit_mae": {"image_size": 80, "patch_size": 16},
    "yolos": {"num_hidden_layers": 3, "image_size": [64, 96], "patch_size": 16},
    "levit": {"image_size": 64, "patch_size": 16, "kernel_size": 3, "padding": 1, "stride": 2},
    **{key: {"image_size": [64, 96], "patch_size": 2} for key in ("convnext", "convnextv2")},
    "swinv2": {"use_absolute_embeddings": False},
}


def _seen(usual: int, name: str = "pixel_values") -> Maker:
    """A picture of the stated size, of `usual` pixels both ways where the type's configuration has no such field."""

    def make(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001 - every maker is called alike
        size = getattr(config, "image_size", usual)
        sides = size if isinstance(size, list) else [size, size]
        return {name: torch.zeros((batch, getattr(config, "num_channels", 3), *sides), device=device)}

    return make


def _film(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001
    """A film of as many frames as the configuration states."""
    shape = (batch, config.num_frames, config.num_channels, config.image_size, config.image_size)
    return {"pixel_values": torch.zeros(shape, device=device)}


def _masked_film(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """The same; where a share of its places is to be hidden, the first ones of each frame are."""
    given = _film(config, n, batch, device)
    if not hasattr(config, "mask_ratio"):
        return given
    places = (config.image_size // config.patch_size) ** 2
    hidden = torch.arange(places) < int(config.mask_ratio * places)
    frames = config.num_frames // config.tubelet_size
    return given | {"bool_masked_pos": hidden.repeat(frames).expand(batch, -1).to(device)}


def _page(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Words beside a picture, or beside as many as the configuration states."""
    size = config.image_size
    shape = (
        (config.num_channels, size, size)
        if config.num_images < 1
        else (config.num_images, config.num_channels, size, size)
    )
    ids = torch.ones((batch, n), dtype=torch.long, device=device)
    return {"input_ids": ids, "pixel_values": torch.zeros((batch, *shape), device=device)}


def _encodes(cls: Any, config: Any) -> Any:
    """A model that has no pass but the one which makes codes of a picture."""
    made = cls._from_config(config, attn_implementation="eager")
    made.forward = made.encode
    return made


def _scores_of_neighbours(queries: Any, keys: Any, distances: Any, width: int, gap: int) -> Any:  # noqa: ARG001
    """natten2dqkrpb in torch's own products: of each place the scores of its width × width neighbours, `gap` places apart.

    The kernels of natten, which only some graphics cards run, are nothing that the counter sees. (batch, heads, height,
    width, neighbours) is made, as transformers wants it, of (batch, width, height, heads, numbers), as 5.23 gives it,
    whose transpose puts no heads where natten looks for them. What distances add is no product.
    """
    queries, keys = (each.permute(0, 3, 2, 1, 4) for each in (queries, keys))
    return (queries[..., None, :] @ _neighbours(keys, width, gap).transpose(-1, -2))[..., 0, :]


def _sums_of_neighbours(shares: Any, values: Any, width: int, gap: int) -> Any:
    """natten2dav: the values of each place's neighbours, in these shares."""
    return (shares[..., None, :] @ _neighbours(values.permute(0, 3, 2, 1, 4), width, gap))[..., 0, :]


def _neighbours(vectors: Any, width: int, gap: int) -> Any:
    """(batch, heads, height, width, neighbours, numbers) of (batch, heads, height, width, numbers)."""
    down, across = (nearest(side, width, gap) for side in vectors.shape[2:4])
    found = vectors[:, :, down[:, None, :, None], across[None, :, None, :]]
    return found.flatten(4, 5)


def nearest(side: int, width: int, gap: int) -> Any:
    """For each place of a row its neighbours: every gap-th place, as many on both sides, or at the edge as many inside."""
    rows = []
    for place in range(side):
        last = (side - 1 - place % gap) // gap + 1 - width
        first = min(max(place // gap - width // 2, 0), last)
        rows.append([(first + i) * gap + place % gap for i in range(width)])
    return torch.tensor(rows)


def _without_natten(cls: Any, config: Any) -> Any:
    """DiNAT with these two in the place of natten's functions, for which alone it asks."""
    modeling_dinat.natten2dqkrpb, modeling_dinat.natten2dav = _scores_of_neighbours, _sums_of_neighbours
    there = (lambda: True, "")
    with patch.dict(import_utils.BACKENDS_MAPPING, {"natten": there}):
        return cls._from_config(config, attn_implementation="eager")


BUILT: dict[str, Callable[[Any, Any], Any]] = {
    "ChameleonVQVAE": _encodes,
    "Emu3VQVAE": _encodes,
    **dict.fromkeys(("DinatModel", "DinatBackbone", "DinatForImageClassification"), _without_natten),
}


def _to_code(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001
    """A picture of which codes are made."""
    usual = config.num_patches * 2 ** (len(config.channel_multiplier) - 1) if hasattr(config, "num_patches") else 512
    size = getattr(config, "resolution", getattr(config, "image_size", usual))
    given = {"pixel_values": torch.zeros((batch, config.in_channels, size, size), device=device)}
    sizes = {"image_sizes": torch.tensor([[size, size]] * batch)} if config.model_type == "emu3_vqgan" else {}
    return given | sizes


INPUTS: dict[str, Maker] = {
    **dict.fromkeys(("resnet", "bit", "regnet", "poolformer", "cvt", "hgnet_v2", "pp_lcnet", "dinat"), _seen(224)),
    "segformer": _seen(512),
    "florence_vision": lambda config, n, batch, device: {
        "hidden_states": _seen(768)(config, n, batch, device)["pixel_values"]
    },
    **dict.fromkeys(("vivit", "timesformer"), _film),
    "videomae": _masked_film,
    "vilt": _page,
    **dict.fromkeys(("chameleon_vqgan", "janus_vqgan", "emu3_vqgan"), _to_code),
}

# What a head wants besides: pixels of patches again are as many as the picture's.
_REDRAWN: dict[str, Any] = {
    "image_size": 64,
    "patch_size": 4,
    "depths": [1, 2, 1],
    "num_heads": [2, 4, 2],
    "encoder_stride": 16,
}
HEADS: dict[str, dict[str, Any]] = {
    "BeitForSemanticSegmentation": {"num_channels": 3},
    "Data2VecVisionForSemanticSegmentation": {"image_size": 64, "patch_size": 8, "out_indices": [1, 2, 3, 4]},
    "SwinForMaskedImageModeling": _REDRAWN,
    "Swinv2ForMaskedImageModeling": _REDRAWN,
    "VideoMAEForPreTraining": {"mask_ratio": 0.7, "num_hidden_layers": 2, "decoder_num_hidden_layers": 1},
    "ViltForImagesAndTextClassification": {"num_images": 2},
    "FocalNetForMaskedImageModeling": _REDRAWN | {"focal_levels": [2, 1, 2], "focal_windows": [3, 3, 5]},
}

# Classes that are no model by themselves, and those that do not run at drawn configurations.
WITHOUT = frozenset({"FocalNetBackbone"})  # 5.23 adds a tuple to a list there
