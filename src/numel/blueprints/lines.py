"""How one line of a blueprint is read: its columns, loops, conditions, shape and what stands behind the shape."""

from __future__ import annotations

import re

from ..core.expressions import Expression, compile_expression
from ..core.records import NamedTuple
from ..errors import Sentence
from .syntax import FieldRule, Include, Line, Loop, Rename, SubRule, Tie

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FIELD = re.compile(r"(\w+)\s*(\?=|:=|=|->|\bis\b)\s*(.+)")
VARIABLE = re.compile(r"\{(\w+)\}")
_ALTERNATIVES = re.compile(r"\{([^{}]*,[^{}]*)\}")
_LOOP = re.compile(r"(?:(.+?)\s*<=\s*)?(\w+)\s*<\s*(.+)")
_LOOP_OVER = re.compile(r"(\w+)\s+in\s+(.+)")
_COMMENT = re.compile(r"(?:^|\s)#(.*)$")
_COLUMNS = re.compile(r"\s{2,}")
_ALWAYS = compile_expression("true")


class Row(NamedTuple):
    """A line that says something; two spaces or more part its columns."""

    number: int
    indent: int
    columns: tuple[str, ...]
    note: str


class Scope(NamedTuple):
    """Where a line stands: what the groups around it say."""

    indent: int
    prefix: str = ""
    loops: tuple[Loop, ...] = ()
    conditions: tuple[Expression, ...] = ()
    is_legacy: bool = False
    extra: Expression | None = None


def rows_of(text: str) -> Iterator[Row]:
    r"""The lines of `text` that say something.

    >>> [row.columns for row in rows_of("model  # the bare one\n    wte.weight    vocab_size, d")]
    [('model',), ('wte.weight', 'vocab_size, d')]
    """
    begun = ""
    for number, raw in enumerate(text.splitlines(), 1):
        comment = _COMMENT.search(raw) if "#" in raw else None
        body = raw[: comment.start()] if comment else raw
        body = f"{begun} {body.strip()}" if begun else body.rstrip()
        begun = body if body.endswith(",") else ""  # it goes on in the next line
        stripped = body.strip()
        if stripped and not begun:
            columns = tuple(_COLUMNS.split(stripped))
            yield Row(number, len(body) - len(body.lstrip()), columns, comment[1].strip() if comment else "")


def tensors(row: Row, template: str, scope: Scope, loops: tuple[Loop, ...]) -> Iterator[Line]:
    """The tensors that a row writes: one for each alternative, two for a linear map with bias. Raises ValueError."""
    if len(row.columns) < 2:
        message = Sentence("{name}: no shape (two spaces stand between name and shape)", name=row.columns[0])
        raise ValueError(message)
    shape, modifiers = row.columns[1], row.columns[2:]
    biases = [modifier for modifier in modifiers if re.match(r"bias\b", modifier)]
    others = [modifier for modifier in modifiers if modifier not in biases]
    line = modified(Line("", loops=loops, note=row.note), scope, others)
    line = line._replace(extra=line.extra or next((loop.extra for loop in loops if loop.extra), None))
    for name in alternatives(template):
        if shape.startswith("include "):
            yield line._replace(template=name, include=_include(shape))
        elif " -> " in shape:
            yield from _linear(line, name, shape, biases)
        elif shape.startswith("batch_norm "):
            yield from _batch_norm(line, name, shape.removeprefix("batch_norm "))
        elif biases:
            message = Sentence("{bias}: only a linear map `a -> b` has one", bias=biases[0])
            raise ValueError(message)
        else:
            yield line._replace(template=name, dims=tuple(compile_expression(dim) for dim in _split(shape)))


