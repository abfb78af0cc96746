"""Where the bytes of a model lie that is behind an address: what is there, and objects that are read by ranges.

`https://…`, `s3://…`, `gs://…` and `az://…` through obstore. Credentials come from the environment (AWS_ACCESS_KEY_ID and
its like), never from an address. Each answer must be of the object that was opened: its size, ETag and time.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from concurrent.futures import Future
from datetime import timedelta
from functools import lru_cache
from threading import Lock, Thread, current_thread, main_thread
from typing import TYPE_CHECKING, Any

from ..core.records import NamedTuple
from ..core.visible import visible, visible_path
from ..errors import (
    CorruptFileError,
    MissingDependencyError,
    NoModelError,
    Sentence,
    SourceError,
    SourceNotFoundError,
    UsageError,
)
from .local import WEIGHTS, LocalModel, of_file, of_names

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn, Self

try:
    import obstore
    from obstore import exceptions, store
except ImportError as error:
    package = "obstore"
    raise MissingDependencyError(package, extra="remote", what=Sentence("a model behind an address")) from error

_RANGE_NBYTES = 4 << 20  # one request: more in one buffer is slower
_BLOCK_NBYTES = 256 << 10  # what a small read brings along: a header is read in many
_N_BLOCKS = 8
_MAX_SHOWN = 120
_PROBED = ("model.safetensors", "model.safetensors.index.json", "config.json")  # where nobody lists a folder
_HUB = re.compile(r"https://huggingface\.co/([^/]+/[^/]+)/resolve/[^/]+")
_CLIENT = {"connect_timeout": "10s", "timeout": "60s", "user_agent": "numel"}
_RETRIES = {"max_retries": 5, "retry_timeout": timedelta(seconds=60)}
_ENDPOINTS = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT", "GOOGLE_BASE_URL", "AZURE_ENDPOINT")
_MISSING = (exceptions.NotFoundError, FileNotFoundError)
_CLOSED = (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError)


class RemoteModel(NamedTuple):
    """What an address holds: the fields of LocalModel."""

    location: str
    root: str
    kind: str
    name: str
    weights: tuple[str, ...] = ()
    shard_index: str | None = None
    config: str | None = None
    warnings: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()

    def open(self, file: str) -> RemoteFile:
        """One of the objects; the caller checks names that come from an index."""
        return RemoteFile(self.root, file)


class RemoteFile:
    """An object as a ByteSource, read by ranges of 4 MiB at most; the last small ones are remembered."""

    def __init__(self, root: str, file: str) -> None:
        """Ask what it is. Raises SourceNotFoundError, and SourceError when nobody answers or lets us in."""
        self.name = f"{root}/{file}"
        self._store, self._file = _store(root), file
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._lock = Lock()
        try:
            meta = _awaited(lambda: obstore.head(self._store, file))
        except (exceptions.BaseError, OSError, ValueError) as error:
            _refuse(self.name, error)
        self.size: int = meta["size"]
        self.first_identity: tuple[object, ...] = _identity(meta)
        self._identity = self.first_identity

    def read(self, offset: int, nbytes: int) -> bytes:
        """Exactly `nbytes` bytes from `offset`. Raises CorruptFileError when they are not there."""
        if offset < 0 or nbytes < 0 or offset + nbytes > self.size:
            said = "ends at byte {size}, and bytes {offset} to {end} were to be read"
            message = Sentence(said, size=self.size, offset=offset, end=offset + nbytes)
            raise CorruptFileError(message, path=visible_path(self.name, _MAX_SHOWN), offset=offset)
        if nbytes < _BLOCK_NBYTES:
            return self._from_blocks(offset, nbytes)
        end = offset + nbytes
        parts = [self._get(at, min(at + _RANGE_NBYTES, end)) for at in range(offset, end, _RANGE_NBYTES)]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def fileno(self) -> None:
        """None: it is no file of this machine."""
        return

    def identity(self) -> tuple[object, ...]:
        """Size, ETag and time of the last change, as the last answer had them."""
        return self._identity

    def close(self) -> None:
        """Nothing is held but what was read."""
        self._blocks.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _from_blocks(self, offset: int, nbytes: int) -> bytes:
        parts, end = [], offset + nbytes
        for number in range(offset // _BLOCK_NBYTES, -(-end // _BLOCK_NBYTES)):
            start = number * _BLOCK_NBYTES
            parts.append(self._block(number)[max(offset - start, 0) : end - start])
        return b"".join(parts)

    def _block(self, number: int) -> bytes:
        with self._lock:
            if number not in self._blocks:
                start = number * _BLOCK_NBYTES
                self._blocks[number] = self._get(start, min(start + _BLOCK_NBYTES, self.size))
                if len(self._blocks) > _N_BLOCKS:
                    self._blocks.popitem(last=False)
            self._blocks.move_to_end(number)
            return self._blocks[number]

    def _ask(self, options: Any) -> tuple[Any, bytes]:
        answer = obstore.get(self._store, self._file, options=options)
        return answer, bytes(answer.bytes())

    def _get(self, start: int, end: int) -> bytes:
        """One range. An answer with other bytes, or of another object, is an error."""
        options: Any = {"range": (start, end)}
        if self.first_identity[1] is not None:
            options["if_match"] = self.first_identity[1]
        found: bytes
        try:
            answer, found = _awaited(lambda: self._ask(options))
        except (exceptions.BaseError, OSError, ValueError) as error:
            _refuse(self.name, error)
        self._identity = _identity(answer.meta)
        if self._identity != self.first_identity:
            _refuse_change(self.name)
        if tuple(answer.range) != (start, end) or len(found) != end - start:
            message = Sentence("the server sent other bytes than those that were asked for")
            raise SourceError(message, path=visible_path(self.name, _MAX_SHOWN), hint=Sentence("run it again"))
        return found


def _awaited(ask: Callable[[], Any]) -> Any:
    """What a request comes to; a Ctrl-C does not wait for it, as it would in the middle of obstore."""
    if current_thread() is not main_thread():
        return ask()
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(ask())
        except BaseException as error:  # noqa: BLE001 - raised where it is awaited
            future.set_exception(error)

    Thread(target=run, daemon=True).start()  # daemon: the end of the process does not wait for it either
    return future.result()


def find(url: str) -> RemoteModel:
    """What lies at `url`: a file with weights, a folder, a config.json or the index of a sharded model.

    Raises SourceNotFoundError, SourceError (nobody answers, no permission), NoModelError, UsageError for an address with a password.
    """
    rest = url.partition("://")[2]
    if "@" in rest.partition("/")[0] or "?" in rest or "#" in rest:
        message = Sentence("an address with credentials or a query is not read")
        raise UsageError(message, hint=Sentence("put credentials into the environment, as AWS_ACCESS_KEY_ID"))
    place = url.rstrip("/")
    root, _, last = place.rpartition("/")
    if last.lower().endswith((*WEIGHTS, ".json", ".numel")) and not url.endswith("/"):
        has_config = last.lower() != "config.json" and _exists(root, "config.json")
        return _remote(of_file(url, root, last, name=_name(root), has_config=has_config))
    names = _names(place)
    if not names:
        message = Sentence("the folder holds no model")
        hint = Sentence("give the address of a file such as model.safetensors")
        raise NoModelError(message, path=visible_path(url, _MAX_SHOWN), hint=hint)
    return _remote(of_names(url, sorted(names), name=_name(place))._replace(root=place))


def _remote(found: LocalModel) -> RemoteModel:
    return RemoteModel(*found)


def _name(root: str) -> str:
    """What a model at this address is called: its folder's name; on the hub owner/name."""
    on_hub = _HUB.fullmatch(root)
    return on_hub[1] if on_hub else root.rpartition("/")[2]


