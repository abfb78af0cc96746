"""A configuration inside another: its own blueprint, its values, and what is wrong in it."""

from __future__ import annotations

import pytest

from numel.blueprints.evaluate import evaluate
from numel.blueprints.language import parse
from numel.core.config import ModelConfig
from numel.errors import ConfigError, UnsupportedError

TOWER = "config\n    tower is gpt2{}\n    d := tower.n_embd if tower else 1\nmodel\n    x  d\n    t  include tower{}"
SMALL = {"n_embd": 8, "n_head": 2, "n_layer": 1, "vocab_size": 10, "n_positions": 5}


def found(text, fields=None):
    return evaluate(parse(text, "tiny"), ModelConfig(fields or {}))


def test_a_sub_configuration_has_its_own_blueprint_and_values():
    names = {t.name: t.shape for t in found(TOWER.format("", ""), {"tower": SMALL}).tensors}
    assert names["x"] == (8,)
    assert names["t.h.0.mlp.c_fc.weight"] == (8, 32)
    assert "t.lm_head.weight" not in names


def test_a_sub_configuration_may_stand_for_a_class_with_a_head_and_get_other_fields():
    names = {
        t.name: t.shape for t in found(TOWER.format("", " as LMHeadModel with n_layer = 2"), {"tower": SMALL}).tensors
    }
    assert "t.transformer.h.1.ln_1.weight" in names


def test_ties_inside_an_included_model_carry_its_place():
    assert found(TOWER.format("", " as LMHeadModel"), {"tower": SMALL}).aliases == {
        "t.lm_head.weight": "t.transformer.wte.weight"
    }


def test_an_absent_sub_configuration_is_the_default_one_or_none():
    assert found(TOWER.format("", "")).tensors[0].shape == (768,)
    assert found(TOWER.format(" with n_embd = 24", "")).tensors[0].shape == (24,)
    assert [t.name for t in found(TOWER.format(" or null", "")).tensors] == ["x"]
    assert found(TOWER.format(" or flat", ""), SMALL).tensors[0].shape == (8,)


def test_a_sub_configuration_may_name_its_model_type_where_that_is_left_open():
    other = {"tower": {"model_type": "clip_text_model", "hidden_size": 24}}
    text = "config\n    tower is gpt2{}\nmodel\n    t  include tower"
    assert "t.wte.weight" in {t.name for t in found(text.format(""), other).tensors}
    names = {t.name for t in found(text.format(" by default"), other).tensors}
    assert "t.embeddings.token_embedding.weight" in names


def test_checkpoint_names_of_an_included_model_follow_both_blueprints():
    text = "config\n    tower is gemma3\nmodel\n    t  include tower as ForConditionalGeneration\nhub\n    t.vision_tower -> eyes"
    names = {t.name for t in found(text).tensors}
    assert "eyes.post_layernorm.weight" in names
    assert "t.language_model.model.norm.weight" in names


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tower": 3}, "tower must be an object, not 3"),
        ({"tower": {"n_embd": "x"}}, 'n_embd must be an integer, not "x"'),
        ({"tower": {"model_type": 7}}, "tower.model_type must be a text, not 7"),
    ],
)
def test_what_is_wrong_in_a_sub_configuration_is_said(fields, said):
    with pytest.raises(ConfigError, match=said):
        found(TOWER.format(" by default", ""), fields)


def test_a_sub_configuration_of_an_unknown_type_is_unsupported():
    with pytest.raises(UnsupportedError, match="no blueprint for model_type 'nothing'"):
        found(TOWER.format(" by default", ""), {"tower": {"model_type": "nothing"}})


def test_a_field_of_a_sub_configuration_may_be_asked_for_by_its_other_name():
    text = "config\n    tower is gpt2\nmodel\n    x  tower.hidden_size"
    assert found(text, {"tower": SMALL}).tensors[0].shape == (8,)


def test_the_older_name_of_a_sub_configuration_decides_as_in_transformers():
    older = {"tower": {"n_embd": 24}, "tower_dict": SMALL}
    assert found(TOWER.format("", ""), older).tensors[0].shape == (8,)
