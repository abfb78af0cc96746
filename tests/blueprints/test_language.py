"""The language: what a file may say, and what it inherits."""

from __future__ import annotations

import pytest

from numel.blueprints.evaluate import evaluate
from numel.blueprints.language import parent_of, parse
from numel.blueprints.library import load, model_types, source_text
from numel.core.config import ModelConfig
from numel.errors import ConfigError

BASE = """\
# A model for tests.
# It has two lines of remark.

class  Tiny
base   model

config
    vocab = 10
    d = 4
    n = 2
    inner ?= 4 * d
    bias = false

model
    embed.weight            vocab, d        # the tokens
    layers.{layer} for layer < n
        norm.{weight, bias}     d
        up                  d -> inner      bias if bias
        down                inner -> d      bias
    norm.weight             d

ForCausalLM
    head.weight             vocab, d        tied to model.embed.weight if tie_word_embeddings
"""


def shapes(text, fields=None, *, parent=BASE, **options):
    base = parse(parent, "tiny")
    blueprint = base if text is None else parse(text, "child", base)
    found = evaluate(blueprint, ModelConfig(fields or {}), **options)
    return {tensor.name: tensor.shape for tensor in found.tensors}


def found(text, fields=None, **options):
    return evaluate(parse(text, "tiny"), ModelConfig(fields or {}), **options)


def test_a_linear_map_is_stored_out_by_in_and_has_a_bias_where_it_says_so():
    names = shapes(None)
    assert names["model.layers.1.up.weight"] == (16, 4)
    assert "model.layers.1.up.bias" not in names
    assert names["model.layers.1.down.bias"] == (4,)
    assert shapes(None, {"bias": True})["model.layers.0.up.bias"] == (16,)


def test_a_linear_map_with_a_kernel_is_a_convolution():
    names = {t.name: t.shape for t in found("config\n    d = 4\n\nmodel\n    stem  3 -> d, 7, 5  bias").tensors}
    assert names == {"stem.weight": (4, 3, 7, 5), "stem.bias": (4,)}  # as torch.nn.Conv2d(3, 4, (7, 5)) holds it


def test_a_batch_norm_has_five_tensors_of_which_two_are_trained():
    evaluation = found("config\n    d = 4\n\nmodel\n    bn  batch_norm 2 * d")
    # as torch.nn.BatchNorm2d(8).state_dict()
    shapes = {"weight": (8,), "bias": (8,), "running_mean": (8,), "running_var": (8,), "num_batches_tracked": ()}
    assert {t.name: t.shape for t in evaluation.tensors} == {f"bn.{leaf}": shape for leaf, shape in shapes.items()}
    assert evaluation.buffers == {"bn.running_mean", "bn.running_var", "bn.num_batches_tracked"}


def test_a_bare_model_may_hang_in_another_place_in_memory_alone():
    text = "extends tiny\n\nBackbone\n    base model in memory"
    given = {"architectures": ["TinyBackbone"]}
    assert "model.norm.weight" in shapes(text, given, in_memory=True)
    assert "norm.weight" in shapes(text, given)


def test_alternatives_are_tensors_of_their_own():
    names = shapes("model\n    {a, b}.{weight, bias}  d")
    assert {"model.a.weight", "model.a.bias", "model.b.weight", "model.b.bias"} <= names.keys()


def test_a_tied_tensor_is_an_alias_when_its_condition_holds():
    tied = found(BASE, {"tie_word_embeddings": True})
    assert tied.aliases == {"head.weight": "model.embed.weight"}
    assert "head.weight" not in {tensor.name for tensor in tied.tensors}
    assert not found(BASE).aliases


def test_the_first_class_is_the_default_and_another_is_counted_as_it_with_a_warning():
    assert found(BASE).architecture == "TinyForCausalLM"
    assert found(BASE, {"architectures": ["tinymodel"]}).architecture == "TinyModel"
    strange = found(BASE, {"architectures": ["Other"]})
    assert strange.architecture == "TinyForCausalLM"
    assert strange.warnings == ("class Other is not in the blueprint of tiny: counted as TinyForCausalLM",)


def test_a_class_may_go_by_other_names_in_published_configs():
    text = BASE.replace("class  Tiny", "class  Tiny, Little")
    assert text != BASE
    little = found(text, {"architectures": ["LittleModel"]})
    assert (little.architecture, little.warnings) == ("TinyModel", ())


