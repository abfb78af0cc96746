"""How is a matrix read that lies the other way round than the one beside it? As its transpose, one matrix at a time in memory."""

from __future__ import annotations

from threading import local
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.bytes import ValueFile
    from ..core.tensors import TensorInfo

_MARK = "\0turned "  # begins no file's name


class Turned:
    """Opens files as `open_shard` does, and those that `tensor` makes of matrices as well."""

    def __init__(self, open_shard: Callable[[str], ValueFile]) -> None:
        self._open_shard = open_shard
        self._made: dict[str, TensorInfo] = {}
        self._held = _Held()

    def tensor(self, tensor: TensorInfo) -> TensorInfo:
        """The transpose of a matrix, or of each in a stack of them."""
        name = _MARK + tensor.name
        self._made[name] = tensor
        *before, height, width = tensor.shape
        return tensor._replace(shape=(*before, width, height), shard=name, offset=0)

    def open(self, shard: str) -> ValueFile:
        """The file called so."""
        if shard not in self._made:
            return self._open_shard(shard)
        tensor = self._made[shard]
        return _Columns(tensor, self._open_shard(tensor.shard or ""), self._held)


class _Held(local):
    """The last matrix that this thread has read, turned; which one it is."""

    key: tuple[str, int] | None = None
    content: bytes = b""


class _Columns:
    """The matrices of a tensor as a file in which their columns follow each other."""

    def __init__(self, tensor: TensorInfo, file: ValueFile, held: _Held) -> None:
        self._tensor, self._file, self._held = tensor, file, held
        self.name = file.name
        self.size = tensor.nbytes or 0
        self.first_identity = file.first_identity

    def read(self, offset: int, nbytes: int) -> bytes:
        """The bytes from `offset` on of the transposed matrices."""
        height, width = self._tensor.shape[-2:]
        each = height * width * self._tensor.dtype.block_nbytes
        found = []
        end = offset + nbytes
        while offset < end:
            number, start = divmod(offset, each)
            part = self._turned(number, each)[start : start + end - offset]
            found.append(part)
            offset += len(part)
        return b"".join(found)

    def _turned(self, number: int, nbytes: int) -> bytes:
        key = (self._tensor.name, number)
        if self._held.key != key:
            raw = self._file.read((self._tensor.offset or 0) + number * nbytes, nbytes)
            shape = (*self._tensor.shape[-2:], self._tensor.dtype.block_nbytes)
            self._held.content = np.frombuffer(raw, np.uint8).reshape(shape).swapaxes(0, 1).tobytes()
            self._held.key = key
        return self._held.content

    def identity(self) -> tuple[object, ...]:
        """That of the file underneath."""
        return self._file.identity()

    def fileno(self) -> int | None:
        """None: these bytes lie in no file."""
        return None
