"""What does attention cost that scores distances beside contents (DeBERTa, He et al. 2021)?

The distances are embedded, and mapped as the content is: by maps of their own, or by those of queries and keys. Every
query meets every distance ("c2p"), and so does every key ("p2c"); what is not wanted of that is thrown away.
"""

from __future__ import annotations

import re

from ..core.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .attention import Attention
    from .families import Family
    from .fields import TextFields

MAPS = re.compile(r"\.pos_(?:key_|query_|q_)?proj\.")


class Distances(NamedTuple):
    """How many there are, how often every token meets all of them, and whether contents and distances share their maps."""

    n: int
    n_meetings: int
    shared: bool


def distances_of(fields: TextFields, family: Family, context: int) -> Distances | None:
    """Those of a configuration that has some."""
    if not family.distances or not fields.get("relative_attention"):
        return None
    limit = fields.get("max_relative_positions", default=-1)
    span = limit if limit >= 1 else fields.integer("max_position_embeddings")
    if family.distances == "buckets":
        buckets = fields.get("position_buckets", default=-1)
        span = buckets if buckets > 0 else span
    else:
        span = min(span, context)
    kinds = fields.get("pos_att_type") or ()
    shared = family.distances == "buckets" and bool(fields.get("share_att_key"))
    return Distances(2 * span, sum(kind in kinds for kind in ("c2p", "p2c")), shared)


def products(
    attentions: Sequence[Attention], distances: Distances, d_model: int, n: int
) -> list[tuple[int | None, int, int]]:
    """Each layer: products of `n` tokens and all distances, and of the maps where these are shared; what the maps write."""
    mapped = 2 * distances.n if distances.shared else 0
    return [
        (a.layer, a.scores * (distances.n_meetings * n * distances.n + mapped * d_model), a.scores * mapped)
        for a in attentions
    ]
