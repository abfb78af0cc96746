"""Which tensors a model holds whose safetensors files an index lists (model.safetensors.index.json).

Nobody has written the format down: the rules are what its readers rely on and what published files show. The index
says which file holds which tensor; each file is a safetensors file like any other, and both must agree. What the
index says beyond that (`total_size`) is advice: published ones are wrong in every way that there is.
"""

from __future__ import annotations

import re
from itertools import chain
from posixpath import basename

from ..core.tensors import Inventory, Source
from ..core.visible import visible, visible_path
from ..errors import CorruptFileError, NumelError, Sentence, SourceError, UnsupportedError, and_more
from .safetensors import CollectorPaused, Header, read_header
from .safetensors_rules import shown_name
from .safetensors_usual import Shapes
from .strict_json import MAX_PATH_SHOWN, parse
from .usual_index import UsualIndex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any, NoReturn

    from ..core.bytes import ByteSource

    OpenShard = Callable[[str], AbstractContextManager[ByteSource]]

MAX_INDEX_NBYTES = 50_000_000  # that of DeepSeek-V3 has 9 MB
MAX_PART_NBYTES = 255  # of a file's name on every common file system
_SUFFIX = ".safetensors"
_INDEX_SUFFIX = ".safetensors.index.json"
_NUMBERED = re.compile(r"(.*)-(\d{3,6})-of-(\d{3,6})\.safetensors")
_FORBIDDEN = re.compile(r"[\\:%?#\x00-\x1f\x7f-\x9f]")


def read(index: ByteSource, open_shard: OpenShard, *, beside: Iterable[str] = ()) -> Inventory:
    """All tensors of the files that `index` lists, file by file in the order of the files' names.

    `open_shard` opens a file of the index's folder by its name; `beside` are those that lie there. Raises
    CorruptFileError when a file is missing or says otherwise than the index, UnsupportedError when the files are no
    safetensors.
    """
    if index.size > MAX_INDEX_NBYTES:
        message = Sentence(
            "has {size} bytes; an index of more than {max_index_nbytes} cannot be meant",
            size=index.size,
            max_index_nbytes=MAX_INDEX_NBYTES,
        )
        raise UnsupportedError(message, path=visible_path(index.name, MAX_PATH_SHOWN))
    with CollectorPaused():
        shards = Shards(open_shard, path=index.name)
        document = shards.add_usual(UsualIndex(index), beside)
        if document is None:
            shards = Shards(open_shard, path=index.name)
            document = parse(_index_bytes(index), path=index.name)
            shards.add_listed(document)
        name = basename(index.name.replace("\\", "/")).removesuffix(_INDEX_SUFFIX)
        inventory = shards.inventory(name, Source("file", "safetensors", index.name))
    loose = sorted(set(beside) - shards.headers.keys())
    warnings = (*_size_warnings(document, shards.nbytes), *inventory.warnings, *_loose_warnings(loose))
    return inventory._replace(warnings=warnings)


def read_loose(files: Iterable[str], open_shard: OpenShard, *, path: str) -> Inventory:
    """All tensors of the `files` of a model that has no index; `path` is the folder. Raises as `read` does."""
    with CollectorPaused():
        shards = Shards(open_shard, path=path)
        for file in sorted(files):
            shards.add(file)
        return shards.inventory(basename(path), Source("folder", "safetensors", path))


