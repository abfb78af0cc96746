"""What does int8 cost a matrix with one scale for each row, or for each column, instead of one for all of it?

Absolute-maximum quantisation: x̂ = s·round(x / s), s = max|x| / 127 over what shares the scale (Dettmers et al.,
"LLM.int8()", 2022, arXiv:2208.07339, section 2).
"""

from __future__ import annotations

from math import log10
from typing import TYPE_CHECKING

import numpy as np

from .channels import axes_of
from .decode import decoded

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..core.bytes import ValueFile
    from ..core.tensors import TensorInfo

_READ_NUMEL = 1 << 20  # elements at once


def sqnr_by_line(tensor: TensorInfo, file: ValueFile) -> tuple[float | None, float | None]:
    """The signal to noise ratio in dB with a scale per row and with a scale per column; None where nothing is lost."""
    rows, columns = axes_of(tensor, file)
    width = tensor.shape[-1]
    height = tensor.numel // width
    kept = 0.0
    lost = [0.0, 0.0]
    step = max(_READ_NUMEL // width, 1)
    for start in range(0, height, step):
        n = min(step, height - start)
        offset = (tensor.offset or 0) + (tensor.dtype.nbytes(start * width) or 0)
        values = decoded(tensor.dtype.name, file.read(offset, tensor.dtype.nbytes(n * width) or 0))
        values = np.where(np.isfinite(values), values, 0.0).reshape(n, width)
        kept += float(np.square(values).sum())
        lost[0] += _noise(values, rows.absmax[start : start + n, np.newaxis])
        lost[1] += _noise(values, columns.absmax[np.newaxis])
    by_row, by_column = (10 * log10(kept / noise) if noise and kept else None for noise in lost)
    return by_row, by_column


def _noise(values: NDArray[np.float64], absmax: NDArray[np.float64]) -> float:
    step = np.where(absmax > 0, absmax / 127, 1.0)
    return float(np.square(values - np.rint(values / step) * step).sum())
