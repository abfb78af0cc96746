"""What a text from outside may do to the line that shows it: nothing."""

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numel.core.visible import MAX_SHOWN, visible, visible_path

SHOWN = {
    "": "(empty)",
    "wte.weight": "wte.weight",
    "a b": "a b",
    " a": '" a"',
    "a ": '"a "',
    " ": '" "',
    "trọng số": "trọng số",
    "重み": "重み",
    "a\\b": "a\\\\b",
    "a\nb\tc\x00": "a\\u{a}b\\u{9}c\\u{0}",
    "\x1b[31m": "\\u{1b}[31m",
    "\x7f\x85\x9b": "\\u{7f}\\u{85}\\u{9b}",
    "a\u202eb\u2066c\u200f": "a\\u{202e}b\\u{2066}c\\u{200f}",
    "a\u200bb\u200dc\ufeffd\u00ad": "a\\u{200b}b\\u{200d}c\\u{feff}d\\u{ad}",
    "a\u2028b\u2029c\u00a0d\u3000": "a\\u{2028}b\\u{2029}c\\u{a0}d\\u{3000}",
    "\U000e0041\U000e007f": "\\u{e0041}\\u{e007f}",
    "\ud800": "\\u{d800}",
    "a\ufe0f\u3164\u2800": "a\\u{fe0f}\\u{3164}\\u{2800}",
    "e" + "\u0301" * 6: "e" + "\u0301" * 4 + "\\u{301}\\u{301}",
}


@pytest.mark.parametrize("text", SHOWN, ids=ascii)
def test_what_hides_or_moves_is_escaped(text):
    assert visible(text) == SHOWN[text]


def test_a_long_text_is_cut_and_says_so():
    assert visible("x" * 200) == "x" * 200
    assert visible("x" * 201) == "x" * 199 + "…"
    assert visible("é" * 300) == "é" * 199 + "…"
    assert visible("\x00" * 300, 20) == "\\u{0}" * 3 + "…"
    assert len(visible(" " * 300)) == 200


def test_of_a_long_path_the_end_is_shown():
    assert visible_path("/home/model.safetensors") == "/home/model.safetensors"
    shown = visible_path("/x" * 300 + "/model.safetensors", 40)
    assert len(shown) == 40
    assert shown.startswith("…")
    assert shown.endswith("/model.safetensors")
    assert visible_path("\n" * 100 + "é", 16) == "…\\u{a}\\u{a}é"
    assert visible_path("") == "(empty)"


@given(st.text(st.characters(), max_size=300), st.integers(10, MAX_SHOWN))
@settings(max_examples=500, deadline=None)
def test_every_text_becomes_one_harmless_line(text, limit):
    for shown in (visible(text, limit), visible_path(text, limit)):
        assert 0 < len(shown) <= limit
        assert not any(unicodedata.category(c) in ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp") for c in shown)


@given(st.text(st.characters(), min_size=1, max_size=20).filter(lambda t: t.strip(" ") == t and t != "(empty)"))
@settings(max_examples=300, deadline=None)
def test_what_is_shown_whole_can_be_undone(text):
    shown = visible(text, 10_000)
    undone, i = "", 0
    while i < len(shown):
        if shown.startswith("\\u{", i):
            end = shown.index("}", i)
            undone, i = undone + chr(int(shown[i + 3 : end], 16)), end + 1
        elif shown.startswith("\\\\", i):
            undone, i = undone + "\\", i + 2
        else:
            undone, i = undone + shown[i], i + 1
    assert undone == text
