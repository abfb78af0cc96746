"""Can the answer go where it is wanted, and is nothing lost by that? Asked before anything is counted."""

from __future__ import annotations

import errno
import os

from .core.visible import visible_path
from .errors import Sentence, UsageError, reason
from .formats import FORMATS
from .views.files import picture_suffix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_SHOWN = 120
_FOREIGN = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".onnx", ".npz", ".msgpack")  # weights that others read


def check_places(output: str | None, save: str | None, models: Sequence[str], *, histograms: str | None = None) -> None:
    """Raises UsageError where an answer cannot be written, or would take the place of another, or of what is asked about.

    `output` and `save`: the files of the answer and of its figure; `histograms`: that of --save-histograms, which says itself
    where it cannot be; `models`: what is asked about.
    """
    if save is not None:
        picture_suffix(save)
    places = [place for place in (output, save) if place is not None]
    for place in places:
        _refuse_model(place, models)
        _refuse_unwritable(place)
    wanted = [
        os.path.realpath(place) for place in (*places, histograms) if place is not None and not _is_special(place)
    ]
    for place in wanted:
        if wanted.count(place) > 1:
            message = Sentence("two answers cannot go into one file")
            raise UsageError(message, path=visible_path(place, _MAX_SHOWN), hint=Sentence("choose another place"))


def _refuse_model(place: str, models: Sequence[str]) -> None:
    """Raises UsageError where weights, or a file of the model that is asked about, would be overwritten."""
    if not os.path.isfile(place):
        return
    suffixes = tuple(s for form in FORMATS.values() for s in form.suffixes)
    is_weights = os.path.realpath(place).lower().endswith((*suffixes, *_FOREIGN))
    if is_weights or any(_is_of(place, model) for model in models):
        message = Sentence("is a file of a model, and would be overwritten")
        raise UsageError(message, path=visible_path(place, _MAX_SHOWN), hint=Sentence("choose another place"))


def _is_of(place: str, model: str) -> bool:
    """Whether the model is read from that very file: from the one that is named, or from the configuration beside it."""
    folder = model if os.path.isdir(model) else os.path.dirname(model)
    name = os.path.basename(place)
    beside = os.path.join(folder, name) if name == "config.json" or name.endswith(".index.json") else model
    return any(os.path.exists(path) and os.path.samefile(path, place) for path in (model, beside))


def _refuse_unwritable(place: str) -> None:
    folder = os.path.dirname(os.path.realpath(place))
    wrong = 0
    if os.path.isdir(place):
        wrong = errno.EISDIR
    elif not os.path.isdir(folder):
        wrong = errno.ENOTDIR if os.path.exists(folder) else errno.ENOENT
    elif not _is_special(place) and not os.access(folder, os.W_OK):
        wrong = errno.EACCES
    if wrong:
        message = Sentence("cannot write: {why}", why=reason(OSError(wrong, os.strerror(wrong))))
        raise UsageError(message, path=place, hint=Sentence("choose another place"))


def _is_special(place: str) -> bool:
    """Whether it is a device or a pipe, which takes more than one answer."""
    return os.path.exists(place) and not os.path.isfile(place) and not os.path.isdir(place)
