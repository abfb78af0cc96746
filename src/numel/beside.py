"""What does a checkpoint hold beside the parameters? Buffers, copies, scales and layers for training, from the config.

A file of weights shows it; a configuration only allows to derive it. What its blueprint knows gives the lines; which
of them the published file really has, its number of elements decides, where that is known.
"""

from __future__ import annotations

import re
from itertools import combinations

from .classify import buffer_part, place
from .core.holdings import Checkpoint, Holding
from .core.kinds import kinds_of
from .core.parameters import Component

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from .core.formulas import Formula
    from .core.parameters import Parameter, ParameterTable, Place
    from .core.tensors import Inventory

    Shapes = dict[tuple[int, ...], int]

_MATRICES = frozenset({Component.ATTENTION, Component.LINEAR_ATTENTION, Component.MLP, Component.MOE})
_NO_MATRICES = frozenset({"router", "rel_pos_bias", "shared_expert_gate"})  # parameters of no torch.nn.Linear
_AHEAD = r"mtp|eh_proj|enorm|shared_head"  # what only a layer for multi-token prediction has
_MAX_LINES = 10  # of which every combination is tried: 1,024


def with_checkpoints(table: ParameterTable, inventory: Inventory) -> ParameterTable:
    """The table with what checkpoints of its configuration hold beside it, where a blueprint describes them."""
    if not inventory.formulas or table.counts is None:
        return table
    lines, total = tuple(_lines(table, inventory)), table.counts.total
    known = [Checkpoint(published, _settled(lines, published.numel - total)) for published in inventory.published]
    return table._replace(checkpoints=tuple(known) or (Checkpoint(None, lines),))


def _lines(table: ParameterTable, inventory: Inventory) -> Iterator[Holding]:
    """Every line that the blueprint and the configuration give reason for."""
    buffers = _by_part((buffer_part(formula.template), formula) for formula in inventory.formulas if formula.is_buffer)
    yield from (Holding("buffer", part, shapes, counted=True) for part, shapes in buffers.items())
    kind = "mtp" if any(re.search(_AHEAD, formula.template) for formula in inventory.extra) else "unread"
    ahead = _by_part((_mtp_part(formula), formula) for formula in inventory.extra)
    yield from (Holding(kind, part, shapes, counted=True) for part, shapes in ahead.items())
    scales = _block_scales(table, inventory)
    if scales:
        yield Holding("scale", "", scales, counted=True)
    scales = _mxfp4_scales(table)
    if scales:
        yield Holding("scale", "", scales)
    for formula in inventory.legacy:
        yield Holding("buffer", buffer_part(formula.template), _by_part([("", formula)])[""])
    copies = _by_part((place(formula.template).part, formula) for formula in inventory.formulas if formula.tied_to)
    yield from (Holding("tied", part, shapes) for part, shapes in copies.items())


def _by_part(formulas: Iterable[tuple[str, Formula]]) -> dict[str, Shapes]:
    """Part → how many tensors of each shape its formulas give."""
    parts: dict[str, Shapes] = {}
    for part, formula in formulas:
        _add(parts.setdefault(part, {}), _shape(formula), formula.n_tensors)
    return parts


def _add(shapes: Shapes, shape: tuple[int, ...], n: int) -> None:
    shapes[shape] = shapes.get(shape, 0) + n


def _shape(formula: Formula) -> tuple[int, ...]:
    return tuple(term.value for term in formula.dims)


def _mtp_part(formula: Formula) -> str:
    """What of a layer for multi-token prediction it is: a buffer, a copy of embedding or head, or the layer itself."""
    if formula.is_buffer:
        return buffer_part(formula.template)
    found = place(formula.template)
    return found.part if found.component in (Component.EMBEDDING, Component.HEAD) else ""


