"""Which architectures have a blueprint, and where its text lies."""

from __future__ import annotations

import os
import re
from functools import cache

from ..core.visible import visible
from ..errors import Sentence, UnsupportedError
from .language import parent_of, parse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .syntax import Blueprint

_FOLDER = os.path.join(os.path.dirname(__file__), "architectures")
_SUFFIX = ".blueprint"
_MODEL_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{,99}")  # a model type comes from a file: it is no path


def model_types() -> tuple[str, ...]:
    """Every architecture that has a blueprint, by transformers' name for it.

    >>> "gpt2" in model_types()
    True
    """
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in os.listdir(_FOLDER) if name.endswith(_SUFFIX)))


def has_blueprint(model_type: str) -> bool:
    """Whether `load(model_type)` would find one.

    >>> has_blueprint("gpt2"), has_blueprint("../gpt2")
    (True, False)
    """
    return bool(_MODEL_TYPE.fullmatch(model_type)) and os.path.isfile(_path(model_type))


def source_text(model_type: str) -> str:
    """The blueprint as it is written. Raises UnsupportedError when there is none.

    >>> source_text("gpt2").splitlines()[0]
    '# GPT-2 (Radford et al., 2019). The residual stream is n_embd wide; every block is'
    """
    if not has_blueprint(model_type):
        message = Sentence("no blueprint for model_type '{model_type}'", model_type=visible(model_type, 100))
        raise UnsupportedError(message, hint=Sentence("give a checkpoint instead of a config: its header needs none"))
    with open(_path(model_type), encoding="utf-8") as file:
        return file.read()


def _path(model_type: str) -> str:
    return os.path.join(_FOLDER, model_type + _SUFFIX)


@cache
def load(model_type: str) -> Blueprint:
    """The parsed blueprint of `model_type`, with all that it extends. Raises UnsupportedError.

    >>> load("gpt2").class_prefix
    'GPT2'
    """
    text = source_text(model_type)
    parent = parent_of(text)
    return parse(text, model_type, load(parent) if parent else None)
