"""What a configuration's fields are worth: given, defaulted or computed, and checked before anything is counted."""

from __future__ import annotations

from ..core.config import ModelConfig
from ..errors import ConfigError
from .syntax import BUILT_IN, BlueprintSyntaxError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from .expressions import Expression
    from .syntax import Blueprint, FieldRule, SubRule

    Fields = dict[str, Any]
else:
    Fields = dict

MAX_REPEAT = 10_000  # layers, experts: the most published is 126 layers and 2,048 experts
MAX_DIM = 1_000_000_000  # a vocabulary has reached 10^6; a dimension of 10^9 cannot be meant

_TYPES = {bool: "true or false", int: "an integer", float: "a number", str: "a text", list: "a list", dict: "an object"}


class SubConfig(Fields):
    """The values of a configuration inside another, and what is needed to evaluate it there."""

    def __init__(self, values: dict[str, Any], blueprint: Blueprint, config: ModelConfig) -> None:
        super().__init__(values)
        self.blueprint = blueprint
        self.config = config


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
            message = f"{requirement.text} does not hold ({_numbers(requirement, values)})"
            raise ConfigError(message, path=config.path, field=min(requirement.names, default=None))
    return values


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
            message = f"{name} is computed from itself"
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
    if fields is None and rule.may_be_null:
        return None
    if not isinstance(fields, dict | None):
        message = f"{name} must be an object, not {shown(fields)}"
        raise ConfigError(message, path=config.path, field=name)
    if fields is None:
        fields = {key: value.evaluate({}) for key, value in rule.settings}
        fields |= {key: value for key, value in given.items() if key != "model_type"} if rule.may_be_flat else {}
    stated = rule.model_type if rule.is_fixed else fields.get("model_type", rule.model_type)
    if not isinstance(stated, str):
        message = f"{name}.model_type must be a text, not {shown(stated)}"
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
            message = f"{name} is {'null' if name in given else 'missing'}"
            raise ConfigError(message, path=path, field=name)
    elif (name not in given and (name not in values or name in BUILT_IN)) or (rule.mode == "?=" and value is None):
        value = compute(rule.value, values, path)
    else:
        _check_type(name, value, rule.value, values, path)
    values[name] = value


def _check_type(name: str, value: object, default: Expression, values: dict[str, Any], path: str | None) -> None:
    """A field must be of its default's type: transformers' own strict configs refuse 64.0 and "64" for an integer."""
    if value is None:
        return
    try:
        expected = type(default.evaluate(values))
    except Exception:  # noqa: BLE001 - the default need not make sense beside the value that replaces it
        return
    if expected is type(value) or (expected is float and type(value) is int) or expected not in _TYPES:
        return
    message = f"{name} must be {_TYPES[expected]}, not {shown(value)}"
    raise ConfigError(message, path=path, field=name)


def compute(expression: Expression, values: dict[str, Any], path: str | None) -> Any:
    """The value of an expression; whatever goes wrong in it is a ConfigError that shows the numbers."""
    try:
        return expression.evaluate(values)
    except (TypeError, ValueError, ArithmeticError, LookupError) as error:
        why = f"no {error.args[0]!r}" if isinstance(error, KeyError) and error.args else error
        message = f"{expression.text} cannot be computed ({_numbers(expression, values)}): {why}"
        raise ConfigError(message, path=path, field=min(expression.names, default=None)) from error


def check_dim(expression: Expression, values: dict[str, Any], path: str | None) -> int:
    """The value of a dimension: an integer from 1 to MAX_DIM."""
    return _checked(expression, values, path, low=1, high=MAX_DIM)


def check_repeat(expression: Expression, values: dict[str, Any], path: str | None) -> int:
    """The value of a loop's bound: an integer from 0 to MAX_REPEAT."""
    return _checked(expression, values, path, low=0, high=MAX_REPEAT)


def _checked(expression: Expression, values: dict[str, Any], path: str | None, *, low: int, high: int) -> int:
    value = compute(expression, values, path)
    if type(value) is int and low <= value <= high:
        return value
    numbers = "" if expression.text in expression.names else _numbers(expression, values)
    message = f"{expression.text} = {shown(value)}{f' ({numbers})' if numbers else ''}"
    message += f": must be an integer from {low} to {high:,}"
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
        text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
