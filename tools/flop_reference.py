"""What torch counts when a model of transformers runs, and what its cache then holds: the truth that costs are compared with.

Attention and experts run in their eager implementations: FlopCounterMode sees neither the fused attention of a CPU nor
`_grouped_mm`. Models without routed experts run on the meta device, the others (whose tokens choose) on the CPU.
"""

from __future__ import annotations

import contextlib
import inspect
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from config_variants import valid
from transformers_reference import config_class, make_config

if TYPE_CHECKING:
    from collections.abc import Iterator

# The angles of rotary positions come out of a product of positions and frequencies: as work, nothing; as a habit of
# transformers, a matrix product that the counter sees. No published figure has it, so it is counted apart.
_ANGLES = ("rotary_emb", "rotary_embed", "rotary_pos_emb", "rope")

_LARGEST = 20_000_000  # parameters of a model that runs on the CPU


class Counted(NamedTuple):
    """FLOPs of a prompt and of one more token, angles left out; numbers that the cache holds after the prompt."""

    prefill: int
    decode: int | None
    cached: int | None


def count_flops(model_type: str, cls: Any, fields: dict[str, Any], n: int, batch: int) -> Counted:
    """The forward pass of `n` tokens in each of `batch` sequences, then the pass of the token after `n - 1`."""
    config = make_config(model_type, fields)
    config._attn_implementation = "eager"  # noqa: SLF001 - how transformers itself spells it
    config.use_cache = config.get_text_config().use_cache = True
    with torch.device("meta"):
        model = cls._from_config(config, attn_implementation="eager").eval()
    if not _has_experts(config):
        with contextlib.suppress(RuntimeError, NotImplementedError):  # (what asks for a value of a meta tensor)
            return _count(model, config, n, batch)
    if sum(p.numel() for p in model.parameters()) > _LARGEST:
        message = f"{cls.__name__}: too large to run here"
        raise ValueError(message)
    model = cls._from_config(config, attn_implementation="eager").eval()
    with contextlib.suppress(Exception):
        model.set_experts_implementation("eager")
    return _count(model, config, n, batch)


def _count(model: Any, config: Any, n: int, batch: int) -> Counted:
    model.requires_grad_(False)  # the counter wants a gradient function of each input that asks for one
    device = next(model.parameters()).device
    ids = torch.ones((batch, n), dtype=torch.long, device=device)
    takes = _takes(model)
    extra = {"decoder_input_ids": ids} if config.is_encoder_decoder and "decoder_input_ids" in takes else {}
    given: dict[str, Any] = {"input_ids": ids} if "input_ids" in takes else {}
    if "input_features" in takes and "input_ids" not in takes:
        shape = (batch, config.num_mel_bins, 2 * config.max_source_positions)
        given["input_features"] = torch.zeros(shape, device=device)
    elif "pixel_values" in takes and (
        "input_ids" not in takes or "return_loss" in takes
    ):  # (what pairs texts and pictures)
        given["pixel_values"] = torch.zeros((batch, *_picture(config)), device=device)
    with torch.no_grad():
        prefill, out = _run(model, **given, **extra)
        cache = getattr(out, "past_key_values", None)
        if cache is None and getattr(out, "state", None) is not None:  # RWKV
            first = model(input_ids=ids[:1, :-1], use_cache=True)  # (5.23 broadcasts a batch of states against itself)
            decode, _ = _run(model, input_ids=ids[:1, -1:], state=first.state)
            return Counted(prefill, batch * decode, sum(tensor.numel() for tensor in out.state))
        if cache is None:
            return Counted(prefill, None, None)
        cached = sum(tensor.numel() for tensor in _tensors(cache) if tensor.dim() > 2)  # (others count)
        short = {name: value[:, :-1] for name, value in extra.items()}
        if not extra:
            given["input_ids"] = ids[:, :-1]
        first = model(**given, use_cache=True, **short)
        if extra:
            kept = {"encoder_outputs": (first.encoder_last_hidden_state,), "decoder_input_ids": ids[:, -1:]}
            decode, _ = _run(model, past_key_values=first.past_key_values, **kept)
        else:
            decode, _ = _run(model, input_ids=ids[:, -1:], past_key_values=first.past_key_values)
    return Counted(prefill, decode, cached)


