"""Where does a name belong that the module trees do not have, and what do its siblings tell?"""

from pathlib import Path

import pytest

from numel.classify import classify, place
from numel.core.parameters import Component

# The module trees of transformers 5.23: for 156 classes one example of each name, with the component, part, role and
# tower that follow from the class of the module that owns it.
DATA = Path(__file__).parent.parent / "data"
# And names that they do not have: of checkpoints, of other classes, of GGUF.
OTHER_NAMES = [
    line
    for line in (DATA / "placed_names.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize("line", OTHER_NAMES, ids=lambda line: line.split()[0])
def test_a_name_outside_the_module_trees_is_placed(line, inventory):
    name, *expected = line.split()
    (row,) = classify(inventory([name])).rows
    numbers = ["-" if number is None else str(number) for number in (row.layer, row.expert)]
    assert [row.component.value, row.part, row.role, *numbers] == expected


def test_numbers_that_mean_something_are_told_from_numbers_of_layers(placed):
    assert [place(f"model.layers.{n}.mlp.fc{n}.weight").part for n in (1, 2)] == ["up", "down"]
    rows = placed(["encoder.block.2.layer.0.layer_norm.weight", "encoder.block.2.layer.1.layer_norm.weight"])
    assert [row.part for row in rows.values()] == ["in_attention", "block"]
    assert {row.layer for row in rows.values()} == {2}


def test_a_number_outside_a_list_of_layers_is_no_layer(placed):
    names = ["lm_heads.3.weight", "model.decoder.embed_tokens.2.weight", "classifier.1.weight", "conv.0.weight"]
    assert {row.layer for row in placed(names).values()} == {None}


def test_a_number_of_five_thousand_digits_is_part_of_a_name(placed):
    (row,) = placed([f"model.layers.{'9' * 5000}.mlp.up_proj.weight"]).values()
    assert (row.layer, row.component) == (None, Component.MLP)


@pytest.mark.parametrize("name", ["x", "", "weight", ".", "model.something.new", "ta-da.weight", "шар.вес", "a\nb"])
def test_a_name_that_no_rule_knows_is_shown_as_unclassified_and_counts(name, inventory):
    (row,) = classify(inventory([(name, (5, 7))])).rows
    assert (row.component, row.part, row.numel, row.excluded) == (Component.UNCLASSIFIED, "unclassified", 35, None)


def test_the_siblings_tell_where_an_mlp_begins_to_count(placed):
    moonvit = placed(["vision_tower.encoder.blocks.0.mlp.fc0.weight", "vision_tower.encoder.blocks.0.mlp.fc1.weight"])
    clip = placed(["vision_model.encoder.layers.0.mlp.fc1.weight", "vision_model.encoder.layers.0.mlp.fc2.weight"])
    assert [row.part for row in moonvit.values()] == [row.part for row in clip.values()] == ["up", "down"]


def test_the_siblings_tell_linear_attention_from_attention(placed):
    kimi = [f"model.layers.0.self_attn.{x}" for x in ("A_log", "q_proj.weight", "o_proj.weight", "o_norm.weight")]
    full = [f"model.layers.10.self_attn.{x}.weight" for x in ("q_proj", "o_proj", "kv_b_proj")]
    rows = placed([*kimi, *full])
    assert [rows[name].component.value for name in kimi] == ["linear_attention"] * 3 + ["norm"]
    assert rows[kimi[1]].part == "q_proj"
    assert rows[kimi[3]].part == "in_linear_attention"
    assert [rows[name].component.value for name in full] == ["attention"] * 3


def test_a_mixer_with_fused_projections_is_attention_and_one_without_is_a_state_space_layer(placed):
    rows = placed(["layers.0.mixer.Wqkv.weight", "layers.0.mixer.out_proj.weight", "layers.1.mixer.out_proj.weight"])
    assert [(row.component.value, row.part) for row in rows.values()] == [
        ("attention", "qkv"),
        ("attention", "o"),
        ("ssm", "out_proj"),
    ]


def test_a_convolution_beside_attention_is_no_clue(placed):
    """SqueezeBERT's output projections are convolutions of width one."""
    rows = placed(["encoder.layers.0.post_attention.conv1d.weight", "encoder.layers.0.post_attention.layernorm.weight"])
    assert [row.component.value for row in rows.values()] == ["attention", "norm"]
    assert rows["encoder.layers.0.post_attention.layernorm.weight"].part == "in_attention"


def test_the_first_qwens_second_matrix_is_the_gate_of_its_first(placed):
    """QWenMLP.forward: w1(x) * silu(w2(x)), then c_proj."""
    rows = placed([f"transformer.h.0.mlp.{x}.weight" for x in ("w1", "w2", "c_proj")])
    assert [row.part for row in rows.values()] == ["up", "gate", "down"]
