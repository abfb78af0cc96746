"""The audit of the original study: verdicts and numbers that were known before this program was written."""

from collections import Counter
from pathlib import Path

import numel

SIZES = ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")


def audit():
    return {claim["id"]: claim for claim in numel.compare(*SIZES).report("study").data["claims"]}


def test_every_claim_has_its_verdict():
    assert {id_: claim["verdict"] for id_, claim in audit().items()} == {
        "attention-matrices": "incomplete",
        "mlp-layers": "right",
        "widening": "right",
        "blocks": "right",
        "shares-small": "right",
        "shares-medium": "right",
        "shares-large": "right",
        "shares-xl": "right",
        "bars": "incomplete",
        "twice": "right",
        "largest": "right",
        "rising": "right",
        "embedding-fixed": "wrong",
        "embedding-once": "incomplete",
        "linear": "wrong",
        "norm-count": "wrong",
        "norm-share": "wrong",
        "gamma-beta": "right",
        "norm-formula": "incomplete",
        "substrings": "incomplete",
        "optimal": "incomplete",
    }


def test_the_claims_stand_in_the_order_of_their_sections():
    sections = [claim["section"] for claim in audit().values()]
    assert sections == sorted(sections)
    assert (sections[0], sections[-1]) == ("3.1", "8")


def test_how_gpt2_is_built():
    """12 layers of 768: c_attn has 3·768 biases, c_proj 768; the published configurations have 12, 24, 36, 48 layers."""
    claims = audit()
    assert claims["attention-matrices"]["evidence"] == {"matrices_per_layer": 2, "biases": 12 * 4 * 768}
    assert claims["mlp-layers"]["evidence"] == {"matrices_per_layer": 2, "n_embd": 768, "n_inner": 3072}
    assert claims["widening"]["evidence"]["attention_and_mlp_in_squares_of_the_width"] == [[4, 8]] * 4
    assert claims["blocks"]["evidence"]["n_layer"] == [12, 24, 36, 48]


def test_embeddings_grow():
    """(50257 + 1024) · n_embd."""
    evidence = audit()["embedding-fixed"]["evidence"]
    assert evidence["embedding"] == [51_281 * d for d in (768, 1024, 1280, 1600)]
    assert evidence["embedding"][0] == 39_383_808
    assert evidence["embedding"][-1] == 82_049_600


def test_layer_norm_is_neither_that_few_nor_that_small():
    claims = audit()
    assert claims["norm-count"]["evidence"]["norm"] == [38_400, 100_352, 186_880, 310_400]
    shares = claims["norm-share"]["evidence"]["norm_share"]
    assert [round(100 * s, 4) for s in shares] == [0.0309, 0.0283, 0.0241, 0.0199]


def test_the_mlp_is_just_less_than_twice_the_attention():
    ratios = audit()["twice"]["evidence"]["ratio"]
    assert [round(r, 4) for r in ratios] == [1.9990, 1.9993, 1.9994, 1.9995]


def test_the_studys_rule_misses_norms_beyond_gpt2():
    beyond = {m["model"]: m for m in audit()["substrings"]["evidence"]["beyond"]}
    llama = beyond["meta-llama/Llama-3.2-1B"]
    assert llama["norm_found"] == 0  # "ln" is no part of "layernorm" or "norm"
    assert any("post_attention_layernorm" in name for name in llama["examples"])
    assert beyond["google-bert/bert-base-uncased"]["share"] > 0.5  # intermediate.dense and output.dense are left out
    assert beyond["mistralai/Mixtral-8x22B-v0.1"]["share"] > 0.9  # so are experts called w1, w2, w3


def test_other_models_get_a_study_without_the_audit():
    report = numel.compare("facebook/opt-125m", "facebook/opt-2.7b").report("study")
    assert report.data["claims"] == []
    assert any("move with size" in section.title.template for section in report.blocks)


def test_on_gpt2_the_studys_rule_finds_all_attention_mlp_and_norm():
    """What the audit says of the substrings: only the embeddings, for which it has no word, are left."""
    from numel.api import ask

    for model in ask("show", SIZES, rule="study").data["models"]:
        assert {d["kind"] for d in model["disagreements"]} == {"no_rule"}


def test_a_changed_gpt2_is_not_audited_as_the_original():
    changed = [numel.inspect(name, overrides={"vocab_size": 100}) for name in SIZES]
    assert numel.compare(*changed).report("study").data["claims"] == []


def test_the_readmes_say_what_the_audit_finds():
    root = Path(__file__).parent.parent.parent
    claims = numel.compare(*SIZES).report("study").data["claims"]
    verdicts = Counter(claim["verdict"] for claim in claims)
    english = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven")
    vietnamese = ("không", "một", "hai", "ba", "bốn", "năm", "sáu", "bảy", "tám", "chín", "mười", "mười một")
    assert len(claims) == 21
    right, wrong, incomplete = (verdicts[verdict] for verdict in ("right", "wrong", "incomplete"))
    text = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    said = f"{english[right]} are right, {english[wrong]} are wrong and {english[incomplete]} are incomplete"
    assert f"Of its twenty-one claims {said}" in text
    text = " ".join((root / "README.vi.md").read_text(encoding="utf-8").split())
    said = f"{vietnamese[right]} đúng, {vietnamese[wrong]} sai và {vietnamese[incomplete]}"
    assert f"trong hai mươi mốt nhận định có {said}" in text
