"""From a blueprint's lines and the values of their fields to tensors: loops are run, names and shapes filled in."""

from __future__ import annotations

from functools import partial
from itertools import groupby

from ..core.formulas import Formula, Term
from ..core.records import NamedTuple
from ..core.tensors import TensorInfo
from ..errors import ConfigError, Sentence
from .hyperparameters import check_dim, check_names, check_repeat, compute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    from ..core.dtypes import DType
    from ..core.expressions import Expression
    from .syntax import Include, Line, Loop, Rename

_TOO_MANY_TENSORS = 1_000_000  # the largest published checkpoint has under 100,000: beyond this a config is nonsense
_new_tensor = partial(tuple.__new__, TensorInfo)  # half the cost of TensorInfo(…), which counts 45,000 times


class Found(NamedTuple):
    """What a walk has collected so far; an included model adds to the same lists."""

    tensors: list[TensorInfo]
    aliases: dict[str, str]
    buffers: set[str]
    formulas: list[Formula]
    legacy: list[Formula]
    extra: list[Formula]


class Block(NamedTuple):
    """The lines inside one loop.

    `is_uniform`: nothing but the name depends on the variable. `guards`: for each line the conditions that can be
    tested before the loop; where each line has one that fails, the loop's bound need not make sense.
    """

    loop: Loop
    children: tuple[Line | Block, ...]
    is_uniform: bool
    guards: tuple[tuple[Expression, ...], ...]


class Context(NamedTuple):
    """What is the same for all lines of a model.

    `path`: of the config, for errors. `rename`: from a name in this model to the name that is written down.
    `include`: adds the tensors of a sub-configuration at a place in this model.
    """

    dtype: DType
    path: str | None
    rename: Callable[[str], str]
    include: Callable[[Include, str], None]


class _Use(NamedTuple):
    """A line as often as it gave one and the same shape."""

    line: Line
    template: str
    shape: tuple[int, ...]
    is_extra: bool


def blocks_of(lines: Iterable[Line], depth: int = 0) -> tuple[Line | Block, ...]:
    """The lines, grouped by the loops that they share beyond the first `depth`."""
    nodes: list[Line | Block] = []
    for loop, members in groupby(lines, lambda line: line.loops[depth] if len(line.loops) > depth else None):
        if loop is None:
            nodes.extend(members)
        else:
            inside = tuple(members)
            is_uniform = all(len(line.loops) == depth + 1 and _is_uniform(line, loop.variable) for line in inside)
            guards = tuple(_guards(line, depth) for line in inside)
            nodes.append(Block(loop, blocks_of(inside, depth + 1), is_uniform, guards if all(guards) else ()))
    return tuple(nodes)


def _guards(line: Line, depth: int) -> tuple[Expression, ...]:
    """The conditions of a line that read none of the loops' variables from `depth` on."""
    inner = {loop.variable for loop in line.loops[depth:]}
    return tuple(condition for condition in line.conditions if not inner & condition.names)


def _is_uniform(line: Line, variable: str) -> bool:
    if line.tie or line.include or line.is_buffer or line.is_legacy or line.template.count("{" + variable + "}") != 1:
        return False
    read = (*line.dims, *line.conditions, *((line.extra,) if line.extra else ()))
    return not any(variable in expression.names for expression in read)


