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


class ValueFile(ByteSource, Protocol):
    """A source whose values are read, perhaps for hours: it can say whether it is still the same."""

    @property
    def first_identity(self) -> tuple[object, ...]:
        """What `identity` was when it was opened."""

    def identity(self) -> tuple[object, ...]:
        """Its size, the time of its last change and whatever else tells two contents apart."""

    def fileno(self) -> int | None:
        """The number of the open file; None for what is no file of this machine."""
