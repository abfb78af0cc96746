"""How numbers are written: known texts in both languages, and what no number may do."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numel.core.report import Unit
from numel.units import format_value, is_number, magnitude


@pytest.mark.parametrize(
    ("raw", "unit", "en", "vi"),
    [
        (124439808, Unit.COUNT, "124,439,808", "124.439.808"),
        (0, Unit.COUNT, "0", "0"),
        (10**15, Unit.COUNT, "1,000,000,000,000,000", "1.000.000.000.000.000"),
        (-5, Unit.COUNT, "-5", "-5"),
        (768.0, Unit.COUNT, "768", "768"),
        (1.5, Unit.COUNT, "1.50", "1,50"),
        (124439808, Unit.SHORT_COUNT, "124.4M", "124,4 triệu"),
        (1557611200, Unit.SHORT_COUNT, "1.56B", "1,56 tỷ"),
        (38400, Unit.SHORT_COUNT, "38.4K", "38,4 nghìn"),
        (999, Unit.SHORT_COUNT, "999", "999"),
        (7_000_000_000, Unit.SHORT_COUNT, "7B", "7 tỷ"),
        (1_029_000_000_000, Unit.SHORT_COUNT, "1.03T", "1,03 nghìn tỷ"),
        (10**15, Unit.SHORT_COUNT, "1,000T", "1.000 nghìn tỷ"),
        (999_960, Unit.SHORT_COUNT, "1.00M", "1,00 triệu"),
        (0.2278082589134178, Unit.SHARE, "22.8%", "22,8 %"),
        (0.0003085829254895668, Unit.SHARE, "0.0309%", "0,0309 %"),
        (0.0003085829254895668, Unit.SMALL_SHARE, "0.03086%", "0,03086 %"),
        (1.0, Unit.SHARE, "100%", "100 %"),
        (1, Unit.SHARE, "100%", "100 %"),
        (0, Unit.SHARE, "0%", "0 %"),
        (0.0999999999, Unit.SHARE, "10.0%", "10,0 %"),
        (0.9997, Unit.SHARE, "99.97%", "99,97 %"),
        (0.99999999, Unit.SHARE, ">99.99%", ">99,99 %"),
        (1e-12, Unit.SHARE, "<0.000001%", "<0,000001 %"),
        (497759232, Unit.NBYTES, "497.8 MB (474.7 MiB)", "497,8 MB (474,7 MiB)"),
        (512, Unit.NBYTES, "512 B", "512 B"),
        (999_990, Unit.NBYTES, "1.0 MB (976.6 KiB)", "1,0 MB (976,6 KiB)"),
        (1.999, Unit.RATIO, "1.9990", "1,9990"),
        (0.00003, Unit.RATIO, "3 × 10⁻⁵", "3 × 10⁻⁵"),
        (17.349, Unit.FACTOR, "×17.3", "17,3 lần"),
        (50257, Unit.INDEX, "50257", "50257"),
        (True, Unit.FLAG, "yes", "có"),
        ("12 × (4 × 768² + 4)", Unit.FORMULA, "12 × (4 × 768² + 4)", "12 × (4 × 768² + 4)"),
        (None, Unit.COUNT, "unknown", "không rõ"),
        (None, Unit.NAME, "unknown", "không rõ"),
        (math.nan, Unit.RATIO, "NaN", "NaN"),
        (math.inf, Unit.SHARE, "∞", "∞"),
        ("gpt2", Unit.NAME, "gpt2", "gpt2"),
        ("", Unit.NAME, "", ""),
        ("a\x1b[1m", Unit.NAME, "a\\u{1b}[1m", "a\\u{1b}[1m"),
    ],
)
def test_a_value_has_its_text(raw, unit, en, vi):
    assert format_value(raw, unit, "en") == en
    assert format_value(raw, unit, "vi") == vi


@given(
    st.one_of(st.integers(-(10**20), 10**20), st.floats()), st.sampled_from(list(Unit)), st.sampled_from(["en", "vi"])
)
def test_every_number_has_a_text_on_one_line(raw, unit, lang):
    text = format_value(raw, unit, lang)
    assert text
    assert text.isprintable()


@given(st.integers(0, 10**18))
def test_a_count_is_read_back_from_its_text(raw):
    assert int(format_value(raw, Unit.COUNT, "en").replace(",", "")) == raw
    assert int(format_value(raw, Unit.COUNT, "vi").replace(".", "")) == raw


@given(st.floats(1e-7, 1.0))
def test_a_share_is_rounded_and_not_changed(share):
    text = format_value(share, Unit.SHARE, "en").rstrip("%").lstrip(">")
    assert math.isclose(float(text), share * 100, rel_tol=0.006)


@given(st.floats(0.0, 1.0, exclude_min=True, exclude_max=True))
def test_only_the_whole_is_100_percent_and_only_nothing_is_0(share):
    assert format_value(share, Unit.SHARE, "en") not in ("100%", "0%")


def test_numbers_stand_at_the_right_and_words_do_not():
    assert is_number(Unit.COUNT)
    assert not is_number(Unit.WORD)


@pytest.mark.parametrize("raw", [None, "a", math.nan, -1, math.inf])
def test_what_is_no_length_has_no_bar(raw):
    assert magnitude(raw) == 0.0


@pytest.mark.parametrize(
    ("raw", "en", "vi"),
    [
        (1e-05, "10⁻⁵", "10⁻⁵"),
        (1.5e-12, "1.5 × 10⁻¹²", "1,5 × 10⁻¹²"),
        (0.0005, "0.0005", "0,0005"),
        (0.5, "0.5000", "0,5000"),
    ],
)
def test_what_is_very_small_is_written_with_a_power_of_ten(raw, en, vi):
    assert format_value(raw, Unit.RATIO) == en
    assert format_value(raw, Unit.RATIO, "vi") == vi


def test_a_sum_of_counts_has_its_digits_grouped_and_other_arithmetic_stands():
    assert format_value("39383808 + 28348416", Unit.FORMULA) == "39,383,808 + 28,348,416"
    assert format_value("39383808 + 28348416", Unit.FORMULA, "vi") == "39.383.808 + 28.348.416"
    assert format_value("12 × (768·2304 + 2304)", Unit.FORMULA, "vi") == "12 × (768·2304 + 2304)"
