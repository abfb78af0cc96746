"""Where the bytes of a local model lie: what a path holds, and a file that is read by ranges."""

from __future__ import annotations

import errno
import os
import re
import stat

from ..core.records import NamedTuple
from ..core.visible import visible, visible_path
from ..errors import CorruptFileError, NoModelError, Sentence, SourceError, SourceNotFoundError, and_more, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import NoReturn, Self

_MAX_SHOWN = 120
_SINGLE = "model.safetensors"
_CONFIG = "config.json"
_INDEX_SUFFIX = ".safetensors.index.json"
# What holds weights, the best first: several kinds often lie side by side and hold the same model.
WEIGHTS = (".safetensors", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".h5")
_NO_MODEL = re.compile(r"(training_args|optimizer|scheduler|rng_state.*|tokenizer.*|vocab)\.\w+")
_NUMBERED = re.compile(r"(.+)-(\d{3,6})-of-(\d{3,6})(\.\w+)")
_OWN_NAME = re.compile(r"(pytorch_)?model([.-].*)?\.\w+")  # a file that transformers named, so config.json is its own
_MAX_FOLDERS_SEARCHED = 100

# O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"))
_KINDS = (
    (stat.S_ISDIR, Sentence("a folder")),
    (stat.S_ISFIFO, Sentence("a named pipe")),
    (stat.S_ISSOCK, Sentence("a socket")),
    (stat.S_ISCHR, Sentence("a device")),
    (stat.S_ISBLK, Sentence("a device")),
)
_ABSENT = {
    errno.ENOENT: Sentence("there is no such file or folder"),
    errno.ENOTDIR: Sentence("there is no such file or folder: a part of the path is a file"),
    errno.ENAMETOOLONG: Sentence("there is no such file: the name is too long"),
}
_CLOSED = {
    errno.ELOOP: Sentence("is a link that leads back to itself"),
    errno.EACCES: Sentence("may not be read: permission denied"),
    errno.EPERM: Sentence("may not be read: permission denied"),
    errno.ENXIO: Sentence("is a socket, not a file"),
}


