"""γ and β as numbers: against numpy on tensors that are written here."""

import inspect
import re

import numpy as np
import pytest
from safetensors.numpy import save_file

import numel
from numel.core.report import charts


def tensors():
    """Two layers of 768: three γ are dead in layer 1, and layer 0 has as many as numpy.random draws."""
    draw = np.random.default_rng(7)
    found = {}
    for layer in range(2):
        found[f"h.{layer}.ln_1.weight"] = draw.normal(1, 0.1, 768).astype(np.float32)
        found[f"h.{layer}.ln_1.bias"] = draw.normal(0, 0.02, 768).astype(np.float32)
        found[f"h.{layer}.mlp.c_fc.weight"] = draw.standard_t(3, (768, 64)).astype(np.float32)
    found["h.1.ln_1.weight"][[3, 5, 700]] = (0.0, 1e-9, -1e-9)
    return found


@pytest.fixture
def model(tmp_path):
    save_file(tensors(), tmp_path / "model.safetensors")
    return numel.inspect(tmp_path / "model.safetensors")


def values_of(model):
    return {(v["name"], v["which"]): v for v in model.report("norms").data["models"][0]["values"]}


def test_every_number_is_that_of_numpy(model):
    found = values_of(model)
    assert len(found) == 4
    for (name, which), value in found.items():
        x = tensors()[f"{name}.{'weight' if which == 'gamma' else 'bias'}"].astype(np.float64)
        assert (value["min"], value["max"]) == (x.min(), x.max())
        assert value["five"] == tuple(np.quantile(x, (0, 0.25, 0.5, 0.75, 1)))
        assert value["mean"] == pytest.approx(x.mean(), rel=1e-14)
        assert value["std"] == pytest.approx(x.std(), rel=1e-14)
        start = 1.0 if which == "gamma" else 0.0
        assert value["distance"] == pytest.approx(np.sqrt(np.mean((x - start) ** 2)), rel=1e-14)
    assert found["h.1.ln_1", "gamma"]["n_dead"] == 3
    assert found["h.0.ln_1", "gamma"]["n_dead"] == 0


def test_histograms_say_the_same_as_the_weights(model, tmp_path):
    kept = tmp_path / "model.numel"
    model.report("values", save_histograms=str(kept))
    assert values_of(numel.inspect(kept)) == values_of(model)


def test_a_state_dict_says_the_same_as_its_file(model):
    assert values_of(numel.inspect(tensors())) == values_of(model)


def test_gammas_that_are_stored_less_1_are_shown_as_what_they_are():
    """Gemma multiplies by 1 + weight (transformers, GemmaRMSNorm): a weight of −1 is dead, one of 0 is where it begins."""
    weight = np.zeros(8, np.float32)
    weight[2] = -1
    model = numel.inspect({"model.layers.0.input_layernorm.weight": weight}, config={"model_type": "gemma"})
    (value,) = values_of(model).values()
    assert (value["mean"], value["min"], value["max"], value["n_dead"]) == (0.875, 0.0, 1.0, 1)
    assert value["distance"] == pytest.approx(np.sqrt(1 / 8))


def test_llama_cpp_has_added_the_1_already():
    """convert_hf_to_gguf.py: `data_torch + 1` for Gemma's norms."""
    model = numel.inspect({"blk.0.attn_norm.weight": np.ones(8, np.float32)}, config={"model_type": "gemma"})
    assert values_of(model)["blk.0.attn_norm", "gamma"]["mean"] == 1.0


_ONE = {"num_hidden_layers": 1}


@pytest.mark.parametrize(
    ("family", "fields"),
    [
        ("qwen3_5_text", {"num_hidden_layers": 4, "layer_types": ["linear_attention"] * 3 + ["full_attention"]}),
        ("gemma3", {"text_config": _ONE, "vision_config": _ONE}),
    ],
)
def test_only_norms_whose_class_adds_the_1_are_shown_with_it(family, fields):
    """Which class does it is read in transformers; beside it stand gated norms, LayerNorms of pictures, and others."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from numel.analyses.gammas import less_one

    with torch.device("meta"):
        module = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(family, **fields))
    adds = re.compile(r"1(?:\.0)? \+ self\.weight")
    truth = {
        f"{name}.weight": bool(adds.search(inspect.getsource(type(each))))
        for name, each in module.named_modules()
        if not type(each).__module__.startswith("torch") and "weight" in dict(each.named_parameters(recurse=False))
    }
    model = numel.inspect(module)
    is_less_one = less_one(model.table)
    assert 0 < sum(truth.values()) < len(model.parameters)
    assert {r.tensor.name for r in model.parameters if is_less_one(r)} == {
        name for name, is_so in truth.items() if is_so
    }


def test_only_norms_are_read(model, monkeypatch):
    from numel.analyses import norms_values

    names = []
    scan = norms_values.scan
    monkeypatch.setattr(norms_values, "scan", lambda t, *rest: scan(names.extend(x.name for x in t) or t, *rest))
    model.report("norms")
    assert sorted(names) == sorted(name for name in tensors() if ".ln_1." in name)


def test_each_norm_that_stands_in_layers_has_a_figure(model):
    assert [c.title.template for c in charts(model.report("norms"))] == ["γ of {name}", "β of {name}"]


def test_what_is_not_finite_is_said(tmp_path):
    found = tensors()
    found["h.0.ln_1.weight"][:9] = np.nan
    found["h.0.ln_1.bias"][:2] = np.inf
    model = numel.inspect(found)
    shown = values_of(model)
    assert shown["h.0.ln_1", "gamma"]["n_not_finite"] == 9
    assert any(
        "NaN or infinite" in block.text.template for block in model.report("norms").blocks if hasattr(block, "text")
    )


def test_a_name_says_how_its_values_would_be_known():
    shown = numel.inspect("gpt2").report("norms")
    assert shown.data["models"][0]["values"] is None
    assert sum("holds none" in block.text.template for block in shown.blocks if hasattr(block, "text")) == 1


def test_unread_values_are_not_said_to_be_missing(model):
    shown = model.report("norms", values=False)
    assert shown.data["models"][0]["values"] is None
    assert not any("holds none" in block.text.template for block in shown.blocks if hasattr(block, "text"))
