"""From whatever a user points at to an inventory: a name, a path, a configuration, a live module, a state dict."""

from __future__ import annotations

import os

from .core.config import ModelConfig
from .core.records import NamedTuple
from .core.tensors import Inventory, Source
from .core.visible import visible
from .errors import ConfigError, MissingValuesError, Sentence, UnsupportedError, UsageError
from .registry import near_hint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from .blueprints.syntax import Blueprint, FieldRule
    from .core.bytes import ValueFile
    from .core.holdings import Published
    from .core.tensors import TensorInfo
    from .sources.local import LocalFile, LocalModel
    from .sources.remote import RemoteFile, RemoteModel
    from .statistics import Histogram

_SUFFIXES = (".safetensors", ".json", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".onnx", ".numel")


_SCHEMES = ("http", "https", "s3", "gs", "az")

FORMS = ("hub", "memory")


class Wanted(NamedTuple):
    """What is made of a configuration: `overrides` in the place of its fields, and names as in `form` (of FORMS)."""

    overrides: Mapping[str, Any] = {}
    form: str = "hub"


def open_inventory(
    source: object,
    *,
    config: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    form: str = "hub",
) -> Inventory:
    """All tensors of `source`, which is as `numel.inspect` takes it.

    `config` joins a source that has none; `overrides` change fields of the configuration, and so need one, and so does
    `form`: "hub" for the names of checkpoints, "memory" for those that a loaded model has.
    """
    if form not in FORMS:
        message = Sentence("no form called '{form}'", form=visible(form, 40))
        raise UsageError(message, hint=near_hint(form, FORMS))
    wanted = Wanted(overrides or {}, form)
    if isinstance(source, (str, os.PathLike)):
        text = os.fspath(source)
        if isinstance(text, str):
            return _from_text(text, config, wanted)
    if hasattr(source, "model_type") and hasattr(source, "to_dict"):  # a configuration object of transformers
        source = source.to_dict()
    if isinstance(source, dict) and not _holds_tensors(source):
        _refuse_checkpoint(source)
        from .formats.hf_config import parse
        from .sources.module import name_of

        given = parse(source)
        return _from_config(given, Source("config", "dict", ""), name_of(given), wanted)
    if isinstance(source, dict) or hasattr(source, "named_parameters"):
        _refuse(wanted, Sentence("a live model"))
        from .quantised import unpack
        from .sources.module import name_of, read

        found = read(source)
        if config is None:
            return _with_config(unpack(found, found.config), found.config)
        given = ModelConfig(dict(config))
        return _with_config(unpack(found, given)._replace(name=name_of(given) or found.name), given)
    message = Sentence("cannot inspect a {name}", name=type(source).__name__)
    raise UsageError(message, hint=Sentence("a name, a path, a config dict, a torch module or a state dict"))


def _from_text(text: str, config: Mapping[str, Any] | None, wanted: Wanted) -> Inventory:
    if not _is_path(text):
        from .sources.preset import find, lookup

        preset = lookup(text)
        if preset is None and os.path.exists(text):
            return _from_path(text, config, wanted)
        preset = preset or find(text)
        whole = _from_config(preset.config, Source("preset", "preset", preset.id), text, wanted)
        return whole if wanted.overrides or not preset.published else whole._replace(published=(preset.published,))
    return _from_path(text, config, wanted)


def open_values(name: str, source: Source) -> Callable[[str], ValueFile]:
    """What opens the files that hold the values of an inventory, by the names of their shards.

    Raises MissingValuesError for a source that only knows shapes.
    """
    if source.format == "numel":
        message = Sentence("{model}: histograms alone, and the question needs the weights", model=visible(name, 100))
        raise MissingValuesError(message, hint=Sentence("give the safetensors file or the folder that holds them"))
    if not source.holds_values:
        message = Sentence(
            "{model}: the question needs the weights, and only their shapes are known", model=visible(name, 100)
        )
        raise MissingValuesError(message, hint=Sentence("give the safetensors file or the folder that holds them"))
    return _place(source.location, is_absolute=True).open


def open_histograms(source: Source) -> Callable[[Iterable[TensorInfo]], Iterator[tuple[TensorInfo, Histogram]]] | None:
    """What gives tensors their histograms without the weights, of a file that holds them; None for other sources."""
    if source.format != "numel":
        return None
    from .statistics.artefact import stored

    place = _place(source.location)

    def read(tensors: Iterable[TensorInfo]) -> Iterator[tuple[TensorInfo, Histogram]]:
        with place.open(place.weights[0]) as file:
            yield from stored(file, tensors)

    return read


def _place(location: str, *, is_absolute: bool = False) -> LocalModel | RemoteModel:
    """What lies at a path or an address; `is_absolute` where others, in folders of their own, open it too."""
    if "://" in location:
        scheme = location.partition("://")[0]
        if scheme.lower() not in _SCHEMES:
            message = Sentence("numel reads nothing from {scheme}://", scheme=visible(scheme, 40))
            raise UsageError(message, hint=Sentence("there is {names}", names=", ".join(_SCHEMES)))
        from .sources.remote import find as find_remote

        return find_remote(location)
    from .sources.local import find

    found = find(os.path.expanduser(location))
    return found._replace(root=os.path.abspath(found.root)) if is_absolute else found


