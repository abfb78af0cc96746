"""Every preset comes out at the total with which it is published, and at its active parameters."""

import pytest

import numel
from numel.blueprints.library import has_blueprint
from numel.sources.preset import all_presets, find

PRESETS = {preset.id: preset for preset in all_presets()}
COUNTED = [id_ for id_, preset in PRESETS.items() if has_blueprint(preset.facts["config"]["model_type"])]
WRONG = [id_ for id_ in COUNTED if PRESETS[id_].facts["agreement"] == "disagrees"]


@pytest.mark.parametrize("id_", COUNTED)
def test_the_counts_are_the_published_ones_and_nothing_is_left_unclassified(id_):
    """Sources: presets/models.jsonl names one for each, mostly the hub's own totals; both conventions of active."""
    model, facts = numel.inspect(id_), PRESETS[id_].facts
    if facts.get("total_params") and id_ not in WRONG:
        assert model.total == facts["total_params"]
    if known := facts.get("active_computed"):
        assert model.counts.active == known["active_all"]
        assert model.counts.active_without_input_embedding == known["active_excl_input_embedding"]
    assert "unclassified" not in {row["component"] for row in model.by("component")}


def test_where_the_published_figure_is_wrong_the_preset_says_so():
    """Stability AI's README prints 7,869,358,080; transformers' class with that config has 602,112 fewer."""
    assert WRONG == ["stabilityai/stablelm-base-alpha-7b"]
    assert PRESETS[WRONG[0]].facts["total_params"] - numel.inspect(WRONG[0]).total == 602_112


@pytest.mark.parametrize("name", ["gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"])
def test_gpt2_has_its_short_names(name):
    assert find(name).id == f"openai-community/{name}"
    assert name in {id_.rpartition("/")[2] for id_ in COUNTED}


def test_short_names_are_unique():
    names = [preset.short_name.lower() for preset in PRESETS.values()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"])
def test_gpt2_is_f32_as_the_size_of_its_published_file_shows(name):
    """The sizes are the hub's (gpt2: safetensors; the others: torch's pickle); each stated in the preset."""
    facts = find(name).facts
    rest = facts["published_nbytes"] - 4 * facts["hub_safetensors_total"]
    assert 0 < rest < 110_000  # a header or a pickle, and no tensor: 2 or 8 bytes an element are far off
    assert f"{facts['published_nbytes']:,} bytes" in facts["dtype_source"]
    assert {row["dtype"] for row in numel.inspect(name).by("dtype")} == {"F32"}
