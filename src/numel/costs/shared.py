"""Which matrices run more than once in a pass, since several layers share them?"""

from __future__ import annotations

import re

from ..core.parameters import Component

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.parameters import Parameter, ParameterTable
    from .families import Family
    from .fields import TextFields
    from .noted import Noted

_ADAPTER = "adapter_list"  # of which each place of a shared block has its own, though the block holds all
_LAYER = re.compile(r"(?:^|\.)layers?\.(\d+)\.")


def runs_again(table: ParameterTable, fields: TextFields, family: Family) -> list[Parameter]:
    """A row for each further run of a shared matrix, under a name of its own; none for a model that shares nothing."""
    if family.sharing == "groups":
        return _groups(table, fields)
    if family.sharing == "ties":
        return _ties(table)
    if family.sharing == "cycles":
        return _cycles(table, fields)
    return []


def never_run(table: ParameterTable, fields: TextFields, family: Family) -> frozenset[int]:
    """Groups of shared matrices behind the last that a layer takes: more groups than layers leave some over."""
    if family.sharing != "groups":
        return frozenset()
    used = {_group(i, fields) for i in range(fields.n_layers)}
    return frozenset(row.layer for row in table.rows if row.layer is not None and row.layer not in used)


def tied_again(table: ParameterTable, noted: Noted) -> list[Parameter]:
    """A row for each tied name that a pass file says is multiplied with, whatever it is called."""
    rows = {row.tensor.name: row for row in table.rows} if table.aliases else {}
    ties = ((name, rows[target]) for name, target in table.aliases.items() if target in rows and noted.is_sure(name))
    return [row._replace(tensor=row.tensor._replace(name=name)) for name, row in ties]


def _groups(table: ParameterTable, fields: TextFields) -> list[Parameter]:
    """ALBERT: layer i of L is that of group i·G // L, run again."""
    ran: set[int] = set()
    again: list[Parameter] = []
    for i in range(fields.n_layers):
        group = _group(i, fields)
        rows = [row for row in table.rows if row.layer == group] if group in ran else []
        again += [row._replace(tensor=row.tensor._replace(name=f"again.{i}.{row.tensor.name}")) for row in rows]
        ran.add(group)
    return again


def _group(i: int, fields: TextFields) -> int:
    """The group that layer i takes, divided as transformers divides."""
    return int(i / (fields.n_layers / fields.integer("num_hidden_groups")))


def _cycles(table: ParameterTable, fields: TextFields) -> list[Parameter]:
    """HRM: in each of its cycles the slow stack runs once and the fast one L_cycles times, each run with a cache of its own."""
    slow, fast = (fields.integer(name, default=usual) for name, usual in (("H_cycles", 2), ("L_cycles", 3)))
    runs = {"H_module": slow, "L_module": slow * fast}
    return [
        row._replace(tensor=row.tensor._replace(name=f"again.{i}.{row.tensor.name}"))
        for row in table.rows
        for i in range(1, next((n for stack, n in runs.items() if f"{stack}." in row.tensor.name), 1))
    ]


def _ties(table: ParameterTable) -> list[Parameter]:
    """Zamba: a block stands in several places of the stack, tied; each place has keys and values of its own."""
    rows = {row.tensor.name: row for row in table.rows}
    again = []
    for name, target in table.aliases.items():
        row, layer = rows.get(target), _LAYER.search(name)
        if row is not None and layer is not None and row.component is not Component.EMBEDDING and _ADAPTER not in name:
            again.append(row._replace(tensor=row.tensor._replace(name=name), layer=int(layer[1])))
    return again
