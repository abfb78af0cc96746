"""What numel knows without being given a model: published ones, architectures, families of them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from .blueprints.evaluate import evaluate, inventory_of
from .blueprints.language import parent_of
from .blueprints.library import has_blueprint, load, model_types, source_text
from .blueprints.verified import Verification, verifications
from .classify import classify, disagreements
from .core.config import ModelConfig
from .core.tensors import Source
from .core.visible import visible
from .errors import ConfigError, Sentence, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .blueprints.syntax import Blueprint
    from .core.parameters import ParameterTable


def given(command: str, analysis: Any, options: Any) -> Any:
    """What the analysis behind `command` is asked of, when it is not asked of models."""
    if command == "models":
        return _presets(analysis.Entry)
    if command == "architectures":
        return _architectures(analysis.Entry)
    if command == "audit-rule":
        return _audited(analysis.Entry, options)
    return _family(analysis, options)


def _architectures(entry: Any) -> list[Any]:
    """Every model type that has a blueprint, and those of transformers' usual tasks that have none."""
    from .sources.preset import all_presets

    met = Counter(
        preset.facts["config"]["model_type"]
        for preset in all_presets()
        if preset.facts.get("total_params") and preset.facts["agreement"] != "disagrees"
    )
    known = verifications()
    found = []
    for name in sorted({*model_types(), *known}):
        verified = known.get(name) or Verification(name)
        extends, classes, about = _described(name) if has_blueprint(name) else ("", tuple(verified.tasks.values()), "")
        tasks = tuple(verified.tasks)
        compared = verified.configurations
        found.append(
            entry(name, extends, classes, about, verified.state, tasks, compared, tuple(verified.left_out), met[name])
        )
    return found


def _described(model_type: str) -> tuple[str, tuple[str, ...], str]:
    """What a blueprint extends, its classes, and its remark."""
    blueprint = load(model_type)
    heads = [name for name in blueprint.sections if name != "model"]
    classes = tuple(blueprint.class_prefix + name for name in dict.fromkeys([*heads, "Model"]))
    return parent_of(source_text(model_type)) or "", classes, blueprint.about


def _presets(entry: Any) -> list[Any]:
    from .sources.preset import all_presets

    return [
        entry(
            preset.id,
            preset.facts["config"]["model_type"],
            preset.facts["count_class"],
            preset.facts.get("total_params"),
            preset.facts["agreement"],
            preset.facts["source"],
            has_blueprint(preset.facts["config"]["model_type"]),
        )
        for preset in all_presets()
    ]


def _audited(entry: Any, options: Any) -> Iterator[Any]:
    """Each architecture's default model, one for each task, and where the study's rule differs from numel's on it."""
    words = [word.lower() for word in options.words]
    for model_type, verified in verifications().items():
        if not has_blueprint(model_type) or not all(word in model_type.lower() for word in words):
            continue
        for task, cls in (verified.tasks or {"other": ""}).items():
            if not options.task or options.task == task:
                yield _audit(entry, model_type, task, cls, in_memory=options.form == "memory")


def _audit(entry: Any, model_type: str, task: str, cls: str, *, in_memory: bool) -> Any:
    config = ModelConfig({"model_type": model_type} | ({"architectures": [cls]} if cls else {}))
    source = Source("config", "defaults", "")
    try:
        inventory = inventory_of(load(model_type), config, name=model_type, source=source, in_memory=in_memory)
    except ConfigError:  # a field that has no default
        return entry(model_type, task, None)
    ours, theirs = classify(inventory), classify(inventory, rule="study")
    return entry(model_type, task, ours, disagreements(ours, theirs))


def _family(analysis: Any, options: Any) -> Any:
    """The template that `options.like` names: a published model, a config.json, or an architecture's own defaults."""
    config = _template(options.like)
    blueprint = load(config.model_type or "")
    aliases = {rule.name: rule.target for rule in blueprint.rules if rule.mode == "->"}
    fields = {aliases[name]: value for name, value in config.fields.items() if name in aliases}
    fields |= {name: value for name, value in config.fields.items() if name not in aliases}

    def total(changed: Mapping[str, Any]) -> int:
        found = evaluate(blueprint, ModelConfig(changed), in_memory=True)  # fewer tensors, the same total
        return sum(tensor.numel for tensor in found.tensors if tensor.name not in found.buffers)

    def table(changed: Mapping[str, Any]) -> ParameterTable:
        source = Source("config", "fit", "")
        return classify(inventory_of(blueprint, ModelConfig(changed), name=options.like, source=source))

    values = evaluate(blueprint, ModelConfig(fields)).values
    family = analysis.Family(options.like, fields, values, _derived(blueprint, fields), total)
    return analysis.Template(family, table)


def _template(like: str) -> ModelConfig:
    from .opening import open_inventory
    from .sources.preset import lookup

    if has_blueprint(like) and lookup(like) is None:
        return ModelConfig({"model_type": like})
    config = open_inventory(like).config
    if config is None or not has_blueprint(config.model_type or ""):
        message = Sentence("{like} has no configuration that could be varied", like=visible(like, 60))
        raise UsageError(message, hint=Sentence("--like takes a published model, an architecture or a config.json"))
    return config


def _derived(blueprint: Blueprint, fields: Mapping[str, Any]) -> frozenset[str]:
    """The fields that nobody can set, and those that follow from others when nobody does."""
    found = {rule.name for rule in blueprint.rules if rule.mode == ":="}
    for name in {rule.name for rule in blueprint.rules} - found:
        modes = ("?=",) if name in fields else ("=", "?=")  # a null is filled in by the one, a gap by either
        rules = [rule for rule in blueprint.rules if rule.name == name and rule.mode in modes and rule.value]
        if fields.get(name) is None and rules and rules[0].value and rules[0].value.names:
            found.add(name)
    return frozenset(found)
