"""The exact way through a safetensors header: any JSON that the format allows, and for the rest what is wrong where.

Two things are accepted with a warning, because safetensors' own reader takes them: white space before the first
brace (the README wants `{` to be first; tensor.rs, test_whitespace_start_padded_header) and fields it does not know.
"""

from __future__ import annotations

import re

from ..core.dtypes import SAFETENSORS_DTYPES
from ..core.visible import visible, visible_path
from ..errors import CorruptFileError, Sentence, UnsupportedError, and_more
from .safetensors_rules import USIZE, Columns, nbytes_of, shown_name, shown_shape
from .strict_json import MAX_DEPTH, MAX_PATH_SHOWN, Fault, refuse_lone_surrogates, skip_space, value_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

    from ..core.dtypes import DType

    Row = tuple[str, tuple[int, ...], DType, int]  # name, shape, dtype, begin

MAX_ENTRY_NBYTES = 1 << 20  # of one tensor's description: a shape of 100,000 dimensions fits in
MAX_METADATA_TEXTS = 200_000  # keys and values
MAX_WIDE_NBYTES = 25_000_000  # of metadata that is not ASCII: as text each character may take four bytes
METADATA = "__metadata__"
_FIELDS = ("dtype", "shape", "data_offsets")

_SPACE = re.compile(rb"[ \t\n\r]*+")
_METADATA_KEY = re.compile(rb'"__metadata__"[ \t\n\r]*+:[ \t\n\r]*+(?=\{)')
# An object without objects inside; the bound keeps a header of 50 million quotation marks from taking seconds.
_FLAT_OBJECT = re.compile(
    rb'\{(?:[^"{}]*+"[^"\\]*+(?:\\.[^"\\]*+)*+"){0,%d}+[^"{}]*+\}' % MAX_METADATA_TEXTS, re.DOTALL
)


