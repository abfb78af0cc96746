"""The notation of pass files: what a line means for a tensor, and that a line which means nothing is refused with its number."""

from __future__ import annotations

from contextlib import suppress

import pytest

import numel
from numel.blueprints.library import model_types
from numel.core.dtypes import F32
from numel.core.parameters import Component, Parameter
from numel.core.tensors import TensorInfo
from numel.costs.estimate import estimate, usual_context
from numel.costs.notation import PassSyntaxError, noted_types, parse, pass_of
from numel.costs.noted import Noted
from numel.costs.setting import Setting
from numel.costs.written import sums_of
from numel.errors import ConfigError, UnsupportedError, UsageError

TEXT = """
# A tower that halves its vectors from stage to stage.
stack   encoder
require context % 2 == 0

config
    keys = 7

let
    half = context // 2
    width = width // 4                 # of the configuration's

tokens
    stages.{stage}                  context // 2 ** stage
    stages.{stage}.*.{up, down}     half
    stages.1...bias_table           table
    gate                            always n
    depth                           spread n over 4
    positions_proj                  once 2 * n - 1
    upsample                        n               writes 4 * width
    experts.up                      n               writes together width

attention
    stages.{stage}.attn     queries = half, keys = keys, results = 3 * half,
        scores = width, values = 2 * width, when = stage > 0
"""


@pytest.fixture
def noted():
    return Noted(parse(TEXT, "halving"), {"width": 64}, "tiny").at(8, 8, 0, decoding=False)


@pytest.mark.parametrize(
    ("name", "vectors"),
    [
        ("model.stages.2.norm.weight", 2),
        ("stages.1.mlp.up.weight", 4),  # the later line
        ("stages.1.mlp.upper.weight", 4),  # 8 // 2, by the first: names match at dots
        ("stages.1.attn.deep.bias_table", "table"),
        ("stages.0.attn.deep.bias_table", 8),
        ("substages.2.norm.weight", None),
    ],
)
def test_the_last_line_that_fits_says_how_many_vectors(noted, name, vectors):
    assert noted.vectors(name) == vectors


def test_a_name_of_let_may_stand_for_the_field_that_it_is_made_of(noted):
    assert noted.named("width") == 16


@pytest.mark.parametrize(("stated", "keys"), [({}, 7), ({"keys": 5}, 5)])
def test_a_field_that_is_not_stated_is_what_the_pass_file_takes_it_to_be(stated, keys):
    noted = Noted(parse(TEXT, "halving"), {"width": 64, **stated}, "tiny").at(8, 8, 0, decoding=False)
    tensor = TensorInfo("stages.1.attn.q.weight", (4, 4), F32)
    row = Parameter(tensor, Component.ATTENTION, "q", "weight", "main", None, None, 16)
    assert [attention.pairs for attention in noted.attentions([row])] == [4 * keys]


def test_of_slices_each_vector_meets_one(noted):
    assert (noted.vectors("depth.weight"), noted.slices("depth.weight"), noted.slices("gate.weight")) == (8, 4, 1)


def test_only_always_overrules_what_a_name_sounds_like(noted):
    assert noted.is_sure("gate.weight")
    assert not noted.is_sure("stages.0.mlp.up.weight")


def test_once_is_of_the_batch_together(noted):
    assert noted.vectors("positions_proj.weight") == 15
    assert noted.is_shared("positions_proj.weight")
    assert not noted.is_shared("gate.weight")


def test_a_line_may_say_what_each_vector_writes(noted):
    assert (noted.vectors("upsample.weight"), noted.width("upsample.weight")) == (8, 64)
    assert noted.width("gate.weight") is None
    assert (noted.width("experts.up", "together"), noted.is_together("experts.up")) == (16, True)
    assert not noted.is_together("upsample.weight")


def test_an_attention_may_make_other_sums_than_one_for_each_query(noted):
    tensor = TensorInfo("stages.1.attn.q.weight", (4, 4), F32)
    row = Parameter(tensor, Component.ATTENTION, "q", "weight", "main", None, None, 16)
    (attention,) = noted.attentions([row])
    assert (attention.pairs, sums_of(attention, 8, decoding=False)) == (4 * 7, 12)
    assert sums_of(attention._replace(results=None), 8, decoding=False) == 4


def test_a_setting_in_which_it_does_not_run_is_refused(noted):
    with pytest.raises(UsageError, match=r"context % 2 == 0") as caught:
        noted.at(7, 7, 0, decoding=False)
    assert "another --context" in str(caught.value.hint)


def test_a_configuration_that_does_not_run_is_refused_by_its_field():
    wanting = parse(TEXT + "\nrequire keys > 3", "halving")
    assert Noted(wanting, {"width": 64}, "tiny").at(8, 8, 0, decoding=False)
    with pytest.raises(UsageError, match="keys > 3") as caught:
        Noted(wanting, {"width": 64, "keys": 3}, "tiny").at(8, 8, 0, decoding=False)
    assert "--set keys=" in str(caught.value.hint)


def test_a_field_that_is_missing_is_named():
    noted = Noted(parse(TEXT, "halving"), {}, "tiny")
    with pytest.raises(UnsupportedError, match="does not say width"):
        noted.named("width")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("tokens\n    a.b", "bad.pass, 2: a.b: not the columns of tokens"),
        ("reads  smells", "bad.pass, 1: reads smells is not understood"),
        ("attention\n    a  scores = 1", "scores and values are wanted"),
        ("attention\n    a  scores = 1, values = 1, hats = 3", "and no others"),
        ("tokens\n    a  import os", "no expression"),
        ("    a  1", "no section begins"),
        ("let\n    2 = 3", "NAME = EXPRESSION"),
        ("tokens\n    a  n  reads 3", "reads 3: writes EXPRESSION is wanted"),
    ],
)
def test_a_line_that_means_nothing_is_refused(line, says):
    with pytest.raises(PassSyntaxError, match=says):
        parse(line, "bad")


def test_every_pass_file_belongs_to_a_blueprint_and_is_understood():
    assert set(noted_types()) <= set(model_types())
    assert all(pass_of(name) for name in noted_types())


def test_a_model_type_is_no_path():
    assert pass_of("../passes/swin") is None


def test_a_picture_of_one_size_takes_no_context():
    table = numel.inspect({"model_type": "swin", "architectures": ["SwinForImageClassification"]}).table
    with pytest.raises(UsageError, match="3136 tokens each"):
        estimate(table, Setting(context=5))


def test_every_pass_file_knows_what_its_type_leaves_out():
    for name in noted_types():
        with suppress(ConfigError):  # (no tensors without a field that has no default)
            table = numel.inspect({"model_type": name}).table
            flops = estimate(table, Setting(context=usual_context(table))).total("flops")
            assert flops > 0 or name == "inkling_audio", name  # (which looks vectors up and multiplies nothing)
