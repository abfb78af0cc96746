"""What a configuration's fields are worth: given, defaulted or computed, and checked before anything is counted."""

from __future__ import annotations

import re

from ..core.config import ModelConfig
from ..core.visible import visible
from ..errors import ConfigError, Sentence
from .syntax import BUILT_IN, BlueprintSyntaxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from ..core.expressions import Expression
    from .syntax import Blueprint, FieldRule, SubRule

    Fields = dict[str, Any]
else:
    Fields = dict

MAX_REPEAT = 10_000  # layers, experts: the most published is 126 layers and 2,048 experts
_N_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")
EXPERTS_PER_TOKEN = ("num_experts_per_tok", "num_experts_per_token", "moe_k", "moe_topk")
MAX_DIM = 1_000_000_000  # a vocabulary has reached 10^6; a dimension of 10^9 cannot be meant

_NAME = r"[\w-]{1,100}"  # a part of a tensor's name
_TYPES = {
    bool: Sentence("true or false"), int: Sentence("an integer"), float: Sentence("a number"),
    str: Sentence("a text"), list: Sentence("a list"), dict: Sentence("an object"),
}  # fmt: skip


class SubConfig(Fields):
    """The values of a configuration inside another, and what is needed to evaluate it there."""

    def __init__(self, values: dict[str, Any], blueprint: Blueprint, config: ModelConfig) -> None:
        super().__init__(values)
        self.blueprint = blueprint
        self.config = config

    def __missing__(self, name: str) -> Any:
        """The value of the field that `name` is another name for."""
        targets = {rule.name: rule.target for rule in self.blueprint.rules if rule.mode == "->"}
        return self[targets[name]]


def resolve(
    rules: Iterable[FieldRule],
    requirements: Iterable[Expression],
    config: ModelConfig,
    load: Callable[[str], Blueprint],
) -> dict[str, Any]:
    """Every field that the rules name, with its value; `load` finds the blueprint of a sub-configuration.

    Raises ConfigError that names the field, UnsupportedError for a sub-configuration without blueprint.
    """
    rules = in_order(rules)
    aliases = {rule.name: rule.target for rule in rules if rule.mode == "->"}
    given = {aliases[name]: value for name, value in config.fields.items() if name in aliases}
    given |= {name: value for name, value in config.fields.items() if name not in aliases}
    values = _built_in(given)
    for rule in rules:
        if rule.sub:
            values[rule.name] = _sub_config(rule.name, rule.sub, given, config, load)
        elif rule.mode != "->":
            _apply(rule, given, values, config.path)
    for requirement in requirements:
        if not compute(requirement, values, config.path):
            message = Sentence(
                "{text} does not hold ({numbers})", text=requirement.text, numbers=_numbers(requirement, values)
            )
            raise ConfigError(message, path=config.path, field=min(requirement.names, default=None))
    return values


def oddities(values: Mapping[str, Any], path: str | None) -> Iterator[Sentence]:
    """What in a configuration does not fit together and can be counted all the same; the fields of `values` with theirs.

    Raises ConfigError for a model without layers.
    """
    layers = next((name for name in _N_LAYERS if type(values.get(name)) is int), None)
    if layers and values[layers] == 0:
        raise ConfigError(Sentence("{name} = 0: a model has one layer or more", name=layers), path=path, field=layers)
    for name in ("layer_types", "mlp_layer_types"):
        types = values.get(name)
        extra = values.get("num_nextn_predict_layers")  # layers for multi-token prediction are listed behind the others
        allowed = (values[layers], values[layers] + extra if type(extra) is int else None) if layers else ()
        if layers and isinstance(types, list | tuple) and len(types) not in allowed:
            said = "{name} has {n} entries, and {layers} is {n_layers}"
            yield Sentence(said, name=name, n=len(types), layers=layers, n_layers=values[layers])
    for name in EXPERTS_PER_TOKEN:
        used, (experts, n_experts) = values.get(name), _first_integer(values, EXPERTS)
        if type(used) is int and experts and used > n_experts:
            said = "{name} is {used}, and there are {n} experts ({experts})"
            yield Sentence(said, name=name, used=used, n=n_experts, experts=experts)


