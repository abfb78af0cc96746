"""How many tokens does an encoder make of one picture, and which of them does each of its matrices work on?

A picture is of the size that the configuration states. Its patches are tokens, and so are a class, a distillation
token and registers beside them, where the model has parameters for these.
"""

from __future__ import annotations

import re

from ..core.parameters import Component
from ..core.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.parameters import Parameter, ParameterTable
    from .families import Family
    from .fields import TextFields

ALONE, BESIDE = "alone", "beside"

_EXTRA = re.compile(r"cls_token|class_embedding|class_token|distillation_token|register_tokens")
_POOLED = re.compile(r"pooler|\.head\.|^head\.|(?:text|visual)_projection|text_model\.head|^classifier|cls_classifier")


class Picture(NamedTuple):
    """What an encoder makes of one picture: patches, and all tokens of its layers. `d_model`: their width.

    `is_alone`: the whole model works on pictures; else only its vision tower, and the rest on text. `size`: height and
    width in pixels.
    """

    n_patches: int
    n_tokens: int
    d_model: int
    is_alone: bool
    size: tuple[int, ...] = ()


def picture_of(table: ParameterTable, fields: TextFields, family: Family) -> Picture | None:
    """The picture of a family that sees some. Raises UnsupportedError where the configuration states no size."""
    if not family.pictures:
        return None
    seen = fields.of_pictures()
    n_patches, size = _patches(seen, is_beside=family.pictures == BESIDE)
    extra = sum(
        row.tensor.shape[-2] if len(row.tensor.shape) > 1 else 1
        for row in table.rows
        if row.component is Component.EMBEDDING and row.part == "special" and _EXTRA.search(row.tensor.name)
    )
    reads = any(row.component is Component.EMBEDDING and row.part == "token" for row in table.rows)
    is_alone = family.pictures == ALONE or not reads
    return Picture(n_patches, n_patches + extra, seen.d_model, is_alone, size)


def _patches(seen: TextFields, *, is_beside: bool) -> tuple[int, tuple[int, ...]]:
    """How many patches a picture has, and its height and width in pixels, of one of any size as many as there are places."""
    places = seen.get("num_patches") if is_beside else None
    if type(places) is int:  # SigLIP 2, whose processor fills a picture up to them
        return places, ()
    across, down = _pair(seen, "image_size")
    wide, high = _pair(seen, "patch_size")
    return (across // wide) * (down // high), (across, down)


def _pair(fields: TextFields, name: str) -> tuple[int, int]:
    """A size that holds for both directions, or one for each."""
    found = fields.get(name)
    if isinstance(found, (list, tuple)) and len(found) == 2 and all(type(size) is int and size > 0 for size in found):
        return found[0], found[1]
    side = fields.integer(name, least=1)
    return side, side


def works_on_pictures(row: Parameter, picture: Picture | None) -> bool:
    """Whether a tensor belongs to what sees the picture."""
    return picture is not None and (picture.is_alone or row.tower == "vision")


def tokens_of_picture(row: Parameter, picture: Picture) -> int:
    """How many tokens of one picture are multiplied with the tensor."""
    if row.component is Component.EMBEDDING or len(row.tensor.shape) == 4:
        return picture.n_patches  # (a kernel behind the layers makes pixels of patches again)
    if row.component in (Component.HEAD, Component.PROJECTOR) or _POOLED.search(row.tensor.name):
        return 1
    return picture.n_tokens


def is_pooled(row: Parameter) -> bool:
    """Whether a tensor works on one vector of a whole sequence."""
    return _POOLED.search(row.tensor.name) is not None


def pooled_queries(rows: Sequence[Parameter], picture: Picture | None) -> int:
    """The width of attention that pools a picture by one learned query (SigLIP), 0 for a model without."""
    if picture is None:
        return 0
    found = (row.tensor.shape[-1] for row in rows if row.tensor.name.endswith("head.attention.in_proj_weight"))
    return next(found, 0)
