"""What are the published sums, and what does the original study's rule make of the same tensors?"""

import pytest

from numel.classify import classify, disagreements
from numel.errors import UsageError


def test_gpt2_is_what_its_formulas_say(gpt2, sums):
    """d = 768, 12 layers: attention 4d² + 4d, MLP 8d² + 5d, norm 4d each; two tables; a last norm."""
    d = 768
    assert sums(classify(gpt2())) == {
        "attention": 12 * (4 * d * d + 4 * d),
        "mlp": 12 * (8 * d * d + 5 * d),
        "norm": 12 * 4 * d + 2 * d,
        "embedding": (50257 + 1024) * d,
    }
    assert sum(sums(classify(gpt2())).values()) == 124_439_808


def test_mixtral_is_the_published_total_and_its_experts_are_found(mixtral, sums):
    found = sums(classify(mixtral()))
    assert sum(found.values()) == 46_702_792_704
    assert found["moe"] == 45_098_205_184


def test_the_studys_rule_finds_attention_mlp_and_norms_of_gpt2_and_nothing_else(gpt2, sums):
    table = classify(gpt2(), rule="study")
    assert sums(table) == {"attention": 28_348_416, "mlp": 56_669_184, "norm": 38_400, "unclassified": 39_383_808}
    assert table.rule == "study"
    wrong = disagreements(classify(gpt2()), table)
    assert [(row.template, row.kind) for row in wrong] == [("wte.weight", "no_rule"), ("wpe.weight", "no_rule")]


def test_the_studys_rule_leaves_out_almost_all_of_mixtral_as_it_is_stored(mixtral):
    wrong = disagreements(classify(mixtral()), classify(mixtral(), rule="study"))
    left_out = sum(row.numel for row in wrong if row.kind == "left_out")
    assert round(left_out / 46_702_792_704, 3) == 0.966
    assert wrong[0] == max(wrong, key=lambda row: row.numel)
    norm = next(row for row in wrong if "post_attention_layernorm" in row.template)
    assert norm == (
        "model.layers.{}.post_attention_layernorm.weight",
        32,
        32 * 4096,
        "norm",
        "attention",
        "misassigned",
    )


def test_experts_and_linear_attention_are_held_against_the_study_leniently(inventory):
    names = ["model.layers.0.mlp.experts.gate_up_proj", "model.layers.0.linear_attn.in_proj_z.weight"]
    assert disagreements(classify(inventory(names)), classify(inventory(names), rule="study")) == ()


def test_only_what_counts_is_held_against_the_study(inventory):
    held = inventory(["wte.weight", "lm_head.weight", "rotary_emb.inv_freq"], aliases={"lm_head.weight": "wte.weight"})
    wrong = disagreements(classify(held), classify(held, rule="study"))
    assert [row.template for row in wrong] == ["wte.weight"]


def test_the_studys_rule_is_case_sensitive_and_asks_for_attention_first(inventory):
    names = ["encoder.block.0.layer.0.SelfAttention.q.weight", "model.layers.0.post_mlp_attn.fc.weight", "ln_f.weight"]
    rows = classify(inventory(names), rule="study").rows
    assert [(row.component.value, row.part) for row in rows] == [
        ("unclassified", "unclassified"),
        ("attention", "attention"),
        ("norm", "norm"),
    ]
    assert [(row.layer, row.tower) for row in rows] == [(0, "encoder"), (0, "main"), (None, "main")]


@pytest.mark.parametrize(("rule", "hint"), [("studie", "did you mean study?"), ("§", "there is numel, study")])
def test_an_unknown_rule_is_refused_with_near_names(rule, hint, gpt2):
    with pytest.raises(UsageError, match="no classification rule") as error:
        classify(gpt2(), rule=rule)
    assert error.value.hint == hint
