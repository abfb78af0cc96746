"""Both name worlds: as checkpoints on the hub write it, and as transformers 5 holds it in memory."""

import json

import pytest

import numel
from numel.blueprints.evaluate import evaluate
from numel.blueprints.library import load, model_types
from numel.cli import main
from numel.core.config import ModelConfig
from numel.errors import ConfigError, UsageError
from numel.sources.preset import all_presets


def test_mixtral_has_its_experts_apart_on_the_hub_and_together_in_memory():
    """mistralai/Mixtral-8x22B-v0.1's index, and MixtralExperts of transformers 5.23: (8, 2 · 16384, 6144)."""
    hub, memory = (numel.inspect("Mixtral-8x22B-v0.1", form=form) for form in ("hub", "memory"))
    assert hub["model.layers.0.block_sparse_moe.experts.7.w1.weight"].tensor.shape == (16384, 6144)
    assert memory["model.layers.0.mlp.experts.gate_up_proj"].tensor.shape == (8, 2 * 16384, 6144)
    assert hub.total == memory.total == 140_620_634_112


def test_deepseek_v3_has_45_395_tensors_on_the_hub_and_967_in_memory():
    """As transformers 5.23 counts both: its module, and what its save_pretrained would write. Buffers are in both."""
    assert [
        len(numel.inspect("deepseek-ai/DeepSeek-V3", form=form).parameters) for form in ("hub", "memory")
    ] == [45_395, 967]  # fmt: skip


@pytest.mark.parametrize("model_type", model_types())
def test_the_totals_agree(model_type):
    try:
        hub, memory = (
            evaluate(load(model_type), ModelConfig({"model_type": model_type}), in_memory=in_memory)
            for in_memory in (False, True)
        )
    except ConfigError:  # a field without default: the presets below give it
        return
    assert len({sum(t.numel for t in e.tensors if t.name not in e.buffers) for e in (hub, memory)}) == 1


@pytest.mark.parametrize("id_", [p.id for p in all_presets() if p.facts.get("active_computed")])
def test_all_counts_agree_on_published_mixtures_of_experts(id_):
    hub, memory = (numel.inspect(id_, form=form).counts for form in ("hub", "memory"))
    assert hub[:4] == memory[:4]


def test_the_answer_says_which_names_it_has(capsys):
    said = {}
    for form in ("hub", "memory"):
        assert main(["gpt2", "--form", form, "--json"]) == 0
        said[form] = json.loads(capsys.readouterr().out)["assumptions"]
    assert any("in memory" in sentence for sentence in said["memory"])
    assert not any("in memory" in sentence for sentence in said["hub"])


@pytest.mark.parametrize("words", [["gpt2", "--form", "memroy"], ["gpt2", "--form", "memroy", "--lang", "vi"]])
def test_another_form_is_refused(capsys, words):
    assert main(words) == 2
    assert "memory" in capsys.readouterr().err


def test_the_names_of_a_file_are_what_they_are(tmp_path):
    path = tmp_path / "model.safetensors"
    head = json.dumps({"h.0.ln_1.weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(8))
    with pytest.raises(UsageError, match="--form"):
        numel.inspect(path, form="memory")
