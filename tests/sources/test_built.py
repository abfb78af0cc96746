"""An architecture without blueprint: what transformers makes of its configuration, and what is said without it."""

import json
import os
import sys

import pytest

import numel
from numel.cli import main
from numel.errors import ConfigError, UnsupportedError, UsageError

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers warn of their own affairs


@pytest.fixture
def no_blueprint(monkeypatch):
    """As if numel had none at all."""
    monkeypatch.setattr("numel.blueprints.library.has_blueprint", lambda model_type: False)


@pytest.fixture
def with_transformers(no_blueprint):
    pytest.importorskip("torch", reason="torch is not installed: transformers cannot build a module")
    pytest.importorskip("transformers", reason="transformers is not installed: it cannot build anything")


def test_gpt2_has_its_published_count(with_transformers):
    model = numel.inspect({"model_type": "gpt2"})
    assert (model.total, model.non_embedding) == (124_439_808, 85_056_000)
    assert model["transformer.h.0.attn.c_attn.weight"].component == "attention"


def test_the_class_is_that_of_the_config(with_transformers):
    """BERT with a head for two labels, of 768 · 2 + 2 parameters, on the 109,482,240 of BertModel."""
    model = numel.inspect({"model_type": "bert", "architectures": ["BertForSequenceClassification"]})
    assert model.total == 109_482_240 + 768 * 2 + 2


def test_the_answer_says_so(with_transformers, capsys, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "gpt2", "n_layer": 1, "architectures": ["NoSuchModel"]}))
    assert main([str(path), "--json"]) == 0
    said = " ".join(json.loads(capsys.readouterr().out)["warnings"])
    assert "no blueprint for gpt2" in said
    assert "on the meta device as GPT2LMHeadModel" in said
    assert "no class NoSuchModel" in said


def test_code_that_a_config_points_to_is_never_run(with_transformers, tmp_path, monkeypatch):
    (tmp_path / "modeling_evil.py").write_text("raise SystemExit('ran')")
    monkeypatch.chdir(tmp_path)
    auto_map = {"AutoModelForCausalLM": "modeling_evil.Evil", "AutoConfig": "modeling_evil.EvilConfig"}
    fields = {"model_type": "gpt2", "n_layer": 1, "auto_map": auto_map, "architectures": ["Evil"]}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**fields, "trust_remote_code": True}))
    assert numel.inspect(path).total == numel.inspect({"model_type": "gpt2", "n_layer": 1}).total


def test_experts_active_per_token_are_known_from_defaults(with_transformers):
    """Mixtral's own defaults, 2 of 8 experts: 12.9 B of 46.7 B, as published."""
    counts = numel.inspect({"model_type": "mixtral"}).counts
    assert (counts.total, counts.active) == (46_702_792_704, 12_879_925_248)


def test_a_field_may_be_changed(with_transformers):
    model = numel.inspect({"model_type": "gpt2"}, overrides={"n_layer": 24, "n_embd": 1024, "n_head": 16})
    assert model.total == 354_823_168
    with pytest.raises(UsageError, match="n_layerz"):
        numel.inspect({"model_type": "gpt2", "n_layer": 1}, overrides={"n_layerz": 24})


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"n_layer": 10**9}, ConfigError),
        ({"n_head": 7}, UnsupportedError),
        ({"n_embd": -1}, UnsupportedError),
        ({"n_layer": "many"}, UnsupportedError),
    ],
)
def test_numbers_that_make_no_model_are_one_line(with_transformers, fields, error):
    with pytest.raises(error) as caught:
        numel.inspect({"model_type": "gpt2", **fields})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_the_users_own_settings_are_left_alone(with_transformers, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    numel.inspect({"model_type": "gpt2", "n_layer": 1})
    assert "HF_HUB_OFFLINE" not in os.environ


def test_without_transformers_one_line_says_what_to_install(no_blueprint, monkeypatch, capsys, tmp_path):
    monkeypatch.delitem(sys.modules, "numel.sources.built", raising=False)
    monkeypatch.setitem(sys.modules, "transformers", None)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "gpt2"}))
    assert main([str(path)]) == 4
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "pip install 'numel[transformers]'" in err
    assert "a file of weights" in err


def test_what_transformers_does_not_know_either_is_one_line(capsys, tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "gpt_neoxx"}))
    assert main([str(path)]) == 4
    assert "did you mean gpt_neox" in capsys.readouterr().err
