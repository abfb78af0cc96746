"""Every known attention against torch: the products of a prompt and of one more token, and what the cache then holds.

`tools/flop_reference.py` runs transformers' own models, eager, under FlopCounterMode. The estimates come from a
configuration alone and must be equal to the digit. One thing is left out on torch's side and said there: the outer
product of positions and frequencies by which transformers makes rotary angles.
"""

from __future__ import annotations

import os
import re
from zlib import crc32

import pytest

import numel
from numel.costs.estimate import estimate, usual_context
from numel.costs.families import PAIRS, WRAPPERS, Family, family_called, known_types
from numel.costs.fields import TextFields
from numel.costs.recurrent import states_of
from numel.costs.setting import Setting
from numel.costs.working import working
from numel.errors import ConfigError, UsageError

pytest.importorskip("torch", reason="torch is not installed: there is no FlopCounterMode to compare with")
pytest.importorskip("transformers", reason="transformers is not installed: there is nothing to count")

from flop_inputs import AGREEING, CLASSES, VECTORS, class_of
from flop_reference import runnable
from transformers_reference import head_classes, knows

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers warn of their own affairs

N, BATCH = 11, 2
_HEADS = ("ForConditionalGeneration", "LMHeadModel", "ForCausalLM", "ForMaskedLM", "ForCTC", "Model", "")


def the_class(model_type):
    """The class that predicts tokens, or the bare model."""
    if model_type in CLASSES:
        return CLASSES[model_type].partition(".")[2], class_of(model_type)
    family = family_called(model_type) or Family()
    unfit = ("LMHeadModel", "ForCausalLM") if family.stack == "encoder" else ()
    classes = head_classes(model_type)
    return next((n, c) for end in _HEADS if end not in unfit for n, c in classes.items() if n.endswith(end))


def drawn(model_type, seed, chosen=None, n=None):
    name, cls = (chosen, head_classes(model_type)[chosen]) if chosen else the_class(model_type)
    n = n or VECTORS.get(model_type, N)
    for further in range(0, 200, 20):
        fields, counted = runnable(model_type, cls, seed + further, n, batch_of(model_type))
        try:
            return numel.inspect({**fields, "model_type": model_type, "architectures": [name]}).table, counted
        except ConfigError:  # a width of zero runs there and is refused here
            continue
    raise LookupError(model_type)


def batch_of(model_type):
    """Two inputs, and one where transformers puts all pictures into one sequence and masks what does not belong together."""
    return 1 if model_type == "pixtral" else BATCH


_OF_TIMM = {"gemma3n_vision"}  # (test_timm_towers.py has it; of FastVLM's tower transformers has no type)


def draws():
    """Every type once, and those that look back only so far, or over latents, twice; NUMEL_DRAWS=5 asks for more."""
    for name in sorted(set(known_types()) - _OF_TIMM):
        family = family_called(name)
        least = 2 if family.windows or family.attention == "latent" else 1
        yield from ((name, k) for k in range(max(least, int(os.environ.get("NUMEL_DRAWS", "1")))) if knows(name))


@pytest.mark.parametrize(("model_type", "draw"), list(draws()))
def test_estimates_are_what_torch_counts(model_type, draw):
    hold(model_type, *drawn(model_type, crc32(model_type.encode()) % 2**20 + draw))  # other fields for every type


def hold(model_type, table, counted):
    """A prompt and one more token, what they write, and what the cache then holds, against what torch counted."""
    found = estimate(table, Setting("prefill", length_of(table), batch_of(model_type)))
    assert found.total("flops") + discarded(table) + idle(found) + mask(found) == counted.prefill
    wasted = discarded(table, of="written") + idle(found, of="written")
    assert found.total("written") + wasted == counted.written
    if counted.decode is not None and found.family.stack != "encoder":
        naive = estimate(table, Setting("decode", N, BATCH, latent="naive"))
        assert naive.total("flops") + discarded(table, once=True) + idle(naive) - unseen(naive) == counted.decode
        written = discarded(table, once=True, of="written") + idle(naive, of="written") - unseen(naive, of="written")
        assert naive.total("written") + written == counted.decode_written
        kept = sum(a.kept_of_all * seen(a) + a.pending(N) for a in found.attentions) + sum(states(table, found.family))
        assert BATCH * (kept + twice(found)) == counted.cached


