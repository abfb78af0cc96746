"""Which tensors a configuration has: a blueprint with the numbers put in."""

from __future__ import annotations

from ..core.config import ModelConfig
from ..core.dtypes import UNKNOWN, torch_dtype
from ..core.records import NamedTuple
from ..core.tensors import Inventory, Source, TensorInfo
from ..core.visible import visible
from ..errors import Sentence
from .hyperparameters import SubConfig, compute, oddities, resolve
from .library import load
from .syntax import Section
from .walk import Context, Found, Walk, blocks_of, renamed

ONLY_IN_MEMORY = " in memory"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..core.dtypes import DType
    from ..core.formulas import Formula
    from .syntax import Blueprint, Include


class Evaluation(NamedTuple):
    """What a blueprint yields for one configuration.

    `legacy` and `extra` say what a checkpoint may hold beside `tensors`: what only old ones have, and what the
    model does not run (layers for multi-token prediction).
    """

    tensors: tuple[TensorInfo, ...]
    aliases: dict[str, str]
    buffers: frozenset[str]
    formulas: tuple[Formula, ...]
    legacy: tuple[Formula, ...]
    extra: tuple[Formula, ...]
    architecture: str
    values: dict[str, Any]
    warnings: tuple[str, ...]


def inventory_of(
    blueprint: Blueprint, config: ModelConfig, *, name: str, source: Source, in_memory: bool = False
) -> Inventory:
    """Every tensor that `blueprint` gives for `config`, as an inventory. Raises ConfigError.

    >>> config = ModelConfig({"model_type": "gpt2", "n_layer": 24, "n_embd": 1024, "n_head": 16})
    >>> medium = inventory_of(load("gpt2"), config, name="gpt2-medium", source=Source("config", "json", ""))
    >>> sum(tensor.numel for tensor in medium.tensors)
    354823168
    """
    found = evaluate(blueprint, config, in_memory=in_memory)
    return Inventory(
        name,
        source,
        found.tensors,
        config=config,
        aliases=found.aliases,
        buffers=found.buffers,
        formulas=found.formulas,
        hyperparameters=found.values,
        warnings=(*found.warnings, *_odd_dtype(config)),
        legacy=found.legacy,
        extra=found.extra,
    )


def evaluate(blueprint: Blueprint, config: ModelConfig, *, in_memory: bool = False) -> Evaluation:
    """Names and shapes in the hub's form, or as transformers holds them in memory.

    Raises ConfigError when a field that a shape needs is missing, of the wrong type or out of range, and
    UnsupportedError when a sub-configuration names a model type without blueprint.

    >>> found = evaluate(load("gpt2"), ModelConfig({"model_type": "gpt2"}))
    >>> found.architecture, len(found.tensors), found.aliases
    ('GPT2LMHeadModel', 148, {'lm_head.weight': 'transformer.wte.weight'})
    """
    section, warnings = _asked_section(blueprint, config)
    found = Found([], {}, set(), [], [], [])
    dtype = _dtype(config, UNKNOWN)
    values = _expand(blueprint, config, section, found, _Place(dtype, in_memory=in_memory))
    odd = oddities({**config.fields, **values}, config.path)
    return Evaluation(
        tuple(found.tensors),
        found.aliases,
        frozenset(found.buffers),
        tuple(found.formulas),
        tuple(found.legacy),
        tuple(found.extra),
        blueprint.class_prefix + section,
        values,
        (*warnings, *odd),
    )


def _odd_dtype(config: ModelConfig) -> tuple[Sentence, ...]:
    """A warning of a dtype that is none, and of weights that are published in another one than the config states."""
    stated, quantisation = stated_dtype(config), config.fields.get("quantization_config")
    if stated is not None and torch_dtype(stated) is None:
        return (Sentence("dtype {name} is none that numel knows: bytes are unknown", name=visible(stated, 40)),)
    if stated is not None and isinstance(quantisation, dict):
        method = visible(str(quantisation.get("quant_method", "?")), 40)
        return (Sentence("the config names a quantisation ({method}): bytes are those without it", method=method),)
    return ()


