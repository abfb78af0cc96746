"""Fused tensors in their parts: the sizes that architectures define, and no parameter more or less."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

import numel
from numel.analyses.split import split
from numel.blueprints.evaluate import inventory_of
from numel.blueprints.hyperparameters import EXPERTS, EXPERTS_PER_TOKEN
from numel.blueprints.library import load, model_types
from numel.classify import classify
from numel.cli import main
from numel.core.config import ModelConfig
from numel.core.counts import count
from numel.core.groups import group
from numel.core.tensors import Source
from numel.errors import ConfigError


def table(model_type, *, in_memory=False, **fields):
    """The table of a configuration; None where the defaults alone make no model."""
    config = ModelConfig({"model_type": model_type, **fields})
    source = Source("config", "dict", "")
    try:
        return classify(inventory_of(load(model_type), config, name=model_type, source=source, in_memory=in_memory))
    except ConfigError:
        return None


def parts(source, component="attention", **options):
    rows = numel.inspect(source, **options).by("part", split=True).to_dicts()
    return {row["part"]: row["numel"] for row in rows if row["component"] == component}


def sums(rows):
    """What is where, by everything but the tensors' names."""
    found = {}
    for row in rows:
        key = (row.component, row.part, row.role, row.tower, row.layer, row.expert)
        found[key] = found.get(key, 0) + row.numel
    return found


def test_gpt2_has_equal_query_key_and_value():
    each = 12 * (768 * 768 + 768)
    assert parts("gpt2") == {"q": each, "k": each, "v": each, "o": each}


@pytest.mark.parametrize(
    ("fields", "n_kv"),
    [
        ({}, 1),  # 7B: one head of keys for all queries
        ({"multi_query": False}, 71),  # rw-1b's layout: as many as queries
        ({"new_decoder_architecture": True, "num_kv_heads": 1}, 1),  # 40B's layout, its groups chosen
    ],
)
def test_falcons_layouts(fields, n_kv):
    """(71 + 2 · n_kv) · 64 rows in each of 32 layers: query_key_value of modeling_falcon.py."""
    found = parts({"model_type": "falcon", **fields})
    assert (found["q"], found["k"], found["v"]) == (32 * 4544 * 4544, *(32 * 4544 * 64 * n_kv,) * 2)


@given(
    heads=st.sampled_from([(8, 8), (8, 4), (8, 2), (8, 1), (6, 3)]), d=st.integers(1, 4), n_layers=st.integers(1, 3),
    ff=st.integers(1, 50),
)  # fmt: skip
def test_phi_3_has_the_parts_of_a_llama(heads, d, n_layers, ff):
    """Phi-3 is Llama with q, k, v in one matrix and gate and up in another."""
    sizes = {
        "num_attention_heads": heads[0], "num_key_value_heads": heads[1], "hidden_size": heads[0] * d * 2,
        "num_hidden_layers": n_layers, "intermediate_size": ff, "vocab_size": 11,
    }  # fmt: skip
    fused, apart = table("phi3", **sizes, tie_word_embeddings=True), table("llama", **sizes, tie_word_embeddings=True)
    assert sums(split(fused).rows) == sums(apart.rows)


# Where the hub's names put a tensor into another part than those in memory do.
OTHER_NAMES = {
    # the experts of pictures go on after those of text in a checkpoint, and are numbered anew in memory
    "ernie4_5_vl_moe",
    "ernie4_5_vl_moe_text",
    "kimi_linear",  # transformers writes the first layer's MLP as `block_sparse_moe`
    "nomic_bert",  # fc11 and fc12 do not say which of them is the gate
}
FUSED = {"attention": {"q", "k", "v", "o"}, "mlp": {"gate", "up", "down"}, "moe": {"experts"}}


def fused_parts(rows):
    """What is in the parts that may be fused, in which layer and expert; in which tower is a matter of names."""
    found = {}
    for row in rows:
        if row.part in FUSED.get(row.component.value, ()):
            key = (row.component, row.part, row.layer, row.expert)
            found[key] = found.get(key, 0) + row.numel
    return found