def _first_integer(values: Mapping[str, Any], names: Iterable[str]) -> tuple[str, int]:
    return next(((name, values[name]) for name in names if type(values.get(name)) is int), ("", 0))


def in_order(rules: Iterable[FieldRule]) -> tuple[FieldRule, ...]:
    """The rules such that each field comes after those from which it is computed. Raises BlueprintSyntaxError."""
    by_name: dict[str, list[FieldRule]] = {}
    for rule in rules:
        by_name.setdefault(rule.name, []).append(rule)
    ordered: list[FieldRule] = []
    state: dict[str, bool] = {}  # name → whether its rules are all placed; a name being placed is False

    def place(name: str) -> None:
        if state.get(name):
            return
        if name in state:
            message = Sentence("{name} is computed from itself", name=name)
            raise BlueprintSyntaxError(message)
        state[name] = False
        for rule in by_name[name]:
            for needed in rule.value.names if rule.value else ():
                if needed != name and needed in by_name:
                    place(needed)
        ordered.extend(by_name[name])
        state[name] = True

    for name in by_name:
        place(name)
    return tuple(ordered)


def _built_in(given: dict[str, Any]) -> dict[str, Any]:
    """What every blueprint knows; a list of labels is put into `given` as their number."""
    labels = given.get("id2label")
    if isinstance(labels, dict) and labels:
        given["num_labels"] = len(labels)
    elif given.get("num_labels") is None:
        given.pop("num_labels", None)
    return {
        "num_labels": given.get("num_labels", 2),
        "tie_word_embeddings": given.get("tie_word_embeddings", False),
        "model_type": given.get("model_type"),
    }


def _sub_config(
    name: str, rule: SubRule, given: dict[str, Any], config: ModelConfig, load: Callable[[str], Blueprint]
) -> SubConfig | None:
    fields = given.get(name)
    older = given.get(f"{name}_dict")  # what CLIP's family once called it; transformers lets it decide
    if isinstance(older, dict):
        fields = older
    if fields is None and rule.may_be_null:
        return None
    if not isinstance(fields, dict | None):
        message = Sentence("{name} must be an object, not {fields}", name=name, fields=shown(fields))
        raise ConfigError(message, path=config.path, field=name)
    if fields is None:
        fields = {key: value.evaluate({}) for key, value in rule.settings}
        fields |= {key: value for key, value in given.items() if key != "model_type"} if rule.may_be_flat else {}
    elif rule.fills:
        fields = {key: value.evaluate({}) for key, value in rule.settings} | fields
    stated = rule.model_type if rule.is_fixed else fields.get("model_type", rule.model_type)
    if not isinstance(stated, str):
        message = Sentence("{name}.model_type must be a text, not {stated}", name=name, stated=shown(stated))
        raise ConfigError(message, path=config.path, field=name)
    blueprint = load(stated)
    inner = ModelConfig({**fields, "model_type": stated}, config.path)
    return SubConfig(resolve(blueprint.rules, blueprint.requirements, inner, load), blueprint, inner)


def _apply(rule: FieldRule, given: dict[str, Any], values: dict[str, Any], path: str | None) -> None:
    name = rule.name
    if rule.mode == ":=" and rule.value:
        if name in rule.value.names:
            values.setdefault(name, given.get(name))
        values[name] = compute(rule.value, values, path)
        return
    value = values[name] if name in values and name not in BUILT_IN else given.get(name)
    if rule.value is None:
        if value is None:
            message = (
                Sentence("{name} is null", name=name) if name in given else Sentence("{name} is missing", name=name)
            )
            raise ConfigError(message, path=path, field=name)
    elif (name not in given and (name not in values or name in BUILT_IN)) or (rule.mode == "?=" and value is None):
        value = compute(rule.value, values, path)
    else:
        value = _of_type(name, value, rule.value, values, path)
    values[name] = value


