"""What the package promises: its names, and what a Model and its tables can do."""

import inspect as python_inspect
import re

import pytest

import numel
from numel.errors import NumelError, SourceNotFoundError, UsageError


def test_every_public_name_exists_and_is_documented():
    for name in numel.__all__:
        value = getattr(numel, name)
        if name != "__version__":
            assert python_inspect.getdoc(value), f"{name} has no docstring"


def test_dir_shows_the_public_names():
    assert set(numel.__all__) == set(dir(numel))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'inspekt'"):
        numel.inspekt  # noqa: B018


@pytest.mark.parametrize(
    ("name", "total"),
    # openai/gpt-2 README, corrected counts; exact from the hub's safetensors totals less the causal masks
    [("gpt2", 124_439_808), ("gpt2-medium", 354_823_168), ("gpt2-large", 774_030_080), ("gpt2-xl", 1_557_611_200)],
)
def test_gpt2_has_its_published_total(name, total):
    assert numel.inspect(name).total == total


def test_counts_of_gpt2_differ_by_their_rules():
    model = numel.inspect("gpt2")
    assert model.non_embedding == 124_439_808 - 50257 * 768 - 1024 * 768
    assert model.active == model.stored == model.total


def test_groups_sum_to_the_total():
    model = numel.inspect("gpt2-xl")
    for key in ("component", "part", "layer", "tensor", "dtype", "role", "template"):
        assert sum(row["numel"] for row in model.by(key)) == 1_557_611_200, key
    assert sum(row["numel"] for row in model.by("layer", "part")) == 1_557_611_200


def test_an_unknown_key_is_a_usage_error():
    with pytest.raises(UsageError, match="cannot group by 'colour'"):
        numel.inspect("gpt2").by("colour")


def test_repr_is_an_aligned_table():
    lines = repr(numel.inspect("gpt2").by("component")).splitlines()
    rows = [line for line in lines if re.search(r"attention|mlp", line)]
    assert "28,348,416" in rows[0]
    assert "56,669,184" in rows[1]
    assert rows[0].index("28,348,416") == rows[1].index("56,669,184")


def test_html_for_notebooks_is_a_table_without_script():
    html = numel.inspect("gpt2").by("component")._repr_html_()
    assert "<table" in html
    assert "28,348,416" in html
    assert "<script" not in html


def test_tables_become_data_frames():
    table = numel.inspect("gpt2").by("part")
    records = table.to_dicts()
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    assert table.to_pandas()["numel"].sum() == 124_439_808
    assert table.to_polars()["numel"].sum() == 124_439_808
    assert table.to_arrow().to_pylist() == records
    assert polars.DataFrame(table).shape[0] == len(records)
    assert isinstance(table.to_pandas(), pandas.DataFrame)


def test_a_missing_package_is_named_with_its_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(NumelError, match=re.escape("pip install 'numel[pandas]'")):
        numel.inspect("gpt2").by("part").to_pandas()


def test_plots_take_and_return_axes():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert numel.compare("gpt2", "gpt2-xl").plot.share(ax=ax) is ax
    assert numel.inspect("gpt2").plot.share() is not None


@pytest.mark.parametrize("ax", [3, "axes", object()])
def test_what_is_no_axes_is_refused(ax):
    with pytest.raises(NumelError, match=r"ax must be matplotlib Axes.*plt\.subplots"):
        numel.inspect("gpt2").plot.share(ax=ax)


def test_integers_stay_integers_in_pandas():
    pandas = pytest.importorskip("pandas")
    layers = numel.inspect("gpt2").by("layer").to_pandas()
    assert str(layers["layer"].dtype) == "Int64"
    assert layers["layer"].isna().sum() == 1  # the embeddings and the last norm stand outside the layers
    assert set(layers["layer"].dropna()) == set(range(12))
    unknown = numel.inspect("gpt-oss-20b").by("component").to_pandas()
    assert str(unknown["nbytes"].dtype) == "Int64"
    assert unknown["nbytes"].isna().all()
    assert isinstance(unknown, pandas.DataFrame)


def test_a_near_name_is_offered():
    with pytest.raises(SourceNotFoundError, match="did you mean gpt2-xl"):
        numel.inspect("gtp2-xl")


def test_a_config_can_be_asked_what_if():
    assert numel.inspect("gpt2", overrides={"n_layer": 24, "n_embd": 1024, "n_head": 16}).total == 354_823_168


def test_the_version_is_that_of_the_installed_package():
    from importlib.metadata import version

    assert numel.__version__ == version("numel")


HOSTILE = "a\nb\x1b[31m\u202e"


@pytest.mark.parametrize(
    "ask",
    [
        lambda: numel.inspect(HOSTILE),
        lambda: numel.inspect("gpt2", rule=HOSTILE),
        lambda: numel.inspect("gpt2").by(HOSTILE),
        lambda: numel.inspect("gpt2").report(HOSTILE),
        lambda: numel.inspect({"model_type": HOSTILE}),
        lambda: numel.inspect({"model_type": "gpt2", "n_embd": HOSTILE}),
        lambda: numel.inspect("gpt2", overrides={HOSTILE: 1}),
        lambda: numel.inspect("gpt2", name=HOSTILE).report("explain", component="moe"),
        lambda: numel.inspect({"model_type": "gpt2", HOSTILE: 1, "n_layer": 0}),
    ],
)
def test_an_error_is_one_line_of_visible_characters_whatever_was_asked(ask):
    with pytest.raises(NumelError) as error:
        ask()
    assert str(error.value).isprintable()
