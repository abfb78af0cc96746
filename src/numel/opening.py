"""From whatever a user points at to an inventory: a name, a path, a configuration, a live module, a state dict."""

from __future__ import annotations

import os

from .core.config import ModelConfig
from .core.tensors import Inventory, Source
from .errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_SUFFIXES = (".safetensors", ".json", ".gguf", ".bin", ".pt", ".pth", ".ckpt", ".onnx")


def open_inventory(
    source: object, *, config: Mapping[str, Any] | None = None, overrides: Mapping[str, Any] | None = None
) -> Inventory:
    """All tensors of `source`, which is as `numel.inspect` takes it.

    `config` joins a source that has none; `overrides` change fields of the configuration, and so need one.
    """
    if isinstance(source, (str, os.PathLike)):
        text = os.fspath(source)
        if isinstance(text, str):
            return _from_text(text, config, overrides or {})
    if isinstance(source, dict) and not _holds_tensors(source):
        from .formats.hf_config import parse

        return _from_config(parse({**source, **(overrides or {})}), Source("config", "dict", ""), None)
    if isinstance(source, dict) or hasattr(source, "named_parameters"):
        _refuse(overrides, "a live model")
        from .sources.module import read

        found = read(source)
        return _with_config(found, ModelConfig(dict(config)) if config is not None else found.config)
    message = f"cannot inspect a {type(source).__name__}"
    raise UsageError(message, hint="a name, a path, a config dict, a torch module or a state dict")


def _from_text(text: str, config: Mapping[str, Any] | None, overrides: Mapping[str, Any]) -> Inventory:
    if not _is_path(text):
        from .sources.preset import find, lookup

        preset = lookup(text)
        if preset is None and os.path.exists(text):
            return _from_path(text, config, overrides)
        preset = preset or find(text)
        changed = preset.config._replace(fields={**preset.config.fields, **overrides})
        return _from_config(changed, Source("preset", "preset", preset.id), text)
    return _from_path(text, config, overrides)


def _is_path(text: str) -> bool:
    """Whether the text can only be meant as a path; a bare word or owner/name is first a published model's name."""
    return (
        text.startswith((".", "~", os.sep))
        or text.endswith((os.sep, *_SUFFIXES))
        or text.count("/") > 1
        or "\0" in text
    )


def _from_path(text: str, config: Mapping[str, Any] | None, overrides: Mapping[str, Any]) -> Inventory:
    from .formats.checkpoint import read
    from .sources.local import find

    found = read(find(os.path.expanduser(text)))
    given = ModelConfig(dict(config)) if config is not None else found.config
    if found.source.kind == "config" and given is not None:
        changed = given._replace(fields={**given.fields, **overrides})
        whole = _from_config(changed, found.source, found.name)
        return whole._replace(warnings=(*found.warnings, *whole.warnings))
    _refuse(overrides, "a file of weights")
    return _with_config(found, given)


def _with_config(inventory: Inventory, config: ModelConfig | None) -> Inventory:
    if config is None:
        return inventory
    from .reconcile import reconcile

    return reconcile(inventory, config)


def _refuse(overrides: Mapping[str, Any] | None, what: str) -> None:
    if overrides:
        message = f"--set changes a configuration, and {what} is what it is"
        raise UsageError(message, hint="give a name or a config.json")


def _holds_tensors(mapping: dict[Any, Any]) -> bool:
    """Whether a dict is a state dict: its values have shapes; a configuration's do not."""
    return bool(mapping) and all(hasattr(value, "shape") for value in mapping.values())


def _from_config(config: ModelConfig, source: Source, name: str | None) -> Inventory:
    """Every tensor that the configuration's blueprint gives."""
    from .blueprints.evaluate import inventory_of
    from .blueprints.library import load

    model_type = config.model_type or ""
    return inventory_of(load(model_type), config, name=name or model_type, source=source)
