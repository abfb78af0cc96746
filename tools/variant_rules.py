"""What the drawing of configurations must know of single model types, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

Fields = dict[str, Any]

# Switches that are left alone: `is_decoder` of an encoder, which only another class sets, and what a release of
# transformers overrules although checkpoints are otherwise (5.23 ties every T5 and unties those that hold two matrices).
SENSELESS: dict[str, set[str]] = {name: {"is_decoder", "tie_word_embeddings"} for name in ("t5", "umt5")}


def _gpt_neo(fields: Fields, random: Random) -> Fields:
    return {"attention_types": [[[random.choice(["global", "local"])], fields.get("num_layers", 24)]]}


def _dbrx(fields: Fields, _: Random) -> Fields:
    # 5.23 reads rope_theta from the attention's own configuration, where nothing sets it by default
    attention = fields.get("attn_config") or {}
    return {"attn_config": {**attention, "rope_theta": 10000.0}}


def _latent_attention(fields: Fields, _: Random) -> Fields:
    groups = 2 if fields.get("n_routed_experts", 8) % 2 == 0 else 1
    return {"n_group": groups, "topk_group": 1}


# Fields that must agree with others: called with what was drawn, returns what to change.
ADAPT: dict[str, Callable[[Fields, Random], Fields]] = {
    "gpt_neo": _gpt_neo,
    "dbrx": _dbrx,
    "axk2": _latent_attention,
}
