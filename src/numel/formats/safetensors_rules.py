"""What a safetensors header must say of one tensor, whichever way it is read."""

from __future__ import annotations

from ..core.records import NamedTuple
from ..core.visible import visible
from ..errors import Sentence
from .strict_json import Fault

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.dtypes import DType

USIZE = 1 << 64  # tensor.rs counts in usize and refuses what does not fit (SafeTensorError::ValidationOverflow)


class Columns(NamedTuple):
    """Tensors as the header describes them, column by column; `begins` in bytes from the start of the values.

    `end` is where the last one's values end if each begins where the one before it ends, -1 otherwise.
    """

    names: Sequence[str]
    shapes: Sequence[tuple[int, ...]]
    dtypes: Sequence[DType]
    begins: Sequence[int]
    end: int


def nbytes_of(shape: tuple[int, ...], dtype: DType) -> int:
    """Bytes of a tensor, checked as tensor.rs does: elements (so far, at each dimension) and bits below 2^64.

    Types of less than a byte must fill whole ones. Raises Fault.

    >>> from numel.core.dtypes import F32
    >>> nbytes_of((2, 3), F32)
    24
    """
    numel = 1
    for dim in shape:
        numel *= dim
        if numel >= USIZE:
            raise Fault(None, Sentence("{shape} has 2^64 elements or more", shape=shown_shape(shape)))
    if 8 * numel * dtype.block_nbytes >= USIZE * dtype.block_numel:
        raise Fault(None, Sentence("{name} {shape} has 2^64 bits or more", name=dtype.name, shape=shown_shape(shape)))
    if dtype.block_numel > 1 and numel * dtype.block_nbytes % dtype.block_numel:
        raise Fault(
            None, Sentence("{name} {shape} takes no whole number of bytes", name=dtype.name, shape=shown_shape(shape))
        )
    return numel * dtype.block_nbytes // dtype.block_numel


def shown_shape(shape: Sequence[int]) -> str:
    """A shape as messages have it: all of it, or how it begins.

    >>> shown_shape((2, 3))
    '[2, 3]'
    """
    return visible(f"[{', '.join(map(str, shape[:6]))}{', …' if len(shape) > 6 else ''}]", 64)


def shown_name(name: str) -> str:
    """A tensor's name as messages have it."""
    return visible(name, 64)
