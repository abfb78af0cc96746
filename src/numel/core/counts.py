"""Which number is meant by "the number of parameters": four counts, each with its rule."""

from __future__ import annotations

from .kinds import kinds_of
from .parameters import Component
from .records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .parameters import ParameterTable


class Counts(NamedTuple):
    """The counts of a model. `active` is None when the number of experts per token is unknown.

    - `total`: parameters, tied ones once; no buffers, no quantisation scales, no multi-token-prediction layers;
    - `non_embedding`: total less token and position embeddings and less an untied head;
    - `active`: parameters that work on one token, the input embedding included;
    - `active_without_input_embedding`: the same less the token embedding, unless it is also the output matrix;
    - `stored`: elements that the source holds, whatever they are.
    """

    total: int
    non_embedding: int
    active: int | None
    active_without_input_embedding: int | None
    stored: int


def count(table: ParameterTable) -> Counts:
    """The counts of `table`."""
    if table.counts is not None:
        return table.counts
    total = stored = token = position = head = routed = 0
    for row, n in kinds_of(table):
        stored += n * row.tensor.dtype.stored(row.tensor.numel)
        numel = n * row.numel
        if not numel:
            continue
        total += numel
        if row.component is Component.EMBEDDING and row.tower in ("main", "decoder", "encoder"):
            token += numel if row.part == "token" else 0
            position += numel if row.part == "position" else 0
        elif row.part == "lm_head" and row.role == "weight":
            head += numel
        elif row.component is Component.MOE and row.part == "experts":
            routed += numel
    active = _active(table, total, routed)
    without = None if active is None else _without_input_embedding(table, active, token, head)
    return Counts(total, total - token - position - head, active, without, stored)


def _without_input_embedding(table: ParameterTable, active: int, token: int, head: int) -> int | None:
    """`active` less the token embedding, unless that is the output matrix too; None where nobody says whether it is."""
    if head == 0 and table.config is None and not table.aliases:
        return None if token else active
    is_output = head == 0 and any(
        "embed" in target or "embd" in target or "wte" in target or "shared" in target
        for target in table.aliases.values()
    )
    return active if is_output else active - token


def _active(table: ParameterTable, total: int, routed: int) -> int | None:
    """`total` less the routed experts that a token does not pass through."""
    if not routed:
        return total
    found = experts_of(table)
    return None if found is None else total - routed + routed * found[1] // found[0]


def experts_of(table: ParameterTable) -> tuple[int, int] | None:
    """How many routed experts a layer has and how many of them a token passes through, None where nobody says it."""
    # first as the blueprint reads them: a configuration may hold a field of that name beside the one that counts
    stated = [table.hyperparameters, table.config.fields if table.config else {}]
    experts, used = _find(stated, _EXPERTS), _find(stated, _EXPERTS_PER_TOKEN)
    return None if not experts or used is None or not 0 <= used <= experts else (experts, used)


# What configurations call the number of routed experts, and how many of them a token passes through.
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts", "n_experts")
_EXPERTS_PER_TOKEN = ("num_experts_per_tok", "num_experts_per_token", "moe_k", "moe_top_k", "moe_topk", "top_k_experts")


def _find(stated: Sequence[Mapping[str, Any]], names: tuple[str, ...]) -> int | None:
    """The first of these fields that is an integer, in a configuration, then in the parts nested in it."""
    waiting = list(stated)
    while waiting:
        fields = waiting.pop(0)
        for name in names:
            if type(fields.get(name)) is int:
                return int(fields[name])
        waiting.extend(value for value in fields.values() if isinstance(value, dict))
    return None