def test_the_bare_model_has_no_prefix():
    names = shapes(None, {"architectures": ["TinyModel"]})
    assert "embed.weight" in names
    assert "head.weight" not in names


def test_a_field_is_given_absent_null_or_computed():
    text = "config\n    a = 1\n    b ?= a + 1\n    c := a + b\nmodel\n    x  a, b, c"
    assert found(text).tensors[0].shape == (1, 2, 3)
    assert found(text, {"a": 5, "b": None}).tensors[0].shape == (5, 6, 11)
    assert found(text, {"b": 7, "c": 100}).tensors[0].shape == (1, 7, 8)


def test_fields_may_stand_in_any_order():
    text = "config\n    c := b\n    b ?= a\n    a = 3\nmodel\n    x  c"
    assert found(text).tensors[0].shape == (3,)


def test_a_field_may_be_computed_from_its_own_given_value():
    text = "config\n    sizes = 4\n    sizes := sizes if sizes > 2 else 2\nmodel\n    x  sizes"
    assert [found(text, {"sizes": n}).tensors[0].shape for n in (1, 9)] == [(2,), (9,)]


def test_another_name_for_a_field_is_understood_and_the_field_itself_wins():
    text = "config\n    n_embd = 4\n    hidden_size -> n_embd\nmodel\n    x  n_embd"
    assert found(text, {"hidden_size": 8}).tensors[0].shape == (8,)
    assert found(text, {"hidden_size": 8, "n_embd": 16}).tensors[0].shape == (16,)


def test_the_number_of_labels_is_the_length_of_their_list():
    text = "model\n    x  num_labels"
    assert found(text).tensors[0].shape == (2,)
    assert found(text, {"num_labels": 5}).tensors[0].shape == (5,)
    assert found(text, {"id2label": {"0": "a", "1": "b", "2": "c"}}).tensors[0].shape == (3,)


def test_loops_nest_and_their_bounds_may_depend_on_the_outer_one():
    text = "config\n    depths = [1, 2]\nmodel\n    s.{stage}.b.{i} for stage < len(depths) for i < depths[stage]\n        x  stage + 1"
    assert {t.name: t.shape for t in found(text).tensors} == {"s.0.b.0.x": (1,), "s.1.b.0.x": (2,), "s.1.b.1.x": (2,)}


def test_a_loop_may_start_later():
    text = "model\n    l.{i} for 1 <= i < 3\n        x  1"
    assert [t.name for t in found(text).tensors] == ["l.1.x", "l.2.x"]


def test_a_loop_may_run_over_the_texts_of_a_list():
    text = "config\n    languages = ['en', 'vi_VN']\nmodel\n    l.{i}.{name}.x for i < 2 for name in languages    3"
    tensors = found(text)
    assert [t.name for t in tensors.tensors] == ["l.0.en.x", "l.0.vi_VN.x", "l.1.en.x", "l.1.vi_VN.x"]
    assert [(term.expression, term.value) for term in tensors.formulas[0].repeats] == [("2", 2), ("len(languages)", 2)]


@pytest.mark.parametrize("languages", ["en", ["a.b"], ["en", "en"], [1], [""], None])
def test_what_a_loop_runs_over_must_be_able_to_stand_in_names(languages):
    text = "config\n    languages = ['en']\nmodel\n    {name}.x for name in languages    3"
    with pytest.raises(ConfigError, match="languages"):
        found(text, {"languages": languages})


def test_a_product_has_as_many_factors_as_a_shape_can_need():
    text = "config\n    n = 3\nmodel\n    x  product([2 for _ in range(n)])"
    assert found(text).tensors[0].shape == (8,)
    with pytest.raises(ConfigError, match="a product of 100 numbers"):
        found(text, {"n": 100})


def test_a_sub_configuration_may_be_filled_where_it_says_nothing():
    text = "config\n    inner is gpt2 by default{} with n_embd = 24\nmodel\n    x  inner.n_embd, inner.n_layer"
    assert found(text.format(" filled"), {"inner": {"n_layer": 3}}).tensors[0].shape == (24, 3)
    assert found(text.format(" filled"), {"inner": {"n_embd": 36}}).tensors[0].shape == (36, 12)
    assert found(text.format(""), {"inner": {"n_layer": 3}}).tensors[0].shape == (768, 3)


