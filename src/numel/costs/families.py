"""Which attention does each model type have? An explicit table: what is not in it is refused by name, never guessed.

Every row was held against transformers 5.23: the matrix products that its eager implementation does, for a prompt
and for one more token, and the numbers that its cache then holds (tests/costs).
"""

from __future__ import annotations

from ..core.records import NamedTuple
from ..errors import Sentence, UnsupportedError
from .notation import noted_types, pass_of
from .pictures import ALONE, BESIDE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .fields import TextFields
    from .notation import Pass


class Family(NamedTuple):
    """How a model type attends. `stack` is "decoder", "encoder" or "encoder_decoder".

    `attention`: "softmax" (widths follow from the matrices), "gated" (the same, and q makes a gate as wide as the
    queries beside them), "twice" (DiffLlama: every score and sum is made a second time), "latent" (multi-head latent
    attention, DeepSeek) or "compressed" (DeepSeek-V4).
    `windows`: which layers look back only so far; None: all see the whole context. `unless`: a field that, set, adds
    what is not counted. `both_ways`: one that, set (or of a value), makes an encoder of a decoder. `recurrence`: what
    layers keep that have a state: "mamba", "mamba2", "delta", "kda" (Kimi delta attention), "lightning", "rglru", "rwkv" or "conv"; "" for none.
    `pictures`: "alone" for an encoder of pictures, "beside" where a text model stands beside one, and both work.
    `sound`: an encoder hears a sound of fixed length. `sharing`: layers run again, "groups" (ALBERT), "ties" (Zamba)
    or "cycles" (HRM).
    `skips`: the field that lists layers which look at pictures alone. `pooled`: how the names of what works on one vector
    of a whole sequence begin. `reuses`: a layer without keys of its own reads those of an earlier one.
    `streams`: how several residual streams are mixed, "altup" or "hyper". `distances`: attention scores them beside
    contents, in "buckets" or as far as the context is long ("spans"). `notes`: its pass file.
    """

    stack: str = "decoder"
    attention: str = "softmax"
    windows: Windows | None = None
    unless: str = ""
    both_ways: str = ""
    recurrence: str = ""
    pictures: str = ""
    sound: bool = False
    sharing: str = ""
    skips: str = ""
    pooled: str = ""
    reuses: bool = False
    streams: str = ""
    distances: str = ""
    notes: Pass | None = None


class Windows(NamedTuple):
    """Where a configuration keeps the width of its windows, and which layers have one when it does not list them.

    `default`: the width that transformers takes when the field is absent (None: no window). `sees_all(i, n, fields)`:
    whether layer i of n has none. `kind`: the word of `layer_types` for a layer that has one. `both_ways`: a field
    that counts both directions, of which a decoder looks in one, for a configuration without the other. `before`: a field
    that leaves the token itself out. `last_sees_all`: the last layer has none, whatever the configuration lists.
    """

    sees_all: Callable[[int, int, TextFields], bool]
    default: int | None = None
    field: str = "sliding_window"
    kind: str = "sliding_attention"
    switch: str = ""
    both_ways: str = ""
    before: str = ""
    last_sees_all: bool = False


def _nowhere(i: int, n: int, fields: TextFields) -> bool:  # noqa: ARG001 - every rule is called alike
    return False


def _every(period: int, *, first: int | None = None) -> Callable[[int, int, TextFields], bool]:
    """Layers period−1, 2·period−1 … see everything; or those from `first` on in steps of `period`."""
    at = period - 1 if first is None else first

    def sees_all(i: int, n: int, fields: TextFields) -> bool:  # noqa: ARG001
        return i % period == at

    return sees_all


def _every_stated(name: str, default: int) -> Callable[[int, int, TextFields], bool]:
    def sees_all(i: int, n: int, fields: TextFields) -> bool:  # noqa: ARG001
        period = fields.get(name, default=default)
        period = len(period) if isinstance(period, str) else period  # EXAONE writes "LLLG"
        return type(period) is not int or period < 1 or (i + 1) % period == 0

    return sees_all


def _every_stated_from_0(name: str, default: int) -> Callable[[int, int, TextFields], bool]:
    def sees_all(i: int, n: int, fields: TextFields) -> bool:  # noqa: ARG001
        return i % int(fields.get(name, default=default)) == 0

    return sees_all


def _every_and_last(period: int) -> Callable[[int, int, TextFields], bool]:
    def sees_all(i: int, n: int, fields: TextFields) -> bool:  # noqa: ARG001
        return (i + 1) % period == 0 or i == n - 1

    return sees_all


