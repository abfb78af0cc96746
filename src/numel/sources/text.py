"""What does a text file say?"""

from __future__ import annotations

from ..core.visible import visible_path
from ..errors import CorruptFileError, Sentence, UsageError
from .local import LocalFile

_MAX_SHOWN = 120


def read_text(path: str) -> str:
    """The file as UTF-8. Raises SourceError, CorruptFileError where it is no text, UsageError where it is empty."""
    shown = visible_path(path, _MAX_SHOWN)
    with LocalFile(path) as file:
        content = file.read(0, file.size)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        message = Sentence("is not UTF-8 text")
        raise CorruptFileError(message, path=shown, hint=Sentence("give a text"), offset=error.start) from error
    if not text.strip():
        raise UsageError(Sentence("the text is empty"), path=shown, hint=Sentence("give a text of two tokens or more"))
    return text
