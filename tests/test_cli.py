"""The command line as a newcomer uses it: right words and wrong ones."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from numel.cli import main

SIZES = ["gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"]


def run(capsys, *words):
    code = main(list(words))
    out, err = capsys.readouterr()
    return code, out, err


def test_a_bare_name_is_shown(capsys):
    assert run(capsys, "gpt2") == run(capsys, "show", "gpt2")


@pytest.mark.parametrize("by", ["component", "part", "layer", "tensor", "dtype", "role", "layer,part"])
def test_every_grouping_sums_to_the_published_total(capsys, by):
    code, out, _ = run(capsys, "gpt2", "--by", by, "--json")
    (model,) = json.loads(out)["models"]
    assert code == 0
    assert model["counts"]["total"] == 124_439_808
    assert sum(group["numel"] for group in model["groups"]) == 124_439_808


def test_json_keeps_its_contract(capsys):
    _, out, _ = run(capsys, "gpt2", "--json")
    answer = json.loads(out)
    assert answer["schema"] == "numel/1"
    assert answer["command"] == "show"
    assert any("lm_head.weight" in sentence for sentence in answer["assumptions"])
    assert answer["models"][0]["model_type"] == "gpt2"
    assert set(answer["models"][0]["counts"]) == {
        "total", "non_embedding", "active", "active_without_input_embedding", "stored",
    }  # fmt: skip


@pytest.mark.parametrize("command", ["show", "norms", "scaling", "explain", "study"])
@pytest.mark.parametrize("form", ["terminal", "json", "csv", "markdown", "html"])
@pytest.mark.parametrize("lang", ["en", "vi"])
def test_every_command_answers_in_every_form_and_language(capsys, command, form, lang):
    code, out, err = run(capsys, command, "gpt2", "gpt2-medium", "--format", form, "--lang", lang)
    assert code == 0
    assert err == ""
    assert "gpt2-medium" in out
    assert "\x1b" not in out


def test_json_is_the_same_in_every_language(capsys):
    english = run(capsys, "study", *SIZES, "--json")
    vietnamese = run(capsys, "study", *SIZES, "--json", "--lang", "vi")
    assert english == vietnamese


def test_vietnamese_numbers_are_written_as_in_vietnam(capsys):
    _, out, _ = run(capsys, "gpt2", "--lang", "vi")
    assert "124.439.808" in out
    assert "22,8 %" in out


def test_a_last_word_chooses_what_to_explain(capsys):
    _, out, _ = run(capsys, "explain", "gpt2", "attention")
    assert "12 × (768·2304 + 2304 + 768·768 + 768) = 28,348,416" in out
    assert "wpe" not in out.split("How it was counted")[0]


def test_models_can_be_filtered(capsys):
    _, out, _ = run(capsys, "models", "gpt2", "--json")
    assert [m["id"] for m in json.loads(out)["models"]] == [f"openai-community/{name}" for name in SIZES]


def test_the_studys_rule_shows_its_faults(capsys):
    _, out, _ = run(capsys, "meta-llama/Llama-3.2-1B", "--rule", "study", "--json")
    found = {d["template"]: d for d in json.loads(out)["models"][0]["disagreements"]}
    assert found["model.layers.{}.post_attention_layernorm.weight"]["study"] == "attention"
    assert found["model.norm.weight"]["study"] == "unclassified"


def test_a_field_can_be_changed(capsys):
    _, out, _ = run(capsys, "gpt2", "--set", "n_layer=24", "--set", "n_embd=1024", "--set", "n_head=16", "--json")
    assert json.loads(out)["models"][0]["counts"]["total"] == 354_823_168


@pytest.mark.parametrize("command", ["show", "study", "explain", "models"])
@pytest.mark.parametrize(
    ("suffix", "begins"),
    [("json", '{\n  "schema"'), ("csv", ""), ("md", "# "), ("html", "<!doctype html>"), ("HTM", "<!doctype html>")],
)
def test_the_answer_is_written_as_its_files_name_ends(tmp_path, capsys, command, suffix, begins):
    path = tmp_path / f"answer.{suffix}"
    assert run(capsys, command, "gpt2", "-o", str(path)) == (0, "", "")
    text = path.read_text(encoding="utf-8")
    assert text.lower().startswith(begins)
    if suffix == "csv":
        assert len({line.count(",") for line in text.splitlines()[:1]}) == 1
        assert "," in text.splitlines()[0]


def test_an_option_wins_over_the_files_name(tmp_path, capsys):
    path = tmp_path / "answer.txt"
    run(capsys, "gpt2", "--json", "-o", str(path))
    assert json.loads(path.read_text(encoding="utf-8"))["schema"] == "numel/1"


def test_a_key_given_twice_groups_once(capsys):
    assert run(capsys, "gpt2", "--by", "component,component") == run(capsys, "gpt2")


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_figure_is_saved_by_its_suffix(tmp_path, capsys, suffix):
    path = tmp_path / f"share.{suffix}"
    assert run(capsys, *SIZES, "--save", str(path)) == (0, "", "")
    assert path.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml", b"%PDF-")


def test_the_study_is_written_as_a_document(tmp_path, capsys):
    folder = tmp_path / "study"
    assert run(capsys, "study", *SIZES, "-o", str(folder))[0] == 0
    names = {path.name for path in folder.iterdir()}
    assert {"study.md", "study.html", "share.svg", "attention-mlp.svg", "scaling.svg"} <= names
    text = (folder / "study.md").read_text(encoding="utf-8")
    assert "(<share.svg>)" in text
    assert "1,557,611,200" in text


def test_set_reaches_into_a_configuration_inside(capsys):
    """Gemma 4 31B ties its 262,144 × 5,376 tokens (its config.json): 44 fewer are 44 × 5,376 parameters fewer."""
    totals = []
    for more in ((), ("--set", "text_config.vocab_size=262100")):
        _, out, _ = run(capsys, "google/gemma-4-31B-it", *more, "--json")
        totals.append(json.loads(out)["models"][0]["counts"]["total"])
    assert totals[0] - totals[1] == 44 * 5376


def test_set_reaches_into_a_configuration_that_is_left_out(capsys):
    """SigLIP's defaults: a vocabulary of 32,000 × 768; (384 / 16)² places instead of (224 / 16)², each of 768 numbers."""
    totals = []
    for more in ((), ("--set", "text_config.vocab_size=31000"), ("--set", "vision_config.image_size=384")):
        _, out, _ = run(capsys, "google/siglip-base-patch16-224", *more, "--json")
        totals.append(json.loads(out)["models"][0]["counts"]["total"])
    assert totals[0] - totals[1] == 1000 * 768
    assert totals[2] - totals[0] == (24**2 - 14**2) * 768


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["gtp2-xl"], 3, "did you mean gpt2-xl"),
        (["./nowhere/model.safetensors"], 3, "nowhere"),
        (["gpt2", "--by", "colour"], 2, "component, part, layer"),
        (["gpt2", "--set", "n_embd"], 2, "FIELD=VALUE"),
        (["gpt2", "--set", "n_embd=-768"], 4, "n_embd"),
        (["gpt2", "--set", "n_layer=1000000000"], 4, "n_layer"),
        (["gpt2", "--set", 'n_embd="wide"'], 4, "n_embd"),
        (["gpt2", "--set", "vocab_size=1.5"], 4, "vocab_size"),
        (["gpt2", "--set", "n_layers=24"], 2, "n_layer"),
        (["gpt2", "--set", "in_memory=true"], 2, "not a field of gpt2"),
        (["google/gemma-4-31B-it", "--set", "vocab_size=9"], 2, "text_config.vocab_size"),
        (["google/gemma-4-31B-it", "--set", "text_config.vocab=9"], 2, "vocab_size"),
        (["study", "gpt2", "--rule", "study"], 2, "--rule"),
        (["gpt2", "--rule", "studdy"], 2, "study"),
        (["gpt2", "--save", "share.gif"], 2, "png"),
        (["gpt2", "--nonsense"], 2, "nonsense"),
        (["gpt2", "--lang", "xx"], 2, "en, vi"),
        (["scaling", "gpt2"], 2, "two models"),
        (["explain", "gpt2", "moe"], 2, "embedding, attention, mlp, norm"),
        (["norms"], 2, "MODEL"),
        (["gpt2", "--md", "--csv"], 2, "--csv"),
        (["gpt2", "--md", "--format", "html"], 2, "--format"),
        (["gpt2", "--width", "0"], 2, "--width 0"),
        (["gpt2", "--width", "-3"], 2, "--width -3"),
        (["gpt2", "-o", "share.svg"], 2, "--save"),
        (["explain", "gpt2", "atention"], 2, "did you mean attention?"),
        (["explain", "gpt2", "Embeding"], 2, "did you mean embedding?"),
        (["study", "gpt2", "-o", "/dev/null/study"], 2, "/dev/null/study"),
    ],
)
def test_a_wrong_word_gets_one_line(capsys, words, code, said):
    got, out, err = run(capsys, *words)
    assert got == code
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("numel: ")
    assert said in err
    assert len(err) <= 420