class LocalFile:
    """A regular file as a ByteSource. Reads with pread: a file that shrinks meanwhile is an error, not a SIGBUS.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as written, LocalFile(written.name) as file:
    ...     file.size
    0
    """

    __slots__ = ("_fd", "first_identity", "name", "size")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Open it. Raises SourceNotFoundError, and SourceError for whatever is not a regular file."""
        self._fd = -1
        self.name = os.fspath(path)
        try:
            self._fd = os.open(self.name, _FLAGS)
            status = os.fstat(self._fd)
        except (OSError, ValueError) as error:
            self.close()
            _refuse_path(self.name, error)
        if not stat.S_ISREG(status.st_mode):
            self.close()
            _refuse_kind(self.name, status.st_mode)
        self.size = status.st_size
        self.first_identity: tuple[object, ...] = _identity(status)

    def read(self, offset: int, nbytes: int) -> bytes:
        """Exactly `nbytes` bytes from `offset`. Raises CorruptFileError when the file ends before."""
        if offset < 0 or nbytes < 0 or offset + nbytes > self.size:
            message = Sentence(
                "ends at byte {size}, and bytes {offset} to {end} were to be read",
                size=self.size,
                offset=offset,
                end=offset + nbytes,
            )
            raise CorruptFileError(message, path=visible_path(self.name, _MAX_SHOWN), offset=offset)
        parts = []
        while nbytes:
            part = self._read_some(offset, nbytes)
            if not part:
                message = Sentence("was cut short while it was read: it had {size} bytes", size=self.size)
                raise CorruptFileError(message, path=visible_path(self.name, _MAX_SHOWN), offset=offset)
            parts.append(part)
            offset += len(part)
            nbytes -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def fileno(self) -> int:
        """The number of the open file, for what reads it without Python."""
        return self._fd

    def identity(self) -> tuple[object, ...]:
        """Size, time of the last change and inode, as they are now."""
        return _identity(os.fstat(self._fd))

    def close(self) -> None:
        """Give the file back; nothing can be read any more."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read_some(self, offset: int, nbytes: int) -> bytes:
        try:
            return _pread(self._fd, nbytes, offset)
        except OSError as error:
            message = Sentence("cannot be read: {why}", why=reason(error))
            raise SourceError(message, path=visible_path(self.name, _MAX_SHOWN)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()


def _identity(status: os.stat_result) -> tuple[object, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def _seek_and_read(fd: int, nbytes: int, offset: int) -> bytes:
    """What os.pread does, where there is none (Windows)."""
    os.lseek(fd, offset, os.SEEK_SET)
    return os.read(fd, nbytes)


_pread = getattr(os, "pread", _seek_and_read)


class LocalModel(NamedTuple):
    """What a path holds. `weights`, `shard_index` and `config` are names of files in the folder `root`.

    With `shard_index` the weights are what it lists, and `weights` is empty. `kind` is file, folder or config, as in
    `Source.kind`; `location` is the path as it was given.
    """

    location: str
    root: str
    kind: str
    name: str
    weights: tuple[str, ...] = ()
    shard_index: str | None = None
    config: str | None = None
    warnings: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()  # the other files of the kind, which an index should list

    def open(self, file: str) -> LocalFile:
        """One of the files; the caller checks names that come from an index."""
        return LocalFile(os.path.join(self.root, file) if self.root else file)


def find(path: str | os.PathLike[str]) -> LocalModel:
    """What lies at `path`: a file with weights, a folder, a config.json or the index of a sharded model.

    Only names are looked at, and nothing is opened. Raises SourceNotFoundError, SourceError (a pipe, a device, no
    permission), NoModelError (a folder without a model).
    """
    location = os.fsdecode(path)
    try:
        mode = os.stat(location).st_mode
    except (OSError, ValueError) as error:
        _refuse_path(location, error)
    if stat.S_ISDIR(mode):
        return _in_folder(location)
    if not stat.S_ISREG(mode):
        _refuse_kind(location, mode)
    root, file = os.path.split(location)
    has_config = os.path.lexists(os.path.join(root, _CONFIG))
    return of_file(location, root, file, name=_name_of_folder(root), has_config=has_config)


def of_file(location: str, root: str, file: str, *, name: str, has_config: bool) -> LocalModel:
    """What a single `file` in `root` means; `name` is its folder's."""
    folder = LocalModel(location, root, "file", name)
    beside = _CONFIG if has_config else None
    if file.lower().endswith(_INDEX_SUFFIX):
        return folder._replace(shard_index=file, config=beside)
    if file.lower().endswith(".json"):
        name = folder.name if file.lower() == _CONFIG else os.path.splitext(file)[0]
        return folder._replace(kind="config", name=name, config=file)
    name = folder.name if file.lower() == _SINGLE else os.path.splitext(file)[0]
    config = beside if _OWN_NAME.fullmatch(file) else None
    return folder._replace(name=name, weights=(file,), config=config, warnings=_part_warning(file))


def _in_folder(location: str) -> LocalModel:
    """What a folder holds."""
    try:
        with os.scandir(location) as entries:
            files = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except OSError as error:
        _refuse_path(location, error)
    return of_names(location, files, name=_name_of_folder(location))


def of_names(location: str, files: list[str], *, name: str) -> LocalModel:
    """What a folder with these files holds. Which of several is used follows transformers: one file before an index of many."""
    found = LocalModel(location, location, "folder", name, config=_CONFIG if _CONFIG in files else None)
    tensors = [file for file in files if file.lower().endswith(WEIGHTS[0])]
    indices = [file for file in files if file.lower().endswith(_INDEX_SUFFIX)]
    if _SINGLE in tensors:
        return found._replace(weights=(_SINGLE,), warnings=_unused(_SINGLE, [*indices, *tensors]))
    if indices:
        index = min(indices, key=lambda file: (file != "model" + _INDEX_SUFFIX, file))
        return found._replace(shard_index=index, beside=tuple(tensors), warnings=_unused(index, indices))
    for suffix in WEIGHTS:
        weights = [file for file in files if file.lower().endswith(suffix) and not _NO_MODEL.fullmatch(file)]
        if weights:
            return _without_index(found, weights)
    if found.config is None:
        _refuse_folder(location, files)
    return found._replace(
        kind="config", warnings=("the folder holds no weights: the tensors are those of config.json",)
    )


def _without_index(found: LocalModel, weights: list[str]) -> LocalModel:
    """Which of the files, when no index says: the only one, those that are numbered, or the one with the usual name."""
    if len(weights) == 1:
        return found._replace(weights=(weights[0],), warnings=_part_warning(weights[0]))
    groups: dict[tuple[str, str, str], list[str]] = {}
    for file in weights:
        match = _NUMBERED.fullmatch(file)
        if match:
            groups.setdefault((match[1], match[3], match[4]), []).append(file)
    if len(groups) == 1:
        ((_, n_files, _), parts) = groups.popitem()
        if len(parts) != int(n_files):
            message = Sentence(
                "holds {n} of the {n_files} files that belong to {file}, and no index",
                n=len(parts),
                n_files=int(n_files),
                file=visible(parts[0], 64),
            )
            raise CorruptFileError(
                message, path=visible_path(found.location, _MAX_SHOWN), hint=Sentence("download it again")
            )
        said = Sentence("there is no index: the {n} numbered files are read as one model", n=len(parts))
        return found._replace(weights=tuple(parts), warnings=(said, *_unused(parts[0], weights, but=parts)))
    usual = [file for file in weights if _OWN_NAME.fullmatch(file)]
    if len(usual) == 1:
        return found._replace(weights=(usual[0],), warnings=_unused(usual[0], weights))
    message = Sentence("holds {n} files of weights and no index", n=len(weights))
    hint = Sentence("name one of them: {weights}", weights=_listed(weights))
    raise NoModelError(message, path=visible_path(found.location, _MAX_SHOWN), hint=hint)


def _unused(used: str, files: list[str], *, but: list[str] | None = None) -> tuple[str, ...]:
    """The warning that of several files one is read."""
    others = [file for file in files if file != used and file not in (but or ())]
    return (
        (Sentence("{used} is read, and not {others}", used=visible(used, 64), others=_listed(others)),)
        if others
        else ()
    )


def _part_warning(file: str) -> tuple[str, ...]:
    match = _NUMBERED.fullmatch(file)
    if match is None or int(match[3]) == 1:
        return ()
    return (
        Sentence(
            "{file} is one of {n} files: the folder or the index gives the whole model",
            file=visible(file, 64),
            n=int(match[3]),
        ),
    )


def _listed(files: list[str]) -> str:
    """Some names of files, for a message."""
    return and_more(", ".join(visible(file, 40) for file in files[:3]), max(len(files) - 3, 0))


def _name_of_folder(folder: str) -> str:
    """A folder's own name; in the hub's cache (models--owner--name/snapshots/…) the model's.

    >>> _name_of_folder("/home/me/.cache/huggingface/hub/models--openai-community--gpt2/snapshots/607a30d783df")
    'openai-community/gpt2'
    """
    parts = os.path.abspath(folder or ".").replace(os.sep, "/").split("/")
    if len(parts) > 2 and parts[-2] == "snapshots" and parts[-3].startswith("models--"):
        return parts[-3].removeprefix("models--").replace("--", "/")
    return parts[-1] or folder


def _refuse_folder(location: str, files: list[str]) -> NoReturn:
    """Raises NoModelError that names the folders inside which do hold a model."""
    inside = list(_folders_with_models(location, files))
    hint = (
        Sentence("perhaps {inside}", inside=_listed(inside))
        if inside
        else Sentence("a model is a config.json or a file of weights such as model.safetensors")
    )
    message = Sentence("the folder holds no model")
    raise NoModelError(message, path=visible_path(location, _MAX_SHOWN), hint=hint)


def _folders_with_models(location: str, files: list[str]) -> Iterator[str]:
    """Folders inside that look like a model, one level down; two in a repository of the hub's cache."""
    deeper = [f"snapshots/{name}" for name in _names(os.path.join(location, "snapshots"))]
    for folder in [*files, *deeper][:_MAX_FOLDERS_SEARCHED]:
        names = _names(os.path.join(location, folder))
        if _CONFIG in names or any(name.endswith(WEIGHTS[0]) for name in names):
            yield folder


def _names(folder: str) -> list[str]:
    """The names in a folder; none when it is no folder that may be read."""
    try:
        return sorted(os.listdir(folder))
    except (OSError, ValueError):
        return []


def _refuse_path(path: str, error: OSError | ValueError) -> NoReturn:
    """Raises the error for a path that the system does not open."""
    number = error.errno if isinstance(error, OSError) else errno.ENOENT
    shown = visible_path(path, _MAX_SHOWN)
    if number in _ABSENT:
        is_link = "\0" not in path and os.path.islink(path)
        message = Sentence("is a link to a file that is not there") if is_link else _ABSENT[number]
        raise SourceNotFoundError(message, path=shown, hint=_near(path)) from error
    message = _CLOSED.get(
        number or 0,
        Sentence("cannot be opened: {why}", why=reason(error)),
    )
    raise SourceError(message, path=shown) from error


def _near(path: str) -> str | None:
    """What lies in the same folder and is spelt nearly so; None where nothing is."""
    from difflib import get_close_matches  # only on the way to an error

    folder, name = os.path.split(path.rstrip("/\0"))
    near = get_close_matches(name, _names(folder or ".")[:2000], n=1, cutoff=0.75)
    return (
        Sentence("did you mean {near}?", near=visible_path(os.path.join(folder, near[0]), _MAX_SHOWN)) if near else None
    )


def _refuse_kind(path: str, mode: int) -> NoReturn:
    what = next((name for is_kind, name in _KINDS if is_kind(mode)), Sentence("something else"))
    message = Sentence("is {what}, not a file", what=what)
    raise SourceError(message, path=visible_path(path, _MAX_SHOWN))