class Walk:
    """Collects the tensors of one blueprint's lines in the order in which a module holds them."""

    def __init__(self, found: Found, values: dict[str, Any], context: Context) -> None:
        self.found = found
        self.values = values
        self.dtype, self.path, self.rename, self.include = context
        self.prefix = ""  # where the lines at hand hang in this model
        self.templates: dict[str, str] = {}
        self.fixed_shapes: dict[tuple[Any, ...], tuple[int, ...]] = {}
        self.uses: dict[_Use, int] = {}

    def nodes(self, nodes: Iterable[Line | Block]) -> None:
        """Evaluate lines and blocks, with the variables of the loops around them already set."""
        for node in nodes:
            if not isinstance(node, Block):
                self.line(node)
                continue
            if node.guards and not any(self._all_hold(guards) for guards in node.guards):
                continue
            bounds = self._iterations(node.loop)
            if node.is_uniform:
                self._stamp(node, bounds)
                continue
            for i in bounds:
                self.values[node.loop.variable] = i
                self.nodes(node.children)
                self._limit(0)
            self.values.pop(node.loop.variable, None)

    def line(self, line: Line) -> None:
        """Evaluate one line."""
        if not self._all_hold(line.conditions):
            return
        values = self.values
        if line.include:
            self.include(line.include, (self.prefix + line.template).format_map(values))
            return
        template, shape = self._template(self.prefix + line.template), self._shape(line)
        name = template.format_map(values) if line.loops else template
        is_extra = line.extra is not None and bool(compute(line.extra, values, self.path))
        if not is_extra and not line.is_legacy:
            target = self._target(line)
            if target is not None:
                self.found.aliases[name] = self._template(target).format_map(values)
            else:
                self.found.tensors.append(TensorInfo(name, shape, self.dtype))
                if line.is_buffer:
                    self.found.buffers.add(name)
        use = _Use(line, template, shape, is_extra)
        self.uses[use] = self.uses.get(use, 0) + 1

    def _stamp(self, block: Block, bounds: Sequence[int | str]) -> None:
        """Evaluate a uniform block: once in full, then only the number in the name changes."""
        pieces, variable = [], "{" + block.loop.variable + "}"
        for line in block.children:
            if isinstance(line, Block) or not bounds or not self._all_hold(line.conditions):
                continue
            template, shape = self._template(self.prefix + line.template), self._shape(line)
            is_extra = line.extra is not None and bool(compute(line.extra, self.values, self.path))
            if not is_extra:
                before, after = template.split(variable)
                pieces.append((before.format_map(self.values), after.format_map(self.values), shape))
            use = _Use(line, template, shape, is_extra)
            self.uses[use] = self.uses.get(use, 0) + len(bounds)
        self._limit(len(pieces) * len(bounds))
        append, dtype = self.found.tensors.append, self.dtype
        for i in bounds:
            number = str(i)
            for before, after, shape in pieces:
                append(_new_tensor((before + number + after, shape, dtype, None, None)))

    def _template(self, template: str) -> str:
        """The template as it is written down."""
        known = self.templates.get(template)
        if known is None:
            known = self.templates[template] = self.rename(template)
        return known

    def _all_hold(self, conditions: Iterable[Expression]) -> bool:
        return all(compute(condition, self.values, self.path) for condition in conditions)

    def _target(self, line: Line) -> str | None:
        if line.tie is None or (line.tie.condition and not compute(line.tie.condition, self.values, self.path)):
            return None
        return self.prefix + line.tie.target

    def _target_when_loaded(self, line: Line) -> str | None:
        """What a tensor of its own is tied to in memory all the same."""
        if line.tie is None or line.tie.condition is None or "in_memory" not in line.tie.condition.names:
            return None
        is_tied = compute(line.tie.condition, {**self.values, "in_memory": True}, self.path)
        return self._template(self.prefix + line.tie.target) if is_tied else None

    def _iterations(self, loop: Loop) -> Sequence[int | str]:
        if loop.items:
            return check_names(loop.items, self.values, self.path)
        stop = check_repeat(loop.stop, self.values, self.path)
        return range(check_repeat(loop.start, self.values, self.path) if loop.start else 0, stop)

    def _limit(self, n_more: int) -> None:
        if len(self.found.tensors) + n_more > _TOO_MANY_TENSORS:
            message = Sentence("more than {n} tensors: the config cannot be meant", n=_TOO_MANY_TENSORS)
            raise ConfigError(message, path=self.path)

    def _shape(self, line: Line) -> tuple[int, ...]:
        """The line's shape; computed once when no loop variable occurs in it."""
        known = self.fixed_shapes.get(line.dims)
        if known is not None:
            return known
        shape = tuple([check_dim(dim, self.values, self.path) for dim in line.dims])
        if not any(loop.variable in dim.names for loop in line.loops for dim in line.dims):
            self.fixed_shapes[line.dims] = shape
        return shape

    def close(self) -> None:
        """Add the formulas of all that was collected."""
        for use, n in self.uses.items():
            line, target = use.line, self._target(use.line)
            dims = tuple(Term(dim.text, size) for dim, size in zip(line.dims, use.shape, strict=True))
            tied_to = None if target is None else self._template(target)
            repeats = tuple(self._repeats(line, n))
            loaded = self._target_when_loaded(line) if target is None else None
            formula = Formula(use.template, dims, repeats, n, tied_to, line.is_buffer, line.note, loaded)
            where = self.found.extra if use.is_extra else self.found.legacy if line.is_legacy else self.found.formulas
            where.append(formula)

    def _repeats(self, line: Line, n: int) -> Iterator[Term]:
        """How often the line occurs: for the layers what selects them, then the inner loops' own counts."""
        if not line.loops:
            return
        variables = {loop.variable for loop in line.loops}
        even = [loop.stop for loop in line.loops[1:] if loop.start is None and not variables & loop.stop.names]
        inner = [Term(stop.text, int(stop.evaluate(self.values))) for stop in even]
        for term in inner:
            n //= term.value
        chosen = [condition.text for condition in line.conditions if variables & condition.names]
        first = line.loops[0].stop.text
        yield Term(f"{first} where {' and '.join(chosen)}" if chosen else first, n)
        yield from inner


def renamed(template: str, renames: Iterable[Rename]) -> str:
    """The template as checkpoints write it: the first rename that fits its start, and all that fit further in.

    >>> from numel.blueprints.lines import rename
    >>> renamed("model.visual.patch.weight", [rename("model.visual -> visual"), rename("*.patch -> *.patch_embed")])
    'visual.patch_embed.weight'
    """
    parts, is_placed = template.split("."), False
    for memory, hub, anywhere in renames:
        if is_placed and not anywhere:
            continue
        n = len(memory)
        for i in range(len(parts) - n + 1 if anywhere else 1):
            if tuple(parts[i : i + n]) == memory:
                parts[i : i + n] = hub
                is_placed = is_placed or not anywhere
                break
    return ".".join(parts)
