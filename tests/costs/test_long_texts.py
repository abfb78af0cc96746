"""Attention in blocks, over landmarks and by distances, at lengths and settings where it is not simply over all pairs."""

from __future__ import annotations

import pytest

import numel
from numel.costs.estimate import estimate
from numel.costs.setting import Setting

pytest.importorskip("torch", reason="torch is not installed: there is no FlopCounterMode to compare with")
pytest.importorskip("transformers", reason="transformers is not installed: there is nothing to count")

from flop_reference import AGREEING, runnable
from transformers_reference import head_classes

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers warn of their own affairs

BATCH = 2
_BLOCKS = {"attention_type": "block_sparse", "block_size": 4, "num_random_blocks": 1, "max_position_embeddings": 40}
_LED = {
    "encoder_layers": 1,
    "attention_window": [1024],
    "max_encoder_position_embeddings": 1024,
    "max_decoder_position_embeddings": 64,
}
SETTINGS = [
    ("big_bird", "BigBirdForMaskedLM", 30, _BLOCKS),  # eight blocks, the last one padded
    ("bigbird_pegasus", "BigBirdPegasusForConditionalGeneration", 30, _BLOCKS),
    ("nystromformer", "NystromformerForMaskedLM", 12, {"num_landmarks": 4, "segment_means_seq_len": 12}),
    ("mra", "MraForMaskedLM", 96, {"max_position_embeddings": 96, "block_per_row": 1, "approx_mode": "sparse"}),
    ("longt5", "LongT5ForConditionalGeneration", 27, {"encoder_attention_type": "local", "local_radius": 3}),
    # windows of 1,024 tokens, as LED-large has
    ("led", "LEDForConditionalGeneration", 30, _LED),
    (
        "funnel",
        "FunnelForMaskedLM",
        14,
        {"attention_type": "factorized", "pool_q_only": True, "separate_cls": True, "truncate_seq": False},
    ),
    (
        "funnel",
        "FunnelForMaskedLM",
        13,
        {"attention_type": "relative_shift", "pool_q_only": False, "separate_cls": False},
    ),
]


@pytest.mark.parametrize(("model_type", "name", "n", "fields"), SETTINGS)
def test_estimates_of_longer_texts_are_what_torch_counts(model_type, name, n, fields, monkeypatch):
    monkeypatch.setitem(AGREEING, model_type, AGREEING.get(model_type, {}) | fields)
    drawn, counted = runnable(model_type, head_classes(model_type)[name], 0, n, BATCH)
    table = numel.inspect({**drawn, "model_type": model_type, "architectures": [name]}).table
    found = estimate(table, Setting("prefill", n, BATCH))
    assert (found.total("flops"), found.total("written")) == (counted.prefill, counted.written)
    if counted.decode is not None:
        assert estimate(table, Setting("decode", n, BATCH)).total("flops") == counted.decode