def _block_scales(table: ParameterTable, inventory: Inventory) -> Shapes:
    """The scales of FP8 weights, one for each block: `weight_scale_inv` of ⌈rows/128⌉ × ⌈columns/128⌉.

    Source: transformers, quantizers/quantizer_finegrained_fp8.py and integrations/finegrained_fp8.py: every linear map
    is converted but the output matrix and what `modules_to_not_convert` names. The router is no linear map there.
    """
    stated = table.config.fields.get("quantization_config") if table.config else None
    block = stated.get("weight_block_size") if isinstance(stated, dict) else None
    if not isinstance(block, list) or len(block) != 2 or not all(type(size) is int and size > 0 for size in block):
        return {}
    left_out = _left_out(stated or {})
    scales: Shapes = {}
    for row, n in kinds_of(table) if left_out is None else ((row, 1) for row in table.rows):
        found = (row.tensor.name, row.tensor.shape, n)
        if row.excluded is None and _is_matrix(row, found[1], row.tensor.name):
            _add_blocks(scales, found, block, left_out)
    for formula in inventory.extra:
        if not formula.is_buffer and _is_matrix(place(formula.template), _shape(formula), formula.template):
            _add_blocks(scales, (formula.template, _shape(formula), formula.n_tensors), block, left_out)
    return scales


def _mxfp4_scales(table: ParameterTable) -> Shapes:
    """The scales of experts in MXFP4, one for 32 values; the hub's counts of some models leave them out.

    Source: transformers, integrations/mxfp4.py: `experts.*_proj` becomes `*_proj_blocks` and `*_proj_scales`.
    """
    stated = table.config.fields.get("quantization_config") if table.config else None
    scales: Shapes = {}
    if isinstance(stated, dict) and stated.get("quant_method") == "mxfp4":
        for row, n in kinds_of(table):
            shape = row.tensor.shape
            if row.part == "experts" and row.role == "weight" and len(shape) == 3 and shape[1] % 32 == 0:
                _add(scales, (shape[0], shape[2], shape[1] // 32), n)
    return scales


def _add_blocks(
    scales: Shapes, tensor: tuple[str, tuple[int, ...], int], block: Sequence[int], left_out: re.Pattern[str] | None
) -> None:
    name, shape, n = tensor
    if left_out is None or not left_out.search(name.removesuffix(".weight")):
        _add(scales, tuple(-(-size // by) for size, by in zip(shape, block, strict=True)), n)


def _is_matrix(where: Parameter | Place, shape: tuple[int, ...], name: str) -> bool:
    is_linear = where.component in _MATRICES and where.part not in _NO_MATRICES
    return is_linear and len(shape) == 2 and where.role == "weight" and name.endswith(".weight")


def _left_out(stated: Mapping[str, Any]) -> re.Pattern[str] | None:
    """A regex that finds the modules that stay as they are; None if the configuration names none."""
    names = stated.get("modules_to_not_convert") or stated.get("ignored_layers") or ()
    words = [re.escape(name).replace(r"\*", ".*") for name in names if isinstance(name, str)]
    return re.compile("|".join(rf"(?:^|\.){word}(?:\.|$)" for word in words)) if words else None


def _settled(lines: Sequence[Holding], beyond: int) -> tuple[Holding, ...]:
    """The lines of which the published file holds those that sum to `beyond`; unchanged if none do.

    Of several ways the one that differs least from what is expected, first where files are known to differ.
    """
    if len(lines) > _MAX_LINES:
        return tuple(lines)
    doubtful = [i for i, line in enumerate(lines) if line.counted is None]
    order = [*doubtful, *(i for i in range(len(lines)) if i not in doubtful)]
    for n in range(len(lines) + 1):
        for changed in combinations(order, n):
            held = [bool(line.counted) != (i in changed) for i, line in enumerate(lines)]
            if sum(line.numel for line, is_counted in zip(lines, held, strict=True) if is_counted) == beyond:
                return tuple(line._replace(counted=is_counted) for line, is_counted in zip(lines, held, strict=True))
    return tuple(lines)