def test_else_is_the_opposite_of_the_if_before_it():
    text = "config\n    a = true\nmodel\n    if a\n        x  1\n    else\n        y  1\n    z  1"
    assert [t.name for t in found(text).tensors] == ["x", "z"]
    assert [t.name for t in found(text, {"a": False}).tensors] == ["y", "z"]


def test_a_group_may_have_a_condition():
    text = "config\n    n = 3\nmodel\n    l.{i} for i < n  if i % 2 == 0\n        x  1"
    assert [t.name for t in found(text).tensors] == ["l.0.x", "l.2.x"]


def test_a_child_replaces_a_line_of_the_same_name_in_its_place():
    names = shapes("model\n    layers.{layer}\n        norm.weight  2 * d")
    assert names["model.layers.0.norm.weight"] == (8,)
    assert list(names).index("model.layers.0.norm.weight") == 1


def test_a_linear_map_written_again_has_only_the_bias_that_it_now_says():
    names = shapes("model\n    layers.{layer}\n        down  inner -> d")
    assert "model.layers.0.down.weight" in names
    assert "model.layers.0.down.bias" not in names


def test_a_child_may_say_a_name_twice_under_different_conditions():
    text = "model\n    norm.weight  d  if bias\n    norm.weight  2 * d  if not bias"
    assert shapes(text)["model.norm.weight"] == (8,)
    assert shapes(text, {"bias": True})["model.norm.weight"] == (4,)


def test_a_new_line_stands_beside_its_like():
    names = list(shapes("model\n    layers.{layer}\n        gate.weight  d"))
    assert names.index("model.layers.0.gate.weight") < names.index("model.layers.1.norm.weight")
    assert names.index("model.layers.0.gate.weight") > names.index("model.layers.0.down.bias")


def test_drop_forgets_a_name_and_all_below_it():
    names = shapes("model\n    drop layers.{layer}.norm\n    drop embed")
    assert not any("layers.0.norm" in name for name in names)
    assert "model.embed.weight" not in names


def test_drop_does_not_forget_what_the_child_itself_says():
    names = shapes("model\n    layers.{layer}\n        norm.gain  1\n    drop layers.{layer}.norm")
    assert "model.layers.0.norm.gain" in names


def test_a_section_may_be_dropped():
    assert "ForCausalLM" not in parse("drop ForCausalLM", "child", parse(BASE, "tiny")).sections


def test_a_first_class_that_is_dropped_and_written_anew_is_the_first_again():
    parent = parse("model\n    a  1\n\nForMaskedLM\n    b  1\n\nForChoice\n    c  1", "tiny")
    child = parse("drop ForMaskedLM\n\nForSpans\n    d  1\n\nForMaskedLM\n    e  1", "child", parent)
    assert list(child.sections) == ["model", "ForMaskedLM", "ForChoice", "ForSpans"]
    assert [line.template for line in child.sections["ForMaskedLM"].lines] == ["e"]


def test_a_child_changes_defaults_and_requirements():
    parent = parse(BASE + "\nconfig\n    require d % 2 == 0", "tiny")
    assert parse("config\n    drop require", "child", parent).requirements == ()
    child = parse("config\n    d = 6", "child", parent)
    assert evaluate(child, ModelConfig({})).tensors[0].shape == (10, 6)


def test_a_default_for_absent_does_not_forget_the_one_for_null():
    child = "config\n    inner = 7"
    assert shapes(child)["model.layers.0.up.weight"] == (7, 4)
    assert shapes(child, {"inner": None})["model.layers.0.up.weight"] == (16, 4)


def test_a_class_may_set_fields_and_hang_the_model_elsewhere():
    text = "ForCausalLM\n    base body\n    bias := true"
    names = shapes(text)
    assert "body.layers.0.up.bias" in names
    assert "layers.0.up.bias" not in shapes(text, {"architectures": ["TinyModel"]})


def test_several_classes_share_lines_and_add_their_own():
    text = "A, B\n    x  1\n\nB\n    y  1"
    assert "y" not in shapes(text, {"architectures": ["TinyA"]})
    assert {"x", "y"} <= shapes(text, {"architectures": ["TinyB"]}).keys()


def test_a_buffer_is_marked_and_a_legacy_one_is_left_out():
    text = "model\n    x  2  buffer\n    y  3  legacy buffer\n    z  4  legacy"
    result = found(text)
    assert [t.name for t in result.tensors] == ["x"]
    assert result.buffers == {"x"}
    assert [(f.template, f.numel, f.is_buffer) for f in result.legacy] == [("y", 3, True), ("z", 4, False)]


