"""What of the original's three stated limits does the document go beyond, and where?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.report import Note, Section, Text, Unit, Value

if TYPE_CHECKING:
    from collections.abc import Sequence


def section(with_values: Sequence[str], costed: Sequence[str]) -> Section:
    """The limits, one by one. `with_values`: the models whose weights were read, `costed`: those whose cost is estimated."""
    if with_values:
        values = Text(
            'It counts only and says nothing of the values. The chapter "How the values are distributed" reads the weights '
            "of {models}; numel values and numel doctor look at every tensor.",
            {"models": Value(", ".join(with_values), Unit.NAME)},
        )
    else:
        values = Text(
            "It counts only and says nothing of the values. This document was made from shapes alone; the chapter "
            '"How the values are distributed" says what it takes for the values to stand there.'
        )
    if costed:
        cost = Text(
            "It draws no line to performance, and a share of the parameters is not a share of the work. The chapter "
            '"Link to performance" sets both beside each other for {models}.',
            {"models": Value(", ".join(costed), Unit.NAME)},
        )
    else:
        cost = Text(
            "It draws no line to performance, and a share of the parameters is not a share of the work. For these models "
            "numel cost has no estimate; docs/cost.md lists those for which it has one."
        )
    reach = Text(
        "It stops at GPT-2. numel counts every architecture for which it has a blueprint (numel architectures lists them), "
        "and every safetensors or GGUF file; numel scaling shows the trend of any family."
    )
    return Section(Text("Limits of the original, and what numel shows"), (Note(values), Note(cost), Note(reach)))
