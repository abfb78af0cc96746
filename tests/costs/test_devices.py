"""Devices by name, this machine measured, and what one line says of senseless settings."""

from __future__ import annotations

import time

import pytest

import numel
from numel.costs import here
from numel.costs.devices import DEVICES, device_called
from numel.costs.estimate import estimate
from numel.costs.setting import Setting
from numel.errors import NumelError, UsageError


def test_this_machine_is_measured_by_a_product_and_a_copy(monkeypatch):
    ran = []
    seconds = iter((0.01, 0.1))
    monkeypatch.setattr(here, "_least_seconds", lambda work: ran.append(work()) or next(seconds))
    found = device_called("here")
    assert ran[0].shape == (here.SIDE, here.SIDE)
    assert (ran[0] == here.SIDE * 0.25).all()
    assert found.peak_bf16 == 2 * 1024**3 / 0.01
    assert found.bandwidth == pytest.approx(2 * 128 * 2**20 / 0.1)
    assert found.nbytes > 1 << 28


def test_the_quickest_run_counts():
    waits = iter((0.0, 0.02, 0.001, 0.02, *[0.02] * 100))
    assert 0.001 <= here._least_seconds(lambda: time.sleep(next(waits))) < 0.02


def test_amx_does_half_as_many_products_of_16_bits_as_of_8():
    # 16 × 16 × 32 products and as many sums in 16 cycles (Intel's manual: TDPBF16PS), 56 cores at 2.0 GHz
    assert DEVICES["xeon-8480"].peak_bf16 == 2 * 16 * 16 * 32 // 16 * 56 * 2_000_000_000


@pytest.mark.parametrize(
    ("name", "mebibytes"),
    [("h200", 143771), ("h100", 81559), ("a100", 81920), ("l40s", 46068), ("rtx4090", 24564), ("rtx5090", 32607)],
)
def test_memory_is_what_nvidia_smi_reports(name, mebibytes):
    assert DEVICES[name].nbytes == mebibytes * 2**20


@pytest.mark.parametrize(
    ("model", "setting", "said"),
    [
        ("gpt2", Setting(context=1025), "beyond the model's 1024 positions"),
        ("gpt2", Setting(context=0), "--context 0"),
        ("gpt2", Setting(batch=-2), "--batch -2"),
        ("openai/whisper-tiny", Setting(context=449), "beyond the model's 448 positions"),
        ("google/vit-base-patch16-224", Setting(context=1024), "of 197 tokens each"),
        ("google/vit-base-patch16-224", Setting("decode", 197), "decodes nothing"),
    ],
)
def test_one_line_says_what_makes_no_sense(model, setting, said):
    with pytest.raises(UsageError, match=said):
        estimate(numel.inspect(model).table, setting)


def test_an_unknown_device_is_answered_with_the_known_ones():
    with pytest.raises(UsageError, match="no such device"):
        device_called("h900")


@pytest.mark.parametrize(
    ("model_type", "field", "value"),
    [
        ("mistral", "sliding_window", -1),
        ("mistral", "sliding_window", "x"),
        ("gemma3_text", "layer_types", ["full_attention"]),
        ("mamba2", "chunk_size", 0),
        ("gpt_neo", "attention_types", "x"),
        ("big_bird", "block_size", -1),
        ("longformer", "attention_window", -1),
    ],
)
def test_a_field_that_cannot_be_what_it_is_gets_one_line(model_type, field, value):
    table = numel.inspect({"model_type": model_type, field: value}).table
    with pytest.raises(NumelError, match=field):
        estimate(table, Setting(context=64))


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1"])
def test_where_a_model_runs_is_no_device_of_an_estimate(name):
    with pytest.raises(UsageError) as caught:
        device_called(name)
    assert "--measure" in caught.value.hint


@pytest.mark.parametrize(
    ("side", "said"),
    [(5, "there is no picture of 5 × 5 pixels"), (0, "image_size=0: the configuration does not say image_size")],
)
def test_a_picture_smaller_than_a_patch_is_none(side, said):
    table = numel.inspect("google/vit-base-patch16-224", overrides={"image_size": side}).table
    with pytest.raises(NumelError, match=said):
        estimate(table, Setting(context=1))
