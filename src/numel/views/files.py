"""How is a file written so that nobody ever finds half of one? Beside its place first, then renamed."""

from __future__ import annotations

import os
from contextlib import suppress

from ..errors import Sentence, UsageError, reason

PICTURES = ("png", "svg", "pdf")


def picture_suffix(path: str | os.PathLike[str]) -> str:
    """Which of PICTURES the file's name asks for. Raises UsageError for another."""
    written = os.path.splitext(path)[1]
    suffix = written.lower().removeprefix(".")
    if suffix not in PICTURES:
        message = Sentence("cannot draw a {suffix}", suffix=written or Sentence("file without suffix"))
        hint = Sentence("there is {names}", names=", ".join("." + s for s in PICTURES))
        raise UsageError(message, path=os.fspath(path), hint=hint)
    return suffix


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file whole or not at all. Raises UsageError where that is not possible.

    A link is followed; a device or a pipe, which the renaming would replace by a file, is written to as it is.
    """
    is_special = os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)
    place = os.fspath(path) if is_special else os.path.realpath(path)
    folder, name = os.path.split(place)
    beside = place if is_special else os.path.join(folder, f".{name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as file:
            file.write(content)
        if not is_special:
            os.replace(beside, place)
    except OSError as error:
        if not is_special:
            with suppress(OSError):
                os.unlink(beside)
        message = Sentence("cannot write: {why}", why=reason(error))
        raise UsageError(message, path=os.fspath(path), hint=Sentence("choose another place")) from error
