"""The quick way through the index of a sharded model: does it say just what the files themselves say?

json.dumps writes one line `"tensor": "file"` after the other, all spaced alike. Of a large model that is 9 MB of
text, and to make a dict of it and compare that with the headers takes as long as to read the headers. Here no name
is looked up: the lines that should be there are made from the headers, and both sides are added up as hashes, which
Python keys anew in each process. That other lines have the same sum is as likely as guessing a 61-bit number; sums
that differ decide nothing, and the exact way is taken.
"""

from __future__ import annotations

import re

from ..errors import CorruptFileError
from .strict_json import parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from ..core.bytes import ByteSource

_MARGIN_NBYTES = 1 << 16  # what stands before and behind the weight_map is shorter, or the exact way is taken
_CHUNK_NBYTES = 1 << 17  # taken apart at once, so that the pieces reuse their memory
_SPACE = r"[ \t\n\r]*+"
_START = re.compile(
    rf'"weight_map"{_SPACE}:{_SPACE}\{{{_SPACE}"(?P<entry>[^"]*+(?P<colon>"{_SPACE}:{_SPACE}")(?P<file>[^"]*+))"'.encode()
)
_COMMA = re.compile(rf'"{_SPACE},{_SPACE}"'.encode())


class UsualIndex:
    """An index in the form that json.dumps gives it. `document` is the rest of it, None if the form is another."""

    def __init__(self, source: ByteSource) -> None:
        self.document: dict[str, Any] | None = None
        self.first_file = ""
        self._source = source
        self._expected = (0, 0)
        head = source.read(0, min(source.size, _MARGIN_NBYTES))
        tail_start = max(0, source.size - _MARGIN_NBYTES)
        tail = source.read(tail_start, source.size - tail_start)
        start = _START.search(head)
        if start is None:
            return
        comma = _COMMA.match(head, start.end() - 1)
        end = tail.find(b"}", max(0, start.end() - tail_start))
        quote = tail.rfind(b'"', 0, max(end, 0))
        self._span = (start.start("entry"), tail_start + quote)
        self._colon = start["colon"]
        self._comma = comma[0] if comma else b""
        if quote < 0 or tail[quote + 1 : end].strip(b" \t\n\r"):
            return
        try:
            document = parse(head[: start.start("entry") - 1] + tail[end:], path=source.name)
            self.first_file = start["file"].decode("utf-8")
        except (CorruptFileError, UnicodeDecodeError):
            return
        if isinstance(document, dict) and document.get("weight_map") == {}:
            self.document = document

    def expect(self, names: Sequence[str], file: str) -> None:
        """The index should have these tensors in this file."""
        behind = self._colon.decode("ascii") + file
        lines = (behind + "\0").join(names) + behind
        n, total = self._expected
        entries = lines.encode("utf-8").split(b"\0") if names else []
        self._expected = (n + len(entries), total + sum(map(hash, entries)))

    def is_as_expected(self) -> bool:
        """Whether the index has all the entries that it should have, and no other."""
        n = total = 0
        for entries in self._entries():
            if entries is None:
                return False
            n += len(entries)
            total += sum(map(hash, entries))
        return (n, total) == self._expected

    def _entries(self) -> Iterator[list[bytes] | None]:
        """The text of the entries, some thousand at a time; None where they cannot be told apart."""
        position, end = self._span
        rest = b""
        while position < end:
            part = rest + self._source.read(position, min(_CHUNK_NBYTES, end - position))
            position += _CHUNK_NBYTES
            entries = part.split(self._comma) if self._comma else [part]
            rest = entries.pop() if position < end else b""
            # A backslash may change what a quotation mark means, and no entry is that long.
            yield None if b"\\" in part or len(rest) > _MARGIN_NBYTES else entries
