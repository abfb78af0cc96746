"""What a pass writes, beside published figures and beside transformers' own classes."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import numel
from numel.costs.estimate import estimate, usual_context
from numel.costs.families import known_types
from numel.costs.memory import activations
from numel.costs.setting import Setting
from numel.costs.written import CONV1D, TURNED_EXPERTS


def written(source, *, phase="train", context=2048, batch=1, layer=1):
    """Numbers that each part of one layer writes."""
    table = numel.inspect(source).table
    works = estimate(table, Setting(phase, context, batch), by_layer=True).works
    return {(w.component, w.part): w.written for w in works if w.layer == layer and w.written}


# Korthikanti et al. 2022 (arXiv 2205.05198), table 3: heads, width, layers of 22B, GPT-3, 530B and 1T; 2,048 tokens.
@pytest.mark.parametrize(
    ("a", "h", "layers", "b"), [(64, 6144, 48, 4), (96, 12288, 96, 1), (128, 20480, 105, 1), (160, 25600, 128, 1)]
)
def test_a_layer_of_megatron(a, h, layers, b):
    """Section 4.1: 34·s·b·h bytes in 16 bits beside the scores' 5·a·s²·b, of which a fused kernel holds none."""
    fields = {"model_type": "gpt2", "n_head": a, "n_embd": h, "n_layer": layers, "n_positions": 2048}
    sbh = 2048 * b * h
    found = written(fields, batch=b)
    attention = sum(n for (component, _), n in found.items() if component == "attention")
    # attention's 11 without its input, which a norm writes, and a mask; with what the next norm reads
    assert 2 * attention == (11 - 2 - 1 + 2) * sbh
    assert 2 * found["mlp", "up"] == 8 * sbh  # what GeLU reads
    norms, gelu, masks = 2 * 2 * sbh, 8 * sbh, 2 * sbh
    assert 2 * sum(found.values()) + norms + gelu + masks == 34 * sbh


def test_what_decoding_absorbed_writes():
    """DeepSeek-V3 (arXiv 2412.19437, section 4.2): 128 heads of 128 + 64, latents of 1536 and 512 + 64."""
    found = written("deepseek-ai/DeepSeek-V3", phase="decode", batch=3)
    queries, latent, absorbed, sums = 1536 + 128 * 192, 512 + 64, 128 * 512, 128 * 512
    assert found["attention", "latent"] == 3 * (queries + latent + absorbed + 128 * 128)
    assert found["attention", "weighted_sum"] == 3 * sums
    assert found["attention", "o"] == 3 * 7168
    expanded = written("deepseek-ai/DeepSeek-V3", phase="prefill", context=100, batch=3)
    assert expanded["attention", "latent"] == 300 * (queries + latent + 128 * (128 + 128))
    assert expanded["attention", "weighted_sum"] == 300 * 128 * 128


# huggingface/pytorch-image-models@89b0452, results/benchmark-infer-amp-nchw-pt113-cu117-rtx3090.csv and @5c33776,
# …-pt240-cu124-rtx4090.csv: infer_macts, the millions of numbers that fvcore counts as written, scores among them.
@pytest.mark.parametrize(
    ("d", "heads", "patch", "size", "published"),
    [(192, 3, 16, 224, 5.97), (192, 3, 16, 384, 25.39), (384, 6, 16, 224, 11.95), (384, 6, 32, 224, 2.5),
     (384, 6, 32, 384, 8.25), (768, 12, 32, 224, 5.01)],
)  # fmt: skip
def test_timms_pictures(d, heads, patch, size, published):
    fields = {
        "model_type": "vit", "hidden_size": d, "num_attention_heads": heads, "intermediate_size": 4 * d, "patch_size": patch,
        "image_size": size, "num_hidden_layers": 12, "num_labels": 1000, "architectures": ["ViTForImageClassification"],
    }  # fmt: skip
    table = numel.inspect(fields).table
    n = usual_context(table)
    found = estimate(table, Setting(context=n)).total("written")
    assert round((found + 12 * heads * n * n) / 1e6, 2) == published


def test_timms_card_of_a_base_model():
    """timm/vit_base_patch16_224: "Activations (M): 16.5", of which its fused attention writes none."""
    table = numel.inspect("google/vit-base-patch16-224").table
    works = estimate(table, Setting(context=197)).works
    assert round(sum(w.written for w in works if w.part != "weighted_sum") / 1e6, 1) == 16.5


def test_the_types_that_store_matrices_the_other_way_are_all_that_transformers_has():
    pytest.importorskip("transformers", reason="transformers is not installed: there are no classes to look at")
    from transformers_reference import config_class, knows

    conv1d, turned = set(), set()
    for name in filter(knows, known_types()):
        folder = Path(inspect.getfile(config_class(name))).parent
        text = "".join(path.read_text(encoding="utf-8") for path in folder.glob("modeling_*.py"))
        if re.search(r"\bConv1D\(", text):
            conv1d.add(name)
        if _IS_TURNED.search(text) and "experts" in _parts(name):
            turned.add(name)
    assert conv1d == {name for name in CONV1D if knows(name)}
    assert turned == {name for name in TURNED_EXPERTS if knows(name)}


_IS_TURNED = re.compile(r"is_transposed=True|bmm\(hidden_states, self\.gate_up_proj\)")


def _parts(model_type):
    return {row.part for row in numel.inspect({"model_type": model_type}).table.rows}


def test_what_a_tower_holds_at_once_is_at_its_widest_stage():
    """Swin-T by hand: 56 × 56 patches of 96 numbers, of which the first stage's MLP makes 384; later stages hold less."""
    table = numel.inspect({"model_type": "swin"}).table
    found = estimate(table, Setting(context=usual_context(table)))
    assert activations(found) == 56 * 56 * (2 * 96 + 2 * 384) * 2
