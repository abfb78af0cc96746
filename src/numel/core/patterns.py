r"""Is a regex found in a text? Compiled only if one of the words without which it finds nothing stands there.

A process that classifies one model asks a hundred regexes, and to compile one takes 0.03 to 0.7 ms: 8 ms of the 57 ms
that `numel gpt2 --json` took. Most of them are about names that the model has not, and a look for their words tells.
"""

from __future__ import annotations

import re
from functools import cache

_GROUP = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"  # of no more than three levels
_INNER = re.compile(_GROUP)
_OPTIONAL = re.compile(_GROUP + r"[?*]|\(\?<?![^()]*\)|\{[\d,]+\}")  # and what must not be there, and how often
_ALTERNATIVE = re.compile(rf"(?:[^|()]|{_GROUP})+")
# A class and an escape such as \w are no words; of `layer_?` only `layer` is one; a dot alone is in every name.
_WORD = re.compile(r"\[[^\]]*\]|\\[a-zA-Z]|((?:\w|\\[.{}])+)(?![?*])")


def search(pattern: str, text: str) -> re.Match[str] | None:
    r"""What `re.search(pattern, text)` returns, for patterns of which tests/test_patterns.py knows that `words` serves.

    >>> search(r"\.bias$", "h.0.ln_1.weight"), search(r"\.bias$", "h.0.ln_1.bias").span()
    (None, (8, 13))
    """
    needed = words(pattern)
    if needed and not any(word in text for word in needed):
        return None
    return re.search(pattern, text)


@cache
def words(pattern: str) -> tuple[str, ...]:
    r"""The literal texts in `pattern`, of which every match holds one; none where letter case is ignored.

    >>> words(r"attention\.experts(?:\.\w+put_linear)?$|[qkv]_conv1d"), words("(?i:norm)")
    (('attention.experts', '_conv1d'), ())
    """
    if "(?i" in pattern:
        return ()
    found: list[str] = []
    for alternative in _ALTERNATIVE.findall(_OPTIONAL.sub("()", pattern)):
        runs = _runs(_INNER.sub("()", alternative))
        found += [max(runs, key=len)] if runs else _runs(alternative)
    return tuple(found)


def _runs(pattern: str) -> list[str]:
    return [run.replace("\\", "") for run in _WORD.findall(pattern) if run not in ("", r"\.")]
