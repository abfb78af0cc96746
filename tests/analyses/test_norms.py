"""LayerNorm alone."""

import pytest

import numel


@pytest.mark.parametrize(
    ("name", "n_norms", "numel_", "share"),
    # (2·n_layer + 1) norms of 2·n_embd parameters each; share of the published totals
    [
        ("gpt2", 25, 38_400, 38_400 / 124_439_808),
        ("gpt2-medium", 49, 100_352, 100_352 / 354_823_168),
        ("gpt2-large", 73, 186_880, 186_880 / 774_030_080),
        ("gpt2-xl", 97, 310_400, 310_400 / 1_557_611_200),
    ],
)
def test_norms_of_gpt2(name, n_norms, numel_, share):
    norms = numel.inspect(name).report("norms").data["models"][0]["norms"]
    assert norms["n_norms"] == n_norms
    assert norms["numel"] == numel_
    assert norms["n_gamma"] == norms["n_beta"] == numel_ // 2
    assert norms["share"] == share


def test_gpt2_small_has_far_more_weights_than_biases():
    """124,439,808 less 102,144 biases is nanoGPT's 124,337,664."""
    norms = numel.inspect("gpt2").report("norms").data["models"][0]["norms"]
    assert (norms["n_weights"], norms["n_biases"]) == (124_337_664, 102_144)


def test_llama_has_no_shift():
    """RMSNorm (Zhang and Sennrich, 2019) only scales: 2 a layer and one at the end."""
    norms = numel.inspect("meta-llama/Llama-3.2-1B").report("norms").data["models"][0]["norms"]
    assert norms["n_beta"] == 0
    assert norms["n_norms"] == 2 * 16 + 1
    assert norms["n_gamma"] == 33 * 2048


def test_bert_keeps_the_norms_inside_its_attention():
    sites = numel.inspect("google-bert/bert-base-uncased").report("norms").data["models"][0]["sites"]
    assert {site["name"]: site["n_norms"] for site in sites} == {
        "embeddings.LayerNorm": 1,
        "encoder.layer.{}.attention.output.LayerNorm": 12,
        "encoder.layer.{}.output.LayerNorm": 12,
    }
