"""Where an answer may go: not over a model, not over another answer, and nowhere that is found out only after the counting."""

import json
import os

import numpy as np
import pytest
from safetensors.numpy import save_file

from numel.cli import main


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"fc1.weight": np.arange(64, dtype=np.float32).reshape(8, 8)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "unheard_of"}))
    return folder


def _refused(capsys, *words):
    code = main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    return err


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("command", ["show", "values", "doctor"])
def test_a_file_of_the_model_is_not_overwritten(command, name, model, capsys):
    before = (model / name).read_bytes()
    err = _refused(capsys, command, model, "-o", model / name)
    assert "is a file of a model, and would be overwritten" in err
    assert (model / name).read_bytes() == before


def test_nor_through_a_link_nor_one_that_was_named_itself(model, tmp_path, capsys):
    weights = model / "model.safetensors"
    before = weights.read_bytes()
    odd = model / "odd name"
    os.link(weights, odd)
    (tmp_path / "answer.csv").symlink_to(weights)
    assert "would be overwritten" in _refused(capsys, "values", weights, "-o", tmp_path / "answer.csv")
    assert "would be overwritten" in _refused(capsys, "values", weights, "-o", odd)
    config = model / "config.json"
    assert "would be overwritten" in _refused(capsys, "show", config, "-o", config)
    assert weights.read_bytes() == before


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_histograms_take_the_place_of_histograms_alone(name, model, tmp_path, capsys):
    before = (model / name).read_bytes()
    err = _refused(capsys, "values", model, "--save-histograms", model / name)
    assert "exists, and is not a file of histograms" in err
    assert (model / name).read_bytes() == before
    kept = str(tmp_path / "x.numel")
    for _ in range(2):
        assert main(["values", str(model), "--save-histograms", kept, "-o", os.devnull]) == 0


def test_two_answers_do_not_go_into_one_file(model, tmp_path, capsys):
    place = tmp_path / "a.svg"
    assert "two answers" in _refused(capsys, "values", model, "--save", place, "--save-histograms", place)
    assert "two answers" in _refused(
        capsys, "values", model, "-o", tmp_path / "x.json", "--save-histograms", tmp_path / "x.json"
    )
    assert not place.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-o", "nowhere/x.json"], "cannot write: no such file or directory"),
        (["--save", "nowhere/x.svg"], "cannot write: no such file or directory"),
        (["-o", "."], "cannot write: is a directory"),
        (["--save", "x.bmp"], "cannot draw a .bmp"),
    ],
)
def test_a_place_that_is_none_is_told_before_anything_is_read(words, said, model, capsys, monkeypatch):
    monkeypatch.chdir(model.parent)
    (model / "model.safetensors").write_bytes(b"no weights")  # whoever opens it says so
    assert said in _refused(capsys, "values", model, *words)


def test_a_figure_that_cannot_be_drawn_does_not_take_the_answer_with_it(model, tmp_path, capsys):
    code = main(["doctor", str(model), "--save", str(tmp_path / "x.svg")])
    out, err = capsys.readouterr()
    assert code == 2
    assert "has no figure" in err
    assert "fc1.weight" in out or "nothing" in out


def test_an_answer_beside_the_model_and_over_an_older_one_is_written(model, capsys):
    for _ in range(2):
        assert main(["values", str(model), "-o", str(model / "values.json")]) == 0
    assert json.loads((model / "values.json").read_text())["command"] == "values"
    capsys.readouterr()
