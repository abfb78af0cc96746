"""Formulas and counts cannot disagree, because both come from one line of the blueprint."""

import re

import pytest

import numel
from numel.analyses.derivation import derive
from numel.blueprints.library import has_blueprint
from numel.errors import UnsupportedError, UsageError
from numel.sources.preset import all_presets


def components(name, **options):
    return {c["component"]: c for c in numel.inspect(name).report("explain", **options).data["models"][0]["components"]}


def value(arithmetic: str) -> int:
    """The value of an arithmetic text, computed by Python and not by numel."""
    return eval(re.sub("[·×]", "*", arithmetic))


def test_attention_of_gpt2_is_written_out():
    attention = components("gpt2")["attention"]
    assert attention["numbers"] == "12 × (768·2304 + 2304 + 768·768 + 768)"
    assert attention["symbols"] == "n_layer × (n_embd·3·n_embd + 3·n_embd + n_embd·n_embd + n_embd)"
    assert attention["numel"] == 28_348_416


@pytest.mark.parametrize(
    "name", ["gpt2-xl", "meta-llama/Llama-3.2-1B", "mistralai/Mixtral-8x22B-v0.1", "facebook/opt-125m"]
)
def test_the_arithmetic_gives_the_count(name):
    model = numel.inspect(name)
    sums = {row["component"]: row["numel"] for row in model.by("component")}
    explained = components(name)
    assert {c: e["numel"] for c, e in explained.items()} == sums
    for entry in explained.values():
        assert value(entry["numbers"]) == entry["numel"], entry["numbers"]


@pytest.mark.parametrize("id_", [p.id for p in all_presets() if has_blueprint(p.facts["config"]["model_type"])])
def test_the_formulas_of_every_preset_sum_to_its_total(id_):
    model = numel.inspect(id_)
    assert sum(d.numel for d in derive(model.table)) == model.total


def test_one_component_can_be_asked_for():
    assert list(components("gpt2", component="norm")) == ["norm"]


def test_a_tied_head_is_shown_and_adds_nothing():
    (tied,) = numel.inspect("gpt2").report("explain").data["models"][0]["tied"]
    assert tied["template"] == "lm_head.weight"
    assert tied["tied_to"] == "transformer.wte.weight"
    assert tied["numel"] == 38_597_376


def test_a_component_that_is_not_there_offers_those_that_are():
    with pytest.raises(UsageError, match="embedding, attention, mlp, norm"):
        components("gpt2", component="moe")


def test_without_a_blueprint_there_is_nothing_to_explain(tmp_path):
    import json

    head = json.dumps({"a.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    path = tmp_path / "bare.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(8))
    with pytest.raises(UnsupportedError, match="no blueprint"):
        numel.inspect(path).report("explain")