@pytest.mark.parametrize("model_type", ["kimi_linear", "mamba2", "minimax", "qwen3_next", "xlstm"])
def test_a_prompt_of_several_chunks(model_type, monkeypatch):
    kinds = {"num_hidden_layers": 2, "layer_types": ["linear_attention", "full_attention"], "block_size": 64}
    positions = {} if model_type in ("mamba2", "xlstm") else {"max_position_embeddings": 150}
    positions |= kinds if model_type == "minimax" else {}
    monkeypatch.setitem(AGREEING, model_type, AGREEING.get(model_type, {}) | positions)
    table, counted = drawn(model_type, 0, n=150)  # of 8, of 64, and of the blocks of the configuration
    found = estimate(table, Setting("prefill", 150, BATCH))
    assert found.total("flops") + discarded(table) == counted.prefill
    assert found.total("written") + discarded(table, of="written") == counted.written
    recurrent = estimate(table, Setting("prefill", 150, BATCH, scan="recurrent"))
    one = estimate(table, Setting("decode", 150, BATCH))
    assert of_states(recurrent) == 150 * of_states(one) < of_states(found)


def of_states(found):
    return sum(work.flops for work in found.works if work.part == "state")


WRITES = {"is_decoder": True, "add_cross_attention": True, "vocab_size": 99}
SWIN = {
    "model_type": "donut-swin", "image_size": [20, 28], "patch_size": 4, "embed_dim": 16, "depths": [1, 2], "num_heads": [2, 2],
    "window_size": 3,
}  # fmt: skip
VIT = {
    "model_type": "deit", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip
MBART = {
    "model_type": "mbart", "d_model": 24, "decoder_layers": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 40,
    "encoder_attention_heads": 2,
}  # fmt: skip
BERT = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 40}


@pytest.mark.parametrize(
    ("eye", "hand"),
    [
        (SWIN, MBART),
        (VIT, {"model_type": "gpt2", "n_embd": 24, "n_layer": 2, "n_head": 2}),
        (VIT | {"model_type": "vit"}, {"model_type": "bert", **BERT}),
    ],
)
def test_an_eye_and_a_hand_of_several_kinds(eye, hand, monkeypatch):
    monkeypatch.setitem(AGREEING, "vision-encoder-decoder", {"encoder": eye, "decoder": hand | WRITES})
    test_estimates_are_what_torch_counts("vision-encoder-decoder", 0)


@pytest.mark.parametrize("model_type", ["glm5_next_text", "qwen4_exp_text"])
def test_prompts_of_what_chooses_beside_a_state_without_that_state(model_type, monkeypatch):
    kinds = ["indexed_attention"] * AGREEING[model_type]["num_hidden_layers"]
    monkeypatch.setitem(AGREEING, model_type, AGREEING[model_type] | {"layer_types": kinds, "ple_layer_ids": []})
    table, counted = drawn(model_type, 0)
    assert estimate(table, Setting("prefill", N, BATCH)).total("flops") == counted.prefill


@pytest.mark.parametrize(
    ("model_type", "value"), [("gemma3_text", True), ("gemma4_text", "all"), ("gemma4_unified_text", "all")]
)
def test_a_decoder_that_attends_both_ways_is_an_encoder(model_type, value, monkeypatch):
    monkeypatch.setitem(AGREEING, model_type, {"use_bidirectional_attention": value})
    table, counted = drawn(model_type, 0)
    found = estimate(table, Setting("prefill", N, BATCH))
    assert (found.total("flops"), found.total("kv_nbytes")) == (counted.prefill, 0)
    with pytest.raises(UsageError, match="decodes nothing"):
        estimate(table, Setting("decode", N))


def length_of(table):
    """Vectors of an input: as few as is quick, and of a picture or a sound of one size all."""
    return usual_context(table) if working(table).has_one_length else VECTORS.get(table.model_type, N)


def seen(attention):
    """Tokens that transformers keeps: of a window what the next token needs beside itself, one less than the window."""
    return attention.span(N) if attention.window is None else min(N, attention.window - 1)


def twice(found):
    """Numbers of DeepSeek-V4's layers of windows alone: transformers keeps key and value there, though they are one."""
    if found.family.attention != "compressed":
        return 0
    strided = {a.layer for a in found.attentions if a.stride}
    return sum(a.kept * seen(a) for a in found.attentions if a.layer not in strided)