def modified(line: Line, scope: Scope, modifiers: Iterable[str]) -> Line:
    """The line with what stands behind its shape, and what its groups say. Raises ValueError."""
    line = line._replace(conditions=scope.conditions, is_legacy=scope.is_legacy, extra=scope.extra)
    for modifier in modifiers:
        word, _, rest = modifier.partition(" ")
        if word == "if":
            line = line._replace(conditions=(*line.conditions, compile_expression(rest)))
        elif modifier.startswith("tied to "):
            target, _, condition = rest.removeprefix("to ").partition(" if ")
            line = line._replace(tie=Tie(target.strip(), compile_expression(condition) if condition else None))
        elif modifier in ("buffer", "legacy", "legacy buffer"):
            line = line._replace(
                is_buffer=line.is_buffer or "buffer" in modifier, is_legacy=line.is_legacy or "legacy" in modifier
            )
        elif modifier == "extra" or modifier.startswith("extra if "):
            line = line._replace(extra=compile_expression(rest.removeprefix("if ")) if rest else _ALWAYS)
        else:
            message = Sentence("not understood: {text}", text=modifier)
            raise ValueError(message)
    return line


def otherwise(row: Row, scope: Scope, closed: Scope | None) -> Scope:
    """The scope of an `else`; `closed` is that of the `if` before it. Raises ValueError when there is none."""
    if closed is None or closed.indent != row.indent or len(closed.conditions) <= len(scope.conditions):
        message = Sentence("`else` without `if` at its indentation")
        raise ValueError(message)
    condition = compile_expression(f"not ({closed.conditions[-1].text})")
    return scope._replace(indent=row.indent, conditions=(*scope.conditions, condition))


def loop(clause: str) -> Loop:
    """The loop that `layer < n_layer`, `1 <= layer < n_layer` or `language in languages` writes. Raises ValueError.

    >>> loop("1 <= i < n").variable
    'i'
    """
    over = _LOOP_OVER.fullmatch(clause.strip())
    if over:
        return Loop(over[1], compile_expression(f"len({over[2]})"), items=compile_expression(over[2]))
    found = _LOOP.fullmatch(clause.strip())
    if not found:
        message = Sentence("not a loop: for {text}", text=clause)
        raise ValueError(message)
    return Loop(found[2], compile_expression(found[3]), compile_expression(found[1]) if found[1] else None)


def field_rule(text: str) -> FieldRule:
    """The rule that a line of `config` writes. Raises ValueError.

    >>> field_rule("n_inner ?= 4 * n_embd")[:2]
    ('n_inner', '?=')
    """
    found = FIELD.fullmatch(text)
    if not found:
        if text.isidentifier():
            return FieldRule(text, "")
        message = Sentence("not a field: {text}", text=text)
        raise ValueError(message)
    name, mode, value = found.groups()
    if mode == "->":
        return FieldRule(name, mode, target=value)
    if mode == "is":
        return FieldRule(name, mode, sub=_sub_rule(value))
    return FieldRule(name, mode, compile_expression(value))


def set_rule(rules: list[FieldRule], rule: FieldRule) -> None:
    """Put `rule` in the place of what is said of the same field; a default goes before what is assumed of null."""
    old = [i for i, other in enumerate(rules) if other.name == rule.name]
    modes = [rules[i].mode for i in old]
    if rule.mode == "=" and modes == ["?="]:
        rules.insert(old[0], rule)
    elif rule.mode == "?=" and modes == ["="]:
        rules.insert(old[0] + 1, rule)
    elif rule.mode in modes and rule.mode in ("=", "?="):
        rules[old[modes.index(rule.mode)]] = rule
    elif rule.mode == ":=" and "->" not in modes and rule.value and rule.name in rule.value.names:
        rules.append(rule)
    else:
        rules[:] = [other for other in rules if other.name != rule.name]
        rules.append(rule)


def rename(text: str) -> Rename:
    """The rename that a line of `hub` writes. Raises ValueError.

    >>> rename("*.attn.query -> *.q")
    Rename(memory=('attn', 'query'), hub=('q',), anywhere=True)
    """
    memory, arrow, hub = (part.strip() for part in text.partition("->"))
    if not arrow or not memory or memory.startswith("*.") != hub.startswith("*."):
        message = Sentence("not a rename: {text}", text=text)
        raise ValueError(message)
    names = [() if side == "none" else tuple(side.removeprefix("*.").split(".")) for side in (memory, hub)]
    return Rename(names[0], names[1], memory.startswith("*."))