class Shards:
    """The files of one model, each read once; `path` (of the index or the folder) is for messages."""

    def __init__(self, open_shard: OpenShard, *, path: str) -> None:
        self.headers: dict[str, Header] = {}
        self.names: set[str] = set()
        self.nbytes = 0
        self._n_names = 0
        self._unlisted: list[str] = []
        self._open_shard = open_shard
        self._path = visible_path(path, MAX_PATH_SHOWN)
        self._shapes = Shapes()

    def add(self, file: str) -> Header:
        """Read the header of `file`. Raises CorruptFileError, UnsupportedError."""
        self._check_name(file)
        try:
            with self._open_shard(file) as source:
                header = read_header(source, file, self._shapes, self.names)
        except SourceError as error:
            message = Sentence("needs the file {file}: {message}", file=visible(file, 64), message=error.message)
            raise CorruptFileError(message, path=self._path, hint=Sentence("download the model again")) from error
        self._n_names += len(header.names)
        if len(self.names) != self._n_names:
            self._refuse_shared(file, header)
        self.headers[file] = header
        self.nbytes += header.nbytes
        return header

    def add_usual(self, index: UsualIndex, beside: Iterable[str]) -> dict[str, Any] | None:
        """The index without its weight_map if that says just what the files `beside` it do, else None.

        Which files they are is guessed from the first one's number; the exact way comes to the right ones, and to the
        error that they deserve.
        """
        first = _NUMBERED.fullmatch(index.first_file)
        if first is None or index.document is None:
            return None
        numbered = [
            match for match in map(_NUMBERED.fullmatch, beside) if match and match.group(1, 3) == first.group(1, 3)
        ]
        if len(numbered) != int(first[3]):
            return None
        try:
            for match in numbered:
                index.expect(self.add(match[0]).names, match[0])
        except NumelError:
            return None
        return index.document if index.is_as_expected() else None

    def add_listed(self, document: object) -> None:
        """Read the files that the index lists. Raises CorruptFileError for the first entry that is not as it says."""
        if not isinstance(document, dict) or not isinstance(document.get("weight_map"), dict):
            hint = Sentence("an index maps each tensor's name to the file that holds it, under weight_map")
            self._fail(Sentence("is not an index: it is not a JSON object with an object weight_map"), hint)
        weight_map: dict[str, Any] = document["weight_map"]
        if not weight_map:
            self._fail(Sentence("weight_map lists no tensors"))
        for name, file in weight_map.items():
            if not isinstance(file, str):
                self._fail(Sentence("weight_map: the file of {name} must be given as a text", name=shown_name(name)))
        for file in sorted(set(weight_map.values())):
            self.add(file)
        file_of = {name: file for file, header in self.headers.items() for name in header.names}
        for name, file in weight_map.items():
            found = file_of.pop(name, None)
            if found != file:
                where = (
                    Sentence("it lies in {found}", found=visible(found, 64))
                    if found
                    else Sentence("that does not hold it")
                )
                self._fail(
                    Sentence(
                        "weight_map puts tensor {name} into {file}, and {where}",
                        name=shown_name(name),
                        file=visible(file, 64),
                        where=where,
                    )
                )
        self._unlisted = list(file_of)

    def inventory(self, name: str, source: Source) -> Inventory:
        """The tensors of all files read so far."""
        headers = [self.headers[file] for file in sorted(self.headers)]
        metadata: dict[str, str] = {}
        for header in reversed(headers):
            metadata |= header.metadata
        tensors = tuple(chain.from_iterable([header.tensors for header in headers]))
        return Inventory(name, source, tensors, metadata=metadata, warnings=tuple(self._warnings()))

    def _warnings(self) -> Iterator[str]:
        if self._unlisted:
            yield Sentence(
                "not in the index, but in its files and counted: {names}",
                names=and_more(shown_name(self._unlisted[0]), len(self._unlisted) - 1),
            )
        numbers = {int(match[3]) for match in map(_NUMBERED.fullmatch, self.headers) if match}
        if numbers and numbers != {len(self.headers)}:
            said = " / ".join(map(str, sorted(numbers)[:3]))
            yield Sentence(
                "the names of the files speak of {said} files, and there are {n}", said=said, n=len(self.headers)
            )
        for file in sorted(self.headers):
            for warning in self.headers[file].warnings:
                yield Sentence("{file}: {warning}", file=visible(file, 64), warning=warning)

    def _check_name(self, file: str) -> None:
        """A name from an index must stay in its folder, on every system and in an address of the hub as well.

        The name is checked and not what it resolves to: the hub's own cache links its files to another folder.
        """
        parts = file.split("/")
        if any(part in ("", ".", "..") for part in parts) or _FORBIDDEN.search(file):
            self._fail(
                Sentence(
                    "weight_map names {file}, which is not the plain name of a file in its folder",
                    file=visible(file, 64),
                )
            )
        if any(len(part.encode("utf-8")) > MAX_PART_NBYTES for part in parts):
            self._fail(
                Sentence(
                    "weight_map names a file of more than {max_part_nbytes} bytes: {file}",
                    max_part_nbytes=MAX_PART_NBYTES,
                    file=visible(file, 64),
                )
            )
        if not file.endswith(_SUFFIX):
            message = Sentence(
                "weight_map names {file}, which is not a {suffix} file", file=visible(file, 64), suffix=_SUFFIX
            )
            raise UnsupportedError(
                message, path=self._path, hint=Sentence("save the model as safetensors, or give its config.json")
            )

    def _refuse_shared(self, file: str, header: Header) -> None:
        for other, known in self.headers.items():
            for name in set(header.names) & set(known.names):
                said = "tensor {name} lies in two files: {one} and {other}"
                self._fail(Sentence(said, name=shown_name(name), one=visible(other, 64), other=visible(file, 64)))

    def _fail(self, message: str, hint: str | None = None) -> NoReturn:
        raise CorruptFileError(message, path=self._path, hint=hint)


def _index_bytes(index: ByteSource) -> bytes:
    """The index's text. Raises when it is something else."""
    raw = index.read(0, index.size)
    if not raw[:512].lstrip().startswith(b"{"):
        from .recognise import refuse_foreign

        refuse_foreign(index, "index of a sharded model", also="JSON text")
    return raw


def _size_warnings(document: dict[str, Any], nbytes: int) -> Iterator[str]:
    """total_size should be the bytes of all tensors; published ones are floats, texts, or the sizes of the files."""
    metadata = document.get("metadata")
    if not isinstance(metadata, dict) or "total_size" not in metadata:
        yield Sentence("the index states no total_size; the tensors have {nbytes} bytes", nbytes=nbytes)
        return
    stated = metadata["total_size"]
    if type(stated) is not int:
        shown = visible(stated if isinstance(stated, str) else str(stated), 40)
        yield Sentence(
            "the index states total_size as {shown}, which is not an integer; the tensors have {nbytes} bytes",
            shown=shown,
            nbytes=nbytes,
        )
    elif stated != nbytes:
        yield Sentence(
            "the index states a total_size of {stated} bytes, and the tensors have {nbytes}",
            stated=stated,
            nbytes=nbytes,
        )


def _loose_warnings(loose: list[str]) -> Iterator[str]:
    """Files of the kind that the index does not list."""
    for file in loose[:3]:
        yield Sentence("not in the index, and not read: {file}", file=visible(file, 64))
    if len(loose) > 3:
        yield Sentence("not in the index, and not read: {n} more files", n=len(loose) - 3)
