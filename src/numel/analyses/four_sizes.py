"""The four models of the original study: which tables are theirs, and what a claim about them consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.groups import group
from .norms import ModelNorms
from .norms import Options as NormOptions
from .norms import analyze as analyze_norms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..core.parameters import ParameterTable
    from ..core.report import Text

RIGHT, WRONG, INCOMPLETE = "right", "wrong", "incomplete"


class Claim(NamedTuple):
    """One claim: its place and words in the original, what it says, what is true, and the numbers that show it."""

    id: str
    section: str
    quote: str
    claimed: Text
    true: Text
    verdict: str
    evidence: Mapping[str, Any]


class Size(NamedTuple):
    """One of the four models of the study, with the sums that the claims speak of."""

    label: str
    table: ParameterTable
    numel: Mapping[str, int]
    total: int
    norms: ModelNorms

    def share(self, component: str) -> float:
        """The component's share of the model, 0..1."""
        return self.numel.get(component, 0) / self.total


# What tells the four sizes, and what the study's table prints of each: attention and MLP in percent.
_SIZES = {
    (12, 768): ("small", 22, 45),
    (24, 1024): ("medium", 28, 56),
    (36, 1280): ("large", 30, 60),
    (48, 1600): ("xl", 31, 63),
}


def the_four_sizes(models: Sequence[ParameterTable]) -> tuple[Size, ...]:
    """The study's four GPT-2 models among `models`, small to xl; empty unless all are there."""
    found: dict[str, Size] = {}
    for table in models:
        key = (table.hyperparameters.get("n_layer"), table.hyperparameters.get("n_embd"))
        if table.model_type == "gpt2" and key in _SIZES and _is_as_published(table):
            numel = {g.keys[0]: g.numel for g in group(table, "component")}
            label = _SIZES[key][0]
            norms = analyze_norms((table,), NormOptions())[0]
            found[label] = Size(label, table, numel, sum(numel.values()), norms)
    return tuple(found[label] for label, _, _ in _SIZES.values()) if len(found) == len(_SIZES) else ()


def printed_shares(size: Size) -> tuple[int, int]:
    """What the study's table prints of this size: attention and MLP in percent."""
    return next((a, m) for label, a, m in _SIZES.values() if label == size.label)


def _is_as_published(table: ParameterTable) -> bool:
    """Whether a GPT-2 has the vocabulary, positions, MLP and tied head of the four that the study counts."""
    fields = table.hyperparameters
    given = tuple(fields.get(name) for name in ("vocab_size", "n_positions", "n_inner", "tie_word_embeddings"))
    return given == (50257, 1024, 4 * fields["n_embd"], True) and table.rule == "numel"
