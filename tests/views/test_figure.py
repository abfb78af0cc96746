"""The figures: what stands in them, that they are the same every time, and that no file is half written."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from numel.core.report import Chart, ChartKind, Report, Text, Unit
from numel.errors import NumelError, UsageError
from numel.units import format_value
from numel.views.figure import draw, inline_svg, rendered, save
from numel.views.labels import spread, width

MAGIC = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def texts(svg):
    return ["".join(node.itertext()) for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def report_of(*found):
    return Report("show", Text("t"), found, {})


@pytest.mark.parametrize("kind", list(ChartKind))
@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_every_kind_is_drawn_in_every_format_and_the_same_every_time(kind, suffix, samples):
    chart = samples.share_chart(kind)
    first = rendered(chart, suffix)
    assert first.startswith(MAGIC[suffix])
    assert rendered(chart, suffix) == first


def test_a_stacked_chart_says_each_share_and_each_name(samples):
    said = texts(rendered(samples.share_chart(), "svg"))
    for text in (
        "gpt2",
        "gpt2-xl",
        "embedding",
        "attention",
        "mlp",
        "norm",
        "31.6%",
        "5.27%",
        "45.5%",
        "0.0309%",
        "0.0199%",
    ):
        assert text in said


def test_a_grouped_chart_has_its_values_on_top(samples):
    said = texts(rendered(samples.share_chart(ChartKind.GROUPED, ("attention", "mlp")), "svg"))
    for text in ("22.8%", "28.4%", "30.5%", "31.6%", "45.5%", "56.8%", "61.0%", "63.1%", "attention", "mlp"):
        assert text in said


def test_lines_are_named_at_their_ends(samples):
    said = texts(rendered(samples.share_chart(ChartKind.LINES), "svg"))
    for text in ("mlp 63.1%", "attention 31.6%", "embedding 5.27%", "norm 0.0199%", "124.4M", "1.56B"):
        assert text in said


def test_a_roofline_tells_its_phases_apart_by_marker_and_names_every_part(samples):
    ax = draw(samples.share_chart(ChartKind.ROOFLINE))
    said = [text.get_text() for text in ax.texts]
    assert sorted(t for t in said if t in ("mlp", "head", "attention")) == ["attention", "head", "head", "mlp", "mlp"]
    drawn = [line for line in ax.lines if line.get_marker() in ("o", "D")]
    places = {line.get_marker(): set() for line in drawn}
    for line in drawn:
        places[line.get_marker()].add(round(float(line.get_xdata()[0]), 3))
    assert {512.0} <= places["o"]
    assert {0.5, 0.7} <= places["D"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_a_figure_speaks_vietnamese(samples):
    said = texts(rendered(samples.share_chart(), "svg", "vi"))
    assert "31,6 %" in said
    assert "(embedding)" in said


def overlapping(ax):
    """Pairs of texts of the Axes that cover each other."""
    renderer = ax.figure.canvas.get_renderer()
    shown = [
        t for t in (*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels()) if t.get_text().strip() and t.get_visible()
    ]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in shown]
    return [(a, b) for i, (a, box) in enumerate(boxes) for b, other in boxes[i + 1 :] if _area(box, other) > 4]


def _area(one, other):
    across = min(one.x1, other.x1) - max(one.x0, other.x0)
    up = min(one.y1, other.y1) - max(one.y0, other.y0)
    return across * up if across > 0 and up > 0 else 0


@pytest.mark.parametrize("kind", list(ChartKind))
@pytest.mark.parametrize("lang", ["en", "vi"])
def test_no_two_labels_cover_each_other(kind, lang, samples):
    ax = draw(samples.share_chart(kind), lang)
    ax.figure.canvas.draw()
    assert overlapping(ax) == []


@pytest.mark.parametrize("kind", list(ChartKind))
@pytest.mark.parametrize("lang", ["en", "vi"])
def test_every_label_stands_inside_the_picture(kind, lang, samples):
    ax = draw(samples.share_chart(kind), lang)
    canvas = ax.figure.canvas
    canvas.draw()
    for text in (*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels(), *ax.figure.texts):
        box = text.get_window_extent(canvas.get_renderer())
        assert box.x0 >= 0, text
        assert box.x1 <= ax.figure.bbox.x1, text
        assert box.y0 >= 0, text
        assert box.y1 <= ax.figure.bbox.y1, text


def test_many_lines_that_end_together_are_told_apart(samples):
    chart = samples.share_chart(ChartKind.LINES)
    close = chart._replace(
        series=tuple(s._replace(values=(0.1, 0.1, 0.1, 0.1 + k / 1000)) for k, s in enumerate(chart.series))
    )
    ax = draw(close)
    ax.figure.canvas.draw()
    assert overlapping(ax) == []


def test_more_series_than_can_be_named_get_a_key(samples):
    base = samples.share_chart()
    keys = ("embedding", "attention", "linear_attention", "ssm", "mlp", "moe", "norm", "head", "projector", "other")
    series = tuple(base.series[0]._replace(key=k, title=samples.word(k), values=(0.1,) * 4) for k in keys)
    ax = draw(base._replace(series=series), "vi")
    ax.figure.canvas.draw()
    assert overlapping(ax) == []
    borrowed = 3  # the colour of attention twice, that of other once: hatched, in every bar and in the key
    assert sum(t.get_text() == "■" for t in ax.texts) == len(keys) - borrowed
    assert sum(bool(patch.get_hatch()) for patch in ax.patches) == borrowed * (4 + 1)


def test_a_dollar_sign_in_a_name_is_a_dollar_sign(samples):
    chart = samples.share_chart()._replace(categories=("$x$", "$\\frac{", "a", "b"))
    said = texts(rendered(chart, "svg"))
    assert "$x$" in said


@pytest.mark.parametrize("kind", list(ChartKind))
def test_hostile_names_are_drawn_as_text(kind, samples):
    names = samples.HOSTILE
    base = samples.share_chart(kind)
    n = len(names)
    series = tuple(s._replace(title=samples.name(names[k]), values=(0.1,) * n) for k, s in enumerate(base.series))
    x = tuple(10.0 ** (6 + k / 4) for k in range(n)) if base.x else ()
    svg = rendered(base._replace(categories=tuple(names), series=series, x=x, title=samples.name(names[4])), "svg")
    assert b"<script" not in svg
    assert "<script>alert(1)</script>" in texts(svg)


def test_unknown_values_leave_a_gap(samples):
    for kind in ChartKind:
        chart = samples.share_chart(kind)
        gap = tuple(s._replace(values=(None, *s.values[1:])) for s in chart.series)
        first = format_value(chart.series[0].values[0], Unit.SHARE)
        complete, with_gap = (texts(rendered(c, "svg")) for c in (chart, chart._replace(series=gap)))
        if kind is ChartKind.LINES:  # of a line only its last value is written
            assert with_gap == complete
        elif kind not in (
            ChartKind.DISTRIBUTION,
            ChartKind.RANGE,
            ChartKind.RANKS,
            ChartKind.ROOFLINE,
        ):  # where an axis alone says the values
            assert with_gap.count(first) == complete.count(first) - 1
        assert not {"nan", "None"} & set(" ".join(with_gap).split())


def test_axes_of_the_caller_are_drawn_on(samples):
    ax = Figure(figsize=(7, 4)).subplots()
    for kind in ChartKind:
        ax.clear()
        assert draw(samples.share_chart(kind), ax=ax) is ax


@pytest.mark.parametrize("kind", list(ChartKind))
@pytest.mark.parametrize("lang", ["en", "vi"])
def test_on_axes_of_the_caller_no_label_is_cut_at_the_right(kind, lang, samples):
    figure = Figure()  # matplotlib's usual 6.4 by 4.8 inches, and its usual margins
    canvas = FigureCanvasAgg(figure)
    ax = draw(samples.share_chart(kind), lang, figure.subplots())
    canvas.draw()
    for text in ax.texts:
        assert text.get_window_extent(canvas.get_renderer()).x1 <= figure.bbox.x1, text


def test_pyplot_is_never_loaded():
    code = "import sys, numel.views.figure; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_figure_inside_a_page_takes_its_colours_and_keeps_its_ids_apart(samples):
    one, two = (inline_svg(samples.share_chart(), "en", prefix=prefix) for prefix in ("c1", "c2"))
    assert "currentColor" in one
    assert not set(re.findall(r'\bid="([^"]*)"', one)) & set(re.findall(r'\bid="([^"]*)"', two))
    assert "<style" not in one


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf", "PNG"])
def test_a_file_is_saved_by_its_suffix_and_nothing_else_is_left(suffix, samples, tmp_path):
    save(report_of(samples.share_chart()), tmp_path / f"a.{suffix}")
    assert [p.name for p in tmp_path.iterdir()] == [f"a.{suffix}"]
    assert (tmp_path / f"a.{suffix}").read_bytes().startswith(MAGIC[suffix.lower()])


def test_all_charts_of_a_report_stand_in_its_file(samples, tmp_path):
    save(samples.whole_report(), tmp_path / "a.svg")
    said = texts((tmp_path / "a.svg").read_bytes())
    assert said.count("Where the parameters live") == 3


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.svg.gz"])
def test_another_suffix_names_those_there_are(name, samples, tmp_path):
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
        save(report_of(samples.share_chart()), tmp_path / name)


def test_a_place_that_cannot_be_written_is_one_line(samples, tmp_path):
    with pytest.raises(NumelError, match="cannot write") as caught:
        save(report_of(samples.share_chart()), tmp_path / "missing" / "a.png")
    assert "\n" not in str(caught.value)


def test_a_folder_in_the_way_leaves_nothing_behind(samples, tmp_path):
    (tmp_path / "a.png").mkdir()
    with pytest.raises(UsageError, match="cannot write"):
        save(report_of(samples.share_chart()), tmp_path / "a.png")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_a_report_without_a_chart_says_so(tmp_path):
    with pytest.raises(UsageError, match="no figure"):
        save(report_of(), tmp_path / "a.png")


@pytest.mark.parametrize("kind", list(ChartKind))
def test_a_chart_of_one_model_is_drawn(kind, samples):
    chart = samples.share_chart(kind)
    one = Chart(
        chart.key, chart.title, kind, chart.categories[:1], tuple(s._replace(values=s.values[:1]) for s in chart.series),
        chart.y_title, x=chart.x[:1], x_title=chart.x_title,
    )  # fmt: skip
    assert rendered(one, "svg")


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.1, 10)), min_size=1, max_size=10))
def test_labels_are_spread_without_overlap_in_order_and_between_the_borders(labels):
    centers, sizes = sorted(c for c, _ in labels), [s for _, s in labels]
    places = spread(centers, sizes, 0.0, 100.0)
    for (a, size_a), (b, size_b) in pairwise(zip(places, sizes, strict=True)):
        assert b - a >= (size_a + size_b) / 2 - 1e-6
    assert places[0] >= sizes[0] / 2 - 1e-6
    assert places[-1] <= 100 - sizes[-1] / 2 + 1e-6


def test_labels_that_do_not_touch_stay_where_they_are():
    assert spread([2.0, 5.0, 8.0], [2.0, 2.0, 2.0], 0.0, 10.0) == [2.0, 5.0, 8.0]


def test_labels_that_touch_give_way_alike():
    assert spread([4.5, 5.5], [2.0, 2.0], 0.0, 10.0) == [4.0, 6.0]


def test_the_measured_width_is_that_of_the_widest_line():
    assert width("a\nlonger", 10) == width("longer", 10) > width("a", 10) > 0


@pytest.mark.parametrize("kind", [ChartKind.DISTRIBUTION, ChartKind.RANKS])
def test_neighbouring_lines_are_told_apart_without_their_colours(kind, samples):
    chart = samples.share_chart(kind)
    ax = draw(chart)
    drawn = [line.get_linestyle() for line in ax.lines if line.get_linewidth() == 1.6]
    assert len(drawn) == len(chart.series) > 1
    assert all(a != b for a, b in pairwise(drawn))