def test_extra_lines_are_left_out_and_counted_apart():
    text = "config\n    n = 2\n    more = 1\nmodel\n    l.{i} for i < n + more  extra if i >= n\n        x  5\n        e.{j} for j < 3\n            y  2"
    result = found(text)
    assert {t.name for t in result.tensors} == {f"l.{i}.{x}" for i in (0, 1) for x in ("x", "e.0.y", "e.1.y", "e.2.y")}
    assert [(f.template, f.numel) for f in result.extra] == [("l.{i}.x", 5), ("l.{i}.e.{j}.y", 6)]
    assert [(f.template, f.numel) for f in result.formulas] == [("l.{i}.x", 10), ("l.{i}.e.{j}.y", 12)]


def test_a_child_that_opens_a_loop_again_has_its_extra_part_too():
    parent = "config\n    n = 1\nmodel\n    l.{i} for i < n + 1  extra if i >= n\n        x  5"
    child = parse("model\n    l.{i}\n        y  7", "child", parse(parent, "tiny"))
    result = evaluate(child, ModelConfig({}))
    assert [t.name for t in result.tensors] == ["l.0.x", "l.0.y"]
    assert [(f.template, f.numel) for f in result.extra] == [("l.{i}.x", 5), ("l.{i}.y", 7)]


def test_the_bound_of_a_loop_that_no_line_needs_need_not_make_sense():
    text = "config\n    n = null\nmodel\n    x  1\n    e.{i} for i < n  if n\n        y  1"
    assert [t.name for t in found(text).tensors] == ["x"]
    assert len(found(text, {"n": 3}).tensors) == 4


def test_checkpoints_may_call_a_tensor_otherwise():
    text = "model\n    visual.l.{i} for i < 2\n        attn.q  3\n\nhub\n    visual -> tower\n    *.attn.q -> *.query"
    assert [t.name for t in found(text).tensors] == ["tower.l.0.query", "tower.l.1.query"]
    assert [t.name for t in found(text, in_memory=True).tensors] == ["visual.l.0.attn.q", "visual.l.1.attn.q"]
    assert found(text).formulas[0].template == "tower.l.{i}.query"


def test_checkpoints_may_hold_other_tensors_than_the_loaded_model():
    text = "config\n    n = 2\nmodel\n    if in_memory\n        all  n, 3\n    else\n        one.{i} for i < n\n            weight  3"
    assert [t.name for t in found(text).tensors] == ["one.0.weight", "one.1.weight"]
    assert [t.name for t in found(text, in_memory=True).tensors] == ["all"]


def test_a_remark_is_kept_with_its_tensor_and_its_file():
    blueprint = parse(BASE, "tiny")
    assert blueprint.about == "A model for tests.\nIt has two lines of remark."
    assert evaluate(blueprint, ModelConfig({})).formulas[0].note == "the tokens"


def test_a_formula_says_how_a_count_comes_about():
    up = next(f for f in found(BASE, {"d": 6}).formulas if f.template == "model.layers.{layer}.up.weight")
    assert [tuple(dim) for dim in up.dims] == [("inner", 24), ("d", 6)]
    assert [tuple(repeat) for repeat in up.repeats] == [("n", 2)]
    assert up.numel == 2 * 24 * 6


def test_formulas_and_tensors_have_the_same_sum():
    for model_type in model_types():
        try:
            result = evaluate(load(model_type), ModelConfig({"model_type": model_type}))
        except ConfigError:  # some have no default: nobody says how many experts dots1 has
            continue
        assert sum(f.numel for f in result.formulas if f.tied_to is None) == sum(t.numel for t in result.tensors)


def test_a_class_may_hold_nothing_of_the_bare_model():
    names = shapes("Alone\n    drop model\n    x  1", {"architectures": ["TinyAlone"]})
    assert names == {"x": (1,)}


def test_the_parent_of_a_file_is_the_one_that_it_names():
    assert parent_of("# about\nextends  llama\nclass X") == "llama"
    assert parent_of("# extends nothing\nclass X") is None


@pytest.mark.parametrize("model_type", model_types())
def test_every_blueprint_is_understood_and_begins_with_a_remark(model_type):
    assert load(model_type).about, f"{model_type} says nothing about itself"
    assert all(len(line) <= 160 for line in source_text(model_type).splitlines())