def open_live(live: object) -> Callable[[str], ValueFile]:
    """The same for a module or a state dict in memory."""
    from .sources.live import opener

    return opener(live)


def is_live(source: object) -> bool:
    """Whether `source` is a module or a state dict, whose values are at hand."""
    if hasattr(source, "model_type") and hasattr(source, "to_dict"):
        return False
    return hasattr(source, "named_parameters") or (isinstance(source, dict) and _holds_tensors(source))


def _is_path(text: str) -> bool:
    """Whether the text can only be meant as a path; a bare word or owner/name is first a published model's name."""
    return (
        "://" in text
        or text.startswith((".", "~", os.sep))
        or text.endswith((os.sep, *_SUFFIXES))
        or text.count("/") > 1
        or "\0" in text
    )


def _from_path(text: str, config: Mapping[str, Any] | None, wanted: Wanted) -> Inventory:
    from .formats.checkpoint import read

    place = _place(text)
    found = read(place)
    given = ModelConfig(dict(config)) if config is not None else found.config
    if found.source.kind == "config" and given is not None:
        whole = _from_config(given, found.source, found.name, wanted)
        return whole._replace(warnings=(*found.warnings, *whole.warnings))
    _refuse(wanted, Sentence("a file of weights"))
    from .quantised import unpack

    with _Values(place) as values:
        whole = _with_config(unpack(found, given, values.read), given)
    return whole._replace(warnings=tuple(dict.fromkeys(whole.warnings)))  # histograms bring those of their model along


class _Values:
    """The bytes of single small tensors of a model on disk; each file is opened once, and none unless it is asked."""

    def __init__(self, place: LocalModel | RemoteModel) -> None:
        self._place = place
        self._open: dict[str, LocalFile | RemoteFile] = {}

    def read(self, tensor: TensorInfo) -> bytes:
        """The bytes of `tensor`."""
        shard = tensor.shard or self._place.weights[0]
        if shard not in self._open:
            self._open[shard] = self._place.open(shard)
        return self._open[shard].read(tensor.offset or 0, tensor.nbytes or 0)

    def __enter__(self) -> _Values:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._open.values():
            file.close()


def _published_with(inventory: Inventory) -> tuple[Published, ...]:
    """The published checkpoints whose configuration this is."""
    if not inventory.formulas or inventory.config is None:
        return ()
    from .sources.preset import published_with

    total = sum(formula.numel for formula in inventory.formulas if not (formula.is_buffer or formula.tied_to))
    return published_with(inventory.config, total)


def _with_config(inventory: Inventory, config: ModelConfig | None) -> Inventory:
    if config is not None:
        from .reconcile import reconcile

        inventory = reconcile(inventory, config)
        inventory = inventory._replace(published=_published_with(inventory))
    if not inventory.flat:
        return inventory
    said = Sentence(
        "the shapes of {n} packed weights stand nowhere: they are counted, and shown flat", n=len(inventory.flat)
    )
    return inventory._replace(warnings=(*inventory.warnings, said))


def _refuse(wanted: Wanted, what: str) -> None:
    if wanted.form != "hub":
        message = Sentence("--form chooses names for a configuration, and those of {what} are what they are", what=what)
        raise UsageError(message, hint=Sentence("give a name or a config.json"))
    if wanted.overrides:
        message = Sentence("--set changes a configuration, and {what} is what it is", what=what)
        raise UsageError(message, hint=Sentence("give a name or a config.json"))


def _holds_tensors(mapping: dict[Any, Any]) -> bool:
    """Whether a dict is a state dict: its values have shapes and dtypes; a configuration's do not."""
    return bool(mapping) and all(hasattr(value, "dtype") for value in mapping.values())


def _refuse_checkpoint(mapping: dict[Any, Any]) -> None:
    """Raises UsageError for what torch.save often writes: the state dict under a name, beside an epoch or an optimiser."""
    for name, value in mapping.items():
        if isinstance(value, dict) and _holds_tensors(value):
            message = Sentence("a training checkpoint, which holds a state dict and more")
            raise UsageError(message, hint=Sentence("give its ['{name}']", name=visible(str(name), 40)))
    if any(hasattr(value, "dtype") for value in mapping.values()) and "model_type" not in mapping:
        others = next(str(name) for name, value in mapping.items() if not hasattr(value, "dtype"))
        message = Sentence("neither a state dict nor a configuration: {name} is not a tensor", name=visible(others, 40))
        raise UsageError(message, hint=Sentence("leave out what is not a tensor"))


