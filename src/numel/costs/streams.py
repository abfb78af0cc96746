"""What do products cost that mix several residual streams, and whose factors are no parameters?

Gemma 3n (AltUp, Baykal et al. 2023): each layer predicts k streams from each other by a k × k matrix of the token's
own, and asks its router twice. DeepSeek-V4 (hyper-connections, Zhu et al. 2024): the streams are mixed likewise, once
before attention and once before the experts.
"""

from __future__ import annotations

from ..core.parameters import Component

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.parameters import ParameterTable
    from .families import Family
    from .fields import TextFields


def mixing(table: ParameterTable, fields: TextFields, family: Family) -> list[tuple[int, int, int]]:
    """Each layer that mixes streams: its products for one token, and the numbers that they write; none for one stream."""
    if not family.streams:
        return []
    n_streams = fields.integer("altup_num_inputs" if family.streams == "altup" else "hc_mult")
    written = n_streams * fields.d_model
    product = n_streams * written
    if family.streams == "altup":
        routers = [row for row in table.rows if row.tensor.name.endswith("altup.modality_router.weight")]
        return [(row.layer or 0, product + row.numel, written + n_streams) for row in routers]
    return [(i, 2 * product, 2 * written) for i in range(fields.n_layers)]


PLACE = (Component.RESIDUAL.value, "mixing", "main")