def best_place(lines: list[Line], template: str, gap: int | None = None) -> int:
    """Where a new line goes: behind the last of those that share most of its name, else at `gap`, else at the end."""
    parts = template.split(".")
    best, at = 0, len(lines) if gap is None else gap
    for i, old in enumerate(lines):
        shared = 0
        for a, b in zip(parts, old.template.split("."), strict=False):
            if a != b:
                break
            shared += 1
        if shared and shared >= best:
            best, at = shared, i + 1
    return at


def alternatives(template: str) -> list[str]:
    """`ln.{weight, bias}` as `ln.weight` and `ln.bias`.

    >>> alternatives("{q, k}_proj.{weight, bias}")
    ['q_proj.weight', 'q_proj.bias', 'k_proj.weight', 'k_proj.bias']
    """
    found = _ALTERNATIVES.search(template) if "," in template else None
    if not found:
        return [template]
    before, after = template[: found.start()], template[found.end() :]
    return [name for part in found[1].split(",") for name in alternatives(before + part.strip() + after)]


def _linear(line: Line, name: str, shape: str, biases: list[str]) -> Iterator[Line]:
    widths, *kernel = _split(shape)
    n_in, n_out = (compile_expression(part.strip()) for part in widths.split(" -> "))
    yield line._replace(template=name + ".weight", dims=(n_out, n_in, *map(compile_expression, kernel)))
    for bias in biases:
        condition = bias.removeprefix("bias").strip().removeprefix("if").strip()
        conditions = (*line.conditions, compile_expression(condition)) if condition else line.conditions
        yield line._replace(template=name + ".bias", dims=(n_out,), conditions=conditions, tie=None, note="")


def _batch_norm(line: Line, name: str, width: str) -> Iterator[Line]:
    """Gain and shift are trained; mean, variance and the number of batches that they were taken from are not."""
    dims = (compile_expression(width),)
    yield line._replace(template=name + ".weight", dims=dims)
    yield line._replace(template=name + ".bias", dims=dims, note="")
    for leaf, dims_of_leaf in (("running_mean", dims), ("running_var", dims), ("num_batches_tracked", ())):
        yield line._replace(template=f"{name}.{leaf}", dims=dims_of_leaf, is_buffer=True, note="")


def _include(text: str) -> Include:
    found = re.fullmatch(r"include (\w+)(?: as (\w+(?: or \w+)*))?(?: with (.+))?", text)
    if not found:
        message = Sentence("not an include: {text}", text=text)
        raise ValueError(message)
    return Include(found[1], tuple((found[2] or "Model").split(" or ")), _settings(found[3]))


def _sub_rule(text: str) -> SubRule:
    found = re.fullmatch(r"([\w-]+)( by default)?( or null)?( or flat)?(?:( filled)? with (.+))?", text)
    if not found:
        message = Sentence("not a kind of configuration: {text}", text=text)
        raise ValueError(message)
    model_type, by_default, null, flat, filled, settings = found.groups()
    return SubRule(model_type, not by_default, bool(null), bool(flat), _settings(settings), bool(filled))


def _settings(text: str | None) -> tuple[tuple[str, Expression], ...]:
    """The pairs that `a = 1, b = 2` writes."""
    pairs = [part.partition("=") for part in _split(text)] if text else []
    return tuple((name.strip(), compile_expression(value.strip())) for name, _, value in pairs)


def _split(text: str) -> list[str]:
    """The expressions between commas that stand outside brackets; `()` is a scalar."""
    if text == "()":
        return []
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if character == "," and depth == 0:
            parts.append(text[start:i].strip())
            start = i + 1
    return [*parts, text[start:].strip()]
