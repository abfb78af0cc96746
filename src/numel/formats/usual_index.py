"""The quick way through the index of a sharded model: does it say just what the files themselves say?

json.dumps writes one line `"tensor": "file"` after the other, all spaced alike. Of a large model that is 9 MB of
text, and to make a dict of it and compare that with the headers takes longer than to read the headers. Here no name
is looked up: the lines that should be there are made from the headers, and both sides are added up as hashes, which
Python keys anew in each process. Sums that agree by chance are as likely as guessing a 61-bit number; sums that do
not agree decide nothing, and the exact way is taken.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..errors import CorruptFileError
from .strict_json import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

_CHUNK_NBYTES = 1 << 17  # taken apart at once, so that the pieces reuse their memory
_SPACE = rb"[ \t\n\r]*+"
_START = re.compile(
    rb'"weight_map"' + _SPACE + rb":" + _SPACE + rb"\{" + _SPACE  # then the first entry, and how it is spaced
    + rb'"(?P<entry>[^"]*+(?P<colon>"' + _SPACE + rb":" + _SPACE + rb'")(?P<file>[^"]*+))"'
)
_COMMA = re.compile(rb'"' + _SPACE + rb"," + _SPACE + rb'"')


class UsualIndex:
    """An index in the form that json.dumps gives it. `document` is the rest of it, None if the form is another."""

    def __init__(self, raw: bytes) -> None:
        self.document: dict[str, Any] | None = None
        self.first_file = ""
        self._raw = raw
        self._sum = 0
        self._n = 0
        start = _START.search(raw)
        if start is None or b"\\" in raw:
            return
        end = raw.find(b"}", start.end())
        self._span = (start.start("entry"), raw.rfind(b'"', 0, end))
        self._colon = start["colon"]
        comma = _COMMA.match(raw, start.end() - 1)
        self._comma = comma[0] if comma else b""
        try:
            document = parse(raw[: start.start("entry") - 1] + raw[max(end, 0) :], path="")
            self.first_file = start["file"].decode("utf-8")
        except (CorruptFileError, UnicodeDecodeError):
            return
        # What stands between the last entry's quotation mark and the brace must be white space.
        if isinstance(document, dict) and document.get("weight_map") == {} and not raw[self._span[1] + 1 : end].strip():
            self.document = document

    def expect(self, names: Sequence[str], file: str) -> None:
        """The index should have these tensors in this file."""
        behind = self._colon.decode("ascii") + file
        lines = (behind + "\0").join(names) + behind if names else ""
        entries = lines.encode("utf-8").split(b"\0") if names else []
        self._sum += sum(map(hash, entries))
        self._n += len(entries)

    def is_as_expected(self) -> bool:
        """Whether the index has all entries that it should have, and no other."""
        total, n = 0, 0
        start, end = self._span
        while start < end:
            stop = self._raw.find(self._comma, start + _CHUNK_NBYTES, end) if self._comma else -1
            stop = end if stop < 0 else stop
            part = self._raw[start:stop]
            entries = part.split(self._comma) if self._comma else [part]
            total += sum(map(hash, entries))
            n += len(entries)
            start = stop + len(self._comma)
        return n == self._n and total == self._sum
