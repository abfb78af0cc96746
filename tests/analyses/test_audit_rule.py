"""The audit of the study's rule over all architectures, against the same audit of transformers' module trees.

`data/study_rule.jsonl`: for 156 classes at their default configuration, every parameter's component as the class of
the module that owns it says (transformers 5.23), and the study's three substring tests on its name: how many
parameters the tests get wrong, how many are norms, and how many of those they find.
"""

import json
from pathlib import Path
from statistics import fmean

import pytest

from numel.analyses.audit_rule import Entry, Options, analyze
from numel.blueprints.evaluate import inventory_of
from numel.blueprints.library import has_blueprint, load
from numel.classify import classify, disagreements
from numel.cli import main
from numel.core.config import ModelConfig
from numel.core.tensors import Source

TREES = [
    json.loads(line) for line in (Path(__file__).parent / "data" / "study_rule.jsonl").read_text("utf-8").splitlines()
]
# The trees of these were built from something else than the model type's own defaults.
OTHER_CONFIGS = {
    ("dots3_note", "Dots3NoteForCausalLM"): "of the text configuration alone",
    ("emu3", "Emu3ForCausalLM"): "of the text configuration alone",
    ("mllama", "MllamaForCausalLM"): "of the text configuration alone",
    ("musicgen", "MusicgenForCausalLM"): "of the decoder's configuration alone",
    ("musicgen_melody", "MusicgenMelodyForCausalLM"): "of the decoder's configuration alone",
    ("qwen3_5", "Qwen3_5ForCausalLM"): "of the text configuration alone",
    ("nemotron", "NemotronForCausalLM"): "with 8 key-value heads",
    ("lfm2_moe", "Lfm2MoeForCausalLM"): "with layer_types, which has no default",
    ("esm", "EsmForMaskedLM"): "with vocab_size, which has no default",
}
KNOWN = [
    row for row in TREES if has_blueprint(row["model_type"]) and (row["model_type"], row["class"]) not in OTHER_CONFIGS
]


def audited(capsys, *words):
    assert main(["audit-rule", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def verdict(row):
    config = ModelConfig({"model_type": row["model_type"], "architectures": [row["class"]]})
    source = Source("config", "defaults", "")
    inventory = inventory_of(load(row["model_type"]), config, name="", source=source, in_memory=True)
    ours, theirs = classify(inventory), classify(inventory, rule="study")
    (found,) = analyze([Entry(row["model_type"], "", ours, disagreements(ours, theirs))], Options()).verdicts
    return found


@pytest.mark.parametrize("row", KNOWN, ids=[row["class"] for row in KNOWN])
def test_the_verdict_is_that_of_the_module_tree(row):
    found = verdict(row)
    assert found.total == row["total"]
    assert found.left_out + found.misassigned == row["wrong"]
    assert found.found["norm"] == (row["norm"], row["norm_found"])


def test_enough_trees_are_compared():
    assert len(KNOWN) >= 110


def test_what_the_rule_finds_of_the_norms_of_causal_models(capsys):
    """4.7 % over all 189 causal types: all of them in eight types, next to none in the others."""
    answer = audited(capsys, "--task", "causal-lm")
    full = {a["model_type"] for a in answer["architectures"] if a["found_share"]["norm"] == 1}
    assert full == {"codegen", "gpt-sw3", "gpt2", "gpt_bigcode", "gpt_neo", "gptj", "openai-gpt", "rwkv"}
    shares = [a["found_share"]["norm"] for a in answer["architectures"] if a["found_share"]["norm"] is not None]
    assert fmean(shares) == pytest.approx(answer["tasks"][0]["found_mean"]["norm"])
    missing = 186 - len(shares)  # causal types with norms and without blueprint; the rule finds none of theirs
    assert sum(shares) / (len(shares) + missing) == pytest.approx(0.047, abs=0.0005)


@pytest.mark.parametrize(
    ("model_type", "wrong"), [("jamba", 0.929), ("granitemoe", 0.935), ("llama4", 0.949), ("gpt2", 0)]
)
def test_how_much_of_a_model_is_left_out(capsys, model_type, wrong):
    (found,) = [
        a for a in audited(capsys, model_type, "--task", "causal-lm")["architectures"] if a["model_type"] == model_type
    ]
    assert found["wrong_share"] == pytest.approx(wrong, abs=0.0005)


def test_names_of_the_hub_are_worse(capsys):
    """Mixtral in memory says `mlp.experts`, on the hub `block_sparse_moe.experts.7.w1`: 96.6 % of it."""
    memory, hub = (
        audited(capsys, "mixtral", "--form", form)["architectures"][0]["wrong_share"] for form in ("memory", "hub")
    )
    assert memory < 0.001
    assert hub == pytest.approx(0.966, abs=0.0005)


@pytest.mark.parametrize(
    ("words", "said"),
    [(["nosuchtype"], "numel architectures"), (["--top", "-1"], "--top"), (["--rule", "numel"], "study")],
)
def test_a_wrong_word_is_one_line(capsys, words, said):
    assert main(["audit-rule", *words]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert said in err
