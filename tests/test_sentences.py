"""What is said when something is wrong: in the reader's language on the screen, in English in `--json`."""

import ast
import contextlib
import json
import pickle
import re
from pathlib import Path

import pytest

import numel
from numel.analyses import ANALYSES
from numel.analyses.values import SORTS
from numel.cli import main
from numel.core.groups import KEYS
from numel.errors import Sentence
from numel.translate import Translator

SOURCE = Path(numel.__file__).parent
# What Python hears of an attribute, or numel of a blueprint's line before it says where that stands.
NOT_FOR_USERS = {"ValueError", "LookupError", "TypeError", "AttributeError", "KeyError", "NotImplementedError"}


def run(capsys, *words):
    code = main(list(words))
    out, err = capsys.readouterr()
    return code, out, err


def bare_texts(path):
    """The texts that a raised error is given and that are no Sentence, so that no catalogue could know them."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef):
            continue
        named = {
            node.targets[0].id: node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(function):
            call = node.exc if isinstance(node, ast.Raise) else None
            if not isinstance(call, ast.Call) or getattr(call.func, "id", "Error") in NOT_FOR_USERS:
                continue
            for given in [*call.args[:1], *(k.value for k in call.keywords if k.arg == "hint")]:
                value = named.get(given.id, given) if isinstance(given, ast.Name) else given
                if isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and value.value):
                    yield f"{path.name}:{node.lineno}"


def test_every_error_is_a_sentence_that_can_be_translated():
    found = [place for path in SOURCE.rglob("*.py") for place in bare_texts(path)]
    assert [place for place in found if not place.startswith("cli.py")] == []


@pytest.mark.parametrize(
    ("words", "english", "vietnamese"),
    [
        (
            ["gtp2-xl"],
            "no model, file or folder called 'gtp2-xl'",
            "không có mô hình, tệp hay thư mục nào tên 'gtp2-xl'",
        ),
        (["gtp2-xl"], "did you mean gpt2-xl", "có phải ý bạn là gpt2-xl"),
        (["./nowhere.json"], "there is no such file or folder", "không có tệp hay thư mục này"),
        (["gpt2", "--set", "n_embd=0"], "from 1 to 1,000,000,000", "phải là số nguyên từ 1 đến 1.000.000.000"),
        (["gpt2", "--set", 'n_embd="wide"'], "must be an integer", 'phải là số nguyên, không phải "wide"'),
        (["scaling", "gpt2"], "two models or more", "cần từ hai mô hình trở lên"),
        (["cost", "gpt2", "--device", "x"], "--device x: no such device", "--device x: không có thiết bị nào như vậy"),
        (["cost", "gpt2", "--context", "2000"], "beyond the model's 1024 positions", "vượt quá 1024 vị trí"),
        (["gpt2", "--save", "share.gif"], "cannot draw a .gif", "không vẽ được .gif"),
    ],
)
def test_an_error_is_said_in_the_readers_language(capsys, words, english, vietnamese):
    assert english in run(capsys, *words)[2]
    assert vietnamese in run(capsys, *words, "--lang", "vi")[2]


@pytest.mark.parametrize(
    "words", [["gtp2", "--json"], ["gpt2", "--json", "--csv"], ["gpt2", "--by", "x", "--format", "json"]]
)
def test_json_says_the_error_in_english(capsys, words):
    _, english, _ = run(capsys, *words)
    _, out, _ = run(capsys, *words, "--lang", "vi")
    assert json.loads(out)["error"]["message"].isascii()
    assert out == english


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gpt2", "-o", "nowhere/x.json"], "không ghi được: không có tệp hay thư mục đó"),
        (["gpt2", "-o", "."], "không ghi được: là thư mục"),
        (["study", "gpt2", "-o", "file/study"], "không tạo được thư mục: không phải thư mục"),
        ([""], "tên '(rỗng)'"),
    ],
)
def test_why_the_system_refuses_is_said_in_the_readers_language(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert said in run(capsys, *words, "--lang", "vi")[2]


def test_a_name_that_is_nearly_a_files_offers_the_file(tmp_path, capsys):
    (tmp_path / "model.safetensors").touch()
    _, _, err = run(capsys, str(tmp_path / "model.safetensor"))
    assert f"did you mean {tmp_path}/model.safetensors?" in err
    assert "(" not in run(capsys, str(tmp_path / "nothing.json"))[2]


def test_the_place_in_a_broken_file_is_said_too(tmp_path, capsys):
    path = tmp_path / "config.json"
    path.write_text('{"model_type": "gpt2", "n_layer": }')
    _, _, err = run(capsys, str(path), "--lang", "vi")
    assert "tại byte 34: không phải JSON hợp lệ: cần một giá trị (hãy tải hoặc ghi lại tệp)" in err


def test_a_warning_is_said_in_the_readers_language(tmp_path, capsys):
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "gpt2", "n_layers": 2}))
    _, out, _ = run(capsys, str(path), "--lang", "vi")
    assert "không đọc n_layers: trường n_layer vắng mặt" in out
    _, out, _ = run(capsys, str(path), "--lang", "vi", "--json")
    assert "n_layers is not read" in json.loads(out)["warnings"][0]


def test_a_sentence_inside_another_is_translated_too():
    inner = Sentence("{first} and {n} more", first="a{b}", n=1234)
    whole = Sentence("no tensor, and left out: {names}", names=inner)
    assert whole == "no tensor, and left out: a{b} and 1,234 more"
    assert Translator("vi").sentence(whole) == "không phải tensor nên bỏ qua: a{b} và 1.234 mục khác"


def test_other_peoples_words_are_not_translated():
    assert Translator("vi").sentence("layer") == "layer"
    assert Translator("vi").sentence(Sentence("{name} is missing", name="layer")) == "thiếu layer"


def test_a_sentence_survives_pickling():
    sentence = Sentence("{name} is missing", name="{")
    again = pickle.loads(pickle.dumps(sentence))
    assert again == sentence
    assert Translator("vi").sentence(again) == "thiếu {"


@pytest.mark.parametrize("command", [*ANALYSES, ""])
def test_help_is_in_the_readers_language(capsys, command):
    words = [command, "--help"] if command else ["--help"]
    with contextlib.suppress(SystemExit):
        main([*words, "--lang", "en"])
    english = capsys.readouterr().out
    with contextlib.suppress(SystemExit):
        main([*words, "--lang", "vi"])
    vietnamese = capsys.readouterr().out
    assert vietnamese.startswith("cách dùng: ")
    alike = {line.strip() for line in english.splitlines()} & {line.strip() for line in vietnamese.splitlines()}
    sentences = [line for line in alike if len(re.findall(r"\b[a-z]{2,}\b", line.partition("  ")[2])) > 2]
    assert sentences == []


@pytest.mark.parametrize(
    ("command", "lead", "known"),
    [("show", "group by", KEYS), ("values", "group by", KEYS), ("values", "the largest first:", SORTS)],
)
def test_the_help_of_a_choice_names_every_one(capsys, command, lead, known):
    with contextlib.suppress(SystemExit):
        main([command, "--help", "--lang", "en"])
    *others, last = known
    assert f"{lead} {', '.join(others)} or {last}" in " ".join(capsys.readouterr().out.split())
