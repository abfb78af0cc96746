"""What a model does when it really runs: a module whose parameters are in their places."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.parameters import Component, Parameter


class Running(NamedTuple):
    """`module` of torch, `rows` its parameters under their names in memory, `components` those of all names, tied too.

    `is_random`: its weights are not those of any training. `versions`: of the libraries that made it.
    """

    module: Any
    rows: tuple[Parameter, ...]
    components: Mapping[str, Component]
    is_random: bool
    versions: Mapping[str, str] = {}