class ExactEntries:
    """A place in a header, and what was met on the way to it.

    `header` begins at byte `base` of the file, and `position` counts from the start of `header`.
    """

    def __init__(self, header: bytes, *, path: str, base: int) -> None:
        self.header = header
        self.base = base
        self.position = 0
        self.finished = False
        self.metadata: dict[str, str] | None = None
        self.end = 0  # of the values so far, while each tensor's begin where the one's before end; else -1
        self._path = visible_path(path, MAX_PATH_SHOWN)
        self._leading_space = False
        self._unknown_fields: dict[str, str] = {}  # field → the first tensor that has it
        self._shapes: dict[tuple[int, ...], tuple[int, ...]] = {}

    def begin(self) -> None:
        """Move behind the opening brace and, if it comes first, the metadata."""
        if self.header.startswith(b"\xef\xbb\xbf"):
            self._fail_here(Sentence("the header begins with a byte order mark (U+FEFF), which JSON does not allow"))
        self._skip_space()
        self._leading_space = self.position > 0
        if not self._takes(b"{"):
            self._fail_here(Sentence("the header is not a JSON object: it does not begin with {{"))
        if self._takes(b"}"):
            self._finish()
        else:
            self._read_metadata()

    def warnings(self) -> tuple[str, ...]:
        """What is odd about the header and harmless."""
        found = []
        if self._leading_space:
            found.append(Sentence("the header begins with white space instead of {{"))
        if self._unknown_fields:
            field, name = next(iter(self._unknown_fields.items()))
            found.append(
                Sentence(
                    "the header has a field that the format does not know: {field} of {name}",
                    field=visible(field, 40),
                    name=and_more(shown_name(name), len(self._unknown_fields) - 1),
                )
            )
        return tuple(found)

    def entries(self, stop: int) -> Columns:
        """The entries from `position` to the first that ends at byte `stop` or behind it; `position` moves on."""
        if self._read_metadata():
            return Columns((), (), (), (), self.end)
        start = self.position
        text = self._text(start, min(len(self.header), stop + MAX_ENTRY_NBYTES))
        n_wanted = stop - start if text.isascii() else len(self.header[start:stop].decode("utf-8", "ignore"))
        rows: list[Row] = []
        index = begun = 0
        more = True
        try:
            while more and (index < n_wanted or not index):
                begun = skip_space(text, index)
                if rows and text.startswith(f'"{METADATA}"', begun):
                    break
                name, value, index = _entry(text, begun)
                self._take(name, value, rows)
                index, more = _behind_entry(text, index)
            refuse_lone_surrogates(text[:index])
        except Fault as fault:
            self._fail(fault, text, start, begun)
        self.position = start + _nbytes(text[:index])
        if not more:
            self._finish()
        names, shapes, dtypes, begins = zip(*rows, strict=True) if rows else ((), (), (), ())
        return Columns(names, shapes, dtypes, begins, self.end)

    def _read_metadata(self) -> bool:
        """Move behind the metadata, if it comes next and is an object of texts; it may be as long as the header.

        Of 100 MB of it there is never a third copy in memory.
        """
        self._skip_space()
        key = _METADATA_KEY.match(self.header, self.position)
        stop = _end_of_flat_object(self.header, key.end()) if key else -1
        if key is None or stop < 0:
            return False
        start = key.end()
        del key  # it holds on to the header
        if stop - start > MAX_WIDE_NBYTES and not self.header[start:stop].isascii():
            message = Sentence(
                "{metadata} has {n} bytes; more than {max_wide_nbytes} are read only in ASCII",
                metadata=METADATA,
                n=stop - start,
                max_wide_nbytes=MAX_WIDE_NBYTES,
            )
            raise UnsupportedError(message, path=self._path)
        text = self._text(start, stop)
        self.header, self.base, self.position = self.header[stop:], self.base + stop, 0
        try:
            refuse_lone_surrogates(text)
            self._take_metadata(value_at(text, 0)[0])
        except Fault as fault:
            self._fail(fault, text, start - stop, 0)
        if self._takes(b"}"):
            self._finish()
        elif not self._takes(b","):
            self._fail_here(Sentence("the header is not valid JSON: expecting a comma or }}"))
        return True

    def _skip_space(self) -> None:
        match = _SPACE.match(self.header, self.position)
        self.position = match.end() if match else self.position

    def _takes(self, character: bytes) -> bool:
        """Whether the next character that is no white space is this one; if so, `position` moves behind it."""
        self._skip_space()
        found = self.header.startswith(character, self.position)
        self.position += found
        return found

    def _finish(self) -> None:
        """Behind the closing brace, only white space may pad the header (README)."""
        self._skip_space()
        n = len(self.header) - self.position
        if n:
            self._fail_here(Sentence("{n} bytes of the header stand behind the end of its JSON object", n=n))
        self.finished = True

    def _text(self, start: int, stop: int) -> str:
        """These bytes as text; a character that is cut in two at the end is left to the next part."""
        view = memoryview(self.header)
        try:
            return str(view[start:stop], "utf-8")
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data" and stop < len(self.header):
                return str(view[start : start + error.start], "utf-8")
            self.position = start + error.start
            self._fail_here(Sentence("the header is not UTF-8: {reason}", reason=Sentence(error.reason)))

    def _take(self, name: str, value: object, rows: list[Row]) -> None:
        """Keep one entry of the header. Raises Fault without an index."""
        if name == METADATA:
            self._take_metadata(value)
            return
        try:
            shape, dtype, begin, end = self._description(name, value)
        except Fault as fault:
            raise Fault(
                None, Sentence("tensor {name}: {message}", name=shown_name(name), message=fault.message)
            ) from None
        rows.append((name, self._shapes.setdefault(shape, shape), dtype, begin))
        self.end = end if begin == self.end else -1

    def _description(self, name: str, value: object) -> tuple[tuple[int, ...], DType, int, int]:
        """Shape, dtype, begin and end of a tensor. Raises Fault without an index."""
        fields = self._fields(name, value)
        dtype = self._dtype(name, fields["dtype"])
        shape = _naturals("shape", fields["shape"])
        begin, end = _range(fields["data_offsets"])
        nbytes = nbytes_of(shape, dtype)
        if end - begin != nbytes:
            taken = Sentence("{name} {shape} takes {nbytes}", name=dtype.name, shape=shown_shape(shape), nbytes=nbytes)
            raise Fault(None, Sentence("its range has {n} bytes, and {taken}", n=end - begin, taken=taken))
        return shape, dtype, begin, end

    def _take_metadata(self, value: object) -> None:
        """`__metadata__` maps texts to texts (README); tensor.rs refuses anything else as well, null excepted."""
        if self.metadata is not None:
            raise Fault(None, Sentence("{metadata} appears twice in the header", metadata=METADATA))
        if not isinstance(value, dict):
            raise Fault(
                None,
                Sentence("{metadata} must be an object of texts, not {value}", metadata=METADATA, value=_kind(value)),
            )
        for key, text in value.items():
            if not isinstance(text, str):
                raise Fault(
                    None,
                    Sentence(
                        "{metadata}: {key} must be a text, not {text}",
                        metadata=METADATA,
                        key=visible(key, 40),
                        text=_kind(text),
                    ),
                )
        self.metadata = value

    def _fields(self, name: str, value: object) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Fault(
                None,
                Sentence("must be an object with {fields}, not {value}", fields=", ".join(_FIELDS), value=_kind(value)),
            )
        for field in _FIELDS:
            if field not in value:
                raise Fault(None, Sentence("{field} is missing", field=field))
        if len(value) > len(_FIELDS):
            for field in value.keys() - _FIELDS:
                if _is_deeper(value[field], MAX_DEPTH - 2):
                    raise Fault(None, Sentence("is nested more than {max_depth} levels deep", max_depth=MAX_DEPTH))
                self._unknown_fields.setdefault(field, name)
        return value

    def _dtype(self, name: str, value: object) -> DType:
        if not isinstance(value, str):
            raise Fault(None, Sentence("dtype must be a text, not {value}", value=_kind(value)))
        if value not in SAFETENSORS_DTYPES:
            message = Sentence(
                "tensor {name}: dtype {value} is none of the {n} known",
                name=shown_name(name),
                value=visible(value, 40),
                n=len(SAFETENSORS_DTYPES),
            )
            raise UnsupportedError(message, path=self._path)
        return SAFETENSORS_DTYPES[value]

    def _fail(self, fault: Fault, text: str, start: int, begun: int) -> NoReturn:
        """Raises the error for a fault in `text`, which stands at byte `start`, or in its entry that begins at `begun`."""
        is_cut = start >= 0 and start + _nbytes(text) < len(self.header)
        if is_cut and (fault.index is None or fault.index >= len(text) or "unterminated" in fault.message):
            fault = Fault(
                begun, Sentence("an entry is longer than {max_entry_nbytes} bytes", max_entry_nbytes=MAX_ENTRY_NBYTES)
            )
        self.position = start + _nbytes(text[: begun if fault.index is None else fault.index])
        message = fault.message
        self._fail_here(Sentence("the header {message}", message=message) if message.startswith("is ") else message)

    def _fail_here(self, message: str) -> NoReturn:
        raise CorruptFileError(message, path=self._path, offset=self.base + self.position) from None


