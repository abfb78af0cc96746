"""Each tensor in its place: against transformers' own module trees, in the forms of checkpoints, and without loss."""

from __future__ import annotations

import gzip
import json
import re
from itertools import count
from math import prod
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numel.classify import classify, disagreements, place
from numel.core.config import ModelConfig
from numel.core.dtypes import SAFETENSORS_DTYPES
from numel.core.formulas import Formula, Term
from numel.core.groups import template_of
from numel.core.parameters import Component
from numel.core.tensors import Inventory, Source, TensorInfo
from numel.errors import UsageError
from numel.rules import CLUES, RULES

F32 = SAFETENSORS_DTYPES["F32"]
FILE = Source("file", "safetensors", "model.safetensors")

# The module trees of transformers 5.23: for 156 classes one example of each name, with the component, part, role and
# tower that follow from the class of the module that owns it.
DATA = Path(__file__).parent / "data"
TRUTH = [json.loads(line) for line in gzip.decompress((DATA / "components.jsonl.gz").read_bytes()).splitlines()]
# And names that they do not have: of checkpoints, of other classes, of GGUF.
OTHER_NAMES = [
    line
    for line in (DATA / "placed_names.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]

# Where the tree's labels were taken from a class that says less than the code does: (template) → (our part, why).
BETTER_KNOWN = {
    "model.audio_tower.conformer.{}.attention.post.weight": (
        "o",
        "Gemma3nAudioConformerAttention.forward: `post` projects what attention returns back to the hidden size",
    ),
    "backbone.blocks.{}.ffn.proj_up_gate.weight": (
        "gate",
        "xLSTMFeedForward.forward: act_fn(proj_up_gate(x)) * proj_up(x)",
    ),
    "ibert.embeddings.token_type_embeddings.weight": (
        "token_type",
        "the table of segments as in every BERT; its class is only called QuantEmbedding",
    ),
}


def inventory(tensors, **fields) -> Inventory:
    """An inventory of names, of (name, shape) or of whole tensors."""
    whole = []
    for tensor in tensors:
        name, *rest = (tensor,) if isinstance(tensor, str) else tensor
        whole.append(TensorInfo(name, *rest) if len(rest) > 1 else TensorInfo(name, rest[0] if rest else (2, 3), F32))
    return Inventory(**{"name": "model", "source": FILE, "tensors": tuple(whole)} | fields)


def placed(names, **fields):
    """Name → its row."""
    return {row.tensor.name: row for row in classify(inventory(names, **fields)).rows}


def config(model_type: str) -> ModelConfig:
    return ModelConfig({"model_type": model_type})


def gpt2(n_layers=12, d=768) -> Inventory:
    tensors = [("wte.weight", (50257, d)), ("wpe.weight", (1024, d)), ("ln_f.weight", (d,)), ("ln_f.bias", (d,))]
    for layer in range(n_layers):
        tensors += [(f"h.{layer}.{ln}.{leaf}", (d,)) for ln in ("ln_1", "ln_2") for leaf in ("weight", "bias")]
        linear = {"attn.c_attn": (d, 3 * d), "attn.c_proj": (d, d), "mlp.c_fc": (d, 4 * d), "mlp.c_proj": (4 * d, d)}
        for name, (rows, columns) in linear.items():
            tensors += [(f"h.{layer}.{name}.weight", (rows, columns)), (f"h.{layer}.{name}.bias", (columns,))]
    return inventory(tensors)


def mixtral(n_layers=32) -> Inventory:
    d, d_kv, d_ff = 4096, 1024, 14336
    tensors = [("model.embed_tokens.weight", (32000, d)), ("model.norm.weight", (d,)), ("lm_head.weight", (32000, d))]
    for layer in range(n_layers):
        at = f"model.layers.{layer}"
        tensors += [(f"{at}.{norm}.weight", (d,)) for norm in ("input_layernorm", "post_attention_layernorm")]
        tensors += [(f"{at}.self_attn.{x}_proj.weight", (d_kv if x in "kv" else d, d)) for x in "qkvo"]
        tensors += [(f"{at}.block_sparse_moe.gate.weight", (8, d))]
        for expert in range(8):
            shapes = {"w1": (d_ff, d), "w2": (d, d_ff), "w3": (d_ff, d)}
            tensors += [(f"{at}.block_sparse_moe.experts.{expert}.{w}.weight", s) for w, s in shapes.items()]
    return inventory(tensors)


def sums(table) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in table.rows:
        found[row.component.value] = found.get(row.component.value, 0) + row.numel
    return found


# ── The ground truth ──────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("model", TRUTH, ids=lambda model: model["class"])
def test_every_tensor_is_where_the_module_tree_has_it(model):
    rows = placed([name for name, *_ in model["rows"]], config=config(model["model_type"]))
    wrong = []
    for name, component, part, role, tower in model["rows"]:
        part = BETTER_KNOWN.get(template_of(name), (part,))[0]  # noqa: PLW2901
        row = rows[name]
        if (row.component.value, row.part, row.role, row.tower, row.excluded) != (component, part, role, tower, None):
            wrong.append((name, component, part, role, tower, row))
    assert wrong == []


@pytest.mark.parametrize("name", ["w", "w.weight", "transformer.w", "transformer.w.weight", "block.w.weight"])
def test_a_tensor_called_w_is_an_embedding_in_ctrl_alone(name):
    """CTRL's token embedding is its module `w` (the ground truth above); another model's `w` says nothing."""
    assert placed([name])[name].component.value == "unclassified"
    attention = "h.0.multi_head_attention.Wq.weight"
    for prefix in ("", "transformer."):
        found = placed([f"{prefix}w.weight", prefix + attention])[f"{prefix}w.weight"]
        assert (found.component.value, found.part) == ("embedding", "token")


def test_what_is_better_known_than_the_tree_is_still_in_it_and_still_differs():
    said = {template_of(name): part for model in TRUTH for name, _, part, *_ in model["rows"]}
    assert all(said[template] != part for template, (part, _) in BETTER_KNOWN.items())


PREFIXED = (
    "gpt2",
    "llama",
    "mistral",
    "mixtral",
    "opt",
    "bert",
    "gptj",
    "bloom",
    "roberta",
    "electra",
    "rwkv",
    "qwen3_moe",
)


@pytest.mark.parametrize("model_type", PREFIXED)
def test_a_base_model_without_its_prefix_is_placed_alike(model_type):
    model = next(model for model in TRUTH if model["model_type"] == model_type)
    names = [name for name, *_ in model["rows"] if name.count(".") > 1]
    prefix = re.match(r"(model|transformer|bert|roberta|electra|rwkv)\.", names[0])[0]
    names = [name for name in names if name.startswith(prefix)]
    with_prefix, without = placed(names), placed([name.removeprefix(prefix) for name in names])
    assert len(names) > 8
    for name in names:
        assert without[name.removeprefix(prefix)][1:] == with_prefix[name][1:]


def test_no_row_of_the_table_is_dead():
    """Each row decides about a name of the ground truth or of the tables in this file."""
    alive = set()
    names = {name for model in TRUTH for name, *_ in model["rows"]} | {line.split()[0] for line in OTHER_NAMES}
    for name in names:
        row = deciding_row(name)
        if row:
            alive.add(row)
    rows = {(group.gate, pattern) for group in RULES for pattern, _ in group.parts}
    assert rows - alive == set()


def deciding_row(name):
    from numel.classify import _stem

    stem = _stem(name)
    for group in RULES:
        if re.search(group.gate, stem):
            return group.gate, next(pattern for pattern, _ in group.parts if re.search(pattern, stem))
    return None


def test_every_group_places_whatever_its_gate_lets_in():
    for group in RULES:
        last, _ = group.parts[-1]
        assert last == "" or len(group.parts) == 1


# ── Names that the module trees do not have ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("line", OTHER_NAMES, ids=lambda line: line.split()[0])
def test_a_name_outside_the_module_trees_is_placed(line):
    name, *expected = line.split()
    (row,) = classify(inventory([name])).rows
    numbers = ["-" if number is None else str(number) for number in (row.layer, row.expert)]
    assert [row.component.value, row.part, row.role, *numbers] == expected


def test_numbers_that_mean_something_are_told_from_numbers_of_layers():
    assert [place(f"model.layers.{n}.mlp.fc{n}.weight").part for n in (1, 2)] == ["up", "down"]
    rows = placed(["encoder.block.2.layer.0.layer_norm.weight", "encoder.block.2.layer.1.layer_norm.weight"])
    assert [row.part for row in rows.values()] == ["in_attention", "block"]
    assert {row.layer for row in rows.values()} == {2}


def test_a_number_outside_a_list_of_layers_is_no_layer():
    names = ["lm_heads.3.weight", "model.decoder.embed_tokens.2.weight", "classifier.1.weight", "conv.0.weight"]
    assert {row.layer for row in placed(names).values()} == {None}


def test_a_number_of_five_thousand_digits_is_part_of_a_name():
    (row,) = placed([f"model.layers.{'9' * 5000}.mlp.up_proj.weight"]).values()
    assert (row.layer, row.component) == (None, Component.MLP)


@pytest.mark.parametrize("name", ["x", "", "weight", ".", "model.something.new", "ta-da.weight", "шар.вес", "a\nb"])
def test_a_name_that_no_rule_knows_is_shown_as_unclassified_and_counts(name):
    (row,) = classify(inventory([(name, (5, 7))])).rows
    assert (row.component, row.part, row.numel, row.excluded) == (Component.UNCLASSIFIED, "unclassified", 35, None)


# ── Layers that share their names ─────────────────────────────────────────────────────────────────────────────────


def test_the_siblings_tell_linear_attention_from_attention():
    kimi = [f"model.layers.0.self_attn.{x}" for x in ("A_log", "q_proj.weight", "o_proj.weight", "o_norm.weight")]
    full = [f"model.layers.10.self_attn.{x}.weight" for x in ("q_proj", "o_proj", "kv_b_proj")]
    rows = placed([*kimi, *full])
    assert [rows[name].component.value for name in kimi] == ["linear_attention"] * 3 + ["norm"]
    assert rows[kimi[1]].part == "q_proj"
    assert rows[kimi[3]].part == "in_linear_attention"
    assert [rows[name].component.value for name in full] == ["attention"] * 3


def test_a_mixer_with_fused_projections_is_attention_and_one_without_is_a_state_space_layer():
    rows = placed(["layers.0.mixer.Wqkv.weight", "layers.0.mixer.out_proj.weight", "layers.1.mixer.out_proj.weight"])
    assert [(row.component.value, row.part) for row in rows.values()] == [
        ("attention", "qkv"),
        ("attention", "o"),
        ("ssm", "out_proj"),
    ]


def test_a_convolution_beside_attention_is_no_clue():
    """SqueezeBERT's output projections are convolutions of width one."""
    rows = placed(["encoder.layers.0.post_attention.conv1d.weight", "encoder.layers.0.post_attention.layernorm.weight"])
    assert [row.component.value for row in rows.values()] == ["attention", "norm"]
    assert rows["encoder.layers.0.post_attention.layernorm.weight"].part == "in_attention"


# ── What is stored and is no parameter ────────────────────────────────────────────────────────────────────────────


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
def test_a_buffer_of_a_file_is_known_by_its_name_its_shape_or_its_type(name, shape, dtype, part):
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
def test_what_looks_like_a_buffer_and_is_trained_counts(name, shape, component):
    (row,) = classify(inventory([(name, shape)])).rows
    assert (row.component.value, row.numel, row.excluded) == (component, prod(shape), None)


def test_whether_a_routers_bias_is_trained_is_what_blueprint_module_or_architecture_says():
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


def test_a_module_says_itself_what_is_a_buffer():
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
def test_a_quantisation_scale_stands_beside_its_weight_and_does_not_count(name):
    (row,) = classify(inventory([name])).rows
    assert (row.role, row.numel, row.excluded) == ("scale", 0, "scale")
    assert row.component in (Component.MLP, Component.MOE, Component.ATTENTION)


def test_a_scale_of_the_model_itself_is_no_quantisation_scale():
    names = ["model.layers.0.attn_hc.scale", "model.layers.0.mlp.gate.global_scale", "model.input_hidden_states_scale"]
    assert {row.excluded for row in placed(names).values()} == {None}


# ── Tied tensors ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_second_copy_of_a_tied_tensor_is_a_row_that_counts_nothing():
    tensors = [("wte.weight", (50257, 768)), ("lm_head.weight", (50257, 768))]
    wte, head = classify(inventory(tensors, aliases={"lm_head.weight": "wte.weight"})).rows
    assert (wte.numel, wte.tied_to, wte.excluded) == (50257 * 768, None, None)
    assert (head.numel, head.tied_to, head.excluded) == (0, "wte.weight", "tied")
    assert (head.component, head.part) == (Component.HEAD, "lm_head")


def test_a_copy_of_a_buffer_is_a_buffer():
    rows = placed(["h.0.rotary_emb.inv_freq", "inv_freq"], aliases={"inv_freq": "h.0.rotary_emb.inv_freq"})
    assert [(row.excluded, row.tied_to) for row in rows.values()] == [("buffer", None)] * 2


def test_a_tied_tensor_that_is_not_stored_adds_no_row():
    table = classify(inventory(["wte.weight"], aliases={"lm_head.weight": "wte.weight"}))
    assert [row.tensor.name for row in table.rows] == ["wte.weight"]
    assert table.aliases == {"lm_head.weight": "wte.weight"}


@pytest.mark.parametrize("aliases", [{"lm_head.weight": "wte.weight"}, {"lm_head.weight": "x", "x": "lm_head.weight"}])
def test_a_tensor_whose_original_is_not_stored_counts_itself(aliases):
    (row,) = classify(inventory([("lm_head.weight", (3, 4))], aliases=aliases)).rows
    assert (row.numel, row.excluded) == (12, None)


def test_a_chain_of_ties_ends_at_the_tensor_that_is_stored_under_its_own_name():
    rows = placed(["a.weight", "b.weight", "c.weight"], aliases={"a.weight": "b.weight", "b.weight": "c.weight"})
    assert [row.tied_to for row in rows.values()] == ["c.weight", "c.weight", None]


# ── Published sums, and the study's rule ──────────────────────────────────────────────────────────────────────────


def test_gpt2_is_what_its_formulas_say():
    """d = 768, 12 layers: attention 4d² + 4d, MLP 8d² + 5d, norm 4d each; two tables; a last norm."""
    d = 768
    assert sums(classify(gpt2())) == {
        "attention": 12 * (4 * d * d + 4 * d),
        "mlp": 12 * (8 * d * d + 5 * d),
        "norm": 12 * 4 * d + 2 * d,
        "embedding": (50257 + 1024) * d,
    }
    assert sum(sums(classify(gpt2())).values()) == 124_439_808


def test_mixtral_is_the_published_total_and_its_experts_are_found():
    found = sums(classify(mixtral()))
    assert sum(found.values()) == 46_702_792_704
    assert found["moe"] == 45_098_205_184


def test_the_studys_rule_finds_attention_mlp_and_norms_of_gpt2_and_nothing_else():
    table = classify(gpt2(), rule="study")
    assert sums(table) == {"attention": 28_348_416, "mlp": 56_669_184, "norm": 38_400, "unclassified": 39_383_808}
    assert table.rule == "study"
    wrong = disagreements(classify(gpt2()), table)
    assert [(row.template, row.kind) for row in wrong] == [("wte.weight", "no_rule"), ("wpe.weight", "no_rule")]


def test_the_studys_rule_leaves_out_almost_all_of_mixtral_as_it_is_stored():
    wrong = disagreements(classify(mixtral()), classify(mixtral(), rule="study"))
    left_out = sum(row.numel for row in wrong if row.kind == "left_out")
    assert round(left_out / 46_702_792_704, 3) == 0.966
    assert wrong[0] == max(wrong, key=lambda row: row.numel)
    norm = next(row for row in wrong if "post_attention_layernorm" in row.template)
    assert norm == (
        "model.layers.{}.post_attention_layernorm.weight",
        32,
        32 * 4096,
        "norm",
        "attention",
        "misassigned",
    )


def test_experts_and_linear_attention_are_held_against_the_study_leniently():
    names = ["model.layers.0.mlp.experts.gate_up_proj", "model.layers.0.linear_attn.in_proj_z.weight"]
    assert disagreements(classify(inventory(names)), classify(inventory(names), rule="study")) == ()


def test_only_what_counts_is_held_against_the_study():
    held = inventory(["wte.weight", "lm_head.weight", "rotary_emb.inv_freq"], aliases={"lm_head.weight": "wte.weight"})
    wrong = disagreements(classify(held), classify(held, rule="study"))
    assert [row.template for row in wrong] == ["wte.weight"]


def test_the_studys_rule_is_case_sensitive_and_asks_for_attention_first():
    names = ["encoder.block.0.layer.0.SelfAttention.q.weight", "model.layers.0.post_mlp_attn.fc.weight", "ln_f.weight"]
    rows = classify(inventory(names), rule="study").rows
    assert [(row.component.value, row.part) for row in rows] == [
        ("unclassified", "unclassified"),
        ("attention", "attention"),
        ("norm", "norm"),
    ]
    assert [(row.layer, row.tower) for row in rows] == [(0, "encoder"), (0, "main"), (None, "main")]


@pytest.mark.parametrize(("rule", "hint"), [("studie", "did you mean study?"), ("§", "there is numel, study")])
def test_an_unknown_rule_is_refused_with_near_names(rule, hint):
    with pytest.raises(UsageError, match="no classification rule") as error:
        classify(gpt2(), rule=rule)
    assert error.value.hint == hint


# ── Nothing is lost ───────────────────────────────────────────────────────────────────────────────────────────────

MODULES = [
    "model",
    "layers",
    "h",
    "blocks",
    "self_attn",
    "attention",
    "attn",
    "mlp",
    "experts",
    "mixer",
    "rotary_emb",
    "九",
]
CHILDREN = ["q_proj", "fc1", "fc2", "gate", "up_proj", "w1", "ln_1", "norm", "A_log", "Wqkv", "out_proj", "time_decay"]
LEAVES = ["weight", "bias", "inv_freq", "position_ids", "weight_scale_inv", "0", "7", "12"]
WORDS = [*MODULES, *CHILDREN, *LEAVES, "lm_head", "embed_tokens"]
NAMES = st.one_of(st.lists(st.sampled_from(WORDS), max_size=7).map(".".join), st.text(max_size=12))
DTYPES = st.sampled_from([SAFETENSORS_DTYPES[name] for name in ("F32", "BF16", "I64", "U8", "BOOL")])
TENSORS = st.builds(TensorInfo, NAMES, st.lists(st.integers(0, 5), max_size=4).map(tuple), DTYPES)


@st.composite
def inventories(draw) -> Inventory:
    tensors = draw(st.lists(TENSORS, max_size=12, unique_by=lambda tensor: tensor.name))
    name = st.sampled_from([tensor.name for tensor in tensors]) if tensors else st.just("x")
    return inventory(
        tensors,
        source=Source(draw(st.sampled_from(["file", "module"])), "", ""),
        buffers=frozenset(draw(st.lists(name, max_size=2))),
        aliases=draw(st.dictionaries(name, st.one_of(name, st.just("absent")), max_size=3)),
    )


@given(inventories(), st.sampled_from(["numel", "study"]))
def test_every_tensor_has_one_row_and_counts_or_says_why_not(held, rule):
    table = classify(held, rule=rule)
    assert [row.tensor for row in table.rows] == list(held.tensors)
    for row in table.rows:
        assert row.excluded in (None, "buffer", "tied", "scale")
        assert row.numel == (0 if row.excluded else prod(row.tensor.shape))
        assert (row.excluded == "buffer") == (row.component is Component.BUFFER)
        assert (row.excluded == "tied") == (row.tied_to is not None)
        assert (row.part == "unclassified") == (row.component is Component.UNCLASSIFIED)
        assert row.tensor.name not in held.buffers or row.excluded == "buffer"
        if row.tied_to:
            original = next(other for other in table.rows if other.tensor.name == row.tied_to)
            assert original.excluded in (None, "buffer", "scale")


@given(inventories())
def test_a_row_does_not_hang_on_the_tensors_before_it(held):
    """The forms of names are worked out once for a file, and serve each name as if it had come alone."""
    backwards = classify(held._replace(tensors=held.tensors[::-1])).rows
    assert classify(held).rows == backwards[::-1]
    clue = re.compile("|".join(clue.child for clue in CLUES))
    if any(clue.search(tensor.name) for tensor in held.tensors):
        return
    for row in backwards:
        if row.excluded != "buffer":
            assert (row.component, row.part, row.role, row.tower) == place(row.tensor.name)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_the_numbers_of_layer_and_expert_are_those_of_the_name(numbers):
    pairs = list(zip(numbers, count()))
    rows = classify(inventory([f"model.layers.{a}.mlp.experts.{b}.w2.weight" for a, b in pairs])).rows
    assert [(row.layer, row.expert) for row in rows] == pairs
