r"""How a text that somebody else wrote is shown: whatever could hide, move or break a line becomes `\u{…}`."""

from __future__ import annotations

import re
from itertools import accumulate

from ..errors import Sentence

MAX_SHOWN = 200  # characters: more than any real tensor name, few enough for one line

# What nearly every name consists of. Anything else is looked at character by character.
_PLAIN = re.compile(r"(?! )[ !-\[\]-~]+(?<! )")

# Controls (C0, DEL, C1), formats (bidi, zero-width, tags), surrogates, unassigned, line and paragraph separators.
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Cn", "Zl", "Zp"))
# Letters, symbols and marks by their category, and empty on the screen: Hangul fillers, the blank Braille pattern,
# the grapheme joiner, Khmer inherent vowels, variation selectors.
_BLANK = "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
_MAX_MARKS = 4  # combining marks on one letter: Vietnamese needs two, a tower of them covers the lines around it


def visible(text: str, limit: int = MAX_SHOWN) -> str:
    r"""`text` on one line and at most `limit` characters: nothing in it is invisible or acts on the terminal.

    A backslash is doubled, so that what was escaped can be told from what was written.

    >>> print(visible("h.0.attn\u202e\x1b[31m"))
    h.0.attn\u{202e}\u{1b}[31m
    >>> print(visible(""), visible(" a "), visible("C:\\model"))
    (empty) " a " C:\\model
    """
    if len(text) <= limit and _PLAIN.fullmatch(text):
        return text
    if not text:
        return Sentence("(empty)")
    quote = '"' if text[0] == " " or text[-1] == " " else ""
    room = limit - 2 * len(quote)
    pieces = _pieces(text[: room + 1])  # of a text of a gigabyte, no more is looked at than could be shown
    lengths = list(accumulate(map(len, pieces)))
    if len(text) <= room and lengths[-1] <= room:
        shown = "".join(pieces)
    else:  # an escape is never cut in half
        shown = "".join(piece for piece, end in zip(pieces, lengths, strict=True) if end < room) + "…"
    return quote + shown + quote


def visible_path(path: str, limit: int = MAX_SHOWN) -> str:
    """A path as `visible` shows it; of a long one the end, where the file's name stands.

    >>> visible_path("/a/very/long/way/to/model.safetensors", 20)
    '…o/model.safetensors'
    """
    if len(path) <= limit and _PLAIN.fullmatch(path):
        return path
    pieces = _pieces(path[-limit:]) or [Sentence("(empty)")]
    lengths = list(accumulate(map(len, reversed(pieces))))
    if len(path) <= limit and lengths[-1] <= limit:
        return "".join(pieces)
    n_kept = sum(end < limit for end in lengths)
    return "…" + "".join(pieces[len(pieces) - n_kept :])


def _pieces(text: str) -> list[str]:
    """Each character of `text` as it is shown."""
    from unicodedata import category  # only for the few texts that are not plain

    is_blank = re.compile(_BLANK).match
    pieces = []
    marks = 0
    for character in text:
        kind = category(character)
        marks = marks + 1 if kind[0] == "M" else 0
        hidden = kind in _HIDDEN or (kind == "Zs" and character != " ") or is_blank(character)
        if character == "\\":
            pieces.append("\\\\")
        elif hidden or marks > _MAX_MARKS:
            pieces.append(f"\\u{{{ord(character):x}}}")
        else:
            pieces.append(character)
    return pieces