def test_an_error_with_json_is_an_object_too(capsys):
    code, out, err = run(capsys, "gtp2", "--json")
    assert code == 3
    assert json.loads(out)["error"]["kind"] == "source_not_found"
    assert err.count("\n") == 1


def test_a_reader_that_stops_early_is_no_error():
    command = f"{sys.executable} -m numel gpt2 --by tensor --json | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stderr == ""


def test_help_names_every_command(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for name in ("show", "norms", "scaling", "explain", "study", "models"):
        assert f"  {name} " in out


def test_a_full_disk_behind_the_answer_is_one_line():
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m numel gpt2 > /dev/full"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("numel: cannot write the answer")
    assert done.stderr.count("\n") == 1


def test_a_standard_output_that_is_closed_is_one_line_and_no_matter_where_it_is_not_used(tmp_path):
    closed = f"{sys.executable} -m numel gpt2"
    done = subprocess.run(["bash", "-c", f"{closed} >&-"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "numel: cannot write the answer: it is closed\n")
    done = subprocess.run(["bash", "-c", f"{closed} -o x.json >&-"], cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "x.json").stat().st_size > 1000


def test_a_figure_and_another_form_can_be_had_together(tmp_path, capsys):
    code, out, _ = run(capsys, "gpt2", "--save", str(tmp_path / "s.svg"), "--json")
    assert code == 0
    assert json.loads(out)["models"][0]["counts"]["total"] == 124_439_808


def test_a_changed_model_does_not_go_by_the_name_of_the_real_one(capsys):
    _, out, _ = run(capsys, "gpt2", "--set", "n_layer=24", "--json")
    assert json.loads(out)["models"][0]["name"] == "gpt2 with n_layer=24"


def test_a_field_that_is_misspelt_is_warned_of(tmp_path, capsys):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "gpt2", "n_layers": 2}))
    _, out, _ = run(capsys, str(path), "--json")
    assert "n_layers is not read" in json.loads(out)["warnings"][0]


