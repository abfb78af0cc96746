"""Which module gives what an attention or an MLP adds to the residual stream of each layer?

That of its output projection: some attentions (BLOOM's) add the residual themselves, so their own output is more than they add.
Where there is no single projection, as in a mixture of experts, it is the module that holds all parameters of that component in
that layer, and no others but norms.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.parameters import Component

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ..core.parameters import Parameter
    from . import Running

KINDS = (
    Component.ATTENTION, Component.LINEAR_ATTENTION, Component.SSM, Component.RECURRENT, Component.CONV, Component.MLP,
    Component.MOE,
)  # fmt: skip
_TOWERS = ("main", "decoder", "encoder")  # those that read text (BERT as a decoder is called an encoder still)
_OUTPUT = re.compile(r"o|down|out|out_proj|o_proj|output")  # the part whose product goes to the residual stream


class Block(NamedTuple):
    """What `kind` does in `layer`: the output of `module` at `path`; `numel` parameters work for it alone."""

    kind: str
    layer: int
    path: str
    module: Any
    numel: int


def blocks(running: Running) -> tuple[list[Block], list[str]]:
    """The blocks in the order of kinds and layers, and what has no module of its own, as `moe 3`."""
    groups: dict[tuple[int, int], list[Parameter]] = {}
    for row in running.rows:
        if (
            row.component in KINDS
            and row.layer is not None
            and row.excluded is None
            and row.tower in ("main", "decoder")
        ):
            groups.setdefault((KINDS.index(row.component), row.layer), []).append(row)
    modules = dict(running.module.named_modules())
    held = {path: {name for name, _ in module.named_parameters(prefix=path)} for path, module in modules.items()}
    norms = {row.tensor.name for row in running.rows if row.component is Component.NORM}
    found, missed = [], []
    for (kind, layer), rows in sorted(groups.items()):
        path = _output(rows, modules) or _container({row.tensor.name for row in rows}, norms, held)
        if path is None:
            missed.append(f"{KINDS[kind].value} {layer}")
        else:
            numel = sum(row.numel for row in rows)
            found.append(Block(KINDS[kind].value, layer, path, modules[path], numel))
    return found, missed


def _output(rows: Iterable[Parameter], modules: dict[str, Any]) -> str | None:
    """The path of the only output projection among them."""
    paths = {
        row.tensor.name.rpartition(".")[0]
        for row in rows
        if row.role == "weight" and len(row.tensor.shape) == 2 and row.expert is None and _OUTPUT.fullmatch(row.part)
    }
    path = paths.pop() if len(paths) == 1 else None
    return path if path in modules and not any(True for _ in modules[path].children()) else None


def _container(names: set[str], norms: set[str], held: Mapping[str, set[str]]) -> str | None:
    """The path of the innermost module that holds them all, and beside them nothing but norms."""
    whole = [path for path, inside in held.items() if path and names <= inside <= names | norms]
    return max(whole, key=len, default=None)
