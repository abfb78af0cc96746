"""Inventories to classify: of names, and two whole models with the shapes of their configurations."""

from pathlib import Path

import pytest

from numel.classify import classify
from numel.core.config import ModelConfig
from numel.core.dtypes import SAFETENSORS_DTYPES
from numel.core.tensors import Inventory, Source, TensorInfo

F32 = SAFETENSORS_DTYPES["F32"]
FILE = Source("file", "safetensors", "model.safetensors")


def make_inventory(tensors, **fields) -> Inventory:
    """An inventory of names, of (name, shape) or of whole tensors."""
    whole = []
    for tensor in tensors:
        name, *rest = (tensor,) if isinstance(tensor, str) else tensor
        whole.append(TensorInfo(name, *rest) if len(rest) > 1 else TensorInfo(name, rest[0] if rest else (2, 3), F32))
    return Inventory(**{"name": "model", "source": FILE, "tensors": tuple(whole)} | fields)


def make_placed(names, **fields):
    """Name → its row."""
    return {row.tensor.name: row for row in classify(make_inventory(names, **fields)).rows}


def make_config(model_type: str) -> ModelConfig:
    return ModelConfig({"model_type": model_type})


def make_gpt2(n_layers=12, d=768) -> Inventory:
    tensors = [("wte.weight", (50257, d)), ("wpe.weight", (1024, d)), ("ln_f.weight", (d,)), ("ln_f.bias", (d,))]
    for layer in range(n_layers):
        tensors += [(f"h.{layer}.{ln}.{leaf}", (d,)) for ln in ("ln_1", "ln_2") for leaf in ("weight", "bias")]
        linear = {"attn.c_attn": (d, 3 * d), "attn.c_proj": (d, d), "mlp.c_fc": (d, 4 * d), "mlp.c_proj": (4 * d, d)}
        for name, (rows, columns) in linear.items():
            tensors += [(f"h.{layer}.{name}.weight", (rows, columns)), (f"h.{layer}.{name}.bias", (columns,))]
    return make_inventory(tensors)


def make_mixtral(n_layers=32) -> Inventory:
    d, d_kv, d_ff = 4096, 1024, 14336
    tensors = [("model.embed_tokens.weight", (32000, d)), ("model.norm.weight", (d,)), ("lm_head.weight", (32000, d))]
    for layer in range(n_layers):
        at = f"model.layers.{layer}"
        tensors += [(f"{at}.{norm}.weight", (d,)) for norm in ("input_layernorm", "post_attention_layernorm")]
        tensors += [(f"{at}.self_attn.{x}_proj.weight", (d_kv if x in "kv" else d, d)) for x in "qkvo"]
        tensors += [(f"{at}.block_sparse_moe.gate.weight", (8, d))]
        for expert in range(8):
            shapes = {"w1": (d_ff, d), "w2": (d, d_ff), "w3": (d_ff, d)}
            tensors += [(f"{at}.block_sparse_moe.experts.{expert}.{w}.weight", s) for w, s in shapes.items()]
    return make_inventory(tensors)


def make_sums(table) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in table.rows:
        found[row.component.value] = found.get(row.component.value, 0) + row.numel
    return found


@pytest.fixture(scope="session")
def other_names():
    """Names that the module trees do not have, as tests/data/placed_names.txt lists them."""
    text = (Path(__file__).parent.parent / "data" / "placed_names.txt").read_text(encoding="utf-8")
    return [line.split()[0] for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="session", name="inventory")
def _inventory():
    return make_inventory


@pytest.fixture(scope="session", name="placed")
def _placed():
    return make_placed


@pytest.fixture(scope="session", name="config")
def _config():
    return make_config


@pytest.fixture(scope="session", name="gpt2")
def _gpt2():
    return make_gpt2


@pytest.fixture(scope="session", name="mixtral")
def _mixtral():
    return make_mixtral


@pytest.fixture(scope="session", name="sums")
def _sums():
    return make_sums
