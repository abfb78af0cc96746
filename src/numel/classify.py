"""Which part of a Transformer is each tensor? Judged by its name, by what stands beside it and by what its source says."""

from __future__ import annotations

import gc
import re
from contextlib import contextmanager
from math import prod

from .core.counts import count
from .core.groups import template_of
from .core.kinds import kinds_of
from .core.parameters import Component, Parameter, ParameterTable, Place
from .core.records import NamedTuple
from .errors import Sentence, UsageError
from .registry import near_hint
from .rules import (
    BESIDE_TOKEN_TABLE,
    BUFFERS,
    CAUSAL_MASK,
    CLUES,
    EXPERT,
    LAYER,
    LEAF,
    LENIENT,
    MTP,
    MTP_WORDS,
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
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from .core.tensors import Inventory, TensorInfo

RULE_NAMES = ("numel", "study")

# Elements of these types index or mask; weights packed by a quantisation are U8, I8, I32 or U32.
_INDEX_DTYPES = frozenset({"BOOL", "I64", "U64"})
_MASK_DIGITS = str.maketrans("123456789", "000000000")
_NOTHING: frozenset[str] = frozenset()
_AHEAD = "\0mtp"  # in the place of a copy's original: a tensor of a layer for multi-token prediction


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
        message = Sentence("no classification rule called '{rule}'", rule=rule)
        raise UsageError(message, hint=near_hint(rule, RULE_NAMES))
    with _collector_paused():
        table = ParameterTable(
            name=inventory.name,
            source=inventory.source,
            rows=tuple(_rows(inventory)),
            config=inventory.config,
            aliases=inventory.aliases,
            formulas=inventory.formulas,
            hyperparameters=inventory.hyperparameters,
            rule=rule,
            warnings=inventory.warnings,
        )
    table = table._replace(kinds=tuple(kinds_of(table)))
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
    stem = _stem(name)
    owner, _, last = stem.rpartition(".")
    outer, _, module = owner.rpartition(".")
    for clue in CLUES if siblings else ():
        if re.fullmatch(clue.module, module) and any(re.fullmatch(clue.child, child) for child in siblings):
            stem = f"{outer}.{clue.reads_as}.{last}"
            break
    for component, gate, parts in RULES:
        if re.search(gate, stem):
            for pattern, part in parts:
                found = re.search(pattern, stem)
                if found:
                    return Place(component, found.expand(part) if "\\" in part else part, role, tower)
    return Place(Component.UNCLASSIFIED, "unclassified", role, tower)


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


@contextmanager
def _collector_paused() -> Iterator[None]:
    """No garbage collection meanwhile: it would go through all the rows again and again, and find nothing."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Form(NamedTuple):
    """What names that differ in their digits alone have in common: where these stand, and one of the names.

    `layer` and `expert` are the slices of a name that hold those numbers; `digits` the others, which belong to the
    name (`fc1`); `owner` the module, if one of CLUES may matter to it.
    """

    name: str
    layer: slice | None
    expert: slice | None
    digits: slice | None
    owner: slice | None
    is_mask: bool


def _rows(inventory: Inventory) -> list[Parameter]:
    """One row for each tensor; 90,000 of them are of some dozens of forms, and cost a microsecond each."""
    tensors = inventory.tensors
    names = [tensor.name for tensor in tensors]
    keys = _masked(names)
    forms = {key: _form(name) for key, name in dict(zip(keys, names, strict=True)).items()}
    judge = _Judge(
        inventory, _clues(names, keys, forms), has_bare_table=any(key.endswith(BESIDE_TOKEN_TABLE) for key in forms)
    )
    # the verdict on a form, if one serves for all of its names, else the digits on which it hangs, if it is only they
    known = {key: (form.layer, form.expert, judge.of_form(form), judge.digits(form)) for key, form in forms.items()}
    verdicts: dict[tuple[str, str], _Verdict] = {}
    special = _special(inventory)
    number, new = _Numbers(), tuple.__new__  # Parameter(…) takes three times as long
    rows = []
    for tensor, name, key in zip(tensors, names, keys, strict=True):
        layer_at, expert_at, verdict, digits_at = known[key]
        if not verdict:
            verdict = verdicts.get((key, name[digits_at])) if digits_at else None
            if not verdict:
                verdict = judge.of(tensor, forms[key])
                if digits_at:
                    verdicts[key, name[digits_at]] = verdict
        component, part, role, tower, excluded = verdict
        tied_to = None
        if special and name in special:
            component, part, excluded, tied_to = _by_source(tensor, component, part, special[name])
        layer = number[name[layer_at]] if layer_at else None
        expert = number[name[expert_at]] if expert_at else None
        numel = 0 if excluded else prod(tensor.shape)
        values = (tensor, component, part, role, tower, layer, expert, numel, tied_to, excluded)
        rows.append(new(Parameter, values))
    return rows


class _Numbers(dict[str, int]):
    """Text → the number that it writes, each worked out once."""

    def __missing__(self, text: str) -> int:
        number = self[text] = int(text)
        return number


def _masked(names: Sequence[str]) -> list[str]:
    """The names with every digit a 0. Translated as one text, which is six times as fast as name by name."""
    keys = "\n".join(names).translate(_MASK_DIGITS).split("\n")
    return keys if len(keys) == len(names) else [name.translate(_MASK_DIGITS) for name in names]


def _form(name: str) -> _Form:
    """Where the digits of `name`, and of all that differ from it in digits only, stand."""
    layer, expert = re.search(LAYER, name), re.search(EXPERT, name)
    numbers = [slice(*found.span(1)) if found and found[1].isdecimal() else None for found in (layer, expert)]
    free = [at for at, char in enumerate(name) if char in "0123456789" and not any(_within(at, n) for n in numbers)]
    owner = _stem(name, keep_numbers=True).rpartition(".")[0][1:]
    may_matter = any(re.fullmatch(clue.module, owner.rpartition(".")[2]) for clue in CLUES)
    return _Form(
        name=name,
        layer=numbers[0],
        expert=numbers[1],
        digits=slice(free[0], free[-1] + 1) if free else None,
        owner=slice(0, len(owner)) if may_matter else None,
        is_mask=re.search(CAUSAL_MASK, name) is not None,
    )


def _within(at: int, number: slice | None) -> bool:
    return number is not None and number.start <= at < number.stop


def _stem(name: str, *, keep_numbers: bool = False) -> str:
    """The name as the rules match it: a dot in front, `{}` for the numbers of layer and expert, no leaf.

    >>> _stem("model.layers.7.mlp.experts.31.w1.weight")
    '.model.layers.{}.mlp.experts.{}.w1'
    """
    stem = "." + re.sub(LEAF, "", name)
    if not keep_numbers:
        for pattern in (EXPERT, LAYER):  # the later first, so that the places of the earlier stay
            found = re.search(pattern, stem)
            if found:
                stem = stem[: found.start(1)] + "{}" + stem[found.end(1) :]
    return stem


def _clues(names: Sequence[str], keys: Sequence[str], forms: Mapping[str, _Form]) -> dict[str, frozenset[str]]:
    """Module → those of its children that are a clue to what it is, for the modules that have one."""
    modules: dict[str, frozenset[str]] = {}
    for clue in CLUES:
        pattern = re.compile(rf"(?:^|\.)(?:{clue.module})\.({clue.child})(?=\.|$)")
        found = {key for key, form in forms.items() if pattern.search(form.name)}
        for name in (name for name, key in zip(names, keys, strict=True) if key in found) if found else ():
            match = pattern.search(name)
            if match:
                module = name[: match.start(1) - 1]
                modules[module] = modules.get(module, _NOTHING) | {match[1]}
    return modules


_Verdict = tuple[Component, str, str, str, str | None]  # a place, and why it does not count


class _Judge:
    """What a tensor's name, and its shape if need be, say of it, in the light of the inventory that holds it."""

    def __init__(self, inventory: Inventory, clues: Mapping[str, frozenset[str]], *, has_bare_table: bool) -> None:
        self._token_tables = TOKEN_TABLES if has_bare_table else _NOTHING
        self._config_type = inventory.config.model_type if inventory.config else None
        self._knows_parameters = inventory.source.kind == "module"
        self._knows_router_biases = self._knows_parameters or bool(inventory.formulas)
        self._clues = clues
        self._verdicts: dict[object, _Verdict] = {}

    def of_form(self, form: _Form) -> _Verdict | None:
        """The verdict on all tensors of a form; None if it hangs on more than their names have in common."""
        return None if form.digits or self._is_particular(form) else self._judge(form.name, (), _NOTHING)

    def digits(self, form: _Form) -> slice | None:
        """Where the digits stand on which alone the verdicts on a form hang; None if there are none, or it is more."""
        return None if self._is_particular(form) else form.digits

    def _is_particular(self, form: _Form) -> bool:
        return form.is_mask or bool(form.owner and self._clues)

    def of(self, tensor: TensorInfo, form: _Form) -> _Verdict:
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
        buffer = self._buffer_part(name, shape)
        if buffer is not None:
            return Component.BUFFER, buffer, role, tower, "buffer"
        return component, part, role, tower, "scale" if role == "scale" else None

    def _buffer_part(self, name: str, shape: tuple[int, ...]) -> str | None:
        """What kind of buffer it is, None for a parameter."""
        if self._knows_parameters:
            return None
        if re.search(CAUSAL_MASK, name):
            return "causal_mask" if len(shape) > 1 and shape[-1] == shape[-2] else None
        if re.search(ROUTER_BIAS, name):
            trained = self._config_type in TRAINED_ROUTER_BIAS_TYPES or re.search(TRAINED_ROUTER_BIAS, name)
            return None if trained or self._knows_router_biases else "router_bias"
        if name.endswith((".weight", ".bias")):
            return "rotary" if re.search(ROTARY_WEIGHT, name) else None
        return _first(BUFFERS, name)


def _special(inventory: Inventory) -> dict[str, str | None]:
    """The names that do not count for what the source says: buffers (→ None), copies (→ what they copy), MTP (→ _AHEAD)."""
    special: dict[str, str | None] = dict(_copies(inventory))
    special |= dict.fromkeys(inventory.mtp or _ahead(inventory), _AHEAD)
    for tensor in inventory.tensors:
        if tensor.dtype.name in _INDEX_DTYPES:
            special[tensor.name] = None
    return special | dict.fromkeys(inventory.buffers)


def _ahead(inventory: Inventory) -> Iterator[str]:
    """The names of layers for multi-token prediction, in a source of which no blueprint says what the model runs."""
    is_known = inventory.config is not None and inventory.hyperparameters
    if is_known or inventory.source.kind not in ("file", "folder", "state_dict"):
        return
    names = [tensor.name for tensor in inventory.tensors]
    text = "\n".join(names)
    if not any(word in text for word in MTP_WORDS):
        return
    layers = tuple({found[1] for found in map(re.compile(MTP).search, names) if found})
    yield from (name for name in names if name.startswith(layers))


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


def _by_source(
    tensor: TensorInfo, component: Component, part: str, target: str | None
) -> tuple[Component, str, str, str | None]:
    """Component, part, reason and original of a tensor that does not count, since its source says so."""
    if component is Component.BUFFER:
        return component, part, "buffer", None
    if target is _AHEAD:  # this very text, which no name is
        return component, part, "mtp", None
    if target is not None:
        return component, part, "tied", target
    return Component.BUFFER, buffer_part(tensor.name), "buffer", None


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
    return next((value for pattern, value in table if re.search(pattern, name)), None)
