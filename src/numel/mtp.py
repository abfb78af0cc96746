"""Which tensors of a bare file belong to layers for multi-token prediction, that the model itself does not run?"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .core.tensors import Inventory
    from .forms import Names

# A layer that predicts the token after the next one: what its names begin with
# (Qwen3-Next, Nemotron-H, DeepSeek-V4), or the layer that holds such a child (DeepSeek-V3, GLM-4.5; GGUF's nextn).
_LAYER = (
    r"^((?:\w+\.)*(?:mtp|mtp_\w+)\."
    r"|(?:\w+\.)*(?:layers|blk)\.[0-9]+\.(?=(?:nextn\.)?(?:eh_proj|enorm|hnorm|shared_head)\b))"
)
_WORDS = ("mtp", "eh_proj")  # one of which occurs where the names of such layers do
_TELLING = (*_WORDS, "enorm", "hnorm", "shared_head")  # what the pattern asks for: no name without any is looked at


def ahead(inventory: Inventory, named: Names) -> list[str]:
    """Their names, in a source of which no blueprint says what the model runs; `named`: those of all its tensors."""
    is_known = inventory.config is not None and inventory.hyperparameters
    if is_known or inventory.source.kind not in ("file", "folder", "state_dict"):
        return []
    if not any(word in key for key in named.forms for word in _WORDS):
        return []
    telling = {key for key in named.forms if any(word in key for word in _TELLING)}
    looked_at = (name for name, key in zip(named.names, named.keys, strict=True) if key in telling)
    layers = tuple({found[1] for found in map(re.compile(_LAYER).search, looked_at) if found})
    return [name for name in named.names if name.startswith(layers)]