def _picture(config: Any) -> tuple[int, int, int]:
    """Channels, height and width of a picture as the configuration states them."""
    seen = getattr(config, "vision_config", config)
    size = seen.image_size if isinstance(seen.image_size, (list, tuple)) else (seen.image_size, seen.image_size)
    return (getattr(seen, "num_channels", 3), *size)


def _takes(model: Any) -> Any:
    return inspect.signature(model.forward).parameters


def _has_experts(config: Any) -> bool:
    text = config.get_text_config()
    return any("expert" in name for name in text.to_dict())


def _run(model: Any, **inputs: Any) -> tuple[int, Any]:
    with FlopCounterMode(display=False) as counter:
        out = model(**inputs)
    counts = counter.get_flop_counts()
    angles = {name for name in counts if name.rpartition(".")[2] in _ANGLES or "rotary" in name.rpartition(".")[2]}
    return counter.get_total_flops() - sum(sum(counts[name].values()) for name in angles), out


def _tensors(cache: Any) -> Iterator[Any]:
    seen = set()
    waiting = [cache]
    while waiting:
        thing = waiting.pop()
        if isinstance(thing, torch.Tensor):
            if id(thing) not in seen:
                seen.add(id(thing))
                yield thing
        elif isinstance(thing, (list, tuple)):
            waiting += thing
        elif isinstance(thing, dict):
            waiting += thing.values()
        elif hasattr(thing, "__dict__") and type(thing).__module__.startswith("transformers"):
            waiting += vars(thing).values()


def runnable(model_type: str, cls: Any, seed: int, n: int, batch: int) -> tuple[dict[str, Any], Counted]:
    """A drawn configuration that transformers does not only build but run, and what it counts there.

    Fields that must agree for that (rotary widths with heads, experts with groups) are made to. Raises LookupError.
    """
    for attempt in range(20):
        fields = valid(model_type, Random(seed + attempt)) | _AGREEING.get(model_type, {})
        if attempt % 2 == 0:
            fields = _parts(model_type, seed + attempt) | fields
        for name in set(_DERIVED) - set(_AGREEING.get(model_type, {})):
            if name in fields and attempt % 2 == 0:
                del fields[name]
        try:
            if attempt % 3 == 0 and getattr(make_config(model_type, fields), "sliding_window", None):
                fields["sliding_window"] = 6  # shorter than what is run
            return fields, count_flops(model_type, cls, fields, n, batch)
        except Exception:  # whatever transformers says, it does not run
            continue
    message = f"no configuration of {model_type} found that runs"
    raise LookupError(message)


@cache
def _parts(model_type: str, seed: int) -> dict[str, Any]:
    """Small configurations of the text model and of what sees or hears, where the type builds large ones by itself."""
    parts: dict[str, Any] = {}
    for name in getattr(config_class(model_type), "sub_configs", {}):
        try:
            kind = getattr(config_class(model_type)(), name).model_type
            if name.endswith("_config") and kind and kind != model_type:
                parts[name] = valid(kind, Random(seed)) | _AGREEING.get(kind, {}) | {"model_type": kind}
        except Exception:  # what has no default, or none that is valid
            continue
    return parts


_DERIVED = ("head_dim", "qk_head_dim", "rope_parameters", "layer_types")
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
    "mamba_expand": 2, "mamba_chunk_size": 16,
}  # fmt: skip
_DELTA: dict[str, Any] = _HYBRID | {
    "head_dim": 16, "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8,
    "linear_value_head_dim": 16, "linear_conv_kernel_dim": 4,
    "layer_types": ["linear_attention", "full_attention", "linear_attention"],
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [3, 3, 2]},
}  # fmt: skip
_AGREEING: dict[str, dict[str, Any]] = {
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
    "smollm3": {"use_sliding_window": False},
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
        "chunk_size": 16,
        "num_hidden_layers": 2,
    },
    "nemotron_h": _HYBRID
    | {
        "mamba_num_heads": 8,
        "mamba_head_dim": 16,
        "n_groups": 1,
        "ssm_state_size": 16,
        "conv_kernel": 4,
        "chunk_size": 16,
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