@pytest.mark.parametrize("model_type", sorted(PAIRS))
def test_texts_and_pictures_and_their_comparison(model_type):
    table, counted = drawn(model_type, 0)
    found = estimate(table, Setting("prefill", N, BATCH))
    assert (found.total("flops"), found.total("written")) == (counted.prefill, counted.written)


@pytest.mark.parametrize(
    ("model_type", "name"),
    [
        ("owlvit", "OwlViTForObjectDetection"),  # each patch has a box, and is held against a name
        ("owlv2", "Owlv2ForObjectDetection"),
        ("blip", "BlipForQuestionAnswering"),
        ("blip", "BlipForImageTextRetrieval"),
        ("blip", "BlipModel"),
        ("idefics", "IdeficsForVisionText2Text"),
    ],
)
def test_what_another_class_does_with_text_and_picture(model_type, name):
    table, counted = drawn(model_type, 0, name)
    found = estimate(table, Setting("prefill", N, BATCH))
    assert (found.total("flops"), found.total("written")) == (counted.prefill, counted.written)


@pytest.mark.parametrize("model_type", sorted(filter(knows, WRAPPERS)))
def test_what_stands_around_a_text_model_costs_text_nothing(model_type):
    hold(model_type, *drawn(model_type, 0))


def kernels(table):
    """The convolutions over the last k tokens: (channels, 1, k); of which a pass file does not say another thing."""
    model = working(table).at(Setting(context=length_of(table)))
    if not model.family.recurrence:
        return []
    rows = [row for row in table.rows if row.tower == "main" and "conv" in row.part]
    rows = [row for row in rows if model.noted is None or model.noted.vectors(row.tensor.name) is None]
    return [row.tensor.shape for row in rows if len(row.tensor.shape) == 3 and row.tensor.shape[1] == 1]


def discarded(table, *, once=False, of="flops"):
    """FLOPs of convolutions (or numbers written by them) for outputs that transformers makes and throws away.

    A prompt is padded on both sides, for k − 1 outputs behind its end; a new token runs over k kept inputs and itself.
    """
    each = [(channels * (1 if once else k - 1) * BATCH, k) for channels, _, k in kernels(table)]
    of_tokens = sum(written * (2 * k if of == "flops" else 1) for written, k in each)
    if once:
        return of_tokens
    others = (one_too_many, mapped_again, behind_the_end, before_the_first, trimmed)
    return of_tokens + sum(other(table, of=of) for other in others)


def one_too_many(table, *, of):
    """FLOPs of the last vector that a positional convolution of even width makes of a sound padded by half of it."""
    if table.model_type == "wav2vec2-conformer":  # calls none
        return 0
    rows = [row for row in table.rows if "pos_conv_embed" in row.tensor.name and len(row.tensor.shape) == 3]
    odd = [row for row in rows if row.tensor.shape[0] > 1 and row.tensor.shape[2] % 2 == 0]
    return sum(BATCH * (2 * row.numel if of == "flops" else row.tensor.shape[0]) for row in odd)


def mapped_again(table, *, of):
    """FLOPs of maps of distances, which are the same for all sequences of a batch: some make them for each."""
    if table.model_type == "gemma4_audio":  # does not
        return 0
    ends = ("relative_k_proj.weight", "linear_pos.weight" if table.model_type == "cohere_asr" else "-")
    rows = [row for row in table.rows if row.tensor.name.endswith(ends)]
    return sum((BATCH - 1) * (2 * N - 1) * (2 * row.numel if of == "flops" else row.tensor.shape[0]) for row in rows)


def behind_the_end(table, *, of):
    """FLOPs of Phi-4-multimodal's convolutions for k − 1 vectors behind the end of a sound."""
    if table.model_type != "phi4_multimodal_audio":  # (the whole model reads text)
        return 0
    rows = {row.tensor.name: row for row in table.rows if ".dw_sep_conv_1d." in row.tensor.name}
    width = max((row.tensor.shape[2] for row in rows.values() if len(row.tensor.shape) == 3), default=1)
    weights = [row for row in rows.values() if row.role == "weight"]
    return sum(BATCH * (width - 1) * (2 * row.numel if of == "flops" else row.tensor.shape[0]) for row in weights)


CODECS = {"encodec", "mimi", "vibevoice_acoustic_tokenizer", "vibevoice_acoustic_tokenizer_decoder"}
_TURNED = re.compile(
    r"\.convtr\.convtr\.weight$|upsample\.conv\.weight$|^decoder\.layers\.\d+\.conv\.(?:weight|.*original1)$"
)


