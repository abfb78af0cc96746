"""Which characters can a stream write? What it cannot is replaced by the nearest that it can, never an exception."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

_NEAREST = {
    "–": "-", "—": "-", "−": "-", "─": "-", "×": "x", "·": "*", "…": "...", "→": "->", "■": "#", "≥": ">=", "≤": "<=",
    "“": '"', "”": '"', "‘": "'", "’": "'", "²": "^2", "³": "^3", "⁻": "^-", "√": "sqrt", "∞": "inf", "≈": "~", "đ": "d", "Đ": "D",
    "α": "alpha", "β": "beta", "γ": "gamma", "ε": "epsilon", "μ": "mu", "σ": "sigma",
}  # fmt: skip


def encoding_of(out: TextIO) -> str:
    """The encoding of a stream; UTF-8 for one that has none, such as StringIO.

    >>> from io import StringIO
    >>> encoding_of(StringIO())
    'utf-8'
    """
    return getattr(out, "encoding", None) or "utf-8"


def can_write(text: str, encoding: str) -> bool:
    """Whether every character of the text has a place in the encoding.

    >>> can_write("█", "utf-8"), can_write("█", "cp1252")
    (True, False)
    """
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def replacer(encoding: str) -> Callable[[str], str]:
    r"""A function that makes any text writable in `encoding`; for UTF-8 it changes nothing that UTF-8 knows.

    A letter loses its accents, a known sign becomes its ASCII spelling, anything else `\\u{…}`.

    >>> replacer("cp1252")("chuẩn hóa · 12 × 1024² → 层")
    'chuan hóa · 12 × 1024² -> \\u{5c42}'
    """

    def replace(text: str) -> str:
        if text.isascii() or can_write(text, encoding):
            return text
        return "".join(c if can_write(c, encoding) else _nearest(c, encoding) for c in text)

    return replace


def _nearest(letter: str, encoding: str) -> str:
    if letter in _NEAREST:
        return _NEAREST[letter]
    import unicodedata  # only for a letter that the stream cannot write

    bare = unicodedata.normalize("NFD", letter)[0]
    return bare if bare != letter and can_write(bare, encoding) else f"\\u{{{ord(letter):x}}}"
