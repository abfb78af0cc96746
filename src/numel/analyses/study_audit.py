"""Which claims of the original hold, and what does its rule make of other models? Two chapters of the study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.parameters import Component
from ..core.report import Column, Note, NoteKind, Section, Table, Text, Unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.parameters import ParameterTable
    from .four_sizes import Claim


class Misplaced(NamedTuple):
    """What the study's rule gets wrong on a model.

    `numel`: attention, MLP, expert and norm parameters that it puts elsewhere or nowhere; `share`: of all of those;
    `norm_found`: the share of the norms that it finds; `examples`: the largest and the most telling names.
    """

    model: str
    numel: int
    share: float
    norm_found: float
    examples: tuple[str, ...]


# The components of the study's three kinds: experts do an MLP's work, linear attention an attention's.
_KINDS = (Component.ATTENTION, Component.LINEAR_ATTENTION, Component.MLP, Component.MOE, Component.NORM)


def misplaced(table: ParameterTable, found: Sequence[Any]) -> Misplaced:
    """What the study's rule makes of a model's attention, MLP and norm, from its disagreements with numel."""
    total = sum(row.numel for row in table.rows if row.component in _KINDS)
    norm = sum(row.numel for row in table.rows if row.component is Component.NORM)
    wrong = [d for d in found if d.kind != "no_rule"]
    wrong_norm = sum(d.numel for d in wrong if d.component is Component.NORM)
    largest = [d.template for d in wrong][:2]
    telling = [d.template for d in wrong if d.component is Component.NORM and d.template not in largest][:2]
    numel = sum(d.numel for d in wrong)
    return Misplaced(table.name, numel, numel / (total or 1), 1 - wrong_norm / (norm or 1), (*largest, *telling))


def audit(claims: Sequence[Claim]) -> tuple[Section, ...]:
    """Each claim of the original, and what is true."""
    if not claims:
        return ()
    columns = (
        Column("section", Text("section"), Unit.NAME),
        Column("claimed", Text("the original says"), Unit.NAME),
        Column("verdict", Text("verdict"), Unit.WORD),
        Column("true", Text("what is true"), Unit.NAME),
    )
    rows = tuple((c.section, c.claimed, c.verdict, c.true) for c in claims)
    lead = _paragraph("Each claim of the original study, with its section, next to what the count shows.")
    return (Section(Text("Audit of the original study"), (lead, Table(Text(""), columns, rows, key="claims"))),)


def beyond(found: Sequence[Misplaced]) -> tuple[Section, ...]:
    """What the rule of the original makes of other models."""
    if not found:
        return ()
    columns = (
        Column("model", Text("model"), Unit.NAME),
        Column("numel", Text("misplaced or left out"), Unit.COUNT),
        Column("share", Text("share"), Unit.SHARE),
        Column("norm_found", Text("norms found"), Unit.SHARE),
        Column("examples", Text("for example"), Unit.NAME),
    )
    rows = tuple((m.model, m.numel, m.share, m.norm_found, "  ".join(m.examples)) for m in found)
    lead = _paragraph(
        'The original sorts by substrings: "attn" or "attention", "mlp" or "fc", "ln". On GPT-2 that is right. Other '
        "architectures name their tensors differently; the share is of their attention, MLP, expert and norm parameters."
    )
    return (
        Section(Text("The rule of the original, beyond GPT-2"), (lead, Table(Text(""), columns, rows, key="beyond"))),
    )


def _paragraph(template: str) -> Note:
    return Note(Text(template), NoteKind.PARAGRAPH)