def _end_of_flat_object(header: bytes, start: int) -> int:
    """Where the object that begins at `start` ends, -1 if it holds another one or is not closed."""
    stop = header.find(b"}", start) + 1
    if stop and header.find(b"\\", start, stop) < 0 and header.find(b"{", start + 1, stop) < 0:
        n_quotes = header.count(b'"', start, stop)
        if n_quotes % 2 == 0 and n_quotes <= 2 * MAX_METADATA_TEXTS:
            return stop  # the brace stands outside of the texts
    match = _FLAT_OBJECT.match(header, start)
    return match.end() if match else -1


def _entry(text: str, index: int) -> tuple[str, object, int]:
    """A key and its value, and the index behind them. Raises Fault."""
    if text[index : index + 1] != '"':
        raise Fault(index, Sentence("is not valid JSON: expecting a name in double quotes"))
    name, index = value_at(text, index)
    index = skip_space(text, index)
    if text[index : index + 1] != ":":
        raise Fault(index, Sentence("is not valid JSON: expecting a colon"))
    value, index = value_at(text, skip_space(text, index + 1))
    return name, value, index


def _behind_entry(text: str, index: int) -> tuple[int, bool]:
    """The index behind the comma or the closing brace, and whether it was a comma. Raises Fault."""
    index = skip_space(text, index)
    character = text[index : index + 1]
    if character not in (",", "}"):
        raise Fault(index, Sentence("is not valid JSON: expecting a comma or }}"))
    return index + 1, character == ","


def _naturals(field: str, value: object) -> tuple[int, ...]:
    """The list of integers from 0 to 2^64 - 1 that a field must be. Raises Fault."""
    if not isinstance(value, list):
        raise Fault(None, Sentence("{field} must be a list, not {value}", field=field, value=_kind(value)))
    for number in value:
        if type(number) is not int or not 0 <= number < USIZE:
            raise Fault(
                None,
                Sentence(
                    "{field} must hold integers from 0 to 2^64 - 1, not {number}", field=field, number=_kind(number)
                ),
            )
    return tuple(value)


def _range(value: object) -> tuple[int, int]:
    numbers = _naturals("data_offsets", value)
    if len(numbers) != 2 or numbers[0] > numbers[1]:
        raise Fault(
            None,
            Sentence("data_offsets must be [begin, end] with begin ≤ end, not {numbers}", numbers=shown_shape(numbers)),
        )
    return numbers[0], numbers[1]


def _kind(value: object) -> str:
    """A JSON value in a message: what it is, and a number itself."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, int | float):
        return visible(str(value), 40)
    if isinstance(value, str | list):
        return Sentence("a text") if isinstance(value, str) else Sentence("a list")
    return Sentence("an object")


def _is_deeper(value: object, limit: int) -> bool:
    """Whether a value is nested more than `limit` levels deep."""
    level = [value]
    depth = 0
    while level := [inner for inner in level if isinstance(inner, dict | list)]:
        depth += 1
        if depth > limit:
            return True
        level = [child for inner in level for child in (inner.values() if isinstance(inner, dict) else inner)]
    return False


def _nbytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8"))
