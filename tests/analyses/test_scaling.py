"""How the shares move with size."""

import pytest

import numel
from numel.errors import UsageError

SIZES = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")


def trends(*names):
    return {t["component"]: t for t in numel.compare(*names).report("scaling").data["trends"]}


def test_attention_and_mlp_gain_what_the_embedding_loses():
    found = trends(*SIZES)
    for name in ("attention", "mlp"):
        assert list(found[name]["shares"]) == sorted(found[name]["shares"])
    assert list(found["embedding"]["shares"]) == sorted(found["embedding"]["shares"], reverse=True)
    for i in range(4):
        assert sum(t["shares"][i] for t in found.values()) == pytest.approx(1)


def test_the_reason_is_in_the_fields():
    found = trends(*SIZES)
    assert found["attention"]["fields"] == {"n_layer": (12, 24, 36, 48), "n_embd": (768, 1024, 1280, 1600)}
    assert found["embedding"]["fields"] == {"n_embd": (768, 1024, 1280, 1600)}
    assert found["embedding"]["fixed_fields"] == {"vocab_size": 50257, "n_positions": 1024}


def test_growth_is_last_over_first():
    """attention: 48·(4·1600² + 4·1600) over 12·(4·768² + 4·768)."""
    assert trends(*SIZES)["attention"]["growth"] == 491_827_200 / 28_348_416


def test_models_are_put_in_order_of_size():
    report = numel.compare("gpt2-xl", "gpt2").report("scaling")
    assert [m["name"] for m in report.data["models"]] == ["gpt2", "gpt2-xl"]


def test_one_model_has_no_trend():
    with pytest.raises(UsageError, match="two models or more"):
        numel.inspect("gpt2").report("scaling")