def _every_from_last(period: int) -> Callable[[int, int, TextFields], bool]:
    def sees_all(i: int, n: int, fields: TextFields) -> bool:  # noqa: ARG001
        return (n - 1 - i) % period == 0

    return sees_all


def _first_and_every_sixth(i: int, n: int, fields: TextFields) -> bool:  # noqa: ARG001
    """MiMo-V2."""
    return i == 0 or (i + 1) % 6 == 0


def _flint(i: int, n: int, fields: TextFields) -> bool:  # noqa: ARG001
    """The first two layers, every fourth and the last."""
    return i < 2 or i % 4 == 1 or i == n - 1


def _first_layers(default: int) -> Callable[[int, int, TextFields], bool]:
    """The layers below `max_window_layers` see everything (Qwen2 and its kin)."""

    def sees_all(i: int, n: int, fields: TextFields) -> bool:  # noqa: ARG001
        return i < int(fields.get("max_window_layers", default=default))

    return sees_all


def _qwen2_moe(i: int, n: int, fields: TextFields) -> bool:  # noqa: ARG001
    """transformers gives a window to every second of the first `max_window_layers`."""
    return bool(i % 2) or i >= int(fields.get("max_window_layers", default=28))


def _listed_only(i: int, n: int, fields: TextFields) -> bool:  # noqa: ARG001
    """All see everything unless the configuration lists its layers."""
    return True


def _no_rope(i: int, n: int, fields: TextFields) -> bool:  # noqa: ARG001
    """Llama 4: the layers without rotary positions see everything."""
    listed = fields.get("no_rope_layers")
    if isinstance(listed, list) and i < len(listed):
        return not listed[i]
    return (i + 1) % int(fields.get("no_rope_layer_interval", default=4)) == 0


def _with_rope(i: int, n: int, fields: TextFields) -> bool:
    """SmolLM3: the layers with rotary positions do."""
    return not _no_rope(i, n, fields)


def _gpt_neo(i: int, n: int, fields: TextFields) -> bool:  # noqa: ARG001
    """`attention_types` [[["global", "local"], 12]]: the kinds and how often they follow each other."""
    stated = fields.get("attention_types", default=[])
    try:
        listed = [kind for kinds, times in stated for _ in range(times) for kind in kinds]
    except (TypeError, ValueError):
        fields.refuse("attention_types")
    return i >= len(listed) or listed[i] == "global"


# Decoders in which every token sees all before it. Widths, grouped queries, fused and gated projections follow from
# the shapes; experts from their number per token.
_FULL = """
apertus arcee aria_text biogpt bitnet blip_text_model bloom codegen cohere ctrl dbrx ernie4_5 ernie4_5_moe falcon flex_olmo gemma glm
glm4 glm4_moe glm4v_text glm4v_moe_text glm_ocr_text gpt-sw3 gpt2 gpt_bigcode gpt_neox gpt_neox_japanese gptj granite granitemoe granitemoeshared helium
hunyuan_v1_dense hunyuan_v1_moe hy_v3 hyperclovax imagegpt internlm3 iquestcoder jais2 llama minimax_m2 mpt nanochat nemotron olmo
olmo2 olmoe openai-gpt opt paddleocr_vl_text persimmon phi seed_oss solar_open stablelm trocr git xglm chameleon cosmos3_edge_text
deepseek_ocr2_text emu3_text_model granite4_vision_text granite_docling_text minimax_m3_vl_text molmo2_text
canary_decoder hunyuan_vl_text kosmos_2_5_text_model kosmos_2_text_model musicgen_decoder musicgen_melody_decoder
pix2struct_text_model pp_formulanet_text
"""

_LATENT = "axk1 axk2 deepseek_v2 deepseek_v3 deepseek_v32 glm_moe_dsa hy_v4 glm4_moe_lite minicpm3 mistral4 youtu"

_ENCODERS = """
bert dia_encoder camembert clip_text_model data2vec-text distilbert electra ernie esm esmc eurobert flaubert gte ibert jina_embeddings_v3 layoutlm
megatron-bert metaclip_2_text_model modernbert mpnet nomic_bert owlv2_text_model owlvit_text_model rembert roberta roberta-prelayernorm roc_bert roformer splinter tapas ultrabert
xlm-roberta xlm-roberta-xl xmod xlm chinese_clip_text_model fnet bert-generation
"""