def _of_type(name: str, value: object, default: Expression, values: dict[str, Any], path: str | None) -> object:
    """The value, which must be of its default's type: transformers' strict configs refuse 64.0 and "64" for an integer.

    The side of a square may be stated twice, as in `image_size`: it is one number here.
    """
    if value is None:
        return value
    try:
        expected = type(default.evaluate(values))
    except Exception:  # noqa: BLE001 - the default need not make sense beside the value that replaces it
        return value
    if expected is int and name.endswith(("image_size", "patch_size")) and isinstance(value, list | tuple):
        value = value[0] if len(value) == 2 and value[0] == value[1] else value
    if expected is type(value) or (expected is float and type(value) is int) or expected not in _TYPES:
        return value
    message = Sentence("{name} must be {type}, not {value}", name=name, type=_TYPES[expected], value=shown(value))
    raise ConfigError(message, path=path, field=name)


def compute(expression: Expression, values: dict[str, Any], path: str | None) -> Any:
    """The value of an expression; whatever goes wrong in it is a ConfigError that shows the numbers."""
    try:
        return expression.evaluate(values)
    except (TypeError, ValueError, ArithmeticError, LookupError) as error:
        why = _reason(error)
        message = Sentence(
            "{text} cannot be computed ({numbers}): {why}",
            text=expression.text,
            numbers=_numbers(expression, values),
            why=why,
        )
        raise ConfigError(message, path=path, field=min(expression.names, default=None)) from error


def _reason(error: Exception) -> Sentence:
    """Why an expression has no value, in words that know nothing of Python."""
    said = error.args[0] if error.args else ""
    if isinstance(said, Sentence):
        return said
    if isinstance(error, KeyError):
        return Sentence("there is no {name}", name=visible(str(said), 40))
    if isinstance(error, ZeroDivisionError):
        return Sentence("it divides by zero")
    if isinstance(error, IndexError):
        return Sentence("a list is too short")
    return Sentence("a value is missing or of the wrong type")


def check_dim(expression: Expression, values: dict[str, Any], path: str | None) -> int:
    """The value of a dimension: an integer from 1 to MAX_DIM."""
    return _checked(expression, values, path, low=1, high=MAX_DIM)


def check_repeat(expression: Expression, values: dict[str, Any], path: str | None) -> int:
    """The value of a loop's bound: an integer from 0 to MAX_REPEAT."""
    return _checked(expression, values, path, low=0, high=MAX_REPEAT)


def check_names(expression: Expression, values: dict[str, Any], path: str | None) -> list[str]:
    """The value of what a loop runs over: texts that may stand in a tensor's name, each once."""
    names = compute(expression, values, path)
    if isinstance(names, list | tuple) and all(isinstance(name, str) and re.fullmatch(_NAME, name) for name in names):
        if len(set(names)) == len(names) <= MAX_REPEAT:
            return list(names)
        message = Sentence("{what}: must name nothing twice", what=f"{expression.text} = {shown(names)}")
    else:
        message = Sentence(
            "{what}: must be a list of texts without dots or spaces", what=f"{expression.text} = {shown(names)}"
        )
    raise ConfigError(message, path=path, field=min(expression.names, default=None))


def _checked(expression: Expression, values: dict[str, Any], path: str | None, *, low: int, high: int) -> int:
    value = compute(expression, values, path)
    if type(value) is int and low <= value <= high:
        return value
    numbers = "" if expression.text in expression.names else _numbers(expression, values)
    what = f"{expression.text} = {shown(value)}" + (f" ({numbers})" if numbers else "")
    message = Sentence("{what}: must be an integer from {low} to {high}", what=what, low=low, high=high)
    raise ConfigError(message, path=path, field=min(expression.names, default=None))


def _numbers(expression: Expression, values: dict[str, Any]) -> str:
    names: Sequence[str] = sorted(name for name in expression.names if not isinstance(values.get(name), SubConfig))
    return ", ".join(f"{name} = {shown(values.get(name))}" for name in names)


def shown(value: object) -> str:
    """A config value as JSON would write it, cut short.

    >>> shown(None), shown("64"), shown([1, True])
    ('null', '"64"', '[1, true]')
    """
    if isinstance(value, list | tuple):
        text = f"[{', '.join(shown(item) for item in value[:8])}{', …' if len(value) > 8 else ''}]"
    elif isinstance(value, dict):
        text = "{…}" if value else "{}"
    elif isinstance(value, bool) or value is None:
        text = {True: "true", False: "false", None: "null"}[value]
    else:
        text = f'"{value and visible(value, 60)}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:59] + "…"
