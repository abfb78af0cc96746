"""What a reader needs of the place where bytes lie: a name, a size, and ranges on request."""

from __future__ import annotations

from typing import Protocol


class ByteSource(Protocol):
    """A file, an object in a store, a part of an archive: anything that can be read by ranges."""

    @property
    def name(self) -> str:
        """What to call it in a message: a path or an address."""

    @property
    def size(self) -> int:
        """Its length in bytes."""

    def read(self, offset: int, nbytes: int) -> bytes:
        """Exactly `nbytes` bytes from `offset`. Raises CorruptFileError when they are not there."""