def _names(root: str) -> list[str]:
    """The objects in a folder; of a web server, which lists nothing, those that are usual."""
    if root.lower().startswith("http"):
        return [name for name in _PROBED if _exists(root, name)]
    try:
        return [each["path"] for each in _awaited(lambda: obstore.list_with_delimiter(_store(root)))["objects"]]
    except (exceptions.BaseError, OSError, ValueError) as error:
        _refuse(root, error)


def _exists(root: str, file: str) -> bool:
    try:
        RemoteFile(root, file)
    except SourceNotFoundError:
        return False
    return True


@lru_cache(maxsize=8)
def _store(root: str) -> Any:
    endpoints = [os.environ.get(name, "") for name in _ENDPOINTS]  # an http:// there is meant
    options: Any = {**_CLIENT, "allow_http": any(each.lower().startswith("http://") for each in (root, *endpoints))}
    retries: Any = _RETRIES
    try:
        if root.lower().startswith("http"):
            return store.HTTPStore.from_url(root, client_options=options, retry_config=retries)
        return store.from_url(root, client_options=options, retry_config=retries)
    except (exceptions.BaseError, ValueError) as error:
        _refuse(root, error)


def _identity(meta: Any) -> tuple[object, ...]:
    return meta["size"], meta.get("e_tag"), meta["last_modified"].isoformat()


def _refuse(name: str, error: Exception) -> NoReturn:
    """Raises the error that says why an object cannot be read."""
    path = visible_path(name, _MAX_SHOWN)
    if isinstance(error, _MISSING):
        raise SourceNotFoundError(Sentence("there is no such file or folder"), path=path) from error
    if isinstance(error, exceptions.PreconditionError):
        _refuse_change(name, error)
    if isinstance(error, _CLOSED):
        message = Sentence("may not be read: permission denied")
        hint = Sentence("put credentials into the environment, as AWS_ACCESS_KEY_ID")
        raise SourceError(message, path=path, hint=hint) from error
    if isinstance(error, exceptions.NotSupportedError):
        message = Sentence("the server sends no ranges, only whole files")
        raise SourceError(message, path=path, hint=Sentence("download it first")) from error
    why = re.sub(r"\s*[({\[]?\w+://\S+", " …", str(error).split("\n")[0])  # an address may hold a signature
    raise SourceError(Sentence("cannot be read: {why}", why=visible(why, 160)), path=path) from error


def _refuse_change(name: str, error: Exception | None = None) -> NoReturn:
    message = Sentence("changed while it was read")
    raise CorruptFileError(message, path=visible_path(name, _MAX_SHOWN), hint=Sentence("run it again")) from error
