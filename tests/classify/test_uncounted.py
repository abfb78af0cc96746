"""What is stored and does not count: buffers, scales, second copies of tied tensors?"""

from math import prod

import pytest

from numel.classify import classify
from numel.core.dtypes import SAFETENSORS_DTYPES
from numel.core.formulas import Formula, Term
from numel.core.parameters import Component
from numel.core.tensors import Source

F32 = SAFETENSORS_DTYPES["F32"]


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "part"),
    [
        ("h.0.attn.bias", (1, 1, 1024, 1024), "F32", "causal_mask"),
        ("transformer.h.11.attn.bias", (1024, 1024), "U8", "causal_mask"),
        ("transformer.h.0.attn.attention.bias", (1, 1, 2048, 2048), "BOOL", "causal_mask"),
        ("gpt_neox.layers.0.attention.masked_bias", (), "F16", "causal_mask"),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", (64,), "F32", "rotary"),
        ("rope_freqs.weight", (64,), "F32", "rotary"),
        ("bert.embeddings.position_ids", (1, 512), "I64", "position_ids"),
        ("encoder.layers.0.conv.batch_norm.running_var", (8,), "F32", "running_stats"),
        ("encoder.layers.0.conv.batch_norm.num_batches_tracked", (), "I64", "running_stats"),
        ("model.layers.3.mlp.gate.e_score_correction_bias", (256,), "F32", "router_bias"),
        ("model.layers.2.feed_forward.expert_bias", (32,), "F32", "router_bias"),
        ("blk.3.exp_probs_b.bias", (256,), "F32", "router_bias"),
        ("final_logits_bias", (1, 50265), "F32", "logits_bias"),
        ("model.layers.0.mlp.gate.tid2eid", (129280, 6), "I64", "index"),
        ("something.unheard_of", (9,), "I64", "other"),
    ],
)
def test_a_buffer_of_a_file_is_known_by_its_name_its_shape_or_its_type(name, shape, dtype, part, inventory):
    (row,) = classify(inventory([(name, shape, SAFETENSORS_DTYPES[dtype])])).rows
    assert (row.component, row.part, row.numel, row.excluded) == (Component.BUFFER, part, 0, "buffer")


@pytest.mark.parametrize(
    ("name", "shape", "component"),
    [
        ("h.0.attn.c_attn.bias", (2304,), "attention"),
        ("blocks.0.attn.bias", (768,), "attention"),
        ("blocks.0.attn.bias", (3, 768), "attention"),
        ("h.0.attn.c_proj.weight", (768, 768), "attention"),
        ("model.layers.3.mlp.expert_bias", (128,), "moe"),
        ("model.layers.3.mlp.moe_statics.e_score_correction_bias", (1, 64), "moe"),
    ],
)
def test_what_looks_like_a_buffer_and_is_trained_counts(name, shape, component, inventory):
    (row,) = classify(inventory([(name, shape)])).rows
    assert (row.component.value, row.numel, row.excluded) == (component, prod(shape), None)


def test_whether_a_routers_bias_is_trained_is_what_blueprint_module_or_architecture_says(placed, config):
    name = "model.layers.3.mlp.gate.e_score_correction_bias"
    formula = Formula("model.norm.weight", (Term("hidden_size", 8),))
    module = Source("module", "torch", "Laguna")
    assert placed([name])[name].excluded == "buffer"
    assert placed([name], config=config("deepseek_v3"))[name].excluded == "buffer"
    assert placed([name], config=config("laguna"))[name].excluded is None
    assert placed([name], source=module)[name].excluded is None
    assert placed([name], formulas=(formula,))[name].excluded is None
    known = placed([name], formulas=(formula,), buffers=frozenset({name}))[name]
    assert (known.component, known.part, known.numel) == (Component.BUFFER, "router_bias", 0)


def test_a_module_says_itself_what_is_a_buffer(placed):
    names = ["rotary_emb.inv_freq", "h.0.attn.masked_bias", "layers.0.layer_scalar"]
    rows = placed(names, source=Source("module", "torch", "X"), buffers=frozenset(names[1:]))
    assert [row.excluded for row in rows.values()] == [None, "buffer", "buffer"]


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.mlp.down_proj.weight_scale_inv",
        "model.layers.0.mlp.experts.3.w1.weight_scale",
        "model.layers.0.self_attn.k_proj.k_scale",
        "model.layers.0.self_attn.q_proj.scales",
        "model.layers.0.self_attn.q_proj.weight.absmax",
        "model.layers.0.mlp.experts.gate_up_proj_scales",
    ],
)
def test_a_quantisation_scale_stands_beside_its_weight_and_does_not_count(name, inventory):
    (row,) = classify(inventory([name])).rows
    assert (row.role, row.numel, row.excluded) == ("scale", 0, "scale")
    assert row.component in (Component.MLP, Component.MOE, Component.ATTENTION)


def test_a_scale_of_the_model_itself_is_no_quantisation_scale(placed):
    names = ["model.layers.0.attn_hc.scale", "model.layers.0.mlp.gate.global_scale", "model.input_hidden_states_scale"]
    assert {row.excluded for row in placed(names).values()} == {None}


def test_a_second_copy_of_a_tied_tensor_is_a_row_that_counts_nothing(inventory):
    tensors = [("wte.weight", (50257, 768)), ("lm_head.weight", (50257, 768))]
    wte, head = classify(inventory(tensors, aliases={"lm_head.weight": "wte.weight"})).rows
    assert (wte.numel, wte.tied_to, wte.excluded) == (50257 * 768, None, None)
    assert (head.numel, head.tied_to, head.excluded) == (0, "wte.weight", "tied")
    assert (head.component, head.part) == (Component.HEAD, "lm_head")


def test_a_copy_of_a_buffer_is_a_buffer(placed):
    rows = placed(["h.0.rotary_emb.inv_freq", "inv_freq"], aliases={"inv_freq": "h.0.rotary_emb.inv_freq"})
    assert [(row.excluded, row.tied_to) for row in rows.values()] == [("buffer", None)] * 2


def test_a_tied_tensor_that_is_not_stored_adds_no_row(inventory):
    table = classify(inventory(["wte.weight"], aliases={"lm_head.weight": "wte.weight"}))
    assert [row.tensor.name for row in table.rows] == ["wte.weight"]
    assert table.aliases == {"lm_head.weight": "wte.weight"}


@pytest.mark.parametrize("aliases", [{"lm_head.weight": "wte.weight"}, {"lm_head.weight": "x", "x": "lm_head.weight"}])
def test_a_tensor_whose_original_is_not_stored_counts_itself(aliases, inventory):
    (row,) = classify(inventory([("lm_head.weight", (3, 4))], aliases=aliases)).rows
    assert (row.numel, row.excluded) == (12, None)


def test_a_chain_of_ties_ends_at_the_tensor_that_is_stored_under_its_own_name(placed):
    rows = placed(["a.weight", "b.weight", "c.weight"], aliases={"a.weight": "b.weight", "b.weight": "c.weight"})
    assert [row.tied_to for row in rows.values()] == ["c.weight", "c.weight", None]
