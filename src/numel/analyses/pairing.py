"""Which tensor of one checkpoint is which of another? By name, with one prefix that only one of them has."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..core.parameters import Parameter

_MOST_LOOKED_AT = 2000  # names: a prefix shows in far fewer


class Pairing(NamedTuple):
    """Rows with the same name and shape (`pairs`), with the same name and two shapes, and of one side only.

    `prefix`: what the names of `prefixed` ("base" or "other") begin with and those of the other side do not.
    """

    pairs: tuple[tuple[Parameter, Parameter], ...]
    reshaped: tuple[tuple[Parameter, Parameter], ...]
    only_base: tuple[Parameter, ...]
    only_other: tuple[Parameter, ...]
    prefix: str = ""
    prefixed: str | None = None


def pair_up(base: Iterable[Parameter], other: Iterable[Parameter]) -> Pairing:
    """Every row of both sides, once."""
    by_name = {row.tensor.name: row for row in base}
    others = {row.tensor.name: row for row in other}
    prefix, prefixed = _prefix(by_name, others)
    if prefixed == "base":
        others = {prefix + name: row for name, row in others.items()}
    elif prefixed == "other":
        others = {n if (bare := n.removeprefix(prefix)) in others else bare: row for n, row in others.items()}
    both = [(row, others[name]) for name, row in by_name.items() if name in others]
    return Pairing(
        tuple(pair for pair in both if pair[0].tensor.shape == pair[1].tensor.shape),
        tuple(pair for pair in both if pair[0].tensor.shape != pair[1].tensor.shape),
        tuple(row for name, row in by_name.items() if name not in others),
        tuple(row for name, row in others.items() if name not in by_name),
        prefix,
        prefixed,
    )


def _prefix(base: dict[str, Parameter], other: dict[str, Parameter]) -> tuple[str, str | None]:
    """A prefix such as `transformer.` that a model with a head has and a bare one has not, where it finds more pairs."""
    n_found = len(base.keys() & other.keys())
    best: tuple[str, str | None] = ("", None)
    for longer, shorter, which in ((base, other, "base"), (other, base, "other")):
        prefix = _commonest(list(longer), list(shorter))
        n_with = sum(prefix + name in longer for name in shorter) if prefix else 0
        if n_with > n_found:
            best, n_found = (prefix, which), n_with
    return best


def _commonest(longer: list[str], shorter: list[str]) -> str:
    """What most of the longer names have before a shorter one, ending in a dot."""
    known = set(shorter)
    found: Counter[str] = Counter()
    for name in longer[:_MOST_LOOKED_AT]:
        start = name.find(".") + 1
        while start:
            if name[start:] in known:
                found[name[:start]] += 1
                break
            start = name.find(".", start) + 1
    return found.most_common(1)[0][0] if found else ""
