"""What torch counts when a model of transformers runs, and what its cache then holds: the truth that costs are compared with.

Attention and experts run in their eager implementations: FlopCounterMode sees neither the fused attention of a CPU nor
`_grouped_mm`. Models without routed experts run on the meta device, the others (whose tokens choose) on the CPU.
"""

from __future__ import annotations

import contextlib
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch.backends import mkldnn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode
from transformers.modeling_outputs import BaseModelOutput

from config_variants import valid
from flop_inputs import AGREEING, BUILT, CROPPED, DISCARDED, EVERY_TIME, KEPT, LATER, MADE_AGAIN, WHOLE, inputs
from transformers_reference import config_class, every_layer_may_reuse, make_config
from written_reference import WrittenMode

if TYPE_CHECKING:
    from collections.abc import Iterator

# The angles of rotary positions come out of a product of positions and frequencies: as work, nothing; as a habit of
# transformers, a matrix product that the counter sees. No published figure has it, so it is counted apart.
_ANGLES = ("rotary_emb", "rotary_embed", "rotary_pos_emb", "rope")

# Means of blocks of patches that transformers takes as a product with a matrix of zeros and equal shares.
_MEANS = ("Gemma4VisionModel.pooler",)

torch.set_num_threads(1)  # small models: several threads wait for each other longer than they work

_OF_EAR = "encoder_past_key_values"  # the cache of an encoder that hears while text is written

_LARGEST = 20_000_000  # parameters of a model that runs on the CPU


class Counted(NamedTuple):
    """FLOPs of a prompt and of one more token, angles left out; numbers that the cache holds after the prompt.

    `written` and `decode_written`: numbers that the same products write, scores left out too.
    """

    prefill: int
    decode: int | None
    cached: int | None
    written: int = 0
    decode_written: int = 0


def count_flops(model_type: str, cls: Any, fields: dict[str, Any], n: int, batch: int) -> Counted:
    """The forward pass of `n` tokens in each of `batch` sequences, then the pass of the token after `n - 1`."""
    config = make_config(model_type, fields)
    config._attn_implementation = "eager"  # noqa: SLF001 - how transformers itself spells it
    config.use_cache = _text_of(config).use_cache = True
    with torch.device("meta"):
        model = _built(cls, config).eval()
    if not _has_experts(config):
        with contextlib.suppress(RuntimeError, NotImplementedError):  # (what asks for a value of a meta tensor)
            return _count(model, config, n, batch)
    if sum(p.numel() for p in model.parameters()) > _LARGEST:
        message = f"{cls.__name__}: too large to run here"
        raise ValueError(message)
    model = _built(cls, config).eval()
    with contextlib.suppress(Exception):
        model.set_experts_implementation("eager")
    for module in model.modules():  # (a layer may have a configuration of its own)
        if "experts" in type(module).__name__.lower() and hasattr(module, "config"):
            module.config._experts_implementation = "eager"  # noqa: SLF001
    return _count(model, config, n, batch)


def _built(cls: Any, config: Any) -> Any:
    make = BUILT.get(cls.__name__)
    with every_layer_may_reuse(cls, config, running=True):
        return cls._from_config(config, attn_implementation="eager") if make is None else make(cls, config)