_ENCODER_DECODERS = "bart blenderbot blenderbot-small fsmt m2m_100 marian mbart mt5 nllb-moe pegasus plbart pop2piano switch_transformers t5 umt5"

_QWEN = Windows(_first_layers(28), 4096, switch="use_sliding_window")
_QWEN_VL = Windows(_first_layers(80), 4096, switch="use_sliding_window")

# What transformers takes for a field that a configuration leaves out stands beside the rule.
_WINDOWED: dict[str, Windows] = {
    "afmoe": Windows(_every_stated("global_attn_every_n_layers", 4), 1024),
    "beam": Windows(_every_and_last(6), 512),
    "flint": Windows(_flint, 513),
    "kolibri1": Windows(_every(5), 513),
    "mimo_v2_flash": Windows(_first_and_every_sixth, 129, before="sliding_window_size"),
    "cohere2": Windows(_every_stated("sliding_window_pattern", 4), 4096),
    "cohere2_moe": Windows(_every_stated("sliding_window_pattern", 4), 4096),
    "cohere_compass_text": Windows(_listed_only, 4096),
    "cwm": Windows(_every(4, first=0), 8192),
    "dots1": Windows(_first_layers(62), 4096),
    "exaone4": Windows(_every_stated("sliding_window_pattern", 4), 4096),
    "exaone_moe": Windows(_every_stated("sliding_window_pattern", 4), 4096),
    "gemma2": Windows(_every(2), 4096),
    "gemma3_text": Windows(_every_stated("sliding_window_pattern", 6), 4096),
    "gpt_neo": Windows(_gpt_neo, 256, field="window_size"),
    "gpt_oss": Windows(_every(2), 128),
    "granite_swa": Windows(_every(4, first=0), 128),
    "granitemoe_swa": Windows(_every(4, first=0), 128),
    "laguna": Windows(_listed_only, 512),
    "llama4_text": Windows(_no_rope, 8192, field="attention_chunk_size", kind="chunked_attention"),
    "mellum": Windows(_listed_only, 1024),
    "ministral": Windows(_nowhere, 4096),
    "ministral3": Windows(_nowhere),
    "mistral": Windows(_nowhere, 4096),
    "mixtral": Windows(_nowhere),
    "moshi": Windows(_nowhere, 3000),
    "muse_glimmer_text": Windows(_every_from_last(4), 2048),
    "muse_spark_text": Windows(_every_from_last(4), 2048),
    "olmo3": Windows(_every(4), 4096),
    "phi3": Windows(_nowhere),
    "phi4_multimodal": Windows(_nowhere),
    "phimoe": Windows(_nowhere),
    "qwen2": _QWEN,
    "qwen2_5_vl_text": _QWEN_VL,
    "qwen2_5_omni_text": _QWEN_VL,
    "qwen2_moe": Windows(_qwen2_moe, 4096, switch="use_sliding_window"),
    "qwen2_vl_text": _QWEN_VL,
    "qwen3": _QWEN,
    "qwen3_omni_moe_text": Windows(_nowhere),
    "qwen3_moe": Windows(_nowhere, 4096, switch="use_sliding_window"),
    "qwen3_vl_moe_text": Windows(_listed_only),
    "qwen3_vl_text": Windows(_listed_only),
    "smollm3": Windows(_with_rope, switch="use_sliding_window"),
    "starcoder2": Windows(_nowhere),
    "step3p5": Windows(_listed_only),
    "vaultgemma": Windows(_every(2), 4096),
}

# Models of pictures or sounds around a text model of a family: beside its layers they do nothing to text. Others (a
# resampler in the text's stack, cross-attention to pictures) are refused by name.
_WRAPPERS = """
aria audioflamingo3 aya_vision cohere2_vision deepseek_vl fuyu gemma3 gemma4 gemma4_unified glm_ocr glmasr got_ocr2 idefics3 internvl lfm2_vl lighton_ocr voxtral
llama4 llava llava_next llava_next_video llava_onevision mistral3 modernvbert moss_transcribe_diarize musicflamingo
paligemma qwen2_5_vl qwen2_audio qwen2_vl qwen3_5 qwen3_5_moe qwen3_asr qwen3_vl qwen3_vl_moe smolvlm video_llama_3
video_llava vipllava mllama molmo2
cohere_compass cosmos3_edge deepseek_ocr2 deepseek_vl_hybrid emu3 exaone4_5 glm46v glm4v glm4v_moe glmga granite_docling
hyperclovax_vision_v2 kimi_k25 lfm3_vl minicpm_ocr minicpmv4_6 minicpmv4_7 minimax_m3_vl muse_glimmer paddleocr_vl pp_chart2table qianfan_ocr
qwen2_5_omni_thinker qwen3_omni_moe_thinker step3p7 ultravbert vibevoice_asr kosmos-2.5 mistral_large4
dots3_note glm5_next inkling2 inkling_mm_model qwen4_exp
shieldgemma2 florence2 hunyuan_vl muse_spark unlimited_ocr nemotron_h_omni fast_vlm gemma3n internvl_chat
"""
WRAPPERS = frozenset(_WRAPPERS.split())

