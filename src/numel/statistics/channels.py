"""Which rows and columns of a matrix stand out? The largest |x| and the norm of each, against the middle one of its kind.

A histogram cannot tell: it forgets where a value stood. What breaks a quantisation with one scale per tensor is often a
single channel (Dettmers et al., "LLM.int8()", 2022, arXiv:2208.07339, section 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .decode import decoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from ..core.bytes import ValueFile
    from ..core.tensors import TensorInfo

_READ_NUMEL = 1 << 20  # elements at once


class Channel(NamedTuple):
    """One row or column, number `channel`: `absmax` its largest |x|, `l2` its norm, `factor` absmax over the median of all like it.

    Rows are of the first dimension and columns of the last; what lies between belongs to the rows.
    """

    tensor: str
    axis: str
    channel: int
    absmax: float
    l2: float
    factor: float | None


class Axis(NamedTuple):
    """The channels of one direction: arrays (n,) float64."""

    absmax: NDArray[np.float64]
    l2: NDArray[np.float64]


def axes_of(tensor: TensorInfo, file: ValueFile) -> tuple[Axis, Axis]:
    """Rows and columns of a matrix, of its finite values; what is not finite counts as 0."""
    width = tensor.shape[-1]
    height = tensor.numel // width
    rows, columns = Axis(np.zeros(height), np.zeros(height)), Axis(np.zeros(width), np.zeros(width))
    step = max(_READ_NUMEL // width, 1)
    for start in range(0, height, step):
        n = min(step, height - start)
        offset = (tensor.offset or 0) + (tensor.dtype.nbytes(start * width) or 0)
        size = np.abs(decoded(tensor.dtype.name, file.read(offset, tensor.dtype.nbytes(n * width) or 0)))
        size = np.where(np.isfinite(size), size, 0.0).reshape(n, width)
        square = size * size
        rows.absmax[start : start + n] = size.max(axis=1)
        rows.l2[start : start + n] = square.sum(axis=1)
        np.maximum(columns.absmax, size.max(axis=0), out=columns.absmax)
        columns.l2[:] += square.sum(axis=0)
    return rows._replace(l2=np.sqrt(rows.l2)), columns._replace(l2=np.sqrt(columns.l2))


def outliers(tensors: Iterable[TensorInfo], open_shard: Callable[[str], ValueFile], *, most: int) -> Iterator[Channel]:
    """The `most` channels of all the matrices that stand out furthest, the furthest first."""
    found: list[Channel] = []
    for tensor in tensors:
        if len(tensor.shape) < 2 or not tensor.numel or tensor.shape[-1] % tensor.dtype.block_numel:
            continue
        for name, axis in zip(("row", "column"), axes_of(tensor, open_shard(tensor.shard or "")), strict=True):
            middle = float(np.median(axis.absmax))
            for index in np.argsort(-axis.absmax, kind="stable")[:most].tolist():
                absmax, norm = float(axis.absmax[index]), float(axis.l2[index])
                found.append(Channel(tensor.name, name, index, absmax, norm, absmax / middle if middle else None))
        found = sorted(found, key=lambda channel: -(channel.factor or 0.0))[:most]
    yield from found
