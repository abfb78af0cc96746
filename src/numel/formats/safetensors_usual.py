"""The quick way through a safetensors header: for the form in which every writer in use emits it.

Such a header is `{"name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"next":…}` (Python's json module adds a
space behind each colon and comma) with the tensors in the order of their values. Split at the quotation marks, each
tensor yields ten pieces: seven that are the same for all of them, its name, dtype and shape, and its range. The
ranges follow from the shapes, so their text is not parsed: it must be the text that the shapes call for. What passes
keeps every rule of the format, because nothing else could have been written there. What does not pass may still be
right: `safetensors_exact` decides, and says what is wrong.

All loops run inside C functions of the standard library: 91,000 tensors take 0.06 s, against 0.1 s for the json
module alone and 0.03 s for importing msgspec.
"""

from __future__ import annotations

import re
from itertools import accumulate

from ..core.dtypes import SAFETENSORS_DTYPES, DType
from ..core.records import NamedTuple
from .safetensors_rules import Columns, nbytes_of
from .strict_json import Fault

# A backslash changes what a quotation mark means, and control characters are no JSON: neither is the usual form.
_UNUSUAL = (0x5C, *range(0x20))
_CONSTANTS = ((2, ":{"), (3, "dtype"), (4, ":"), (6, ","), (7, "shape"), (9, "data_offsets"))
_N_PIECES = 10

_NUMBER = "(?:0|[1-9][0-9]{0,19})"
_SHAPE = re.compile(rf" *: *\[ *((?:{_NUMBER} *, *)*+{_NUMBER})? *\] *, *")
_RANGE = re.compile(rf"( *: *\[ *){_NUMBER}( *, *){_NUMBER}( *\] *\}} *)(?:, *)?")


class _Sized(NamedTuple):
    shape: tuple[int, ...]
    dtype: DType
    nbytes: int


class Shapes(dict[tuple[str, str], _Sized]):
    """(dtype, text of the shape) → shape, dtype, bytes: a few dozen for a model of 91,000 tensors, each parsed once."""

    def __missing__(self, key: tuple[str, str]) -> _Sized:
        """Raises KeyError or Fault when there is no such dtype or shape."""
        cell = _SHAPE.fullmatch(key[1])
        if cell is None:
            raise KeyError(key)
        shape = tuple(map(int, cell[1].split(","))) if cell[1] else ()
        dtype = SAFETENSORS_DTYPES[key[0]]
        self[key] = found = _Sized(shape, dtype, nbytes_of(shape, dtype))
        return found


def usual_entries(piece: bytes, begin: int, shapes: Shapes, *, closing: str) -> Columns | None:
    """The tensors that `piece` describes, None when it is not in the usual form.

    The first one's values start at byte `begin`; behind the last one stands `closing`: a comma or a brace.
    """
    if any(map(piece.__contains__, _UNUSUAL)):  # 33 searches by memchr take less than one pass by a pattern
        return None
    try:
        pieces = piece.decode("utf-8").split('"')
        if not _has_usual_pieces(pieces):
            return None
        sized = [*map(shapes.__getitem__, zip(pieces[5::_N_PIECES], pieces[8::_N_PIECES], strict=True))]
    except (UnicodeDecodeError, KeyError, Fault):
        return None
    shapes_, dtypes, sizes = zip(*sized, strict=True)
    ends = [*accumulate(sizes, initial=begin)]
    if not _are_ranges(pieces[10::_N_PIECES], ends, closing):
        return None
    return Columns(pieces[1::_N_PIECES], shapes_, dtypes, ends[:-1], ends[-1])


def _has_usual_pieces(pieces: list[str]) -> bool:
    """Whether there are ten pieces for each tensor, and those that are no name, number or type are as they should be."""
    n, rest = divmod(len(pieces) - 1, _N_PIECES)
    if rest or not n or pieces[0].strip(" "):
        return False
    for index, expected in _CONSTANTS:
        column = pieces[index::_N_PIECES]
        if column[0].strip(" ") != expected or column.count(column[0]) != n:
            return False
    return True


def _are_ranges(cells: list[str], ends: list[int], closing: str) -> bool:
    """Whether the cells say `[ends[0], ends[1]]`, `[ends[1], ends[2]]` and so on, all spaced like the first."""
    style = _RANGE.match(cells[0])
    if style is None:
        return False
    opening, comma, end = style.groups()
    numbers = [0] * (2 * len(cells))
    numbers[0::2] = ends[:-1]
    numbers[1::2] = ends[1:]
    behind = cells[0][style.end(3) :] if len(cells) > 1 else ""
    expected = opening + (end + behind + opening).join([f"%d{comma}%d"] * len(cells)) % tuple(numbers) + end
    text = "".join(cells)
    return text.startswith(expected) and text[len(expected) :].strip(" ") == closing
