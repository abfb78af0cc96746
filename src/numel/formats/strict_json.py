"""JSON as RFC 8259 has it, from files that nobody vouches for.

The standard library's reader is lenient: it takes NaN, keys that stand twice and lone surrogates, and it ends in
RecursionError or ValueError on deep nesting or long numbers. Here each of these is one line with its place.
"""

from __future__ import annotations

import math
import re
from json import JSONDecodeError, JSONDecoder

from ..core.visible import visible, visible_path
from ..errors import CorruptFileError, Sentence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

MAX_DEPTH = 64
MAX_DIGITS = 40
MAX_VALUES = 500_000  # the index of the largest published model has 100,000 entries; each takes 0.3 kB as an object
MAX_PATH_SHOWN = 120

_BOM = b"\xef\xbb\xbf"
_SPACES = (" ", "\n", "\t", "\r")
_SPACE = re.compile(r"[ \t\n\r]*+")
_STRUCTURE = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},]', re.DOTALL)  # texts whole, as they may hold brackets
_STEP = {**dict.fromkeys(b"[{", 1), **dict.fromkeys(b"]}", -1), **dict.fromkeys(b',"', 0)}
# One escape at a time; the group is a surrogate that no partner follows.
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)


class Fault(Exception):  # noqa: N818 - never leaves this package: whoever knows the file makes it a NumelError
    """What is wrong with a text, and the index of the character where, if that is known."""

    def __init__(self, index: int | None, message: str) -> None:
        super().__init__(message)
        self.index = index
        self.message = message


def parse(raw: bytes, *, path: str) -> Any:
    """The value of the JSON text `raw`. Raises CorruptFileError with the byte where it goes wrong.

    >>> parse(b'{"n_layer": 12}', path="config.json")
    {'n_layer': 12}
    >>> parse(b'{"n_layer": 12, "n_layer": 24}', path="config.json")
    Traceback (most recent call last):
    numel.errors.CorruptFileError: config.json: key n_layer appears twice in one object (get or write the file again)
    """
    text = decode(raw, path=path)
    try:
        return _only_value(text, raw)
    except Fault as fault:
        offset = None if fault.index is None else len(text[: fault.index].encode("utf-8"))
        raise CorruptFileError(fault.message, path=visible_path(path, MAX_PATH_SHOWN), offset=offset) from None


def decode(raw: bytes, *, path: str) -> str:
    """`raw` as text: strict UTF-8 without a byte order mark. Raises CorruptFileError."""
    shown = visible_path(path, MAX_PATH_SHOWN)
    if raw.startswith(_BOM):
        message = Sentence("begins with a byte order mark (U+FEFF), which JSON does not allow")
        raise CorruptFileError(message, path=shown, offset=0)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        message = Sentence("is not UTF-8: {reason}", reason=Sentence(error.reason))
        raise CorruptFileError(message, path=shown, offset=error.start) from None


def _only_value(text: str, raw: bytes) -> Any:
    """The value that is all of `text`, which are the bytes `raw`. Raises Fault."""
    refuse_monsters(raw)
    refuse_lone_surrogates(text)
    value, end = value_at(text, skip_space(text, 0))
    end = skip_space(text, end)
    if end != len(text):
        raise Fault(end, Sentence("is not valid JSON: there is more text behind the end of the value"))
    return value


def skip_space(text: str, index: int) -> int:
    """The index of the first character from `index` on that is no white space."""
    if text[index : index + 1] not in _SPACES:
        return index
    match = _SPACE.match(text, index)
    return match.end() if match else index


def refuse_monsters(raw: bytes) -> None:
    """Raises Fault when `raw` is nested too deep or has too many values; asked before a parser recurses or allocates."""
    n_brackets = raw.count(b"[") + raw.count(b"{")
    if n_brackets <= MAX_DEPTH and raw.count(b",") <= MAX_VALUES:
        return
    depth = 0
    for n, match in enumerate(_STRUCTURE.finditer(raw)):
        depth += _STEP[raw[match.start()]]
        if depth > MAX_DEPTH:
            raise Fault(None, Sentence("is nested more than {max_depth} levels deep", max_depth=MAX_DEPTH))
        if n > 3 * MAX_VALUES:  # an entry is two texts and a comma
            raise Fault(None, Sentence("has more than {max_values} values", max_values=MAX_VALUES))


def refuse_lone_surrogates(text: str) -> None:
    r"""Raises Fault when an escape like `\ud800` stands without the other half of its character."""
    if "\\u" not in text:
        return
    for escape in _ESCAPE.finditer(text):
        if escape[1]:
            raise Fault(
                escape.start(),
                Sentence("the escape {escape} is half a character (a lone surrogate)", escape=visible(escape[0])),
            )


def value_at(text: str, index: int) -> tuple[Any, int]:
    """The JSON value that begins at `index`, and the index behind it. Raises Fault."""
    try:
        return _raw_decode(text, index)
    except JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:].removesuffix(" at").removesuffix(
            " starting"
        )  # locale/words.txt has them
        raise Fault(error.pos, Sentence("is not valid JSON: {what}", what=Sentence(what))) from None
    except RecursionError:
        raise Fault(index, Sentence("is nested more than {max_depth} levels deep", max_depth=MAX_DEPTH)) from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise Fault(None, Sentence("key {key} appears twice in one object", key=visible(key, 64)))
            seen.add(key)
    return found


def _integer(text: str) -> float:
    if len(text) > MAX_DIGITS:
        _refuse_long(text)
    return int(text) if text != "-0" else -0.0  # as serde_json has it: no integer, so never a dimension


def _real(text: str) -> float:
    if len(text) > MAX_DIGITS:
        _refuse_long(text)
    value = float(text)
    if math.isinf(value):
        raise Fault(None, Sentence("has a number beyond the range of floats: {text}", text=visible(text, 24)))
    return value


def _refuse_long(text: str) -> None:
    if sum(map(str.isdigit, text)) > MAX_DIGITS:
        raise Fault(
            None,
            Sentence("has a number of more than {max_digits} digits: {text}…", max_digits=MAX_DIGITS, text=text[:12]),
        )


def _constant(text: str) -> NoReturn:
    raise Fault(None, Sentence("is not valid JSON: {text} is not a number", text=text))


_raw_decode = JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_real, parse_constant=_constant
).raw_decode
