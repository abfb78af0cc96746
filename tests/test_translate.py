"""What the reader's language is, and that every message has its words in it."""

import importlib.util
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from numel.core.parameters import Component
from numel.core.report import Text, Unit, Value
from numel.errors import UsageError
from numel.translate import LOCALE, Translator, choose

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def catalogues():
    pytest.importorskip("babel")
    spec = importlib.util.spec_from_file_location("catalogues", ROOT / "tools" / "catalogues.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def translations(catalogues):
    return [message for message in catalogues.translated() if message.id]


@pytest.mark.parametrize(
    ("argv", "environ", "lang"),
    [
        ([], {}, "en"),
        (["gpt2", "--lang", "vi"], {"LANG": "en_US.UTF-8"}, "vi"),
        (["--lang=vi", "gpt2"], {"NUMEL_LANG": "en"}, "vi"),
        (["--lang", "vi", "--lang", "en"], {}, "en"),
        (["gpt2", "--", "--lang", "vi"], {}, "en"),
        (["gpt2", "--lang"], {"NUMEL_LANG": "vi"}, "vi"),
        ([], {"NUMEL_LANG": "vi", "LC_ALL": "en_US.UTF-8"}, "vi"),
        ([], {"NUMEL_LANG": "", "LANG": "vi_VN.UTF-8"}, "vi"),
        ([], {"LC_ALL": "vi_VN", "LANG": "en_US"}, "vi"),
        ([], {"LC_ALL": "C", "LANG": "vi_VN"}, "en"),
        ([], {"LC_MESSAGES": "vi", "LANG": "de_DE"}, "vi"),
        ([], {"LANG": "de_DE.UTF-8"}, "en"),
        (["--lang", "vi_VN"], {}, "vi"),
    ],
)
def test_the_language_is_chosen_by_option_then_variable_then_locale(argv, environ, lang):
    assert choose(argv, environ) == lang


@pytest.mark.parametrize(("argv", "environ"), [(["--lang", "fr"], {}), ([], {"NUMEL_LANG": "fr"})])
def test_an_unknown_language_names_those_there_are(argv, environ):
    with pytest.raises(UsageError, match=r"'fr'.*en, vi"):
        choose(argv, environ)


def test_a_sentence_is_translated_with_its_values():
    text = Text("{n} models; the part behind the slash is enough as a name", {"n": Value(1234, Unit.COUNT)})
    assert Translator("en").text(text).startswith("1,234 models")
    assert Translator("vi").text(text).startswith("1.234 mô hình")


def test_a_text_may_hold_a_text():
    inner = Text("{name}", {"name": Value("a{b}", Unit.NAME)})
    assert Translator("en").text(Text("<{inner}>", {"inner": inner})) == "<a{b}>"


def test_a_word_is_translated_and_an_unknown_one_stays():
    assert Translator("vi").value(Value("attention", Unit.WORD)) == "chú ý (attention)"
    assert Translator("vi").value(Value("x\x1b", Unit.WORD)) == "x\\u{1b}"


def test_names_are_never_translated():
    assert Translator("vi").value(Value("attention", Unit.NAME)) == "attention"


def test_an_empty_text_stays_empty():
    assert Translator("vi").text(Text("")) == ""


def test_every_message_has_a_translation(catalogues):
    missing = [message.id for message in translations(catalogues) if not message.string]
    assert not missing, "run scripts/messages and translate what it names"


def test_a_translation_has_the_braces_of_its_message(catalogues):
    for message in translations(catalogues):
        for pattern in (r"\{\w*\}", r"%(?:\(\w+\))?[srd]"):
            assert sorted(re.findall(pattern, message.id)) == sorted(re.findall(pattern, message.string)), message.id


def test_a_translation_is_composed_and_clean(catalogues):
    for message in translations(catalogues):
        assert unicodedata.is_normalized("NFC", message.string), message.id
        assert message.id.endswith(("\n", " ")) or message.string == message.string.strip()
        assert message.id.endswith("\n") == message.string.endswith("\n")


def test_the_catalogue_is_up_to_date_with_the_sources(catalogues):
    assert catalogues.PO.read_bytes() == catalogues.po_bytes(catalogues.translated())


def test_the_compiled_catalogue_is_that_of_the_text(catalogues):
    assert catalogues.MO.read_bytes() == catalogues.mo_bytes(catalogues.translated())


def test_every_component_has_its_word():
    vi = Translator("vi")
    assert all(vi.word(component.value) != component.value for component in Component)


def test_english_looks_for_no_catalogue():
    code = (
        "import argparse, gettext, numel.translate as t; gettext.find = None\n"
        "t.Translator('en').word('layer'); t.speak('en'); print(argparse.ArgumentParser(prog='numel').format_help())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "show this help message and exit" in done.stdout


def test_argparse_speaks_vietnamese():
    code = (
        "import argparse; from numel.translate import speak; speak('vi')\n"
        "p = argparse.ArgumentParser(prog='numel'); p.add_argument('model'); p.print_help(); p.parse_args([])"
    )
    environ = {**os.environ, "LANG": "C.UTF-8", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environ)
    assert done.stdout.startswith("cách dùng: numel")
    assert "lỗi: thiếu đối số bắt buộc: model" in done.stderr


def test_the_catalogue_lies_in_the_package():
    assert (Path(LOCALE) / "vi" / "LC_MESSAGES" / "numel.mo").is_file()
