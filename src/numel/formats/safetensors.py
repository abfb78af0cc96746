"""Which tensors a safetensors file holds, from its header alone: the values are not touched.

The format: 8 bytes that give the length of a JSON object, the object (name → dtype, shape, range of bytes), then the
values without a gap. Each rule kept here stands in safetensors' README ("Format") or in `Metadata::validate` and
`SafeTensors::read_metadata` of safetensors/src/tensor.rs.
"""

from __future__ import annotations

import gc
import re
from itertools import repeat
from posixpath import basename, splitext

from ..core.records import NamedTuple
from ..core.tensors import Inventory, Source, TensorInfo
from ..core.visible import visible_path
from ..errors import CorruptFileError, Sentence, UnsupportedError
from .safetensors_exact import MAX_ENTRY_NBYTES, METADATA, ExactEntries
from .safetensors_rules import shown_name
from .safetensors_usual import Shapes, usual_entries
from .strict_json import MAX_PATH_SHOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

    from ..core.bytes import ByteSource
    from .safetensors_rules import Columns

EXPECTED = Sentence("safetensors file")
MAX_HEADER_NBYTES = 100_000_000  # tensor.rs, MAX_HEADER_SIZE
MAX_TENSORS = 250_000  # in one file; no published model has 100,000 in all its files, and each takes 0.3 kB here
_LENGTH_NBYTES = 8
_PIECE_NBYTES = 1 << 18  # read at once: pieces reuse their memory, and each page of new memory costs 2 µs

# The end of an entry with another behind it. A quotation mark within a name is escaped, so this is within none.
_BOUNDARY = re.compile(rb"\][ \t\n\r]*+\}[ \t\n\r]*+,(?=[ \t\n\r]*+\")")

# 0.1 µs, where TensorInfo(…) takes 0.3: the arguments are a tuple already.
_new_tensor: Callable[[type[TensorInfo], tuple[object, ...]], TensorInfo] = tuple.__new__


class Header(NamedTuple):
    """What the header of one file says; `nbytes` are those of all values."""

    names: list[str]
    tensors: list[TensorInfo]
    nbytes: int
    metadata: dict[str, str]
    warnings: tuple[str, ...]


def read(source: ByteSource) -> Inventory:
    """All tensors of one safetensors file, in the order of its header. Raises CorruptFileError, UnsupportedError.

    The inventory is named after the file; whoever knows the folder may know better.
    """
    shard = basename(source.name.replace("\\", "/"))
    with CollectorPaused():
        header = read_header(source, shard, Shapes(), set())
    return Inventory(
        splitext(shard)[0],
        Source("file", "safetensors", source.name),
        tuple(header.tensors),
        metadata=header.metadata,
        warnings=header.warnings,
    )


def read_header(source: ByteSource, shard: str, shapes: Shapes, seen: set[str]) -> Header:
    """What the header of the file `shard` says.

    The files of one model share `shapes`, and `seen`, to which the names are added: if it grows by less than
    `names`, another file has one of them.
    """
    header = _header_bytes(source)
    data_start = _LENGTH_NBYTES + len(header)
    exact = ExactEntries(header.rstrip(b" "), path=source.name, base=_LENGTH_NBYTES)
    del header  # it may be 100 MB, and `exact` keeps only what it still needs
    exact.begin()
    names: list[str] = []
    tensors: list[TensorInfo] = []
    while not exact.finished:
        stop = _boundary(exact.header, exact.position)
        found = _usual(exact, stop, shapes) or exact.entries(stop)
        names += found.names
        n_seen = len(seen)
        seen.update(found.names)
        if len(seen) != n_seen + len(found.names) and len(set(names)) != len(names):
            _refuse_duplicate(names, source, data_start)
        offsets = map(data_start.__add__, found.begins)
        rows = zip(found.names, found.shapes, found.dtypes, repeat(shard), offsets, strict=False)
        tensors += map(_new_tensor, repeat(TensorInfo), rows)
        if len(tensors) > MAX_TENSORS:
            message = Sentence("more than {max_tensors} tensors in one file", max_tensors=MAX_TENSORS)
            raise UnsupportedError(message, path=visible_path(source.name, MAX_PATH_SHOWN))
    if data_start + exact.end != source.size:
        _check_layout(tensors, source, data_start)
    if METADATA in seen:  # described like a tensor, it went the quick way
        message = Sentence("{metadata} must be an object of texts, and is the name of a tensor", metadata=METADATA)
        raise _corrupt(source, message, None)
    warnings = exact.warnings() + (() if tensors else (Sentence("the file holds no tensors"),))
    return Header(names, tensors, source.size - data_start, exact.metadata or {}, warnings)


