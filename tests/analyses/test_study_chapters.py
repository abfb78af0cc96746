"""The study's chapters on values and cost: numbers of numpy and of publications, and nothing that fails without weights."""

import json
from io import StringIO

import numpy as np
import pytest
from safetensors.numpy import save_file

import numel
from numel.api import render
from numel.core.report import charts
from numel.views.options import ViewOptions

VALUES, COST = "How the values are distributed", "Link to performance: what the parameters cost"


def tensors():
    draw = np.random.default_rng(3)
    found = {}
    for layer in range(2):
        found[f"h.{layer}.ln_1.weight"] = draw.normal(1, 0.1, 96).astype(np.float32)
        found[f"h.{layer}.attn.c_proj.weight"] = draw.normal(0, 0.02, (96, 96)).astype(np.float32)
        found[f"h.{layer}.mlp.c_fc.weight"] = draw.standard_t(3, (96, 384)).astype(np.float32)
    return found


@pytest.fixture
def model(tmp_path):
    save_file(tensors(), tmp_path / "model.safetensors")
    return numel.inspect(tmp_path / "model.safetensors")


def chapter(report, title):
    return next((block for block in report.blocks if block.title.template == title), None)


def said(section):
    return [block.text.template for block in section.blocks if hasattr(block, "text")]


def test_components_are_compared_by_the_numbers_of_numpy(model):
    (found,) = model.report("study").data["distributions"]
    groups = {group["component"]: group["stats"] for group in found["groups"]}
    for component, part in (("attention", ".attn."), ("mlp", ".mlp.")):
        arrays = {name: x.astype(np.float64) for name, x in tensors().items() if part in name}
        everything = np.concatenate([x.ravel() for x in arrays.values()])
        assert groups[component]["std"] == pytest.approx(everything.std(), rel=1e-9)
        reach = {name: np.abs(x - x.mean()).max() / x.std() for name, x in arrays.items()}
        assert found["farthest"][component]["tensor"] == max(reach, key=reach.get)
        assert found["farthest"][component]["sigmas"] == pytest.approx(max(reach.values()), rel=1e-9)


def test_the_chapter_has_its_figures_and_norms(model):
    section = chapter(model.report("study"), VALUES)
    keys = [getattr(block, "key", "") for block in section.blocks]
    assert [key for key in keys if key] == ["values", "distribution", "map", "gamma", "gamma-h-ln_1"]
    assert not any("only names and shapes" in template for template in said(section))


def test_what_was_not_read_is_said(tmp_path):
    names = {"h.0.mlp.c_fc.weight": "C64", "h.0.ln_1.weight": "F32"}
    head = {
        name: {"dtype": d, "shape": [2], "data_offsets": [k * 16, k * 16 + (16 if d == "C64" else 8)]}
        for k, (name, d) in enumerate(names.items())
    }
    text = json.dumps(head).encode()
    (tmp_path / "m.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + bytes(24))
    report = numel.inspect(tmp_path / "m.safetensors").report("study")
    assert sum("are not read" in warning.template for warning in report.warnings) == 1
    assert any("excess over a normal distribution" in said.template for said in report.assumptions)


def test_names_get_one_sentence_and_nothing_is_read():
    section = chapter(numel.compare("gpt2", "gpt2-xl").report("study"), VALUES)
    assert len(section.blocks) == 1
    assert "only names and shapes are known" in said(section)[0]


def test_weights_that_nobody_wants_are_not_read(model):
    report = model.report("study", values=False)
    assert report.data["distributions"] == []
    assert "--values reads them" in said(chapter(report, VALUES))[0]


def test_what_lies_far_away_is_read_only_if_it_is_wished():
    from numel.analyses.study import reads_values
    from numel.core.tensors import Source

    far, near = (
        Source("file", "safetensors", place) for place in ("https://host/model.safetensors", "model.safetensors")
    )
    assert (reads_values({}, far), reads_values({"values": True}, far), reads_values({}, near)) == (False, True, True)


def test_figures_of_two_models_have_files_of_their_own(model, tmp_path):
    report = numel.compare(model, numel.inspect(tensors(), name="copy")).report("study")
    keys = [chart.key for chart in charts(report)]
    assert len(keys) == len(set(keys))
    assert {"distribution", "distribution-2", "gamma-h-ln_1-2"} <= set(keys)


def test_the_tied_head_is_no_parameter_and_27_percent_of_the_work():
    """nanoGPT's table: 79,047,426,048 of 291,648,307,200 FLOPs are the output matrix; a lookup is none."""
    report = numel.inspect("gpt2").report("study")
    (costs,) = report.data["costs"]
    parts = costs["components"]
    assert (parts["numel"]["head"], parts["numel"]["embedding"]) == (0, 39_383_808)
    assert (parts["prefill_flops"]["head"], parts["prefill_flops"]["embedding"]) == (79_047_426_048, 0)
    assert sum(parts["prefill_flops"].values()) == 291_648_307_200
    assert parts["kv_nbytes"]["attention"] == 2 * 12 * 768 * 1024 * 4
    notes = {b.text.template: b.text.values for b in chapter(report, COST).blocks if hasattr(b, "text")}
    (head,) = [values for template, values in notes.items() if "token embedding again" in template]
    assert head["prefill"].raw == 79_047_426_048 / 291_648_307_200
    assert any(block.key == "cost-lens" for block in chapter(report, COST).blocks if hasattr(block, "series"))


def test_a_model_that_cost_refuses_gets_one_sentence(model):
    """Without a configuration nobody says how it attends."""
    report = model.report("study")
    (note,) = chapter(report, COST).blocks
    assert note.text.template == "Not estimated: {why}"
    assert "without a configuration" in note.text.values["why"].raw


def test_the_limits_speak_of_the_chapters_that_are_there(model):
    limits = [
        said(chapter(each.report("study"), "Limits of the original, and what numel shows"))
        for each in (model, numel.inspect("gpt2"))
    ]
    assert ["reads the weights" in first for first, _, _ in limits] == [True, False]
    assert ["sets both beside each other" in second for _, second, _ in limits] == [False, True]


def test_the_document_of_a_model_with_weights_speaks_vietnamese(model):
    report, out = model.report("study"), StringIO()
    figures = {chart.key: f"{chart.key}.svg" for chart in charts(report)}
    render(report, "markdown", out, ViewOptions(lang="vi", figures=figures))
    assert "## Các giá trị phân phối thế nào" in out.getvalue()
    assert "gamma-h-ln_1.svg" in out.getvalue()
