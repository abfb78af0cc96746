"""Fused tensors as the parts that other families keep apart: query, key and value; gate and up; each expert.

A view of the same parameters: pieces have the tensor's name with the part in brackets, and their sizes sum to its own.
How long each piece is follows from the blueprint's line where there is one, else from the config's numbers of heads,
else from the shape alone; where none of them tells, the tensor stays whole. Where in the tensor the rows of a piece
lie is another question (Falcon and GPT-NeoX mix them head by head), which no count depends on.
"""

from __future__ import annotations

import re

from ..core.groups import template_of
from ..core.parameters import Component

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ..core.formulas import Formula
    from ..core.parameters import Parameter, ParameterTable

_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads")
_KV_HEADS = ("n_kv", "num_key_value_heads", "num_kv_heads", "n_kv_heads", "multi_query_group_num")
_HEAD_DIMS = ("head_dim", "attention_head_dim", "kv_channels")
_VARIABLE = re.compile(r"\{\w+\}")
_TIMES = re.compile(r"([234]) \* ")  # three of a kind side by side: `3 * n_embd`
_GROUPED = re.compile(r"\+ 2 \* ")  # `(heads + 2 * kv_heads) * head_dim`, `d_model + 2 * kv_size`
# The parts that so many of a kind are: cross-attention's key and value, attention's three, and HRM's gate before them.
_QKV = {2: ("k", "v"), 3: ("q", "k", "v"), 4: ("gate", "q", "k", "v")}

Pieces = tuple[tuple[str, int], ...]


def split(table: ParameterTable) -> ParameterTable:
    """The table with each fused tensor in its pieces; totals and counts are the same."""
    splitter = _Splitter(table)
    rows = tuple(piece for row in table.rows for piece in splitter.pieces(row))
    return table._replace(rows=rows, kinds=None)


class _Splitter:
    """How long the pieces of a table's tensors are; each kind of tensor is looked into once."""

    def __init__(self, table: ParameterTable) -> None:
        self.formulas: dict[str, list[Formula]] = {}
        for formula in table.formulas:
            key = template_of(_VARIABLE.sub("0", formula.template))
            self.formulas.setdefault(key, []).append(formula)
        self.fields = tuple(_nested(table.hyperparameters)) + tuple(
            _nested(table.config.fields if table.config else {})
        )
        self.known: dict[tuple[Any, ...], tuple[int, Pieces] | None] = {}

    def pieces(self, row: Parameter) -> Iterator[Parameter]:
        """The row, or one row for each of its pieces."""
        is_moe = row.component in (Component.MOE, Component.ATTENTION) and row.part in ("experts", "moa_experts")
        is_fused = row.part in ("qkv", "gate_up")
        is_packed = row.excluded is None and row.numel != row.tensor.numel  # its shape is not that of the parameters
        if not (is_fused or (is_moe and row.expert is None)) or is_packed:
            yield row
            return
        template = template_of(row.tensor.name)
        key = (template, row.tensor.shape)
        if key not in self.known:
            self.known[key] = self._axis_and_pieces(row, template)
        found = self.known[key]
        if found is None:
            yield row
            return
        axis, parts = found
        shape = row.tensor.shape
        for part, size in parts:
            sizes = (*shape[:axis], size, *shape[axis + 1 :]) if size else shape[1:]
            tensor = row.tensor._replace(name=f"{row.tensor.name}[{part}]", shape=sizes)
            expert = int(part) if not is_fused else row.expert
            numel = tensor.numel if row.excluded is None else 0
            yield row._replace(tensor=tensor, part=part if is_fused else row.part, expert=expert, numel=numel)

    def _axis_and_pieces(self, row: Parameter, template: str) -> tuple[int, Pieces] | None:
        """Along which axis, and how long each piece is; 0 where a piece has one axis less."""
        shape = row.tensor.shape
        texts = self._expressions(template, shape)
        if row.part == "qkv":
            return self._qkv(row, shape, texts)
        if row.part == "gate_up":
            axis = next((i for i, text in enumerate(texts) if text.startswith("2 * ")), None if texts else 0)
            if axis is None or not shape or shape[axis] % 2:
                return None
            return axis, tuple((part, shape[axis] // 2) for part in ("gate", "up"))
        if len(shape) == 3 or (len(shape) == 2 and row.role == "bias"):
            return 0, tuple((str(i), 0) for i in range(shape[0]))
        experts, _, rest = texts[0].partition(" * ") if texts else ("", "", "")
        n = next((f[experts] for f in self.fields if type(f.get(experts)) is int and f[experts] > 0), 0)
        if rest and "expert" in experts and n and shape[0] % n == 0:  # DBRX: all experts' rows in one matrix
            return 0, tuple((str(i), shape[0] // n) for i in range(n))
        return None

    def _expressions(self, template: str, shape: tuple[int, ...]) -> tuple[str, ...]:
        """The dimensions as the blueprint writes them; nothing where it is not known or says another shape."""
        for formula in self.formulas.get(template, ()):
            if tuple(term.value for term in formula.dims) == shape:
                return tuple(term.expression for term in formula.dims)
        return ()

    def _qkv(self, row: Parameter, shape: tuple[int, ...], texts: tuple[str, ...]) -> tuple[int, Pieces] | None:
        for axis, text in enumerate(texts):
            times = _TIMES.match(text)
            if times:
                parts = _QKV[int(times[1])]
                return axis, tuple((part, shape[axis] // len(parts)) for part in parts)
            if _GROUPED.search(text):
                return self._grouped(axis, shape)
        if texts or not shape:
            return None  # the blueprint knows of one matrix, such as Reformer's shared query and key
        axis = max(range(len(shape)), key=lambda i: shape[i])
        found = self._grouped(axis, shape)
        if found:
            return found
        other = min(shape) if len(shape) == 2 else shape[axis] // 3
        if "crossattention" in row.tensor.name and shape[axis] == 2 * other:
            return axis, (("k", other), ("v", other))
        return (axis, tuple((part, other) for part in _QKV[3])) if shape[axis] == 3 * other else None

    def _grouped(self, axis: int, shape: tuple[int, ...]) -> tuple[int, Pieces] | None:
        """Pieces by the numbers of heads: (heads + 2 · key-value heads) · width of a head."""
        fused, width = shape[axis], shape[1 - axis] if len(shape) == 2 else None
        for fields in self.fields:
            heads, kv_heads = _first(fields, _HEADS), _first(fields, _KV_HEADS)
            kv_size, head_dim = fields.get("kv_size"), _first(fields, _HEAD_DIMS)
            if heads and not kv_heads and type(kv_size) is int:  # GPT-BigCode: one head of keys, or as many as queries
                return axis, (("q", fused - 2 * kv_size), ("k", kv_size), ("v", kv_size))
            if not heads or not kv_heads or fused % (heads + 2 * kv_heads):
                continue
            d = fused // (heads + 2 * kv_heads)
            if head_dim == d or (width is not None and heads * d == width) or (width is None and head_dim is None):
                return axis, (("q", heads * d), ("k", kv_heads * d), ("v", kv_heads * d))
        return None


def _nested(fields: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A configuration and those inside it."""
    yield fields
    for value in fields.values():
        if isinstance(value, dict):
            yield from _nested(value)


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    return next((fields[name] for name in names if type(fields.get(name)) is int and fields[name] > 0), None)