def _from_config(config: ModelConfig, source: Source, name: str | None, wanted: Wanted) -> Inventory:
    """Every tensor that the configuration's blueprint gives, as it is wanted."""
    from .blueprints.evaluate import inventory_of
    from .blueprints.library import has_blueprint, load

    model_type, overrides = config.model_type or "", wanted.overrides
    shown = name or model_type
    if overrides:  # a model that does not exist must not go by the name of one that does
        shown += " with " + ", ".join(f"{field}={value}" for field, value in overrides.items())
    if not has_blueprint(model_type):
        return _without_blueprint(config, shown, wanted)
    blueprint = load(model_type)
    config = _with_parts(config, overrides, blueprint)
    changed = config.changed(overrides)
    in_memory = wanted.form == "memory"
    try:
        inventory = inventory_of(blueprint, changed, name=shown, source=source, in_memory=in_memory)
    except UnsupportedError as error:  # an architecture inside it has no blueprint
        return _without_blueprint(config, shown, wanted, because=error)
    for field in overrides:
        _check_known(field, inventory.hyperparameters, config.fields, blueprint)
    return inventory._replace(
        warnings=(*inventory.warnings, *_misspelt(config, inventory, blueprint.rules)),
        published=() if overrides or source.kind == "preset" else _published_with(inventory),
    )


def _with_parts(config: ModelConfig, overrides: Mapping[str, Any], blueprint: Blueprint) -> ModelConfig:
    """The configuration with each part that is to be changed, empty where the file leaves it out and it is filled in whole."""
    parts = {rule.name for rule in blueprint.rules if rule.mode == "is"}
    wanted = {field.partition(".")[0] for field in overrides if "." in field}
    left_out: dict[str, Any] = {name: {} for name in sorted(wanted & parts) if config.fields.get(name) is None}
    return config._replace(fields={**config.fields, **left_out}) if left_out else config


def _check_known(field: str, values: Mapping[str, Any], fields: Mapping[str, Any], blueprint: Blueprint) -> None:
    """Raises UsageError for a field to change that nothing reads; `values`, `fields`: as counted, and as published."""
    from .blueprints.hyperparameters import SubConfig
    from .costs.notation import pass_of

    aliases = {rule.name: rule.target for rule in blueprint.rules if rule.mode == "->"}
    outer, dot, inner = field.partition(".")
    inside = values.get(aliases.get(outer, outer)) if dot else None
    if isinstance(inside, SubConfig) and isinstance(fields.get(outer), dict):
        return _check_known(inner, inside, fields[outer], inside.blueprint)
    known = {*values, *fields, *aliases} - {"in_memory"}  # which the form decides
    noted = pass_of(blueprint.model_type)
    known |= {*noted.config} if noted is not None else set()  # the size of a picture, which decides no shape but a cost
    if field in known or field in _ALWAYS_KNOWN:
        return None
    message = Sentence(
        "{field} is not a field of {model_type} that decides a shape",
        field=visible(field, 100),
        model_type=str(fields.get("model_type") or values.get("model_type") or ""),
    )
    below = [f"{name}.{field}" for name, sub in values.items() if isinstance(sub, SubConfig) and field in sub]
    hint = Sentence("did you mean {near}?", near=" · ".join(below)) if below else near_hint(field, sorted(known))
    raise UsageError(message, hint=hint)


def _without_blueprint(
    config: ModelConfig, name: str, wanted: Wanted, because: UnsupportedError | None = None
) -> Inventory:
    """What transformers builds of the configuration, if it is installed. Raises UnsupportedError if it cannot."""
    from .blueprints.library import model_types

    if not config.model_type:
        raise ConfigError(Sentence("{name} is missing", name="model_type"), path=config.path, field="model_type")
    model_type = config.model_type
    near = near_hint(model_type, model_types())
    hint = Sentence("{near} numel architectures lists them; a file of weights needs none", near=near)
    try:
        from .sources.built import build, knows
    except ImportError:
        hint = Sentence(
            "{near} transformers builds others: pip install 'numel[transformers]'; a file of weights needs none",
            near=near,
        )
    else:
        if knows(model_type):
            return build(config, name=name, overrides=wanted.overrides)
    message = Sentence("no blueprint for model_type '{model_type}'", model_type=visible(model_type, 100))
    if because is not None:  # it names what is missing inside
        message = Sentence("{why}", why=because.message)
    raise UnsupportedError(message, path=config.path, hint=hint)


# Fields that every configuration may have, and that decide a class, a dtype or a width without standing in a blueprint.
_ALWAYS_KNOWN = frozenset(
    {"model_type", "architectures", "torch_dtype", "dtype", "id2label", "num_labels", "tie_word_embeddings"}
)


def _misspelt(config: ModelConfig, inventory: Inventory, rules: Sequence[FieldRule]) -> tuple[str, ...]:
    """A warning for each field that nothing reads and that looks like one that is absent: `n_layers` for `n_layer`."""
    read = {*inventory.hyperparameters, *(rule.name for rule in rules)}
    absent = {_plain(name): name for name in read if name not in config.fields}
    unread = [name for name in config.fields if name not in read and absent.get(_plain(name))]
    return tuple(
        Sentence(
            "{name} is not read: {absent} is absent and taken as its default",
            name=visible(name, 60),
            absent=absent[_plain(name)],
        )
        for name in unread
    )


def _plain(name: str) -> str:
    """A field's name without what people vary: `num_layers`, `n_layer` and `nlayers` are one."""
    return name.lower().removeprefix("num_").removeprefix("n_").replace("_", "").removesuffix("s")
