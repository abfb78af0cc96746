"""What a file is when it is not what its name promises, and what to do about it."""

from __future__ import annotations

import re

from ..core.records import NamedTuple
from ..core.visible import visible_path
from ..errors import CorruptFileError, Sentence, UnsupportedError
from .strict_json import MAX_PATH_SHOWN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.bytes import ByteSource

HEAD_NBYTES = 512  # enough for every signature below; tar's stands at 257


class Kind(NamedTuple):
    """A kind of content: how it begins, what it is called in a message, what to do next."""

    signature: re.Pattern[bytes]
    is_a: str
    hint: str
    is_model: bool = False


def _kind(signature: bytes, is_a: str, hint: str, *, is_model: bool = False) -> Kind:
    return Kind(re.compile(signature, re.DOTALL | re.IGNORECASE), is_a, hint, is_model)


_AGAIN = Sentence("download it again")
_UNPACK = Sentence("unpack it first")
_CONVERT = Sentence("save the model as safetensors, or give its config.json")

# From the signatures that cannot be mistaken to those that are only a way of beginning.
KINDS = (
    _kind(
        rb"version https://git-lfs\.github\.com/spec/",
        Sentence("a Git LFS pointer, not the file itself"),
        Sentence("run `git lfs pull`"),
    ),
    _kind(rb"\s*(<!doctype html|<html|<head|<body)", Sentence("an HTML page, perhaps of an error or a login"), _AGAIN),
    _kind(rb"\s*<\?xml|\s*<error", Sentence("an XML page, perhaps an error of the server"), _AGAIN),
    _kind(
        rb"(entry|repository) not found|access to model|invalid (username|credentials)|40[134]\b",
        Sentence("a server's refusal"),
        _AGAIN,
    ),
    _kind(rb"GGUF", Sentence("a GGUF file"), _CONVERT, is_model=True),
    _kind(rb"PK\x03\x04", Sentence("a zip archive, as torch.save writes them"), _CONVERT, is_model=True),
    _kind(rb"\x80[\x02-\x05][\x00-\xff]{8}", Sentence("a Python pickle"), _CONVERT, is_model=True),
    _kind(rb"\x89HDF\r\n\x1a\n", Sentence("an HDF5 file"), _CONVERT, is_model=True),
    _kind(rb"\x93NUMPY", Sentence("a NumPy array"), _CONVERT, is_model=True),
    _kind(rb".{4}TFL3", Sentence("a TensorFlow Lite model"), _CONVERT, is_model=True),
    _kind(rb".{257}ustar", Sentence("a tar archive"), _UNPACK),
    _kind(rb"\x1f\x8b", Sentence("a gzip archive"), _UNPACK),
    _kind(rb"\x28\xb5\x2f\xfd", Sentence("a zstd archive"), _UNPACK),
    _kind(rb"\xfd7zXZ\x00|BZh[1-9]|7z\xbc\xaf\x27\x1c", Sentence("a compressed archive"), _UNPACK),
    _kind(rb"\x00{16}", Sentence("zeros where it should begin, as an unfinished download has"), _AGAIN),
    _kind(
        rb"(\xef\xbb\xbf)?\s*[{\[]\s*[\"\]}]",
        Sentence("JSON text"),
        Sentence("a configuration is named config.json, an index *.safetensors.index.json"),
    ),
)


def recognise(head: bytes) -> Kind | None:
    r"""The kind of content that begins with `head`, None when it is like nothing known.

    >>> recognise(b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a")[1:3]
    ('a Git LFS pointer, not the file itself', 'run `git lfs pull`')
    """
    return next((kind for kind in KINDS if kind.signature.match(head)), None)


def refuse_foreign(source: ByteSource, expected: str, *, also: str = "") -> None:
    """Raises the error that names what `source` really holds; returns when that is not known.

    `also` names a kind that `source` may well be: a broken config.json is JSON text all the same.
    """
    path = visible_path(source.name, MAX_PATH_SHOWN)
    if source.size == 0:
        message = Sentence("is empty, and not a {expected}", expected=expected)
        raise CorruptFileError(message, path=path, hint=_AGAIN)
    kind = recognise(source.read(0, min(source.size, HEAD_NBYTES)))
    if kind is None or kind.is_a == also:
        return
    error = UnsupportedError if kind.is_model else CorruptFileError
    message = Sentence("is not a {expected} but {is_a}", expected=expected, is_a=kind.is_a)
    raise error(message, path=path, hint=kind.hint)