def _count(model: Any, config: Any, n: int, batch: int) -> Counted:
    model.requires_grad_(False)  # the counter wants a gradient function of each input that asks for one
    given = inputs(model, config, n, batch)
    ids, extra = given.get("input_ids"), "decoder_input_ids" in given
    discarded = DISCARDED.get(config.model_type, ())
    with torch.no_grad():
        prefill, written, out = _run(model, discarded, **given)
        cache = getattr(out, "past_key_values", None)
        if cache is None and getattr(out, "state", None) is not None:  # RWKV
            first = model(input_ids=ids[:1, :-1], use_cache=True)  # (5.23 broadcasts a batch of states against itself)
            decode, token_written, _ = _run(model, input_ids=ids[:1, -1:], state=first.state)
            kept_of_all = sum(tensor.numel() for tensor in out.state)
            return Counted(prefill, batch * decode, kept_of_all, written, batch * token_written)
        if cache is None and getattr(out, "cache_params", None) is not None:  # xLSTM
            cached = sum(tensor.numel() for tensor in _tensors(out.cache_params) if tensor.is_floating_point())
            first = model(input_ids=ids[:, :-1], use_cache=True)
            decode, token_written, _ = _run(model, input_ids=ids[:, -1:], cache_params=first.cache_params)
            return Counted(prefill, decode, cached, written, token_written)
        if cache is None:
            return Counted(prefill, None, None, written)
        if config.model_type in CROPPED:
            cache.crop(n - cache.get_seq_length())
        caches = (cache, getattr(out, _OF_EAR, None))
        cached = sum(tensor.numel() for tensor in _tensors(caches) if tensor.is_floating_point())  # (others count)
        cached += getattr(out, KEPT[config.model_type]).numel() if config.model_type in KEPT else 0
        later = (
            LATER[config.model_type](config, n, batch, next(model.parameters()).device)
            if config.model_type in LATER
            else {}
        )
        if config.model_type in CROPPED:
            decode, token_written, _ = _run(model, past_key_values=cache, **later)
        elif config.model_type in EVERY_TIME:
            first = model(**inputs(model, config, n - 1, batch), use_cache=True)
            again = inputs(model, config, n if config.model_type in WHOLE else 1, batch) | {
                name: getattr(first, name) for name in ("past_key_values", _OF_EAR) if hasattr(first, name)
            }
            decode, token_written, _ = _run(model, **again)
        elif extra:
            ids = given["decoder_input_ids"]
            first = model(**{**given, "decoder_input_ids": ids[:, :-1]})  # (some encoders refuse to be told of a cache)
            kept = {"decoder_input_ids": ids[:, -1:]}
            if hasattr(first, "encoder_last_hidden_state"):  # (else it stands in front of the tokens, and in the cache)
                encoded: Any = BaseModelOutput(first.encoder_last_hidden_state)
                encoded.attention_mask = encoded.router_logits = None  # what some decoders ask for
                kept["encoder_outputs"] = encoded
            kept |= later
            decode, token_written, _ = _run(
                model, MADE_AGAIN.get(config.model_type, ()), past_key_values=first.past_key_values, **kept
            )
        else:
            first = model(**{**inputs(model, config, n - 1, batch), "input_ids": ids[:, :-1]}, use_cache=True)
            kept = {"input_ids": ids[:, -1:], "past_key_values": first.past_key_values}
            decode, token_written, _ = _run(model, discarded, **kept, **later)
    return Counted(prefill, decode, cached, written, token_written)


def _text_of(config: Any) -> Any:
    """The configuration of what writes; MusicGen has one that reads text beside it."""
    try:
        return config.get_text_config()
    except ValueError:
        return config.decoder


def _has_experts(config: Any) -> bool:
    text = _text_of(config)
    return any("expert" in name for name in text.to_dict())


def _run(model: Any, idle: tuple[str, ...] = (), /, **inputs: Any) -> tuple[int, int, Any]:
    """FLOPs of the pass but for angles and for modules whose names end so, the numbers written, and what came out."""

    def is_left_out(module: str) -> bool:
        name = module.rpartition(".")[2]
        return name in _ANGLES or "rotary" in name or module.endswith((*_MEANS, *idle))

    counter = FlopCounterMode(display=False)
    writes = WrittenMode(model, lambda: tuple(counter.mod_tracker.parents), is_left_out)
    # As products, where attention or an LSTM is one operation, of which the counter knows nothing.
    with counter, writes, sdpa_kernel(SDPBackend.MATH), mkldnn.flags(enabled=False):
        out = model(**inputs)
    counts = counter.get_flop_counts()
    left_out = sum(sum(of.values()) for name, of in counts.items() if is_left_out(name))
    return counter.get_total_flops() - left_out, writes.total, out


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
        fields = valid(model_type, Random(seed + attempt)) | AGREEING.get(model_type, {})
        if attempt % 2 == 0:
            fields = _parts(model_type, seed + attempt) | fields
        for name in set(_DERIVED) - set(AGREEING.get(model_type, {})):
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
                parts[name] = valid(kind, Random(seed)) | AGREEING.get(kind, {}) | {"model_type": kind}
        except Exception:  # what has no default, or none that is valid
            continue
    return parts


_DERIVED = ("head_dim", "qk_head_dim", "rope_parameters", "layer_types")
