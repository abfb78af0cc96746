"""How does a program read a report? One JSON object with every number as it is."""

from __future__ import annotations

import json
import re
from math import isfinite

from ..translate import Translator
from .encoding import can_write, encoding_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TextIO

    from ..core.report import Report
    from .options import ViewOptions

SCHEMA = "numel/1"

# Lone surrogates are not UTF-8; the rest (DEL, C1, bidi, zero-width, tags) acts on a terminal that shows the file.
# Compiled where a text holds more than ASCII: it takes 0.7 ms.
_UNSAFE = "[\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def render(report: Report, out: TextIO, options: ViewOptions) -> None:
    """Write the report's data; keys and sentences in English whatever the language, NaN and infinity as null.

    One line per row of a list, so that the file can be read and compared, and the fast encoder works on whole rows.
    """
    del options
    say = Translator("en").text
    body: dict[str, Any] = {
        "schema": SCHEMA,
        "command": report.command,
        "assumptions": [say(text) for text in report.assumptions],
        "warnings": [say(text) for text in report.warnings],
        **report.data,
    }
    escape_all = not can_write("ẩ█", encoding_of(out))
    out.writelines(_escape_all(piece) if escape_all else piece for piece in _pieces(body, ""))
    out.write("\n")


def _pieces(value: Any, indent: str) -> Iterator[str]:
    """The text of a value: what holds lists or objects of its own is spread over lines, the rest stands on one."""
    if isinstance(value, dict) and any(isinstance(v, (dict, list, tuple)) for v in value.values()):
        inner = indent + "  "
        for n, (key, item) in enumerate(value.items()):
            yield f"{',' if n else '{'}\n{inner}{encode(str(key))}: "
            yield from _pieces(item, inner)
        yield f"\n{indent}}}"
    elif isinstance(value, (list, tuple)) and any(isinstance(v, (dict, list, tuple)) for v in value):
        inner = indent + "  "
        for n, item in enumerate(value):
            yield f"{',' if n else '['}\n{inner}"
            yield from _pieces(item, inner)
        yield f"\n{indent}]"
    else:
        yield encode(value)


def encode(value: Any) -> str:
    """A value as JSON on one line, NaN and infinity as null.

    >>> encode({"mean": float("nan"), "name": "lớp"})
    '{"mean": null, "name": "lớp"}'
    """
    try:
        text = _ENCODER.encode(value)
    except ValueError:  # a NaN or an infinity somewhere: rare, so looked for only now
        text = _ENCODER.encode(_finite(value))
    return text if text.isprintable() else re.sub(_UNSAFE, _escaped, text)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"


def _escape_all(text: str) -> str:
    """The same JSON in ASCII, for a stream that cannot write everything."""
    return text if text.isascii() else re.sub(r"[^\x00-\x7f]", _escaped, text)