def _usual(exact: ExactEntries, stop: int, shapes: Shapes) -> Columns | None:
    """The entries up to `stop` in the quick way, None when they need the exact one."""
    is_last = stop == len(exact.header)
    piece = exact.header[exact.position : stop]
    found = usual_entries(piece, exact.end, shapes, closing="}" if is_last else ",")
    if found is not None:
        exact.position, exact.end, exact.finished = stop, found.end, is_last
    return found


class CollectorPaused:
    """No garbage collection meanwhile: it would go through the growing lists again and again, and find nothing."""

    def __enter__(self) -> None:
        self._was_enabled = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._was_enabled:
            if not gc.get_freeze_count():  # to the oldest generation at once, or the youngest's next turn takes 10 ms
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def _header_bytes(source: ByteSource) -> bytes:
    """The JSON text, after the checks that keep a wrong length from being believed."""
    size = source.size
    n = int.from_bytes(source.read(0, _LENGTH_NBYTES), "little") if size >= _LENGTH_NBYTES else 0
    if n < 2 or n > MAX_HEADER_NBYTES or _LENGTH_NBYTES + n > size:
        _refuse_foreign(source)
        _refuse_length(source, n)
    header = source.read(_LENGTH_NBYTES, n)
    if header[:1] != b"{":
        _refuse_foreign(source)
    return header


def _refuse_foreign(source: ByteSource) -> None:
    from .recognise import refuse_foreign  # its table of signatures costs 6 ms, and is only needed here

    refuse_foreign(source, EXPECTED)


def _refuse_length(source: ByteSource, n: int) -> NoReturn:
    size, hint = source.size, None
    if size < _LENGTH_NBYTES:
        message = Sentence(
            "is not a {expected}: it has {size} bytes, and the length of the header alone takes {length_nbytes}",
            expected=EXPECTED,
            size=size,
            length_nbytes=_LENGTH_NBYTES,
        )
    elif n > MAX_HEADER_NBYTES:
        message = Sentence(
            "is not a {expected}: the header would be {n} bytes long, and the format allows {max_header_nbytes}",
            expected=EXPECTED,
            n=n,
            max_header_nbytes=MAX_HEADER_NBYTES,
        )
    elif n < 2:
        message = Sentence("the header has {n} bytes, and {{}} would be the shortest", n=n)
    else:
        message = Sentence(
            "is cut short: the header ends at byte {end} and the file at {size}", end=_LENGTH_NBYTES + n, size=size
        )
        hint = Sentence("download it again")
    raise CorruptFileError(message, path=visible_path(source.name, MAX_PATH_SHOWN), hint=hint, offset=0)


def _boundary(header: bytes, start: int) -> int:
    """Where the piece that begins at `start` ends: behind the comma of an entry, or at the end of the header."""
    if len(header) - start <= 2 * _PIECE_NBYTES:
        return len(header)
    middle = start + _PIECE_NBYTES
    match = _BOUNDARY.search(header, middle, middle + MAX_ENTRY_NBYTES)
    return match.end() if match else middle


def _check_layout(tensors: Sequence[TensorInfo], source: ByteSource, data_start: int) -> None:
    """Raises CorruptFileError unless the values fill the file behind the header without a gap and without overlap."""
    position, before = data_start, None
    ordered = sorted(tensors, key=lambda tensor: (tensor.offset or 0, tensor.nbytes))
    last = max((tensor.offset or 0) + (tensor.nbytes or 0) for tensor in ordered) if ordered else data_start
    if last > source.size:
        message = Sentence(
            "is cut short: the values end at byte {last} and the file at {size}", last=last, size=source.size
        )
        raise _corrupt(source, message, source.size, hint=Sentence("download it again"))
    for tensor in ordered:
        begin = tensor.offset or 0
        name = shown_name(tensor.name)
        if begin > position:
            message = Sentence("{n} bytes before tensor {name} belong to no tensor", n=begin - position, name=name)
            raise _corrupt(source, message, position)
        if begin < position:
            other = Sentence("those of {name}", name=shown_name(before.name)) if before else Sentence("the header")
            message = Sentence("the values of tensor {name} begin within {other}", name=name, other=other)
            raise _corrupt(source, message, begin)
        position, before = begin + (tensor.nbytes or 0), tensor
    if position < source.size:
        message = Sentence("{n} bytes at the end belong to no tensor", n=source.size - position)
        raise _corrupt(source, message, position)


def _refuse_duplicate(names: list[str], source: ByteSource, data_start: int) -> NoReturn:
    seen: set[str] = set()
    name = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    key = b'"' + name.encode("utf-8") + b'":'
    header = source.read(0, data_start)
    second = header.find(key, header.find(key) + 1)
    message = Sentence("tensor {name} appears twice in the header", name=shown_name(name))
    raise _corrupt(source, message, second if second > 0 else None)


def _corrupt(source: ByteSource, message: str, offset: int | None, *, hint: str | None = None) -> CorruptFileError:
    return CorruptFileError(message, path=visible_path(source.name, MAX_PATH_SHOWN), hint=hint, offset=offset)