def _asked_section(blueprint: Blueprint, config: ModelConfig) -> tuple[str, tuple[str, ...]]:
    """The section of the class that the config names; the first one, with a warning, when there is none."""
    names = [name for name in blueprint.sections if name != "model"]
    default = names[0] if names else "Model"
    asked = config.architecture
    if asked is None:
        return default, ()
    for name in (*names, "Model"):  # LLaMAForCausalLM stands in real configs: letter case is not trusted
        if asked.lower() in {(prefix + name).lower() for prefix in (blueprint.class_prefix, *blueprint.other_prefixes)}:
            return name, ()
    shown = blueprint.class_prefix + default
    said = "class {asked} is not in the blueprint of {model_type}: counted as {shown}"
    return default, (Sentence(said, asked=visible(asked, 60), model_type=blueprint.model_type, shown=shown),)


class _Place(NamedTuple):
    """Where a model stands inside others: `rename` makes its names into those that are written down."""

    dtype: DType
    in_memory: bool
    rename: Callable[[str], str] = str

    def inside(self, path: str, dtype: DType) -> _Place:
        """The place of a model that hangs at `path` of this one."""
        return _Place(dtype, self.in_memory, lambda name: self.rename(f"{path}.{name}"))


def _expand(blueprint: Blueprint, config: ModelConfig, name: str, found: Found, place: _Place) -> dict[str, Any]:
    """Add the tensors of one class of a model to `found`; the values of the fields come back."""
    sections = _sections(blueprint, name, in_memory=place.in_memory)
    rules = [*blueprint.rules, *(rule for section, _ in sections for rule in section.rules)]
    values = resolve(rules, blueprint.requirements, config, load)
    values["in_memory"] = place.in_memory
    if blueprint.renames and not place.in_memory:
        outer = place.rename
        place = place._replace(rename=lambda name: outer(renamed(name, blueprint.renames)))

    def include(what: Include, path: str) -> None:
        inner = values[what.field]
        if isinstance(inner, SubConfig):
            settings = {field: compute(value, values, config.path) for field, value in what.settings}
            sub_config = ModelConfig({**inner.config.fields, **settings}, config.path)
            below = place.inside(path, _dtype(sub_config, place.dtype))
            section = next((name for name in what.sections if name in inner.blueprint.sections), what.sections[0])
            _expand(inner.blueprint, sub_config, section, found, below)

    walk = Walk(found, values, Context(place.dtype, config.path, place.rename, include))
    for section, prefix in sections:
        walk.prefix = prefix
        walk.nodes(blocks_of(section.lines))
    walk.close()
    return values


def _sections(blueprint: Blueprint, name: str, *, in_memory: bool) -> list[tuple[Section, str]]:
    """The bare model and what the class adds, each with the prefix of its tensors."""
    bare, added = blueprint.sections.get("model", Section()), blueprint.sections.get(name)
    if added is None:
        return [(bare, "")]
    if not added.has_model:
        return [(added, "")]
    base = added.base if added.base is not None else "" if name == "Model" else blueprint.base
    if base.endswith(ONLY_IN_MEMORY):
        base = base.removesuffix(ONLY_IN_MEMORY) if in_memory else ""
    return [(bare, base + "." if base else ""), (added, "")]


def _dtype(config: ModelConfig, default: DType) -> DType:
    """The dtype of the weights that the config states."""
    stated = stated_dtype(config)
    return default if stated is None else torch_dtype(stated) or UNKNOWN


def stated_dtype(config: ModelConfig) -> str | None:
    """What the config calls the dtype of its weights: `dtype`, before transformers 5 `torch_dtype`."""
    stated = config.fields.get("dtype") or config.fields.get("torch_dtype")
    return None if stated is None else str(stated)