def test_the_list_of_models_is_for_people(capsys):
    _, out, _ = run(capsys, "models", "gpt2-xl")
    assert "the same" in out
    assert "1 model;" in out
    assert "explained_delta" not in run(capsys, "models")[1]
    assert run(capsys, "models", "no-such-word")[1] == "no model has all of these words\n"
    assert "chưa ai công bố tổng chính xác" in run(capsys, "models", "opt-66b", "--lang", "vi")[1]
    assert "no_exact_published" in run(capsys, "models", "opt-66b", "--csv")[1]  # a program reads the code


def safetensors_file(path, shapes):
    """A file of float32 zeros, laid out as the format's README says."""
    header, end = {}, 0
    for name, n in shapes.items():
        header[name] = {"dtype": "F32", "shape": [n], "data_offsets": [end, end + 4 * n]}
        end += 4 * n
    raw = json.dumps(header).encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + bytes(end))
    return str(path)


def test_a_file_without_tensors_says_so(tmp_path, capsys):
    code, out, _ = run(capsys, safetensors_file(tmp_path / "empty.safetensors", {}))
    assert code == 0
    assert out.startswith("empty holds no tensors: there is nothing to count\n")
    assert "100%" not in out


def test_a_tensor_without_a_name_can_be_seen(tmp_path, capsys):
    _, out, _ = run(capsys, safetensors_file(tmp_path / "odd.safetensors", {"": 2, "a": 3}), "--by", "tensor")
    assert any(line.startswith('""  ') and "unclassified" in line for line in out.splitlines())


@pytest.mark.parametrize(("file", "lang"), [("README.md", "en"), ("README.vi.md", "vi")])
def test_the_readme_shows_what_is_printed(capsys, file, lang):
    text = (Path(__file__).parent.parent / file).read_text(encoding="utf-8")
    command, _, shown = text.partition("\n$ ")[2].partition("```")[0].partition("\n")
    _, out, _ = run(capsys, *command.split()[1:])
    assert command == ("numel gpt2" if lang == "en" else "numel gpt2 --lang vi")
    assert out.startswith(shown.rstrip("\n"))


def test_a_configuration_without_model_type_is_told_so(tmp_path, capsys):
    config = tmp_path / "config.json"
    config.write_text('{"architectures": ["BertForMaskedLM"], "hidden_size": 768}')
    assert main([str(config)]) == 4
    assert "model_type is missing" in capsys.readouterr().err


def test_an_unknown_architecture_like_no_other_is_not_answered_with_the_first_of_hundreds(tmp_path, capsys):
    path = tmp_path / "config.json"
    path.write_text('{"model_type": "frobnicate", "n_layer": 2}')
    assert main([str(path)]) == 4
    said = capsys.readouterr().err
    assert "numel architectures lists them" in said
    assert "afmoe" not in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "threads"),
    [
        (["gpt2"], "1"),
        (["cost", "gpt2", "--device", "h100"], "1"),
        (["cost", "gpt2", "--device", "here"], "None"),
        (["cost", "gpt2", "--device=here"], "None"),
        (["values", "x", "--spectrum"], "None"),
    ],
)
def test_blas_has_one_thread_but_where_it_works_or_is_measured(words, threads):
    script = (
        "import os, sys; sys.argv[0] = 'numel'; import numel.cli as cli; "
        "cli.main = lambda words: print(os.environ.get('OPENBLAS_NUM_THREADS')) or 0; cli.run()"
    )
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    command = [sys.executable, "-c", script, *words]
    ran = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert (ran.returncode, ran.stdout.strip()) == (0, threads), ran.stderr