FEW = dict.fromkeys(EXPERTS, 4) | dict.fromkeys(EXPERTS_PER_TOKEN, 2)  # as good as 256, and a fiftieth of the work


@pytest.mark.parametrize("model_type", model_types())
def test_no_total_moves_and_both_forms_have_the_same_parts(model_type):
    """transformers' conversions merge experts and gate with up, and take q, k and v apart: split, the forms agree."""
    few = FEW if any(rule.name in EXPERTS for rule in load(model_type).rules) else {}
    memory, hub = (table(model_type, in_memory=in_memory, **few) for in_memory in (True, False))
    if memory is None:  # a field without default: nothing to split
        return
    for whole, pieces in ((memory, in_memory := split(memory)), (hub, on_hub := split(hub))):
        assert count(pieces._replace(counts=None)) == count(whole)
        for key in ("component", "layer", "tower", "role", "dtype"):
            ours, theirs = ({g.keys: (g.numel, g.nbytes) for g in group(t, key)} for t in (pieces, whole))
            assert ours == theirs
        names = [row.tensor.name for row in pieces.rows]
        assert len(names) == len(set(names))
    if model_type not in OTHER_NAMES:
        assert fused_parts(in_memory.rows) == fused_parts(on_hub.rows)


@pytest.mark.parametrize(
    ("model_type", "name"),
    [
        ("reformer", "attention.self_attention.query_key.weight"),  # one matrix for queries and keys
        ("kimi_linear", "block_sparse_moe.gate_proj.weight"),  # the first layer's MLP, which goes by the experts' name
        ("jetmoe", "mlp.bias"),  # one bias for all experts
    ],
)
def test_what_is_no_bundle_stays_whole(model_type, name):
    assert [r.tensor.name for r in split(table(model_type)).rows if name in r.tensor.name] == [
        r.tensor.name for r in table(model_type).rows if name in r.tensor.name
    ]


def test_experts_in_one_tensor_are_told_apart():
    """gpt-oss-20b: 32 experts of 2880 · 5760 + 2880 · 2880 weights and 5760 + 2880 biases in each of 24 layers."""
    rows = numel.inspect("openai/gpt-oss-20b").by("expert", split=True).to_dicts()
    each = 24 * (2880 * 5760 + 2880 * 2880 + 5760 + 2880)
    assert {row["expert"]: row["numel"] for row in rows if row["expert"] is not None} == dict.fromkeys(range(32), each)


class Tensor:
    dtype = "torch.float32"

    def __init__(self, *shape):
        self.shape = shape


def test_a_bare_state_dict_is_split_where_its_shapes_tell():
    """768 → 2304 is three times 768; 4544 → 4672 may be anything without a config, and says itself with one."""
    assert set(parts({"h.0.attn.c_attn.weight": Tensor(768, 2304), "h.0.attn.c_attn.bias": Tensor(2304)})) == {
        "q",
        "k",
        "v",
    }
    name, fields = (
        "transformer.h.0.self_attention.query_key_value.weight",
        {"num_attention_heads": 71, "num_kv_heads": 1},
    )
    assert set(parts({name: Tensor(4672, 4544)})) == {"qkv"}
    assert parts({name: Tensor(4672, 4544)}, config=fields)["k"] == 64 * 4544


def test_the_command_line_shows_the_parts(capsys):
    assert main(["gpt2", "--split", "--by", "tensor", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    (model,) = answer["models"]
    assert model["counts"]["total"] == sum(row["numel"] for row in model["groups"]) == 124_439_808
    (key,) = [row for row in model["groups"] if row["tensor"] == "transformer.h.0.attn.c_attn.weight[k]"]
    assert (key["shape"], key["part"]) == ([768, 768], "k")
    assert any("no total moves" in sentence for sentence in answer["assumptions"])
