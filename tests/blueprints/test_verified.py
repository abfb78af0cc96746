"""The record of what was compared with transformers, and the pages made of it: complete, of today's blueprints, and true."""

from __future__ import annotations

import json

import pytest

from numel.blueprints.evaluate import evaluate
from numel.blueprints.library import has_blueprint, load, model_types
from numel.blueprints.verified import Verification, digest, verifications
from numel.cli import main
from numel.core.config import ModelConfig

AGAIN = "python tools/verify_blueprints.py --table brings it up to date"
HOW_MANY = {"causal-lm": 189, "masked-lm": 51, "seq2seq-lm": 37}  # model types in transformers 5.23's mappings


def test_every_blueprint_stands_in_the_record_as_it_is_written_today():
    known = verifications()
    assert [name for name in model_types() if name not in known or known[name].digest != digest(name)] == [], AGAIN


def test_nothing_in_the_record_differs_from_transformers():
    assert [v.model_type for v in verifications().values() if v.state in ("differs", "changed since")] == []


@pytest.mark.parametrize(("task", "n"), HOW_MANY.items())
def test_the_tables_go_through_all_types_of_a_task(task, n):
    assert sum(task in v.tasks for v in verifications().values()) == n


# Its published configurations are those of embedding models.
OTHERWISE_BARE = {"gte"}


def test_a_config_without_a_class_is_that_of_the_masked_language_model():
    """As transformers' AutoModelForMaskedLM would take it; esm has no default vocabulary."""
    wanted = {name: set(v.tasks.values()) for name, v in verifications().items() if "masked-lm" in v.tasks}
    for name, classes in wanted.items():
        if has_blueprint(name) and name not in OTHERWISE_BARE:
            config = ModelConfig({"model_type": name} | ({"vocab_size": 33} if name == "esm" else {}))
            assert evaluate(load(name), config).architecture in classes


def test_the_record_holds_precisely_the_blueprints_and_what_transformers_builds():
    pytest.importorskip("transformers", reason="transformers is not installed: its mappings are not known")
    from verification_record import tasks, wanted

    assert {name: dict(v.tasks) for name, v in verifications().items() if v.tasks} == tasks(), AGAIN
    assert verifications().keys() == wanted(), AGAIN


@pytest.mark.parametrize(("lang", "name"), [("en", "architectures.md"), ("vi", "architectures.vi.md")])
def test_the_pages_are_those_of_the_record(lang, name):
    pytest.importorskip("babel")  # a checkout with its tools, not an installed wheel
    from architecture_table import DOCS, page

    assert (DOCS / name).read_text(encoding="utf-8") == page(lang), AGAIN


def test_a_state_is_what_the_record_says():
    gpt2 = verifications()["gpt2"]
    assert gpt2.state == "exact"
    assert gpt2._replace(differences=1).state == "differs"
    assert gpt2._replace(digest="0").state == "changed since"
    assert gpt2._replace(hub_compared=False).state == "exact in memory"
    assert gpt2._replace(configurations=0).state == "inside others"
    assert Verification("no_such_type").state == "fallback"


def test_the_command_line_lists_and_filters(capsys):
    def listed(*words):
        assert main(["architectures", *words, "--json"]) == 0
        return {row["model_type"]: row for row in json.loads(capsys.readouterr().out)["architectures"]}

    everything = listed()
    assert {name for name, row in everything.items() if row["state"] != "fallback"} == set(model_types())
    assert everything["gpt2"]["n_published"] == 4
    assert all(not has_blueprint(name) for name in listed("fallback"))
    assert len(listed("causal-lm")) == HOW_MANY["causal-lm"]
    assert set(listed("causal-lm", "LlamaForCausalLM")) >= {"llama"}
