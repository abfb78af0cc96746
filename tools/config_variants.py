"""Configurations of a model type that differ in everything a shape can depend on, small enough to build in milliseconds.

The values are drawn by what a field's name says (heads divide widths, lists are as long as the stack); a draw that
transformers itself refuses is thrown away, so that what is left is valid.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from transformers.configuration_utils import ALLOWED_LAYER_TYPES, PreTrainedConfig

from numel.blueprints.hyperparameters import EXPERTS, EXPERTS_PER_TOKEN
from transformers_reference import config_class, make_config
from variant_rules import ADAPT, SENSELESS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

Fields = dict[str, Any]
Kind = Any  # a model type, or the class of a configuration that has none

_BASE_FIELDS = {field.name for field in dataclasses.fields(PreTrainedConfig)}
_ALWAYS: Fields = {"tie_word_embeddings": False}  # a config.json may state it whatever the class declares
_LAYERS = re.compile(r"(^|_)(n_?layers?|num_layers?|layers|depths?|num_blocks|num_stages)$")
_HEADS = re.compile(r"heads?$|head_num$")
_KV = re.compile(r"kv_head|key_value_head|num_kv|kv_channels|key_value_groups")
_HEAD_DIM = re.compile(r"head_(dim|size)|_head_dim|d_kv|kv_channels")
_CHANNELS = re.compile(r"channels|type_vocab")
_ANY = re.compile(r"")
_COMPARED = re.compile(
    r"(?:config|self)\.(\w+)(?:\[\w+\])?\s*(?:==|!=|not in|in)\s*([\[({\"'][^\n]*)",
)
_LITERAL = re.compile(r"(\w+): Literal\[([^\]]*)\]")
_QUOTED = re.compile(r"[\"']([\w-]+)[\"']")
_ATTENTION_KINDS = set(ALLOWED_LAYER_TYPES) - {"sparse", "dense"}
_ASKED = re.compile(r"getattr\((?:self\.)?config, [\"'](\w+)[\"'], ([^)]*)\)")
_STACK_NAMES = ("num_hidden_layers", "n_layer", "num_layers")
_WIDTH = re.compile(r"^(hidden_size|d_model|n_embd|dim|embed_dim|emb_dim|model_dim|embedding_size)$")
_OTHER_WIDTH = re.compile(r"^(hidden_dim|embedding_size|embedding_dim|embed_dim|emb_dim|word_embed_proj_dim)$")
_POSITIONS = re.compile(r"position|n_ctx|seq_len|max_source|max_target|context_length|window|relative")
_EXPERTS = re.compile(r"experts?$|n_routed_experts|num_local_experts")
_CHOSEN = re.compile(r"per_tok|top_?k|selected|num_experts_per|active")


def field_defaults(model_type: Kind) -> Fields:
    """What `config_class()` states for every field of its own: the declared defaults, before anything is derived."""
    declared = {}
    left_out = _BASE_FIELDS | SENSELESS.get(model_type, set())
    for field in dataclasses.fields(config_class(model_type)):
        if field.name.startswith("_"):
            continue
        if field.default is not dataclasses.MISSING:
            declared[field.name] = field.default
        elif field.default_factory is not dataclasses.MISSING:
            declared[field.name] = field.default_factory()
    every = _ALWAYS | undeclared_fields(model_type) | declared
    return {name: value for name, value in every.items() if name not in left_out}


@cache
def undeclared_fields(model_type: Kind) -> Fields:
    """Fields that the code asks for with `getattr(config, …, default)` though the class declares none of that name."""
    known = {field.name for field in dataclasses.fields(config_class(model_type))} | {"tie_word_embeddings"}
    known |= set(config_class(model_type).attribute_map)
    found: Fields = {}
    for source in _sources(model_type):
        for name, default in _ASKED.findall(source):
            if name in known or name.startswith("_") or hasattr(config_class(model_type), name):
                continue
            try:
                found[name] = ast.literal_eval(default)
            except (ValueError, SyntaxError):
                if re.search(r"dim|size|heads|rank", name):
                    found[name] = None
    return {name: value for name, value in found.items() if not isinstance(value, (str, float))}


def annotation(model_type: Kind, name: str) -> str:
    """The declared type of a field as text."""
    for field in dataclasses.fields(config_class(model_type)):
        if field.name == name:
            return field.type.__name__ if isinstance(field.type, type) else str(field.type)
    if name in _ALWAYS:
        return "bool"
    return "int" if re.search(r"dim|size|heads|rank|num|layers", name) and name in undeclared_fields(model_type) else ""


@cache
def derived_defaults(model_type: Kind) -> Fields:
    """The fields of a default configuration after its own post-processing (layer lists are filled in here)."""
    try:
        config = config_class(model_type)()
    except Exception:
        return {}
    return {name: _stated(config, name) for name in field_defaults(model_type)}


def _stated(config: Any, name: str) -> Any:
    try:
        return getattr(config, name, None)
    except Exception:  # a field that differs from layer to layer can be refused as a whole
        return None


@cache
def text_choices(model_type: Kind) -> dict[str, tuple[str, ...]]:
    """The strings with which the code of a model type compares each field."""
    found: dict[str, set[str]] = {}
    for source in _sources(model_type):
        for pattern in (_COMPARED, _LITERAL):
            for name, values in pattern.findall(source):
                found.setdefault(name, set()).update(_QUOTED.findall(values))
    for name, default in derived_defaults(model_type).items():
        if isinstance(default, (list, tuple)) and default and all(isinstance(x, str) for x in default):
            found.setdefault(name, set()).update(default)
    kinds = {
        value for name, values in found.items() if "layer_type" in name or "block_type" in name for value in values
    }
    for name in found:
        if "layer_type" in name and not name.startswith("mlp"):
            found[name] |= kinds
    return {name: tuple(sorted(values)) for name, values in found.items() if values}


def _sources(model_type: Kind) -> Iterator[str]:
    package = config_class(model_type).__module__.rsplit(".", 1)[0]
    stem = package.rsplit(".", 1)[1]
    for kind in ("modeling", "configuration"):
        try:
            yield inspect.getsource(importlib.import_module(f"{package}.{kind}_{stem}"))
        except (ImportError, OSError):
            continue


class Sizes(NamedTuple):
    """What several fields of one configuration must agree on."""

    heads: int
    width: int
    n_layers: int


def random_fields(model_type: Kind, random: Random) -> Fields:
    """One small configuration, whatever transformers thinks of it: the caller tries it."""
    heads = random.choice([2, 4, 8])
    sizes = Sizes(heads, heads * random.choice([8, 12, 16, 20, 24]), random.choice([1, 2, 3, 4, 5]))
    defaults, derived = field_defaults(model_type), derived_defaults(model_type)
    drawn: Fields = {}
    for name, default in defaults.items():
        if default is None and derived.get(name) is not None and random.random() < 0.5:
            continue  # left to be derived
        known = default if default is not None else derived.get(name)
        value = _value(model_type, name, known, random, sizes)
        if value is not None:
            drawn[name] = value
    drawn |= _lists(model_type, random, sizes.n_layers)
    if random.random() < 0.3:
        drawn["num_labels"] = random.choice([1, 3, 5])
    if model_type in ADAPT:
        drawn |= ADAPT[model_type](drawn, random)
    return drawn | _not_too_many_experts(dict.fromkeys(defaults) | derived | drawn)


def _not_too_many_experts(fields: Fields) -> Fields:
    """How many experts a token chooses, where it would be more than there are; transformers builds such a model too."""
    n_experts = next((fields[name] for name in EXPERTS if type(fields.get(name)) is int), None)
    chosen = {name: fields[name] for name in EXPERTS_PER_TOKEN if name in fields} if n_experts else {}
    return {name: min(2, n_experts) for name, n in chosen.items() if type(n) is not int or n > n_experts}


def _value(model_type: Kind, name: str, known: Any, random: Random, sizes: Sizes) -> Any:
    """Another value for a field, None to leave it as it is."""
    kind, value = annotation(model_type, name), None
    if isinstance(known, PreTrainedConfig):
        named = {"model_type": known.model_type} if known.model_type else {}
        value = named | random_fields(known.model_type or type(known), random)
    elif isinstance(known, bool):
        value = not known if random.random() < 0.35 else None
    elif isinstance(known, int):
        value = _integer(name, known, random, sizes)
    elif isinstance(known, str):
        choices = text_choices(model_type).get(name, ())
        value = random.choice(choices) if choices and random.random() < 0.4 else None
    elif known is None and "list" not in kind and not name.endswith("_token_id") and random.random() < 0.5:
        if "int" in kind:
            value = _integer(name, 64, random, sizes)
        elif "bool" in kind:
            value = random.choice([True, False])
    return value


def _integer(name: str, default: int, random: Random, sizes: Sizes) -> int | None:
    """A small value that suits the name, None to leave the default."""
    if name.endswith(("_token_id", "_token_index", "_id")):
        return 1 if default > 100 else None
    if "vocab" in name:
        return random.choice([1, 2, 3]) if "type_vocab" in name else random.randrange(130, 400)
    if default > 1 and (name.endswith("num_hidden_layers") or _LAYERS.search(name)):
        return sizes.n_layers
    for pattern, low, high, choices in (
        (_CHOSEN, 0, 512, (1, 2)),
        (_KV, 0, 512, tuple(n for n in (1, 2, 4, 8) if n <= sizes.heads)),
        (_HEAD_DIM, 0, 10**6, (8, 12, 16, 24)),
        (_HEADS, 0, 512, (sizes.heads,)),
        (_OTHER_WIDTH, 0, 10**6, (sizes.width, sizes.width, 16, 40, 64)),
        (_WIDTH, 0, 10**6, (sizes.width,)),
        (_EXPERTS, 2, 10**6, (4, 6, 8)),
        (_POSITIONS, 9, 10**9, (24, 33, 48, 64)),
        (_ANY, 16, 10**9, (16, 24, 32, 40, 48, 64, 80, 96, 128)),
        (_CHANNELS, 0, 16, (1, 3)),
    ):
        if low <= default < high and pattern.search(name):
            return random.choice(choices)
    return random.choice([default, default, default, 0, 1, 2, 3])


def _lists(model_type: Kind, random: Random, n_layers: int) -> Fields:
    """Lists with one entry a layer, drawn anew: their length must follow the stack."""
    derived, declared, made = derived_defaults(model_type), field_defaults(model_type), {}
    stack = next((derived[name] for name in _STACK_NAMES if isinstance(derived.get(name), int)), None)
    for name, default in derived.items():
        if default is None or default == []:
            if "list[int]" in annotation(model_type, name) and "layer" in name and random.random() < 0.6:
                made[name] = [i for i in range(n_layers) if random.random() < 0.5]  # numbers of layers
        elif isinstance(default, (list, tuple)) and len(default) == stack and (declared[name] or random.random() < 0.6):
            choices = text_choices(model_type).get(name) or tuple(dict.fromkeys(default))
            if set(default) <= {0, 1}:
                choices = (type(default[0])(0), type(default[0])(1))
            made[name] = [random.choice(choices) for _ in range(n_layers)]
    return made


def valid(model_type: str, random: Random, attempts: int = 60) -> Fields:
    """A small configuration that transformers accepts. Raises LookupError when none of `attempts` draws is accepted."""
    error: Exception | None = None
    for _ in range(attempts):
        fields = random_fields(model_type, random)
        try:
            make_config(model_type, fields)
        except Exception as refused:
            error = refused
            continue
        return fields
    message = f"no valid configuration of {model_type} found: {error!r}"
    raise LookupError(message)


def _under_other_names(model_type: str, fields: Fields) -> Fields:
    """The same configuration with each field called as the class's attribute map also allows."""
    other_names = config_class(model_type).attribute_map
    renamed = {alias: fields[name] for alias, name in other_names.items() if name in fields}
    return {name: value for name, value in fields.items() if name not in other_names.values()} | renamed


