"""Is each tensor where transformers' own module trees have it?"""

import gzip
import json
import re
from pathlib import Path

import pytest

from numel.core.groups import template_of
from numel.forms import stem_of
from numel.rules import CLUES, RULES

# The module trees of transformers 5.23: for 156 classes one example of each name, with the component, part, role and
# tower that follow from the class of the module that owns it.
DATA = Path(__file__).parent.parent / "data"
TRUTH = [json.loads(line) for line in gzip.decompress((DATA / "components.jsonl.gz").read_bytes()).splitlines()]
# Where the tree's labels were taken from a class that says less than the code does: (template) → (our part, why).
BETTER_KNOWN = {
    "model.audio_tower.conformer.{}.attention.post.weight": (
        "o",
        "Gemma3nAudioConformerAttention.forward: `post` projects what attention returns back to the hidden size",
    ),
    "backbone.blocks.{}.ffn.proj_up_gate.weight": (
        "gate",
        "xLSTMFeedForward.forward: act_fn(proj_up_gate(x)) * proj_up(x)",
    ),
    "ibert.embeddings.token_type_embeddings.weight": (
        "token_type",
        "the table of segments as in every BERT; its class is only called QuantEmbedding",
    ),
}


@pytest.mark.parametrize("model", TRUTH, ids=lambda model: model["class"])
def test_every_tensor_is_where_the_module_tree_has_it(model, placed, config):
    rows = placed([name for name, *_ in model["rows"]], config=config(model["model_type"]))
    wrong = []
    for name, component, part, role, tower in model["rows"]:
        part = BETTER_KNOWN.get(template_of(name), (part,))[0]  # noqa: PLW2901
        row = rows[name]
        if (row.component.value, row.part, row.role, row.tower, row.excluded) != (component, part, role, tower, None):
            wrong.append((name, component, part, role, tower, row))
    assert wrong == []


@pytest.mark.parametrize("name", ["w", "w.weight", "transformer.w", "transformer.w.weight", "block.w.weight"])
def test_a_tensor_called_w_is_an_embedding_in_ctrl_alone(name, placed):
    """CTRL's token embedding is its module `w` (the ground truth above); another model's `w` says nothing."""
    assert placed([name])[name].component.value == "unclassified"
    attention = "h.0.multi_head_attention.Wq.weight"
    for prefix in ("", "transformer."):
        found = placed([f"{prefix}w.weight", prefix + attention])[f"{prefix}w.weight"]
        assert (found.component.value, found.part) == ("embedding", "token")


def test_what_is_better_known_than_the_tree_is_still_in_it_and_still_differs():
    said = {template_of(name): part for model in TRUTH for name, _, part, *_ in model["rows"]}
    assert all(said[template] != part for template, (part, _) in BETTER_KNOWN.items())


PREFIXED = (
    "gpt2",
    "llama",
    "mistral",
    "mixtral",
    "opt",
    "bert",
    "gptj",
    "bloom",
    "roberta",
    "electra",
    "rwkv",
    "qwen3_moe",
)


@pytest.mark.parametrize("model_type", PREFIXED)
def test_a_base_model_without_its_prefix_is_placed_alike(model_type, placed):
    model = next(model for model in TRUTH if model["model_type"] == model_type)
    names = [name for name, *_ in model["rows"] if name.count(".") > 1]
    prefix = re.match(r"(model|transformer|bert|roberta|electra|rwkv)\.", names[0])[0]
    names = [name for name in names if name.startswith(prefix)]
    with_prefix, without = placed(names), placed([name.removeprefix(prefix) for name in names])
    assert len(names) > 8
    for name in names:
        assert without[name.removeprefix(prefix)][1:] == with_prefix[name][1:]


def test_no_row_of_the_table_is_dead(other_names):
    """Each row decides about a name of the ground truth or of data/placed_names.txt."""
    names = {name for model in TRUTH for name, *_ in model["rows"]} | set(other_names)
    alive = {deciding_row(stem) for stem in read_as(map(stem_of, names))}
    rows = {(group.gate, pattern) for group in RULES for pattern, _ in group.parts}
    assert rows - alive == set()


def read_as(stems):
    """The stems, and those that they become beside a child which says what their module is."""
    for stem in stems:
        yield stem
        for clue in CLUES:
            yield re.sub(rf"(?<=\.)(?:{clue.module})(?=\.\w+$)", clue.reads_as, stem)


def deciding_row(stem):
    for group in RULES:
        if re.search(group.gate, stem):
            return group.gate, next(pattern for pattern, _ in group.parts if re.search(pattern, stem))
    return None


def test_every_group_places_whatever_its_gate_lets_in():
    for group in RULES:
        last, _ = group.parts[-1]
        assert last == "" or len(group.parts) == 1
