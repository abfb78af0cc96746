"""Has every tensor one row, whatever it is called?"""

import re
from itertools import count
from math import prod

from hypothesis import given
from hypothesis import strategies as st

from numel.classify import classify, place
from numel.core.dtypes import SAFETENSORS_DTYPES
from numel.core.parameters import Component
from numel.core.tensors import Inventory, Source, TensorInfo
from numel.rules import CLUES

F32 = SAFETENSORS_DTYPES["F32"]

MODULES = [
    "model",
    "layers",
    "h",
    "blocks",
    "self_attn",
    "attention",
    "attn",
    "mlp",
    "experts",
    "mixer",
    "rotary_emb",
    "九",
]
CHILDREN = ["q_proj", "fc1", "fc2", "gate", "up_proj", "w1", "ln_1", "norm", "A_log", "Wqkv", "out_proj", "time_decay"]
LEAVES = ["weight", "bias", "inv_freq", "position_ids", "weight_scale_inv", "0", "7", "12"]
WORDS = [*MODULES, *CHILDREN, *LEAVES, "lm_head", "embed_tokens"]
NAMES = st.one_of(st.lists(st.sampled_from(WORDS), max_size=7).map(".".join), st.text(max_size=12))
DTYPES = st.sampled_from([SAFETENSORS_DTYPES[name] for name in ("F32", "BF16", "I64", "U8", "BOOL")])
TENSORS = st.builds(TensorInfo, NAMES, st.lists(st.integers(0, 5), max_size=4).map(tuple), DTYPES)


@st.composite
def inventories(draw) -> Inventory:
    tensors = draw(st.lists(TENSORS, max_size=12, unique_by=lambda tensor: tensor.name))
    name = st.sampled_from([tensor.name for tensor in tensors]) if tensors else st.just("x")
    return Inventory(
        "model",
        Source(draw(st.sampled_from(["file", "module"])), "", ""),
        tuple(tensors),
        buffers=frozenset(draw(st.lists(name, max_size=2))),
        aliases=draw(st.dictionaries(name, st.one_of(name, st.just("absent")), max_size=3)),
    )


@given(inventories(), st.sampled_from(["numel", "study"]))
def test_every_tensor_has_one_row_and_counts_or_says_why_not(held, rule):
    table = classify(held, rule=rule)
    assert [row.tensor for row in table.rows] == list(held.tensors)
    for row in table.rows:
        assert row.excluded in (None, "buffer", "tied", "scale", "mtp")
        assert row.numel == (0 if row.excluded else prod(row.tensor.shape))
        assert (row.excluded == "buffer") == (row.component is Component.BUFFER)
        assert (row.excluded == "tied") == (row.tied_to is not None)
        assert (row.part == "unclassified") == (row.component is Component.UNCLASSIFIED)
        assert row.tensor.name not in held.buffers or row.excluded == "buffer"
        if row.tied_to:
            original = next(other for other in table.rows if other.tensor.name == row.tied_to)
            assert original.excluded in (None, "buffer", "scale")


@given(inventories())
def test_a_row_does_not_hang_on_the_tensors_before_it(held):
    """The forms of names are worked out once for a file, and serve each name as if it had come alone."""
    backwards = classify(held._replace(tensors=held.tensors[::-1])).rows
    assert classify(held).rows == backwards[::-1]
    clue = re.compile("|".join(clue.child for clue in CLUES))
    if any(clue.search(tensor.name) for tensor in held.tensors):
        return
    for row in backwards:
        if row.excluded != "buffer":
            assert (row.component, row.part, row.role, row.tower) == place(row.tensor.name)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=30))
def test_the_numbers_of_layer_and_expert_are_those_of_the_name(inventory, numbers):
    pairs = list(zip(numbers, count()))
    rows = classify(inventory([f"model.layers.{a}.mlp.experts.{b}.w2.weight" for a, b in pairs])).rows
    assert [(row.layer, row.expert) for row in rows] == pairs
