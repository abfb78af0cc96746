"""Which inner loops count the values: those in C if they were built, or the same in numpy; both give the same bits."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from typing import Any

WORK_NBYTES = (4 << 20) + (1 << 18)  # native.c, WORK_F32: a thread's own tables and buffer
BLOCK = 1 << 18  # elements whose sums are added up together: the grid on which tensors are cut


class Kernels(Protocol):
    """What native.c and twin.py both offer. `source` is a file's number or bytes in memory."""

    LEVEL: str

    def count(  # noqa: PLR0913, PLR0917 - as the function in C takes them
        self, source: Any, offset: int, nbytes: int, itemsize: int, work: Any, counts: Any, /
    ) -> int:
        """Add how often each pattern of 8 or 16 bits occurs to `counts` (uint64); the bytes read."""

    def sum_f32(  # noqa: PLR0913, PLR0917 - as the function in C takes them
        self, source: Any, offset: int, nbytes: int, pivot: float, work: Any, sums: Any, /
    ) -> tuple[int, int, int, int, int, int]:
        """The upper 20 bits of F32 counted into `work`, sums per block; bytes read, bits used, zeros, NaN, ±inf."""


def kernels() -> Kernels:
    """The inner loops; NUMEL_KERNELS=numpy asks for those in numpy, native for those in C or an ImportError."""
    wanted = os.environ.get("NUMEL_KERNELS", "")
    if wanted != "numpy":
        try:
            return cast("Kernels", import_module(".native", __name__))
        except ImportError:  # built without a compiler
            if wanted == "native":
                raise
    return cast("Kernels", import_module(".twin", __name__))