def trimmed(table, *, of):
    """Numbers that transposed convolutions of codecs, twice as long as their step, write behind the end (of FLOPs none)."""
    if of == "flops" or table.model_type not in CODECS:
        return 0
    rows = [row for row in table.rows if _TURNED.search(row.tensor.name)]
    if table.model_type in ("encodec", "mimi"):  # of the decoder the first and the last convolution are none
        ends = [row for row in rows if row.tensor.name.startswith("decoder.")]
        rows = [row for row in rows if row not in (ends[0], ends[-1])]
    groups = {
        row.tensor.name: table.hyperparameters["upsample_groups"] for row in rows if "upsample" in row.tensor.name
    }
    each = ((groups.get(row.tensor.name, 1), row.tensor.shape) for row in rows)
    return sum(BATCH * n * out * width // 2 for n, (_, out, width) in each)


def before_the_first(table, *, of):
    """FLOPs of half a value that Zaya makes of zeros, for the token before the first."""
    rows = [row for row in table.rows if row.tensor.name.endswith("v_proj_delayed.weight")]
    return sum(BATCH * (2 * row.numel if of == "flops" else row.tensor.shape[0]) for row in rows)


def idle(found, *, of="flops"):
    """FLOPs of experts that were not chosen: transformers' Llama 4 runs all of them on every token, on zeros.

    And its NLLB-MoE takes a mask of the chosen for their numbers, so that a token runs once for every expert there is.
    """
    if found.n_experts is None or found.table.model_type not in ("llama4_text", "llama4", "nllb-moe"):
        return 0
    n_experts, used = found.n_experts
    return sum(getattr(w, of) for w in found.works if w.part == "experts") * (n_experts - used) // used


def mask(found):
    """FLOPs of the mask of Llama 3.2's tiles, which transformers makes as a product of a column and a row."""
    return 2 * BATCH * found.setting.context**2 if found.table.model_type == "mllama_vision_model" else 0


def unseen(found, *, of="flops"):
    """FLOPs of the gated delta rule, which transformers writes element by element: its counter sees no product."""
    if found.family.recurrence not in ("delta", "kda"):
        return 0
    return sum(getattr(w, of) for w in found.works if (w.component, w.part) == ("linear_attention", "state"))


def states(table, family):
    """What transformers keeps of each layer with a state: the last k inputs of a convolution, and Mamba's own state."""
    fields, noted = TextFields(table), working(table).noted
    if noted is not None:
        yield from (kept.numel for kept in noted.states(table.rows))
    if family.recurrence in ("rwkv", "lightning"):
        yield from (state.kept for _, state in states_of(table, fields, family))
        return
    yield from (channels * k for channels, _, k in kernels(table))
    yield from (r.tensor.shape[1] for r in table.rows if "_sconv.static_w" in r.tensor.name)
    names = ("mamba_d_state", "ssm_state_size", "state_size", "linear_key_head_dim", "linear_head_dim")
    n = fields.get(*names, default=0)
    yield from (
        r.tensor.shape[1] * n
        for r in table.rows
        if r.component in ("ssm", "linear_attention")
        and r.part in ("out_proj", "o_proj", "dense")
        and r.role == "weight"
    )


def test_there_are_families_of_many_kinds():
    known = [family_called(name) for name in known_types() if knows(name)]
    assert len(known) >= 100
    assert {f.stack for f in known} == {"decoder", "encoder", "encoder_decoder"}
    assert {f.attention for f in known} >= {"softmax", "latent"}
    assert sum(f.windows is not None for f in known) >= 25


@pytest.mark.parametrize("by_layer", [False, True])
@pytest.mark.parametrize("model", ["gpt2", "deepseek-ai/DeepSeek-V2-Lite", "google-t5/t5-small", "google/gemma-2-27b"])
def test_the_layers_sum_to_the_whole(model, by_layer):
    table = numel.inspect(model).table
    whole = estimate(table, Setting("decode", 500))
    parts = estimate(table, Setting("decode", 500), by_layer=by_layer)
    for field in ("numel", "flops", "written", "weight_nbytes", "read_nbytes", "kv_nbytes"):
        assert parts.total(field) == pytest.approx(whole.total(field), rel=1e-6)
    assert whole.total("numel") == numel.inspect(model).total
