"""The shares of GPT-2 as others have published them, and what the table of several models shows."""

import json

import pytest

import numel
from numel.errors import UsageError

SIZES = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")


def sums(name, key="component"):
    return {row[key]: row["numel"] for row in numel.inspect(name).by(key)}


def test_gpt2_small_has_the_sums_of_its_module_tree():
    """By module class in transformers 5.23 on the meta device."""
    assert sums("gpt2") == {"embedding": 39_383_808, "attention": 28_348_416, "mlp": 56_669_184, "norm": 38_400}


@pytest.mark.parametrize(
    ("name", "attention", "mlp"),
    # the study's table, which cuts the decimals off
    [("gpt2", 22, 45), ("gpt2-medium", 28, 56), ("gpt2-large", 30, 60), ("gpt2-xl", 31, 63)],
)
def test_shares_agree_with_the_studys_table(name, attention, mlp):
    shares = {row["component"]: row["share"] for row in numel.inspect(name).by("component")}
    assert int(100 * shares["attention"]) == attention
    assert int(100 * shares["mlp"]) == mlp


def test_nanogpt_counts_the_same_parts_without_biases():
    """karpathy/nanoGPT transformer_sizing.ipynb prints these for GPT-2 124M with the biases left out."""
    rows = {(r["component"], r["part"], r["role"]): r["numel"] for r in numel.inspect("gpt2").by("part", "role")}
    assert rows["embedding", "position", "weight"] == 786_432
    assert rows["embedding", "token", "weight"] == 38_597_376
    assert rows["attention", "qkv", "weight"] == 12 * 1_769_472
    assert rows["attention", "o", "weight"] == 12 * 589_824
    assert rows["mlp", "up", "weight"] == 12 * 2_359_296
    assert rows["mlp", "down", "weight"] == 12 * 2_359_296
    assert sum(n for (_, _, role), n in rows.items() if role == "weight") == 124_337_664


@pytest.mark.parametrize(
    ("name", "non_embedding"),
    # Qwen model cards print 6.53B, 1.31B and 3.6B; the exact figures follow from total − 2·V·d (or V·d when tied)
    [("Qwen/Qwen2.5-7B", 7_615_616_512 - 2 * 152_064 * 3584), ("Qwen/Qwen3-4B", 4_022_468_096 - 151_936 * 2560)],
)
def test_non_embedding_leaves_out_embedding_and_untied_head(name, non_embedding):
    assert numel.inspect(name).non_embedding == non_embedding


def test_layers_of_gpt2_are_equal():
    layers = [row["numel"] for row in numel.inspect("gpt2").by("layer") if row["layer"] is not None]
    assert layers == [7_087_872] * 12  # 12·768² + 13·768, Vaswani et al. with the widths of GPT-2


def test_mixtral_is_mostly_experts():
    """mistralai/Mixtral-8x22B: routed experts 135,291,469,824 of 140,620,634,112 (hub total)."""
    model = numel.inspect("mistralai/Mixtral-8x22B-v0.1")
    parts = {row["part"]: row["numel"] for row in model.by("part")}
    assert parts["experts"] == 135_291_469_824
    assert model.active == 39_152_031_744
    assert model.counts.active_without_input_embedding == 38_955_423_744


def test_several_models_stand_in_one_table():
    report = numel.compare(*SIZES).report()
    share, counts = (block for block in report.blocks if hasattr(block, "rows"))
    assert [column.key for column in share.columns][1:] == list(SIZES)
    attention = next(row for row in counts.rows if row[0] == "attention")
    assert attention[1:] == (28_348_416, 100_761_600, 236_113_920, 491_827_200)  # n_layer·(4·d² + 4·d)


def test_an_unknown_key_offers_the_known_ones():
    with pytest.raises(UsageError, match="component, part, layer"):
        numel.inspect("gpt2").report("show", by="kind")


def test_bytes_are_unknown_where_nobody_states_a_dtype(capsys):
    """gpt-oss is published as MXFP4 beside bfloat16; its configuration names no dtype, and float32 would be a guess."""
    from numel.cli import main

    assert main(["gpt-oss-20b", "--by", "component,dtype", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    (model,) = answer["models"]
    assert model["nbytes"] is None
    assert {(group["dtype"], group["nbytes"]) for group in model["groups"]} == {(None, None)}
    assert any("bytes are unknown" in sentence for sentence in answer["assumptions"])


def test_a_stated_dtype_gives_the_bytes():
    fields = {"model_type": "gpt2", "n_layer": 1, "n_embd": 4, "n_head": 1, "vocab_size": 7, "n_positions": 3}
    parameters = 7 * 4 + 3 * 4 + (4 * 12 + 12 + 4 * 4 + 4) + (4 * 16 + 16 + 16 * 4 + 4) + 3 * 2 * 4
    for dtype, size in (("float16", 2), ("torch.bfloat16", 2), ("float64", 8)):
        (model,) = numel.inspect({**fields, "dtype": dtype}).report().data["models"]
        assert model["nbytes"] == size * parameters


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"torch_dtype": "int4"}, "dtype int4 is none that numel knows"),
        ({"dtype": "bfloat16", "quantization_config": {"quant_method": "fp8"}}, "a quantisation (fp8)"),
    ],
)
def test_a_dtype_that_is_not_the_stored_one_is_warned_of(stated, said):
    model = numel.inspect({"model_type": "gpt2", **stated})
    assert any(said in warning for warning in model.table.warnings)
