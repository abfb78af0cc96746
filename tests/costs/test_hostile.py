"""Configurations and settings that nobody means: each ends in one clear line or a number, and none of them takes long."""

from __future__ import annotations

import pytest

import numel
from numel.costs.attending import products_of
from numel.costs.attention import Attention
from numel.costs.estimate import estimate
from numel.costs.setting import ASSUMED, Setting
from numel.errors import NumelError, UnsupportedError

MIXTRAL = {
    "model_type": "mixtral", "hidden_size": 64, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 32,
    "num_hidden_layers": 2, "vocab_size": 100, "num_local_experts": 4,
}  # fmt: skip


@pytest.mark.parametrize("chosen", [None, -1, 5])
def test_experts_of_which_nobody_says_how_many_work_are_not_guessed(chosen):
    table = numel.inspect({**MIXTRAL, "num_experts_per_tok": chosen}).table
    with pytest.raises(UnsupportedError, match="num_experts_per_tok"):
        estimate(table, Setting("decode", 10))


def test_stretches_are_counted_by_a_formula_however_many_there_are():
    attention = Attention(0, "main", 1, 1, 1, stride=4)
    for n in (3, 30, 31):
        scores = products_of(attention, Setting(context=n, causal="triangle"), ASSUMED, by_layer=False)[0]
        assert scores.flops == 2 * sum(t // 4 for t in range(1, n + 1))  # token t sees the stretches that are whole
    n = 10**12
    scores = products_of(attention, Setting(context=n, causal="triangle"), ASSUMED, by_layer=False)[0]
    assert scores.flops == 2 * (
        4 * (n // 4) * (n // 4 - 1) // 2 + n // 4
    )  # every number of stretches four times, all once


def test_a_prompt_of_very_many_blocks_is_no_list_of_them():
    table = numel.inspect({"model_type": "minimax", "block_size": 1, "max_position_embeddings": 10**12}).table
    one, many = (estimate(table, Setting(context=n), by_layer=True) for n in (1, 10**12))
    states = [sum(w.flops for w in found.works if w.part == "state") for found in (one, many)]
    assert states[0] > 0
    assert states[1] == 10**12 * states[0]  # blocks of one token, of which none meets another


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"model_type": "internlm2", "num_key_value_heads": -1}, "not understood"),
        ({"model_type": "minimax_m1", "block_size": 0}, "block_size"),
    ],
)
def test_numbers_that_make_no_sense_are_one_line(fields, says):
    with pytest.raises(NumelError, match=says):
        estimate(numel.inspect(fields).table, Setting(context=9))