def variants(
    model_type: str, random: Random, n_random: int = 30, foreign: Fields | None = None
) -> Iterator[tuple[str, Fields]]:
    """Labelled configurations: the default, each switch thrown, each text choice, each null filled, random ones.

    `foreign` are fields that the class does not declare: a config.json may hold them all the same.
    """
    yield "default", {}
    if foreign:
        yield "foreign fields", valid(model_type, random) | foreign
    for _ in range(3):
        base = valid(model_type, random)
        other = _under_other_names(model_type, base)
        try:
            is_same = make_config(model_type, other).to_dict() == make_config(model_type, base).to_dict()
        except Exception:
            continue  # a check that reads the field before its other name is known
        if other != base and is_same:
            yield "other names", other
    defaults, derived = field_defaults(model_type), derived_defaults(model_type)
    for name, default in defaults.items():
        known = default if default is not None else derived.get(name)
        kind = annotation(model_type, name)
        base = valid(model_type, random)
        if isinstance(known, bool) or (known is None and "bool" in kind):
            yield f"{name} = true", base | {name: True}
            yield f"{name} = false", base | {name: False}
        elif isinstance(known, str) or (known is None and "str" in kind and "list" not in kind):
            for text in text_choices(model_type).get(name, ()):
                yield f"{name} = {text}", base | {name: text}
        if "None" in kind and not name.endswith("_token_id"):
            yield f"{name} = null", base | {name: None}
    for i in range(n_random):
        yield f"random {i}", valid(model_type, random)
