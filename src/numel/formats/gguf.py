"""Which tensors a GGUF file holds, from its header alone: metadata is skipped over, values are not touched.

The format: magic, version, two counts, key-value pairs, one entry per tensor (name, dimensions, type, offset), then the
values, each aligned. Rules: ggml's docs/gguf.md, and gguf_init_from_file_impl in ggml/src/gguf.cpp, the reader that most
files meet. Dimensions stand innermost first there and outermost first here.
"""

from __future__ import annotations

import re
import struct
from math import prod
from posixpath import basename, splitext

from ..core.ggml_dtypes import GGML_DTYPES
from ..core.tensors import Inventory, Source, TensorInfo
from ..core.visible import visible, visible_path
from ..errors import CorruptFileError, Sentence, UnsupportedError
from .safetensors_rules import shown_name
from .strict_json import MAX_PATH_SHOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import NoReturn

    from ..core.bytes import ByteSource

EXPECTED = Sentence("GGUF file")
MAX_TENSORS = 250_000
_MAX_KEYS = 100_000
_MAX_KEY_NBYTES = 65_535
_MAX_NAME_NBYTES = 64  # docs/gguf.md; gguf.cpp takes 63
_MAX_DIMS = 4
_MAX_DEPTH = 4  # of arrays in arrays, which the document allows and gguf.cpp does not
_MAX_TEXT_NBYTES = 4096  # of a text that is kept; a chat template is longer and of no interest
_PIECE_NBYTES = 1 << 18

_STRING, _ARRAY, _BOOL = 8, 9, 7
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<B", 10: "<Q", 11: "<q", 12: "<d"}
_USUAL_KEY = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)*")
_U64 = struct.Struct("<Q")

# Files without a matrix for output use the embedding's; these architectures have none at all.
_WITHOUT_HEAD = re.compile(r"bert|encoder|clip|mmproj")


def read(source: ByteSource) -> Inventory:
    """All tensors of one GGUF file, in its order. Raises CorruptFileError, UnsupportedError."""
    header = _Header(source)
    header.read()
    shard = basename(source.name.replace("\\", "/"))
    names = {tensor.name for tensor in header.tensors}
    architecture = str(header.values.get("general.architecture", ""))
    is_tied = "token_embd.weight" in names and "output.weight" not in names and any(n.startswith("blk.") for n in names)
    return Inventory(
        splitext(shard)[0],
        Source("file", "gguf", source.name),
        tuple(tensor._replace(shard=shard) for tensor in header.tensors),
        metadata={key: str(value) for key, value in header.values.items()},
        aliases={"output.weight": "token_embd.weight"} if is_tied and not _WITHOUT_HEAD.search(architecture) else {},
        hyperparameters=dict(_hyperparameters(header.values, architecture)),
        warnings=tuple(header.warnings),
    )


def join(parts: Iterable[Inventory]) -> Inventory:
    """The one model of which these files hold a part each. Raises CorruptFileError when two hold the same tensor."""
    whole: Inventory | None = None
    for part in parts:
        part = part._replace(warnings=tuple(w for w in part.warnings if getattr(w, "template", "") != _PART_OF))  # noqa: PLW2901
        if whole is None:
            whole = part
            continue
        twice = {tensor.name for tensor in whole.tensors} & {tensor.name for tensor in part.tensors}
        if twice:
            message = Sentence("tensor {name} lies in two of the files", name=shown_name(min(twice)))
            raise CorruptFileError(message, path=visible_path(part.source.location, MAX_PATH_SHOWN))
        tensors = (*whole.tensors, *part.tensors)
        has_head = any(tensor.name == "output.weight" for tensor in tensors)
        whole = whole._replace(
            tensors=tensors,
            aliases={} if has_head else {**whole.aliases, **part.aliases},
            warnings=(*whole.warnings, *part.warnings),
        )
    assert whole is not None
    return whole


