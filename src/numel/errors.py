"""What can go wrong, and the exit code of each.

NumelError                      1
├── UsageError                  2   the request makes no sense: an unknown option value, two things that exclude each other
├── SourceError                 3   the source cannot be reached
│   ├── SourceNotFoundError     3   no such name, file or folder
│   └── NoModelError            3   the folder exists and holds no model
├── CorruptFileError            4   a file breaks the rules of its own format
├── ConfigError                 4   a hyper-parameter is missing, of the wrong type or out of range
├── UnsupportedError            4   well formed, and numel does not read it (yet): an architecture, a dtype, a container
├── MissingValuesError          4   the question needs weights and only shapes are known
├── MissingDependencyError      2   an optional package is needed: says which extra to install
├── EngineError                 1   the processes or machines that should count have failed
│   └── UnreachableError        3   there is no way to them
└── StoppedError              130   interrupted, and says what is kept and how to go on
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Sentence(str):
    """An English sentence that can be said in other languages too: `template` is what catalogues know, `values` go into it.

    A value is a text, shown as it stands; a whole number, with its digits grouped; or another sentence.

    >>> Sentence("has {n} bytes, and {what}", n=1234, what=Sentence("one is enough"))
    'has 1,234 bytes, and one is enough'
    """

    __slots__ = ("template", "values")

    template: str
    values: dict[str, str | int]

    def __new__(cls, template: str, /, **values: str | int) -> Sentence:
        """The sentence in English."""
        shown = {name: f"{value:,}" if isinstance(value, int) else value for name, value in values.items()}
        sentence = super().__new__(cls, template.format_map(shown))
        sentence.template = template
        sentence.values = values
        return sentence

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, str | int]]:
        return (self.template,), self.values


def and_more(first: str, n_more: int) -> str:
    """The first of several things and how many others there are.

    >>> and_more("h.0.weight", 0), and_more("h.0.weight", 2)
    ('h.0.weight', 'h.0.weight and 2 more')
    """
    return Sentence("{first} and {n} more", first=first, n=n_more) if n_more else first


def reason(error: OSError | ValueError) -> str:
    """Why the operating system refused, in words that can be translated; of what is rare, its own words.

    >>> reason(OSError(28, "No space left on device"))
    'no space left on device'
    """
    import errno

    known = {
        errno.ENOENT: Sentence("no such file or directory"),
        errno.EEXIST: Sentence("it exists already"),
        errno.ENOTDIR: Sentence("not a directory"),
        errno.EISDIR: Sentence("is a directory"),
        errno.EACCES: Sentence("permission denied"),
        errno.EPERM: Sentence("operation not permitted"),
        errno.EROFS: Sentence("the file system can only be read"),
        errno.ENOSPC: Sentence("no space left on device"),
        errno.EDQUOT: Sentence("disk quota exceeded"),
        errno.EFBIG: Sentence("the file would be too large"),
        errno.ENAMETOOLONG: Sentence("the name is too long"),
        errno.ELOOP: Sentence("too many links that lead to each other"),
        errno.EMFILE: Sentence("too many open files"),
        errno.ENFILE: Sentence("too many open files"),
        errno.EIO: Sentence("input/output error"),
        errno.EBADF: Sentence("it is closed"),
        errno.EBUSY: Sentence("it is in use"),
        errno.ENXIO: Sentence("nothing is at its other end"),
        errno.EPIPE: Sentence("its reader has gone"),
        errno.EINVAL: Sentence("it cannot do that"),
    }
    number = error.errno if isinstance(error, OSError) else None
    return known.get(number or 0) or (getattr(error, "strerror", None) or str(error)).lower()


_AGAIN = Sentence("get or write the file again")


class NumelError(Exception):
    """Any error that numel raises on purpose: one line that says what, where and what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, path: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.hint = hint

    @property
    def kind(self) -> str:
        """The stable name of the error in `--json`, as `corrupt_file` of CorruptFileError."""
        words = type(self).__name__.removesuffix("Error")
        return "".join("_" + c.lower() if c.isupper() else c for c in words).lstrip("_")

    def __str__(self) -> str:
        return self.line()

    def line(self, say: Callable[[str], str] = str) -> str:
        """Where, what, and what to do next, on one line; `say` translates a sentence."""
        where = f"{self.path}: " if self.path else ""
        then = f" ({say(self.hint)})" if self.hint else ""
        return f"{where}{say(self.message)}{then}"


class UsageError(NumelError):
    """The request makes no sense as it stands."""

    exit_code = 2


class SourceError(NumelError):
    """The source cannot be reached."""

    exit_code = 3


class SourceNotFoundError(SourceError):
    """No such name, file or folder."""


class NoModelError(SourceError):
    """The folder exists and holds no model."""


class CorruptFileError(NumelError):
    """A file breaks the rules of its own format; `offset` is the byte where, if it is known."""

    exit_code = 4

    def __init__(
        self, message: str, *, path: str | None = None, hint: str | None = None, offset: int | None = None
    ) -> None:
        super().__init__(message, path=path, hint=hint)
        self.offset = offset

    def line(self, say: Callable[[str], str] = str) -> str:
        """As for every error, with the byte."""
        where = f"{self.path}: " if self.path else ""
        at = "" if self.offset is None else say(Sentence("at byte {offset}", offset=str(self.offset))) + ": "
        return f"{where}{at}{say(self.message)} ({say(self.hint or _AGAIN)})"


class ConfigError(NumelError):
    """A hyper-parameter is missing, of the wrong type or out of range; `field` names it."""

    exit_code = 4

    def __init__(
        self, message: str, *, path: str | None = None, hint: str | None = None, field: str | None = None
    ) -> None:
        super().__init__(message, path=path, hint=hint)
        self.field = field


class UnsupportedError(NumelError):
    """Well formed, and numel does not read it."""

    exit_code = 4


class MissingValuesError(NumelError):
    """The question needs weights, and the source only has shapes."""

    exit_code = 4


class MissingDependencyError(NumelError):
    """An optional package is needed; `extra` is what to install: `pip install 'numel[extra]'`."""

    exit_code = 2

    def __init__(self, package: str, *, extra: str, what: str) -> None:
        message = "{what} needs {package}: pip install 'numel[{extra}]'"
        super().__init__(Sentence(message, what=what, package=package, extra=extra))
        self.package = package
        self.extra = extra


class EngineError(NumelError):
    """The processes or machines that should count have failed."""


class UnreachableError(EngineError):
    """Nobody answers where the machines that should count were said to be."""

    exit_code = 3


class StoppedError(NumelError):
    """Interrupted by the user, with something kept to go on from."""

    exit_code = 130
