"""How is a file written so that nobody ever finds half of one? Beside its place first, then renamed."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import UsageError


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file whole or not at all. Raises UsageError where that is not possible."""
    target = Path(path)
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        beside.write_bytes(content)
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        message = f"cannot write: {error.strerror or error}"
        raise UsageError(message, path=str(target), hint="choose another place") from error
