"""Configurations for a budget: the published sizes come out, nothing nearer is missed, and every total is exact."""

import json

import pytest

import numel
from numel.analyses.shapes import parse_count
from numel.cli import main
from numel.errors import UsageError

# Radford et al. (2019), table 2, with the counts of the published checkpoints.
GPT2 = [(124_439_808, 12, 768), (354_823_168, 24, 1024), (774_030_080, 36, 1280), (1_557_611_200, 48, 1600)]


def fit(capsys, *words):
    code = main(["fit", *words, "--json"])
    assert code == 0
    return json.loads(capsys.readouterr().out)["candidates"]


def gpt2_total(n_layer, n_embd, vocab_size=50257):
    """Embeddings, and per block 4 d² + 8 d² of weights, 9 d of biases and 4 d of two norms; a last norm."""
    return (vocab_size + 1024) * n_embd + n_layer * (12 * n_embd**2 + 13 * n_embd) + 2 * n_embd


@pytest.mark.parametrize(("total", "n_layer", "n_embd"), GPT2)
def test_the_published_sizes_of_gpt2_come_out(capsys, total, n_layer, n_embd):
    first = fit(capsys, "--params", str(total), "--like", "gpt2")[0]
    assert first["fields"] == {"n_layer": n_layer, "n_embd": n_embd, "n_head": n_embd // 64}
    assert first["counts"]["total"] == total
    assert first["deviation"] == 0


# The hub's totals of these checkpoints, and the shapes in their configs.
@pytest.mark.parametrize(
    ("like", "total", "fields"),
    [
        ("Qwen/Qwen3-8B", 8_190_735_360, {"num_hidden_layers": 36, "hidden_size": 4096, "intermediate_size": 12288}),
        ("mixtral", 46_702_792_704, {"num_hidden_layers": 32, "hidden_size": 4096}),
    ],
)
def test_other_families_keep_their_proportions(capsys, like, total, fields):
    candidates = fit(capsys, "--params", str(total), "--like", like)
    assert abs(candidates[0]["deviation"]) < 0.01
    assert any(fields.items() <= c["fields"].items() and c["counts"]["total"] == total for c in candidates)


def test_nothing_nearer_is_missed(capsys):
    """All depths and all widths in whole heads, by GPT-2's own formula."""
    budget = 350_000_000
    all_ = [
        (abs(gpt2_total(n_layer, n_embd) - budget), n_layer, n_embd)
        for n_embd in range(64, 4096, 64)
        for n_layer in range(1, 257)
        if 16 <= n_embd / n_layer <= 256
    ]
    found = fit(capsys, "--params", "350M", "--like", "gpt2", "--top", "3")
    assert [(c["fields"]["n_layer"], c["fields"]["n_embd"]) for c in found] == [(n, d) for _, n, d in sorted(all_)[:3]]


def test_each_total_is_exact_and_each_config_can_be_fed_back(capsys, tmp_path):
    for candidate in fit(capsys, "--params", "1.5B", "--like", "gpt2", "--vocab", "32000", "--heads", "16"):
        config = candidate["config"]
        assert (config["vocab_size"], config["n_head"]) == (32000, 16)
        assert candidate["counts"]["total"] == gpt2_total(config["n_layer"], config["n_embd"], 32000)
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config))
        assert numel.inspect(path).total == candidate["counts"]["total"]


def test_the_ratio_is_kept_when_one_is_asked_for(capsys):
    found = fit(capsys, "--params", "1.5B", "--like", "gpt2", "--aspect", "64")
    assert found
    assert all(64 / 1.1 <= c["fields"]["n_embd"] / c["fields"]["n_layer"] <= 64 * 1.1 for c in found)


@pytest.mark.parametrize(
    "like", ["jamba", "deepseek_v3", "t5", "mamba", "gemma3_text", "falcon", "qwen3_next", "llama4_text"]
)
def test_layers_that_differ_are_counted_as_they_come(capsys, like):
    """Dense before experts, attention in each eighth layer, two stacks: what is shown is what inspect counts."""
    for candidate in fit(capsys, "--params", "9B", "--like", like, "--top", "4"):
        assert numel.inspect(candidate["config"]).total == candidate["counts"]["total"]
        assert abs(candidate["deviation"]) < 0.2


def test_a_pattern_of_layers_goes_on(capsys):
    """LFM2 lists what each layer is; a longer stack has a longer list."""
    for candidate in fit(capsys, "--params", "3B", "--like", "LiquidAI/LFM2-1.2B", "--top", "3"):
        assert len(candidate["config"]["layer_types"]) == candidate["fields"]["num_hidden_layers"]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.5B", 1_500_000_000), ("350M", 350_000_000), ("350m", 350_000_000), ("124439808", 124_439_808),
        ("1_500_000_000", 1_500_000_000), ("1,500,000,000", 1_500_000_000), ("1.5e9", 1_500_000_000), ("2T", 2 * 10**12),
        ("0.1K", 100),
    ],
)  # fmt: skip
def test_a_budget_is_written_as_people_write_it(text, number):
    assert parse_count(text) == number


@pytest.mark.parametrize(
    "text", ["", "abc", "-5", "0", "0B", "1.5", "1e99", "1.5X", "B", "nan", "inf", "١B", "9999T", "1..5B"]
)
def test_a_budget_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match=r"1\.5B"):
        parse_count(text)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--like", "gpt2"], 2, "--params"),
        (["--params", "1B"], 2, "--like"),
        (["--params", "1B", "gpt2", "gpt2-xl"], 2, "one family"),
        (["--params", "many", "--like", "gpt2"], 2, "1.5B"),
        (["--params", "1M", "--like", "gpt2"], 2, "3,332,096"),
        (["--params", "1B", "--like", "gtp2"], 3, "gpt2"),
        (["--params", "1B", "--like", "gpt2", "--aspect", "nan"], 2, "--aspect"),
        (["--params", "1B", "--like", "gpt2", "--heads", "-1"], 2, "--heads"),
        (["--params", "1B", "--like", "gpt2", "--vocab", "0"], 2, "--vocab"),
        (["--params", "1B", "--like", "mamba", "--heads", "4"], 2, "heads"),
        (["--params", "1B", "--like", "gpt2", "--aspect", "100000"], 2, "--aspect"),
        (["--params", "1B", "--like", "google/gemma-3-4b-it"], 2, "no single"),
    ],
)
def test_what_cannot_be_fitted_is_one_line(capsys, words, code, said):
    got = main(["fit", *words])
    out, err = capsys.readouterr()
    assert (got, out, err.count("\n")) == (code, "", 1)
    assert said in err
