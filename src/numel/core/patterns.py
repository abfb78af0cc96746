r"""Is a regex found in a text? Compiled are only those of its branches without whose words it finds nothing.

A process that classifies one model asks a hundred regexes, and to compile one takes 0.03 to 0.7 ms: 8 ms of the 57 ms
that `numel gpt2 --json` took. Most of their branches are about names that the model has not, and a look for a word tells.
"""

from __future__ import annotations

import re
from functools import cache

from .records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_GROUP = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"  # of no more than three levels
_INNER = re.compile(_GROUP)
_OPTIONAL = re.compile(_GROUP + r"[?*]|\(\?<?![^()]*\)|\{[\d,]+\}")  # and what must not be there, and how often
# A class and an escape such as \w are no words; of `layer_?` only `layer` is one; a dot alone is in every name.
_WORD = re.compile(r"\[[^\]]*\]|\\[a-zA-Z]|((?:\w|\\[.{}])+)(?![?*])")


class Branch(NamedTuple):
    """What stands between two `|` of a regex; whatever it finds holds one of its words, if it has any."""

    pattern: str
    words: tuple[str, ...]


def is_found(pattern: str, text: str) -> bool:
    r"""Whether `pattern` matches somewhere in `text`; tests/test_patterns.py knows of each of ours that `words_of` serves.

    >>> is_found(r"\.bias$|\.masked_bias$", "h.0.ln_1.weight"), is_found(r"norm|\.ln_\d", "h.0.ln_1.bias")
    (False, True)
    """
    return any(re.search(branch, text) for branch in _possible(pattern, text))


def search(pattern: str, text: str) -> re.Match[str] | None:
    r"""What `re.search(pattern, text)` returns.

    >>> search(r"\.bias$", "h.0.ln_1.weight"), search(r"\.bias$", "h.0.ln_1.bias").span()
    (None, (8, 13))
    """
    return next((re.search(pattern, text) for _ in _possible(pattern, text)), None)


def _possible(pattern: str, text: str) -> Iterator[str]:
    """The branches for which it is worth while to look."""
    for branch, words in branches(pattern):
        if not words:
            yield branch
            continue
        for word in words:
            if word in text:
                yield branch
                break


@cache
def branches(pattern: str) -> tuple[Branch, ...]:
    """The branches of `pattern`; a flag for all of it keeps them together.

    >>> [branch.pattern for branch in branches("norm|(?:q|k)_proj|^w$")]
    ['norm', '(?:q|k)_proj', '^w$']
    """
    if "(?i)" in pattern:
        return (Branch(pattern, ()),)
    found: list[str] = []
    depth = 0  # of the groups that are open
    for piece in pattern.split("|"):
        if depth:
            found[-1] += "|" + piece
        else:
            found.append(piece)
        depth += piece.count("(") - piece.count(")")
    return tuple(Branch(branch, words_of(branch)) for branch in found)


def words_of(branch: str) -> tuple[str, ...]:
    r"""The literal texts of which every match of `branch` holds one; none where it has none, or letter case is ignored.

    >>> words_of(r"attention\.experts(?:\.\w+put_linear)?$"), words_of("(?:norm|ln)$"), words_of("(?i:norm)")
    (('attention.experts',), ('norm', 'ln'), ())
    """
    if branch.isidentifier():
        return (branch,)
    if "(?i" in branch:
        return ()
    if "(" not in branch and "{" not in branch:
        return _longest(_runs(branch))
    needed = _OPTIONAL.sub("()", branch)
    return _longest(_runs(_INNER.sub("()", needed))) or tuple(_runs(needed))


def _longest(runs: list[str]) -> tuple[str, ...]:
    return (max(runs, key=len),) if runs else ()


def _runs(pattern: str) -> list[str]:
    return [run.replace("\\", "") for run in _WORD.findall(pattern) if run not in ("", r"\.")]