# Encoders of pictures that cut them into patches of one size, all in one row.
_PICTURES = """
beit blip_2_vision_model blip_vision_model chinese_clip_vision_model clip_vision_model data2vec-vision deit dinov2 dinov2_with_registers dinov3_vit git_vision_model
idefics_vision ijepa instructblip_vision_model instructblipvideo_vision_model internvl_vision janus_vision_model kosmos_2_vision_model metaclip_2_vision_model molmo2_vision owlv2_vision_model owlvit_vision_model phi4_multimodal_vision
qianfan_ocr_vision siglip_vision_model vit vit_msn
"""

# A text model and an encoder of pictures side by side: both work, and their results are compared.
PAIRS = frozenset({"chinese_clip", "clip", "metaclip_2", "owlv2", "owlvit", "siglip", "siglip2"})

FAMILIES: dict[str, Family] = {
    **dict.fromkeys(_FULL.split(), Family()),
    **{name: Family(windows=windows) for name, windows in _WINDOWED.items()},
    "gemma3n_text": Family(windows=Windows(_every(5), 512), reuses=True, streams="altup"),
    "deepseek_v4": Family(attention="compressed", windows=Windows(_nowhere, 128), streams="hyper"),
    **dict.fromkeys(
        ("gemma4_text", "gemma4_unified_text", "diffusion_gemma_text"),
        Family(
            windows=Windows(_every_and_last(6), 512, last_sees_all=True),
            both_ways="use_bidirectional_attention=all",
            reuses=True,
        ),
    ),
    "modernbert-decoder": Family(
        windows=Windows(_every_stated_from_0("global_attn_every_n_layers", 3), 64, both_ways="local_attention")
    ),
    "minimax": Family(recurrence="lightning"),
    "gemma3_text": Family(windows=_WINDOWED["gemma3_text"], both_ways="use_bidirectional_attention"),
    **dict.fromkeys(_LATENT.split(), Family(attention="latent")),
    **dict.fromkeys(_ENCODERS.split(), Family("encoder")),
    **dict.fromkeys(_ENCODER_DECODERS.split(), Family("encoder_decoder")),
    **dict.fromkeys(("mamba", "falcon_mamba", "jamba"), Family(recurrence="mamba")),
    **dict.fromkeys(("bamba", "granitemoehybrid", "falcon_h1"), Family(recurrence="mamba2")),
    **dict.fromkeys(("mamba2", "nemotron_h"), Family(recurrence="mamba2")),
    **dict.fromkeys(("qwen3_next", "qwen3_5_text", "qwen3_5_moe_text"), Family(attention="gated", recurrence="delta")),
    **dict.fromkeys(("lfm2", "lfm2_moe"), Family(recurrence="conv")),
    "jetmoe": Family(),
    **dict.fromkeys(("bailing_hybrid", "kimi_linear"), Family(attention="latent", recurrence="kda")),
    "glm5_next_text": Family(recurrence="kda", streams="hyper"),
    "lfm3": Family(recurrence="conv", windows=Windows(_every(4, first=2), 256)),
    "mvp": Family("encoder_decoder", unless="use_prompt"),
    **dict.fromkeys(_PICTURES.split(), Family("encoder", pictures=ALONE)),
    **dict.fromkeys(("siglip_text_model", "siglip2_text_model"), Family("encoder", pooled="head.")),
    "t5_gemma_module": Family("encoder", unless="is_decoder"),
    "deberta": Family("encoder", distances="spans"),
    "deberta-v2": Family("encoder", distances="buckets"),
    "albert": Family("encoder", sharing="groups"),
    "zamba": Family(recurrence="mamba", sharing="ties"),
    "hrm_text": Family(sharing="cycles"),
    "zamba2": Family(recurrence="mamba2", sharing="ties"),
    **{
        name: Family(
            recurrence="conv", windows=Windows(_nowhere, width, field="sliding_window_size", kind="hybrid_sliding")
        )
        for name, width in (("inkling_text", 512), ("inkling2_text", 1024))
    },
    "whisper": Family("encoder_decoder", sound=True),
    "mllama_text_model": Family(skips="cross_attention_layers"),
    "rwkv": Family(recurrence="rwkv"),
    "unlimited_ocr_text": Family(),  # the page and the prompt, which a context is; only what it writes has a window
    "diffllama": Family(attention="twice"),
    "olmo_hybrid": Family(recurrence="delta"),
    "recurrent_gemma": Family(windows=Windows(_nowhere, 2048, field="attention_window_size"), recurrence="rglru"),
}

