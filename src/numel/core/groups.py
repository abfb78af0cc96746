"""What do the parameters of a table sum to by what they have in common: component, part, layer and so on?"""

from __future__ import annotations

import re
from itertools import repeat

from .kinds import kinds_of
from .parameters import Component
from .records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .parameters import Parameter, ParameterTable


class Group(NamedTuple):
    """What rows with the same `keys` sum to. `share` is of the model's total; buffers and copies add no `numel`.

    `nbytes` is None where a row's dtype is unknown.
    """

    keys: tuple[Any, ...]
    n_tensors: int
    numel: int
    nbytes: int | None
    share: float


class Grouping(NamedTuple):
    """All groups of one model, in reading order; `names` says what the keys are."""

    model: str
    names: tuple[str, ...]
    groups: tuple[Group, ...]

    def __iter__(self) -> Iterator[Group]:  # type: ignore[override]
        return iter(self.groups)


# What may stand behind --by, and the columns it gives: a part means little without its component.
KEYS: dict[str, dict[str, Callable[[Parameter], Any]]] = {
    "component": {"component": lambda row: row.component.value},
    "part": {"component": lambda row: row.component.value, "part": lambda row: row.part},
    "layer": {"tower": lambda row: row.tower if row.layer is not None else None, "layer": lambda row: row.layer},
    "tower": {"tower": lambda row: row.tower},
    "expert": {"expert": lambda row: row.expert},
    "role": {"role": lambda row: row.role},
    "dtype": {"dtype": lambda row: row.tensor.dtype.stated_name},
    "template": {"template": lambda row: template_of(row.tensor.name)},
    "tensor": {
        "tensor": lambda row: row.tensor.name,
        "shape": lambda row: row.tensor.shape,
        "dtype": lambda row: row.tensor.dtype.stated_name,
        "component": lambda row: row.component.value,
        "part": lambda row: row.part,
        "role": lambda row: row.role,
        "tower": lambda row: row.tower,
        "layer": lambda row: row.layer,
        "expert": lambda row: row.expert,
    },
}

_SHARED_BY_A_KIND = {"component", "part", "tower", "role", "dtype"}
_ORDER = {component.value: i for i, component in enumerate(Component)}
_NUMBER = r"(?<=\.)\d+(?=\.|$)|^\d+(?=\.)"


def template_of(name: str) -> str:
    """The name with its indices left open, so that the same tensor of all layers is one thing.

    >>> template_of("transformer.h.11.attn.c_attn.weight")
    'transformer.h.{}.attn.c_attn.weight'
    """
    return re.sub(_NUMBER, "{}", name)


def group(table: ParameterTable, *by: str) -> Grouping:
    """The table's rows summed by the keys that `by` names (of KEYS); the groups always sum to the total."""
    getters = {name: get for key in by for name, get in KEYS[key].items()}
    if "tensor" in getters:
        return _each_tensor(table, getters)
    sums: dict[tuple[Any, ...], list[Any]] = {}
    columns = tuple(getters.values())
    rows = kinds_of(table) if getters.keys() <= _SHARED_BY_A_KIND else zip(table.rows, repeat(1))
    for row, n in rows:
        key = tuple(get(row) for get in columns)
        entry = sums.get(key)
        if entry is None:
            entry = sums[key] = [0, 0, 0]
        entry[0] += n
        entry[1] += n * row.numel
        nbytes = row.tensor.nbytes
        entry[2] = None if nbytes is None or entry[2] is None else entry[2] + n * nbytes
    total = sum(entry[1] for entry in sums.values()) or 1
    groups = [Group(key, n, numel, nbytes, numel / total) for key, (n, numel, nbytes) in sums.items()]
    names = tuple(getters)
    groups.sort(key=lambda g: reading_order(names, g.keys))
    return Grouping(table.name, names, tuple(groups))


def _each_tensor(table: ParameterTable, getters: dict[str, Callable[[Parameter], Any]]) -> Grouping:
    """One group per tensor, in the source's order."""
    total = sum(row.numel for row in table.rows) or 1
    columns = tuple(getters.values())
    groups = tuple(
        Group(tuple(get(row) for get in columns), 1, row.numel, row.tensor.nbytes, row.numel / total)
        for row in table.rows
    )
    return Grouping(table.name, tuple(getters), groups)


def reading_order(names: tuple[str, ...], keys: tuple[Any, ...]) -> tuple[tuple[int, int, str], ...]:
    """What groups are sorted by, so that every table has them in the same order."""
    return tuple(_rank(name, value) for name, value in zip(names, keys, strict=True))


def _rank(name: str, value: Any) -> tuple[int, int, str]:
    """Components in the taxonomy's order, numbers by size, None last; parts and templates as they came (stable sort)."""
    if value is None:
        return (2, 0, "")
    if name == "component":
        return (0, _ORDER.get(value, 99), "")
    if isinstance(value, int):
        return (0, value, "")
    return (1, 0, value if name in ("tower", "dtype", "role") else "")
