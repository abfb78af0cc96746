"""Heads that classify a text work on one vector of it, those that mark its tokens on all; both against torch."""

from __future__ import annotations

import pytest

import numel
from numel.costs.estimate import estimate
from numel.costs.setting import Setting

pytest.importorskip("torch", reason="torch is not installed: there is no FlopCounterMode to compare with")
pytest.importorskip("transformers", reason="transformers is not installed: there is nothing to count")

from flop_reference import runnable
from transformers_reference import head_classes

pytestmark = pytest.mark.filterwarnings("ignore")  # torch and transformers warn of their own affairs

N, BATCH = 11, 2
HEADS = [
    ("albert", "AlbertForPreTraining"),  # and whether the sentences stand in their order
    ("bert", "BertForNextSentencePrediction"),
    ("bert", "BertForQuestionAnswering"),
    ("distilbert", "DistilBertForSequenceClassification"),
    ("electra", "ElectraForSequenceClassification"),
    ("eurobert", "EuroBertForSequenceClassification"),
    ("flaubert", "FlaubertForQuestionAnswering"),  # where an answer ends, for each likely beginning
    ("funnel", "FunnelForSequenceClassification"),  # without the decoder
    ("gpt2", "GPT2DoubleHeadsModel"),  # and which of several texts is the right one
    ("imagegpt", "ImageGPTForImageClassification"),
    ("longformer", "LongformerForSequenceClassification"),  # whose first token sees everything
    ("openai-gpt", "OpenAIGPTDoubleHeadsModel"),
    ("reformer", "ReformerForSequenceClassification"),
    ("roberta", "RobertaForSequenceClassification"),
    ("splinter", "SplinterForQuestionAnswering"),
    ("t5gemma2", "T5Gemma2ForSequenceClassification"),  # asks every token, and takes one answer
    ("whisper", "WhisperForAudioClassification"),
    ("xlnet", "XLNetForQuestionAnswering"),
    ("xlnet", "XLNetForSequenceClassification"),
]


@pytest.mark.parametrize(("model_type", "name"), HEADS)
def test_a_head_costs_what_torch_counts(model_type, name):
    fields, counted = runnable(model_type, head_classes(model_type)[name], 0, N, BATCH)
    table = numel.inspect({**fields, "model_type": model_type, "architectures": [name]}).table
    found = estimate(table, Setting("prefill", N, BATCH))
    assert (found.total("flops"), found.total("written")) == (counted.prefill, counted.written)
