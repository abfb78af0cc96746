"""Which tensors of a bare file belong to layers for multi-token prediction, that the model itself does not run?"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .core.tensors import Inventory

# A layer that predicts the token after the next one: what its names begin with
# (Qwen3-Next, Nemotron-H, DeepSeek-V4), or the layer that holds such a child (DeepSeek-V3, GLM-4.5; GGUF's nextn).
_LAYER = (
    r"^((?:\w+\.)*(?:mtp|mtp_\w+)\."
    r"|(?:\w+\.)*(?:layers|blk)\.[0-9]+\.(?=(?:nextn\.)?(?:eh_proj|enorm|hnorm|shared_head)\b))"
)
_WORDS = ("mtp", "eh_proj")  # one of which occurs where the names of such layers do
_CHILDREN = (
    "enorm",
    "hnorm",
    "shared_head",
)  # what else the pattern asks for: no name without any of these is looked at


def ahead(inventory: Inventory) -> Iterator[str]:
    """Their names, in a source of which no blueprint says what the model runs."""
    is_known = inventory.config is not None and inventory.hyperparameters
    if is_known or inventory.source.kind not in ("file", "folder", "state_dict"):
        return
    names = [tensor.name for tensor in inventory.tensors]
    text = "\n".join(names)
    if not any(word in text for word in _WORDS):
        return
    telling = {name for word in (*_WORDS, *_CHILDREN) for name in names if word in name}
    layers = tuple({found[1] for found in map(re.compile(_LAYER).search, telling) if found})
    yield from (name for name in names if name.startswith(layers))
