"""How is a file written so that nobody ever finds half of one? Beside its place first, then renamed."""

from __future__ import annotations

import os
from contextlib import suppress

from ..errors import Sentence, UsageError


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all. Raises UsageError where that is not possible."""
    folder, name = os.path.split(os.fspath(path))
    beside = os.path.join(folder, f".{name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as file:
            file.write(content)
        os.replace(beside, path)
    except OSError as error:
        with suppress(OSError):
            os.unlink(beside)
        message = Sentence("cannot write: {why}", why=(error.strerror or str(error)).lower())
        raise UsageError(message, path=os.fspath(path), hint=Sentence("choose another place")) from error
