"""Lines of fixed width: nothing wider than its room, nothing lost without a sign."""

from hypothesis import given
from hypothesis import strategies as st

from numel.views.layout import Cells, bar, cell_width, lay_out, pad, shorten, wrap, wrap_sum

words = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Cf", "Zs", "Zl", "Zp", "Mn", "Me", "Mc")), max_size=40)


def line_text(line):
    return "".join(span.text for span in line)


@given(words, st.integers(2, 60))
def test_a_shortened_text_fits(text, width):
    assert cell_width(shorten(text, width)) <= width
    assert shorten(text, width) == text or "…" in shorten(text, width)


@given(st.lists(words.filter(bool), max_size=12), st.integers(8, 60))
def test_a_wrapped_text_fits_and_keeps_its_letters(parts, width):
    text = " ".join(parts)
    lines = wrap(text, width, indent="  ")
    assert all(cell_width(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_a_sum_is_broken_before_its_plus_signs():
    assert wrap_sum("12 × (4 × 768 + 4) + 2 × 768", 20) == ["12 × (4 × 768 + 4)", "+ 2 × 768"]


def test_vietnamese_and_chinese_are_padded_by_what_they_cover():
    assert pad("Chuẩn hóa lớp", 15) == "Chuẩn hóa lớp  "
    assert pad("层", 4, right=True) == "  层"


@given(st.floats(0, 1), st.integers(1, 60), st.booleans())
def test_a_bar_fits_and_shows_whatever_is_not_zero(fraction, width, blocks):
    drawn = bar(fraction, width, blocks=blocks)
    assert len(drawn) <= width
    assert bool(drawn) == (fraction > 0)


@given(
    st.lists(st.tuples(words, st.integers(0, 10**15), st.floats(0, 1)), min_size=1, max_size=6),
    st.integers(1, 4),
    st.integers(28, 120),
)
def test_a_table_is_never_wider_than_its_room(rows, n_repeats, room):
    names, numbers, shares = zip(*rows, strict=True)
    columns = [Cells("name of the tensor", names)]
    for _ in range(n_repeats):
        columns += [
            Cells("parameters", [f"{n:,}" for n in numbers], is_right=True),
            Cells("", [""] * len(rows), fractions=shares),
            Cells("remarks", ["some words that may be broken " + name for name in names], is_prose=True),
        ]
    for line in lay_out(columns, room):
        assert cell_width(line_text(line)) <= room


def test_columns_without_room_follow_below_beside_the_first():
    columns = [Cells("name", ["a", "b"])] + [Cells(f"model-{k}", ["1" * 12] * 2, is_right=True) for k in range(6)]
    lines = [line_text(line) for line in lay_out(columns, 40)]
    assert sum(line.startswith("name") for line in lines) == 3
    assert all(any(f"model-{k}" in line for line in lines) for k in range(6))


def test_without_a_limit_nothing_is_shortened():
    name = "x" * 500
    assert name in "".join(line_text(line) for line in lay_out([Cells("tensor", [name])], None))


def test_no_line_ends_in_a_space():
    lines = [
        line_text(line) for line in lay_out([Cells("a", ["b", "longer"]), Cells("", ["", ""], fractions=[0, 0])], None)
    ]
    assert all(line == line.rstrip() for line in lines)


def test_what_finds_no_room_follows_beside_all_that_tells_the_rows_apart():
    columns = [
        Cells("component", ["attention", "attention", "mlp"]),
        Cells("part", ["q", "k", "up"]),
        *(Cells(f"number {i}", ["1,234,567"] * 3, is_right=True) for i in range(4)),
    ]
    lines = [line_text(line) for line in lay_out(columns, 50)]
    assert [line.split()[:2] for line in lines if line.startswith("attention")] == [
        ["attention", part] for part in "qkqk"
    ]
