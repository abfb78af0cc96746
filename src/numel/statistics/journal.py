"""Which jobs of a scan are done already? A file of lines, one per finished job, that outlives whatever happens to the process.

Each line is written and synchronised with the disk before the next, and bears its own checksum: a line that was torn in
two is as if it had never been. What is remembered holds for one file as it was, and for the same pieces of it.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from zlib import crc32

from ..core.visible import visible_path
from ..errors import Sentence, UsageError, reason
from .wire import decode, encode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .jobs import Job
    from .tally import Counted

_HEAD = b'{"numel_journal": 2}\n'
_MAX_SHOWN = 120


class Lines:
    """A file of results by their keys. Raises UsageError where it cannot be written, or where another run is writing it."""

    def __init__(self, path: str) -> None:
        """Open it, or begin it."""
        self.path = path
        self.n_known = self.n_written = 0
        self._places: dict[str, tuple[int, int]] = {}  # key → where its line lies: a scan of days has gigabytes of them
        self._fd = -1
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
            self._lock()
            self._load()
        except OSError as error:
            self.close()
            self._refuse(error)

    def line(self, key: str) -> dict[str, Any] | None:
        """What was written under `key`, if its line is there and whole."""
        place = self._places.get(key)
        if place is None:
            return None
        try:
            found = json.loads(os.pread(self._fd, place[1], place[0]))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def append(self, about: Mapping[str, Any]) -> None:
        """One more line with its key, on the disk when this returns. Raises UsageError when it is full."""
        line = json.dumps(about).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._fd, line) :]
            os.fsync(self._fd)
        except OSError as error:
            self._refuse(error)
        self.n_written += 1

    def close(self, *, remove: bool = False) -> None:
        """Give it back; `remove` when all is done, or nothing is in it."""
        if self._fd < 0:
            return
        if remove or not self.holds_something():
            with suppress(OSError):
                os.unlink(self.path)
        os.close(self._fd)
        self._fd = -1

    def holds_something(self) -> bool:
        """Whether any line is there: one may have been written and its writing interrupted."""
        return os.fstat(self._fd).st_size > len(_HEAD)

    def _load(self) -> None:
        """Find the lines that are whole, and cut off what follows the last of them."""
        offset = 0
        with os.fdopen(os.dup(self._fd), "rb") as lines:
            lines.seek(0)
            for line in lines:
                if not offset and line != _HEAD and not _HEAD.startswith(line):
                    message = Sentence("is not a journal of numel")
                    raise UsageError(message, path=visible_path(self.path, _MAX_SHOWN), hint=Sentence("move it away"))
                if not line.endswith(b"\n"):
                    break
                if offset:
                    with suppress(ValueError, KeyError, TypeError):
                        self._places[json.loads(line)["key"]] = (offset, len(line))
                offset += len(line)
        os.ftruncate(self._fd, offset)
        os.lseek(self._fd, offset, os.SEEK_SET)
        if not offset:
            os.write(self._fd, _HEAD)

    def _lock(self) -> None:
        try:
            from fcntl import LOCK_EX, LOCK_NB, flock
        except ImportError:  # Windows opens a file for one writer anyway
            return
        try:
            flock(self._fd, LOCK_EX | LOCK_NB)
        except BlockingIOError as error:
            os.close(self._fd)
            self._fd = -1
            message = Sentence("is being written by another run")
            hint = Sentence("wait for it, or save elsewhere")
            raise UsageError(message, path=visible_path(self.path, _MAX_SHOWN), hint=hint) from error

    def _refuse(self, error: OSError) -> None:
        message = Sentence("cannot write: {why}", why=reason(error))
        hint = Sentence("choose another place")
        if self._fd >= 0 and self.holds_something():
            hint = Sentence("make room: the same command goes on from there")
        raise UsageError(message, path=visible_path(self.path, _MAX_SHOWN), hint=hint) from error


class LineJournal(Lines):
    """The journal of one scan: its lines are jobs."""

    def known(self, job: Job) -> list[Counted] | None:
        """What the job came to, if its line is there and whole."""
        line = self.line(job.key)
        if line is None:
            return None
        try:
            found = decode(_checked(line))
        except (ValueError, KeyError, TypeError):
            return None
        self.n_known += 1
        return found if len(found) == len(job.pieces) else None

    def write(self, job: Job, found: list[Counted]) -> None:
        """One more line, on the disk when this returns. Raises UsageError when it is full."""
        data = b64encode(encode(found))
        first, last = job.pieces[0], job.pieces[-1]
        self.append(
            {
                "key": job.key,
                "file": job.shard,
                "range": [first.offset, last.offset + last.nbytes],
                "identity": list(job.identity),
                "crc32": crc32(data),
                "data": data.decode(),
            }
        )


def _checked(line: dict[str, Any]) -> bytes:
    """The content of a line. Raises ValueError where it is damaged."""
    data: bytes = line["data"].encode()
    if crc32(data) != line["crc32"]:
        raise ValueError
    return b64decode(data)