# Types whose code stands beside their checkpoints, and the type above whose attention they have.
KIN = {
    "RefinedWeb": "falcon",
    "RefinedWebModel": "falcon",
    "aquila": "llama",
    "baichuan": "llama",
    "bailing_moe": "glm4_moe",
    "chatglm": "glm",
    "deepseek": "llama",
    "exaone": "llama",
    "exaone4_5_text": "exaone4",
    "intern_vit_6b": "internvl_vision",
    "internlm2": "llama",
    "kimi_k2": "deepseek_v3",
    "mimo": "qwen2",
    "minicpm": "llama",
    "minimax_m1": "minimax",
    "minimax_text_01": "minimax",
    "openelm": "llama",
    "phi-msft": "phi",
    "qwen": "llama",
    "saprot": "esm",
    "stablelm_epoch": "stablelm",
}
FAMILIES |= {name: FAMILIES[known] for name, known in KIN.items()}


def family_of(fields: TextFields, name: str) -> Family:
    """The row of the table. Raises UnsupportedError that names the model type where there is none."""
    family = _wrapping(fields)
    if family is None:
        kind = f"model_type '{fields.model_type}'"
        what = kind if fields.model_type else Sentence("a model without a configuration")
        message = Sentence(
            "{model}: how {what} attends is not known, so its cost is not guessed", model=name, what=what
        )
        hint = Sentence("numel costs only architectures whose attention was checked")
        raise UnsupportedError(message, hint=hint)
    is_noted = family.notes is not None and family.notes.model_type == fields.wrapper
    if is_noted and family.notes is not None and not family.notes.around:
        return family
    if fields.wrapper in PAIRS:
        family = family._replace(pictures=BESIDE)
    elif not is_noted and fields.wrapper not in WRAPPERS | {"", fields.model_type}:
        message = Sentence(
            "{model}: what {what} does around its text model is not known, so its cost is not guessed",
            model=name,
            what=f"model_type '{fields.wrapper}'",
        )
        raise UnsupportedError(message, hint=Sentence("numel costs only architectures whose attention was checked"))
    if _is_set(family.unless, fields):
        message = Sentence("{model}: {field} adds an attention that is not counted", model=name, field=family.unless)
        raise UnsupportedError(message, hint=Sentence("give {option}", option=f"--set {family.unless}=false"))
    if _is_set(family.both_ways, fields):
        return family._replace(stack="encoder", windows=None)
    return family


def _is_set(field: str, fields: TextFields) -> bool:
    """Whether the configuration sets a field, or sets it to a value where one stands behind it: "mode=all"."""
    name, _, value = field.partition("=")
    found = fields.get(name) if name else None
    return found == value if value else bool(found)


def _wrapping(fields: TextFields) -> Family | None:
    """What is known of the whole model: by its own pass file, by that of its text model, or by both."""
    whole, text = _noted(fields.wrapper), family_called(fields.model_type)
    if whole is None or whole.notes is None or not whole.notes.around:
        return whole or text
    notes = whole.notes
    if text is None:
        return None
    return text._replace(stack=notes.stack or text.stack, notes=notes.on_top_of(text.notes) if text.notes else notes)


def _noted(model_type: str) -> Family | None:
    """The family of a type that has a pass file."""
    notes = pass_of(model_type) if model_type else None
    if notes is None:
        return None
    family = FAMILIES.get(notes.like or model_type, Family())
    pictures = ALONE if notes.reads == "picture" else family.pictures
    return family._replace(stack=notes.stack or family.stack, pictures=pictures, notes=notes)


def family_called(model_type: str) -> Family | None:
    """What is known of the type, in its pass file or in the table."""
    return _noted(model_type) or FAMILIES.get(model_type)


def known_types() -> list[str]:
    """Every type that something is known of, but for what stands around text models."""
    return [*FAMILIES, *(name for name in noted_types() if name not in FAMILIES)]