def _hyperparameters(values: dict[str, object], architecture: str) -> Iterator[tuple[str, int]]:
    """Experts and how many of them a token passes through, under the names that configurations have for them."""
    for key, name in (("expert_count", "num_experts"), ("expert_used_count", "num_experts_per_tok")):
        value = values.get(f"{architecture}.{key}")
        if type(value) is int:
            yield name, value


_PART_OF = "the file is one of {n} that hold the model together: the folder gives the whole"


class _Header:
    """Reads a header piece by piece; `position` is the byte of the file that comes next."""

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self.position = 0
        self.values: dict[str, object] = {}
        self.tensors: list[TensorInfo] = []
        self.warnings: list[str] = []
        self._piece = b""
        self._start = 0  # the byte of the file with which the piece begins

    def read(self) -> None:
        """Go through the whole header and check it."""
        n_tensors, n_keys = self._counts()
        self._check_count(n_keys, 8 + 1 + 4 + 1, Sentence("keys"), _MAX_KEYS)
        keys: set[str] = set()
        for _ in range(n_keys):
            self._key_value(keys)
        alignment = self._alignment()
        self._check_count(n_tensors, 8 + 1 + 4 + 4 + 8, Sentence("tensors"), MAX_TENSORS)
        seen: set[str] = set()
        end = 0
        entries = [self._entry(seen) for _ in range(n_tensors)]
        data = -(-self.position // alignment) * alignment
        for tensor, offset, at in entries:
            if offset != end:
                self.fail(
                    Sentence(
                        "tensor {name} begins at {offset}, and its place is {end}",
                        name=shown_name(tensor.name),
                        offset=offset,
                        end=end,
                    ),
                    at,
                )
            self.tensors.append(tensor._replace(offset=data + offset))
            end += -(-(tensor.nbytes or 0) // alignment) * alignment
        self._check_end(data, alignment)
        n_parts = self.values.get("split.count")
        if type(n_parts) is int and n_parts > 1:
            self.warnings.append(Sentence(_PART_OF, n=n_parts))

    def fail(self, message: str, offset: int | None = None) -> NoReturn:
        """Raise CorruptFileError at the current byte, or another one."""
        at = self.position if offset is None else offset
        raise CorruptFileError(message, path=visible_path(self.source.name, MAX_PATH_SHOWN), offset=at)

    def _refuse(self, message: str, hint: str | None = None) -> NoReturn:
        raise UnsupportedError(message, path=visible_path(self.source.name, MAX_PATH_SHOWN), hint=hint)

    def _counts(self) -> tuple[int, int]:
        """The numbers of tensors and of keys, after magic and version."""
        if self.source.size < 4 or self._take(4) != b"GGUF":
            from .recognise import refuse_foreign

            refuse_foreign(self.source, EXPECTED)
            self.fail(Sentence("is not a GGUF file: it does not begin with GGUF"), 0)
        version = int(self._number("<I"))
        if version in (2 << 24, 3 << 24):
            self._refuse(Sentence("is a big-endian GGUF file"), Sentence("convert it with gguf-convert-endian"))
        if version == 1:
            self._refuse(
                Sentence("is a GGUF file of version 1, which llama.cpp reads no more"),
                Sentence("convert the model again"),
            )
        if version not in (2, 3):
            self._refuse(Sentence("is a GGUF file of version {version}, and numel reads 2 and 3", version=version))
        return int(self._number("<Q")), int(self._number("<Q"))

    def _check_count(self, n: int, nbytes_each: int, what: str, limit: int) -> None:
        """A count must fit into what is left of the file before anything is done that many times."""
        left = self.source.size - self.position
        if n > left // nbytes_each:
            self.fail(Sentence("{n} {what} cannot stand in the {left} bytes that are left", n=n, what=what, left=left))
        if n > limit:
            self._refuse(Sentence("{n} {what}, and numel reads up to {limit}", n=n, what=what, limit=limit))

    def _key_value(self, keys: set[str]) -> None:
        at = self.position
        key = self._text(_MAX_KEY_NBYTES, Sentence("a key"))
        shown = visible(key, 64)
        if not key:
            self.fail(Sentence("an empty key"), at)
        if key in keys:
            self.fail(Sentence("key {key} appears twice in the header", key=shown), at)
        keys.add(key)
        if not _USUAL_KEY.fullmatch(key) and len(self.warnings) < 3:
            self.warnings.append(Sentence("key {key} is not written in small letters, digits, _ and dots", key=shown))
        kind = int(self._number("<I"))
        value = self._value(kind, shown)
        if value is not None:
            self.values[key] = value

    def _value(self, kind: int, key: str) -> object:
        """A value that is worth keeping: a number, a truth value or a short text; None for all else, which is skipped."""
        if kind == _STRING:
            n = self._length(Sentence("the text of {key}", key=key))
            if n > _MAX_TEXT_NBYTES:
                self.position += n
                return None
            return self._take(n).decode("utf-8", "replace")
        if kind == _ARRAY:
            self._skip_array(key, 1)
            return None
        if kind not in _SCALARS:
            self.fail(Sentence("the value of {key} is of type {kind}, and there are 0 to 12", key=key, kind=kind))
        value = self._number(_SCALARS[kind])
        if kind == _BOOL:
            if value not in (0, 1):
                self.fail(
                    Sentence("{key} must be true or false, 1 or 0, and is {value}", key=key, value=int(value)),
                    self.position - 1,
                )
            return bool(value)
        return value

    def _skip_array(self, key: str, depth: int) -> None:
        kind, n = int(self._number("<I")), int(self._number("<Q"))
        left = self.source.size - self.position
        size = struct.calcsize(_SCALARS[kind]) if kind in _SCALARS else {_STRING: 8, _ARRAY: 12}.get(kind)
        if size is None:
            self.fail(Sentence("the values of {key} are of type {kind}, and there are 0 to 12", key=key, kind=kind))
        if n > left // size:
            self.fail(
                Sentence("{n} values of {key} cannot stand in the {left} bytes that are left", n=n, key=key, left=left)
            )
        if kind in _SCALARS:
            self.position += n * size
        elif kind == _STRING:
            if n:
                self._skip_texts(n, key)
        else:
            if depth == _MAX_DEPTH:
                self._refuse(Sentence("{key} holds arrays in arrays, more than {n} deep", key=key, n=_MAX_DEPTH))
            if depth == 1:
                self.warnings.append(Sentence("{key} holds arrays in an array, which llama.cpp does not read", key=key))
            for _ in range(n):
                self._skip_array(key, depth + 1)

    def _skip_texts(self, n: int, key: str) -> None:
        """Step over the texts of an array: a vocabulary has 250,000, so this is a tight loop."""
        unpack, size = _U64.unpack_from, self.source.size
        self._fill(8)
        piece, start, at = self._piece, self._start, self.position
        for _ in range(n):
            if at + 8 > start + len(piece):
                self.position = at
                self._fill(8)
                piece, start = self._piece, self._start
            at += 8 + unpack(piece, at - start)[0]
            if at > size:
                self.position = size
                self.fail(Sentence("a text of {key} is longer than the file", key=key))
        self.position = at

    def _alignment(self) -> int:
        alignment = self.values.get("general.alignment", 32)
        if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
            shown = visible(str(alignment), 40)
            self.fail(Sentence("general.alignment must be a power of two, and is {shown}", shown=shown))
        if alignment % 8:
            self.warnings.append(Sentence("general.alignment is {n}, and should be a multiple of 8", n=alignment))
        return alignment

    def _entry(self, seen: set[str]) -> tuple[TensorInfo, int, int]:
        """A tensor, its offset among the values, and the byte where its entry stands."""
        at = self.position
        name = self._text(_MAX_NAME_NBYTES, Sentence("a tensor's name"))
        shown = shown_name(name)
        if not name or "\0" in name:
            self.fail(Sentence("a tensor's name must be a text of 1 to 64 bytes without zeros"), at)
        if name in seen:
            self.fail(Sentence("tensor {name} appears twice in the header", name=shown), at)
        seen.add(name)
        n_dims = int(self._number("<I"))
        if n_dims > _MAX_DIMS:
            self.fail(
                Sentence(
                    "tensor {name} has {n} dimensions, and ggml has up to {most}", name=shown, n=n_dims, most=_MAX_DIMS
                ),
                at,
            )
        dims = struct.unpack(f"<{n_dims}Q", self._take(8 * n_dims))
        if prod(dims) >= 1 << 63 or any(size >= 1 << 63 for size in dims):
            self.fail(Sentence("tensor {name} has 2^63 elements or more", name=shown), at)
        kind = int(self._number("<I"))
        dtype = GGML_DTYPES.get(kind)
        if dtype is None:
            self._refuse(
                Sentence("tensor {name} is of ggml's type {kind}, which numel does not know", name=shown, kind=kind)
            )
        if (dims[0] if dims else 1) % dtype.block_numel:
            text = "tensor {name}: a row of {n} does not fill blocks of {block}"
            self.fail(Sentence(text, name=shown, n=dims[0] if dims else 1, block=dtype.block_numel), at)
        return TensorInfo(name, dims[::-1], dtype), int(self._number("<Q")), at

    def _check_end(self, data: int, alignment: int) -> None:
        """The values must lie within the file; padding behind the last may be missing."""
        size = self.source.size
        last = max((tensor for tensor in self.tensors), key=lambda t: (t.offset or 0) + (t.nbytes or 0), default=None)
        end = data if last is None else (last.offset or 0) + (last.nbytes or 0)
        if last is not None and end > size:
            message = Sentence("is cut short: the values end at byte {end} and the file at {size}", end=end, size=size)
            path = visible_path(self.source.name, MAX_PATH_SHOWN)
            raise CorruptFileError(message, path=path, hint=Sentence("download it again"), offset=size)
        if size > -(-end // alignment) * alignment:
            self.warnings.append(Sentence("{n} bytes at the end belong to no tensor", n=size - end))
        if not self.tensors:
            self.warnings.append(Sentence("the file holds no tensors"))

    def _text(self, limit: int, what: str) -> str:
        at = self.position
        n = self._length(what)
        if n > limit:
            self.fail(Sentence("{what} has {n} bytes, and {limit} are allowed", what=what, n=n, limit=limit), at)
        try:
            return self._take(n).decode("utf-8")
        except UnicodeDecodeError:
            self.fail(Sentence("{what} is not UTF-8", what=what), at)

    def _length(self, what: str) -> int:
        """The length of a text, which must fit into the file."""
        n = int(self._number("<Q"))
        left = self.source.size - self.position
        if n > left:
            self.fail(
                Sentence("{what} has {n} bytes, and {left} are left", what=what, n=n, left=left), self.position - 8
            )
        return n

    def _number(self, form: str) -> float:
        value: float = struct.unpack(form, self._take(struct.calcsize(form)))[0]
        return value

    def _take(self, n: int) -> bytes:
        self._fill(n)
        begin = self.position - self._start
        self.position += n
        return self._piece[begin : begin + n]

    def _fill(self, n: int) -> None:
        """Have the next `n` bytes at hand, and those behind them."""
        begin = self.position - self._start
        if begin >= 0 and begin + n <= len(self._piece):
            return
        if self.position + n > self.source.size:
            self.fail(Sentence("is cut short: the file ends within its header"), self.source.size)
        self._start = self.position
        self._piece = self.source.read(self.position, min(max(n, _PIECE_NBYTES), self.source.size - self.position))
