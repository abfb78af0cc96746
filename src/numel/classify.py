"""Which part of a Transformer is each tensor? Judged by its name, by what stands beside it and by what its source says."""

from __future__ import annotations

import gc
import re
from collections import defaultdict
from functools import lru_cache, partial
from itertools import repeat
from math import prod
from operator import itemgetter

from .core.counts import count
from .core.groups import template_of
from .core.kinds import kind_of
from .core.parameters import Component, Parameter, ParameterTable, Place
from .core.patterns import is_found, search
from .core.records import NamedTuple
from .core.visible import visible
from .errors import Sentence, UsageError
from .forms import forms_of, numbers_at, stem_of
from .mtp import ahead
from .owners import by_owner
from .registry import near_hint
from .rules import (
    BESIDE_TOKEN_TABLE,
    BUFFERS,
    CAUSAL_MASK,
    CLUES,
    LENIENT,
    ROLES,
    ROTARY_WEIGHT,
    ROUTER_BIAS,
    RULES,
    STUDY_RULES,
    TOKEN_TABLES,
    TOWERS,
    TRAINED_ROUTER_BIAS,
    TRAINED_ROUTER_BIAS_TYPES,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from .core.tensors import Inventory, TensorInfo
    from .forms import Form, Names

RULE_NAMES = ("numel", "study")

# Elements of these types index or mask; weights packed by a quantisation are U8, I8, I32 or U32.
_INDEX_DTYPES = frozenset({"BOOL", "I64", "U64"})
_NOTHING: frozenset[str] = frozenset()
_AHEAD = "\0mtp"  # in the place of a copy's original: a tensor of a layer for multi-token prediction
_SHAPE, _DTYPE = itemgetter(1), itemgetter(2)  # of a tensor
_new_row = partial(tuple.__new__, Parameter)  # Parameter(…) takes three times as long


def classify(inventory: Inventory, *, rule: str = "numel") -> ParameterTable:
    """Every tensor of `inventory` in its place, one row each, in the same order.

    A row counts 0 elements where it says `excluded`: "buffer", "tied", "mtp" or "scale" (of quantisation); others sum
    to the model's total. A name that no rule knows is UNCLASSIFIED and counts. What is a buffer is what the inventory
    says; where it cannot know, since it is a bare header, the usual names decide.

    `rule`: "numel", or "study" for the substrings of the original study. Raises UsageError for another.

    >>> from numel.core.dtypes import F32
    >>> from numel.core.tensors import Inventory, Source, TensorInfo
    >>> tensors = (TensorInfo("h.0.attn.c_attn.weight", (768, 2304), F32), TensorInfo("h.0.ln_1.bias", (768,), F32))
    >>> table = classify(Inventory("gpt2", Source("file", "safetensors", "model.safetensors"), tensors))
    >>> [(row.component.value, row.part, row.role, row.layer, row.numel) for row in table.rows]
    [('attention', 'qkv', 'weight', 0, 1769472), ('norm', 'block', 'bias', 0, 768)]
    """
    if rule not in RULE_NAMES:
        message = Sentence("no classification rule called '{rule}'", rule=visible(rule, 60))
        raise UsageError(message, hint=near_hint(rule, RULE_NAMES))
    found = _uncollected(inventory)
    table = ParameterTable(
        name=inventory.name,
        source=inventory.source,
        rows=found.rows,
        config=inventory.config,
        aliases=inventory.aliases,
        formulas=inventory.formulas,
        hyperparameters=inventory.hyperparameters,
        rule=rule,
        warnings=inventory.warnings,
        kinds=found.kinds,
    )
    table = table._replace(counts=count(table))
    if rule == "study":  # the counts stay those of numel's own rule
        table = table._replace(rows=tuple(map(_as_the_study, table.rows)), kinds=None)
    return table


def place(name: str, siblings: frozenset[str] = _NOTHING) -> Place:
    """Where the tensor called `name` belongs, by its name alone and the names of its module's other children.

    `name` may be a template with `{}` for its numbers. Buffers are placed like parameters.

    >>> place("transformer.h.3.mlp.c_fc.bias")
    Place(component=<Component.MLP: 'mlp'>, part='up', role='bias', tower='main')
    >>> place("model.layers.0.self_attn.q_proj.weight").part
    'q'
    >>> place("model.layers.0.self_attn.q_proj.weight", frozenset({"A_log", "k_proj"})).component.value
    'linear_attention'
    >>> place("model.something.new").component.value
    'unclassified'
    """
    role, tower = _first(ROLES, name) or "weight", _first(TOWERS, name) or "main"
    stem = stem_of(name)
    owner, _, last = stem.rpartition(".")
    outer, _, module = owner.rpartition(".")
    for clue in CLUES if siblings else ():
        if re.fullmatch(clue.module, module) and any(re.fullmatch(clue.child, child) for child in siblings):
            stem = f"{outer}.{clue.reads_as}.{last}"
            break
    component, part = _by_rules(stem)
    return Place(component, part, role, tower)


@lru_cache(maxsize=4096)  # names of one form that differ in how many digits a number has, and weight and bias, share it
def _by_rules(stem: str) -> tuple[Component, str]:
    for component, gate, parts in RULES:
        if is_found(gate, stem):
            for pattern, part in parts:
                if "\\" in part:
                    caught = search(pattern, stem)
                    if caught:
                        return component, caught.expand(part)
                elif is_found(pattern, stem):
                    return component, part
    return Component.UNCLASSIFIED, "unclassified"


class Disagreement(NamedTuple):
    """Tensors that the study's rule puts elsewhere than numel; `study` is the component that it gives them.

    `kind`: "misassigned" to a wrong one of its three components, "left_out" of the right one, or "no_rule" where the
    study has no such component at all.
    """

    template: str
    n_tensors: int
    numel: int
    component: Component
    study: Component
    kind: str


def disagreements(table: ParameterTable, study: ParameterTable) -> tuple[Disagreement, ...]:
    """Where the study's classification of a model differs from numel's, one row a name template, the largest first.

    Judged leniently: experts count as MLP and linear attention as attention. Only what counts in the total is compared.
    Both tables are of the same inventory.
    """
    sums: dict[tuple[str, Component, Component], list[int]] = {}
    for row, theirs in zip(table.rows, study.rows, strict=True):
        if row.excluded is None and LENIENT.get(row.component, row.component) is not theirs.component:
            total = sums.setdefault((template_of(row.tensor.name), row.component, theirs.component), [0, 0])
            total[0] += 1
            total[1] += row.numel
    found = [Disagreement(key[0], n, numel, key[1], key[2], _kind(key[1], key[2])) for key, (n, numel) in sums.items()]
    return tuple(sorted(found, key=lambda row: (-row.numel, row.template)))


def _kind(component: Component, study: Component) -> str:
    if study is not Component.UNCLASSIFIED:
        return "misassigned"
    known = {theirs for _, theirs in STUDY_RULES}
    return "left_out" if LENIENT.get(component, component) in known else "no_rule"


def _as_the_study(row: Parameter) -> Parameter:
    """The row where the study's substrings put it; what is no parameter stays a buffer."""
    if row.component is Component.BUFFER:
        return row
    name = row.tensor.name
    for words, component in STUDY_RULES:
        if any(word in name for word in words):
            return row._replace(component=component, part=component.value)
    return row._replace(component=Component.UNCLASSIFIED, part="unclassified")


class _Numbered(NamedTuple):
    """The rows of a table and its kinds, as core.kinds has them."""

    rows: tuple[Parameter, ...]
    kinds: tuple[tuple[Parameter, int], ...]


def _rows(inventory: Inventory) -> _Numbered:
    """One row for each tensor: what those of one form, shape and dtype have in common is worked out once.

    That is 1 µs for each of 91,000, kinds included; row by row it takes 2 µs.
    """
    tensors = inventory.tensors
    named = forms_of([tensor.name for tensor in tensors])
    judge = _Judge(inventory, named)
    alike: defaultdict[str, list[int]] = defaultdict(list)
    for i, key in enumerate(named.keys):
        alike[key].append(i)
    rows: list[Any] = [None] * len(tensors)
    kinds: dict[object, tuple[int, int]] = {}  # of each, the place of its first row and how many there are
    for form, places in (
        (named.forms[key], part) for key, some in alike.items() for part in _of_one_shape(tensors, some)
    ):
        for (verdict, tied_to), among in judge.verdicts(tensors, places, form).items():
            made = _made([tensors[i] for i in among], form, verdict, tied_to)
            for i, row in zip(among, made, strict=True):
                rows[i] = row
            kind = kind_of(made[0])
            first, n = kinds.get(kind, (among[0], 0))
            kinds[kind] = min(first, among[0]), n + len(among)
    return _Numbered(tuple(rows), tuple((rows[first], n) for first, n in sorted(kinds.values())))


def _of_one_shape(tensors: Sequence[TensorInfo], places: list[int]) -> Iterable[list[int]]:
    """The `places` apart for each shape and dtype; mostly these are the same objects, which `count` sees at a glance."""
    here = [tensors[i] for i in places]
    shapes, dtypes = [*map(_SHAPE, here)], [*map(_DTYPE, here)]
    if shapes.count(shapes[0]) == dtypes.count(dtypes[0]) == len(here):
        return [places]
    apart: defaultdict[object, list[int]] = defaultdict(list)
    for i, common in zip(places, zip(shapes, dtypes, strict=True), strict=True):
        apart[common].append(i)
    return apart.values()


def _uncollected(inventory: Inventory) -> _Numbered:
    """What `_rows` makes, without garbage collection: it would go through them again and again, and find nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return _rows(inventory)
    finally:
        if was_enabled:
            gc.enable()


def _made(tensors: list[TensorInfo], form: Form, verdict: _Verdict, tied_to: str | None) -> list[Parameter]:
    """The rows of tensors that differ in layer and expert alone."""
    *where, excluded = verdict
    numel = 0 if excluded else prod(tensors[0].shape)
    names = [tensor.name for tensor in tensors]
    numbers = [numbers_at(names, at) if at else repeat(None) for at in (form.layer, form.expert)]
    columns = (tensors, *map(repeat, where), *numbers, repeat(numel), repeat(tied_to), repeat(excluded))
    return list(map(_new_row, zip(*columns, strict=False)))


def _clues(named: Names) -> dict[str, frozenset[str]]:
    """Module → those of its children that are a clue to what it is, for the modules that have one."""
    modules: dict[str, frozenset[str]] = {}
    for clue in CLUES:
        pattern = rf"(?:^|\.)(?:{clue.module})\.({clue.child})(?=\.|$)"
        in_form = re.sub(r"\d", r"\\d", pattern)  # one form stands for names that differ in their digits: fc1, fc3
        found = {key for key, form in named.forms.items() if is_found(in_form, form.name)}
        for name in (name for name, key in zip(named.names, named.keys, strict=True) if key in found) if found else ():
            match = search(pattern, name)
            if match:
                module = name[: match.start(1) - 1]
                modules[module] = modules.get(module, _NOTHING) | {match[1]}
    return modules


_Verdict = tuple[Component, str, str, str, str | None]  # a place, and why it does not count


class _Judge:
    """What a tensor's name, and its shape if need be, say of it, in the light of the inventory that holds it."""

    def __init__(self, inventory: Inventory, named: Names) -> None:
        has_bare_table = any(key.endswith(BESIDE_TOKEN_TABLE) for key in named.forms)
        self._token_tables = TOKEN_TABLES if has_bare_table else _NOTHING
        self._config_type = inventory.config.model_type if inventory.config else None
        self._knows_parameters = inventory.source.kind == "module"
        self._knows_router_biases = self._knows_parameters or bool(inventory.formulas)
        self._clues = _clues(named)
        self._classes = inventory.classes
        self._special = _special(inventory, named)
        self._verdicts: dict[object, _Verdict] = {}

    def verdicts(
        self, tensors: Sequence[TensorInfo], places: list[int], form: Form
    ) -> dict[tuple[_Verdict, str | None], list[int]]:
        """Verdict and original (of a copy) → those `places` of tensors of one form and shape for which they hold."""
        names = [tensors[i].name for i in places]
        special: dict[str, str | None] = {} if self._special.keys().isdisjoint(names) else self._special
        found: dict[tuple[_Verdict, str | None], list[int]] = {}
        if not self._is_particular(names, form):
            common = self._judge(form.name, (), _NOTHING)
            if not special:
                return {(common, None): places}
            usual = [i for i, name in zip(places, names, strict=True) if name not in special]
            found |= {(common, None): usual} if usual else {}
            names = [name for name in names if name in special]
            places = [i for i in places if tensors[i].name in special]
        for i, name in zip(places, names, strict=True):
            verdict, tied_to = self._verdict(tensors[i], form), None
            if name in special:
                verdict, tied_to = _by_source(name, verdict, special[name])
            found.setdefault((verdict, tied_to), []).append(i)
        return found

    def _is_particular(self, names: Sequence[str], form: Form) -> bool:
        """Whether names of one form may differ in what they mean: by digits, a mask's shape, or what stands beside them."""
        if form.digits or form.is_mask:
            return True
        if form.owner is None or not self._clues:
            return False
        return not self._clues.keys().isdisjoint([name[form.owner] for name in names])

    def _verdict(self, tensor: TensorInfo, form: Form) -> _Verdict:
        """The verdict on one tensor of `form`."""
        name = tensor.name
        siblings = self._clues.get(name[form.owner], _NOTHING) if form.owner else _NOTHING
        shape = tensor.shape if form.is_mask else ()
        key = (form.name, name[form.digits] if form.digits else "", siblings, shape)
        verdict = self._verdicts.get(key)
        if verdict is None:
            verdict = self._verdicts[key] = self._judge(name, shape, siblings)
        return verdict

    def _judge(self, name: str, shape: tuple[int, ...], siblings: frozenset[str]) -> _Verdict:
        component, part, role, tower = place(name, siblings)
        if name in self._token_tables:
            component, part = Component.EMBEDDING, "token"
        if component is Component.UNCLASSIFIED and self._classes:
            component, part = by_owner(name, self._classes) or (component, part)
        buffer = self._buffer_part(name, shape)
        if buffer is not None:
            return Component.BUFFER, buffer, role, tower, "buffer"
        return component, part, role, tower, "scale" if role == "scale" else None

    def _buffer_part(self, name: str, shape: tuple[int, ...]) -> str | None:
        """What kind of buffer it is, None for a parameter."""
        if self._knows_parameters:
            return None
        if is_found(CAUSAL_MASK, name):
            return "causal_mask" if len(shape) > 1 and shape[-1] == shape[-2] else None
        if is_found(ROUTER_BIAS, name):
            trained = self._config_type in TRAINED_ROUTER_BIAS_TYPES or is_found(TRAINED_ROUTER_BIAS, name)
            return None if trained or self._knows_router_biases else "router_bias"
        if name.endswith((".weight", ".bias")):
            return "rotary" if is_found(ROTARY_WEIGHT, name) else None
        return _first(BUFFERS, name)


def _special(inventory: Inventory, named: Names) -> dict[str, str | None]:
    """The names that do not count for what the source says: buffers (→ None), copies (→ what they copy), MTP (→ _AHEAD)."""
    special: dict[str, str | None] = dict(_copies(inventory))
    special |= dict.fromkeys(inventory.mtp or ahead(inventory, named), _AHEAD)
    dtypes = {id(dtype): dtype for dtype in map(_DTYPE, inventory.tensors)}  # each once: to hash a record takes longer
    if not _INDEX_DTYPES.isdisjoint(dtype.name for dtype in dtypes.values()):
        special |= {tensor.name: None for tensor in inventory.tensors if tensor.dtype.name in _INDEX_DTYPES}
    return special | dict.fromkeys(inventory.buffers)


def _copies(inventory: Inventory) -> Iterable[tuple[str, str]]:
    """The stored tensors that are aliases of another stored one; whatever is not stored twice still counts once."""
    if not inventory.aliases:
        return
    stored = {tensor.name for tensor in inventory.tensors}
    for name in inventory.aliases.keys() & stored:
        target = _end_of(inventory.aliases, name)
        if target is not None and target in stored:
            yield name, target


def _end_of(aliases: Mapping[str, str], name: str) -> str | None:
    """The name at the end of a chain of aliases; None if the chain bites its own tail."""
    seen = {name}
    while name in aliases:
        name = aliases[name]
        if name in seen:
            return None
        seen.add(name)
    return name


def _by_source(name: str, verdict: _Verdict, target: str | None) -> tuple[_Verdict, str | None]:
    """The verdict on a tensor that does not count, since its source says so, and its original if it is a copy."""
    component, part, role, tower, _ = verdict
    if component is Component.BUFFER:
        return (component, part, role, tower, "buffer"), None
    if target is _AHEAD:  # this very text, which no name is
        return (component, part, role, tower, "mtp"), None
    if target is not None:
        return (component, part, role, tower, "tied"), target
    return (Component.BUFFER, buffer_part(name), role, tower, "buffer"), None


def buffer_part(name: str) -> str:
    """What kind of buffer the tensor called `name` is, if it is one.

    >>> buffer_part("h.0.attn.bias")
    'causal_mask'
    """
    router_bias = ROUTER_BIAS + r"|\.gate\.bias$"  # DeepSeek-V4's, which may be a parameter elsewhere
    known = (*BUFFERS, (router_bias, "router_bias"), (CAUSAL_MASK, "causal_mask"), (ROTARY_WEIGHT, "rotary"))
    return _first(known, name) or "other"


def _first(table: Iterable[tuple[str, str]], name: str) -> str | None:
    """The value of the first row whose pattern is found in `name`."""
    return next((value for pattern, value in table if is_found(pattern, name)), None)
