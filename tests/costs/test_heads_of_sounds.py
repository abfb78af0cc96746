"""What stands behind an encoder of sounds, and what a class hears or reads: each against torch, beside the class that is compared of all."""

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
CLASSES = [
    ("data2vec-audio", "Data2VecAudioForSequenceClassification"),
    ("nemotron3_diarization", "Nemotron3DiarizationForAudioFrameClassification"),
    ("seamless_m4t", "SeamlessM4TForSpeechToText"),  # hears, and does not read
    ("seamless_m4t_v2", "SeamlessM4Tv2ForSpeechToText"),
    ("speecht5", "SpeechT5ForTextToSpeech"),
    ("unispeech-sat", "UniSpeechSatForPreTraining"),
    ("wav2vec2-bert", "Wav2Vec2BertForXVector"),  # convolutions that skip frames, and one vector
    ("wav2vec2-bert", "Wav2Vec2BertForAudioFrameClassification"),
    ("wav2vec2-conformer", "Wav2Vec2ConformerForPreTraining"),
]


@pytest.mark.parametrize(("model_type", "name"), CLASSES)
def test_a_class_costs_what_torch_counts(model_type, name):
    fields, counted = runnable(model_type, head_classes(model_type)[name], 0, N, BATCH)
    table = numel.inspect({**fields, "model_type": model_type, "architectures": [name]}).table
    found = estimate(table, Setting("prefill", N, BATCH))
    thrown, written = one_too_many(table)
    assert found.total("flops") + thrown == counted.prefill
    assert found.total("written") + written == counted.written


def one_too_many(table):
    """FLOPs and numbers of the last vector of a positional convolution of even width, which is cut off."""
    if table.model_type == "wav2vec2-conformer":  # calls none
        return 0, 0
    rows = [row for row in table.rows if "pos_conv_embed" in row.tensor.name and len(row.tensor.shape) == 3]
    rows = [row for row in rows if row.tensor.shape[0] > 1 and row.tensor.shape[2] % 2 == 0]
    return sum(2 * BATCH * row.numel for row in rows), sum(BATCH * row.tensor.shape[0] for row in rows)
