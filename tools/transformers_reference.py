"""What transformers makes of a configuration: the truth that a blueprint is compared with.

Nothing is downloaded and no memory is taken for weights: the classes are built on torch's meta device.
"""

from __future__ import annotations

import importlib
import logging
import math
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import torch
import transformers
from transformers.core_model_loading import revert_weight_conversion
from transformers.modeling_utils import PreTrainedModel, remove_tied_weights_from_state_dict
from transformers.models.auto import modeling_auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from variant_rules import LEFT_OUT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

transformers.logging.set_verbosity_error()
logging.disable(logging.WARNING)

Shapes = dict[str, tuple[int, ...]]


class Truth(NamedTuple):
    """The tensors of one built class. `memory` and `hub` leave tied copies out; `tied` maps a copy to what is kept.

    `hub` is None where nobody asked.
    """

    memory: Shapes
    buffers: frozenset[str]
    tied: dict[str, str]
    hub: Shapes | None


def config_class(model_type: Any) -> Any:
    """The configuration class of `model_type`; a class stands for itself."""
    return CONFIG_MAPPING[model_type] if isinstance(model_type, str) else model_type


def head_classes(model_type: str) -> dict[str, Any]:
    """Every public class of `model_type` that can be built from its configuration, by name, less what is left out.

    A type without classes of its own is built by those of another, as the auto classes choose them.
    """
    wanted, left_out = config_class(model_type), LEFT_OUT.get(model_type, set())
    if model_type in CONFIG_MAPPING and not any(_modules(model_type)):
        borrowed = [getattr(transformers, name) for name in _in_auto_mappings(model_type)]
        return {cls.__name__: cls for cls in borrowed if isinstance(cls, type) and issubclass(cls, PreTrainedModel)}
    found = {}
    for module in _modules(model_type):
        for name in (*getattr(module, "__all__", ()), *_in_auto_mappings(model_type)):
            cls = getattr(module, name, None)
            if (
                isinstance(cls, type)
                and issubclass(cls, PreTrainedModel)
                and not name.endswith(("PreTrainedModel", "PretrainedModel"))
                and not name.startswith("Pretrained")
                and name not in left_out
                and _own_config(cls) is wanted
            ):
                found[name] = cls
    return found


def _own_config(cls: Any) -> Any:
    found = getattr(cls, "config_class", None)
    return found or cls.__annotations__.get("config")


def _modules(model_type: str) -> Iterator[Any]:
    package = config_class(model_type).__module__.rsplit(".", 1)[0]
    for path in sorted(Path(importlib.import_module(package).__file__ or "").parent.glob("modeling_*.py")):
        yield importlib.import_module(f"{package}.{path.stem}")


def _in_auto_mappings(model_type: str) -> Iterator[str]:
    for attribute in dir(modeling_auto):
        if attribute.endswith("MAPPING_NAMES"):
            names = getattr(modeling_auto, attribute).get(model_type, ())
            yield from ((names,) if isinstance(names, str) else names)


def make_config(model_type: str, fields: dict[str, Any]) -> Any:
    """The configuration that transformers reads from a config.json with these fields; raises whatever it raises."""
    return config_class(model_type).from_dict(dict(fields))


def build(cls: Any, config: Any) -> Any:
    """The module on the meta device."""
    with torch.device("meta"), every_layer_may_reuse(cls, config):
        return cls._from_config(config)


def every_layer_may_reuse(cls: Any, config: Any, *, running: bool = False) -> AbstractContextManager[Any]:
    """Lets an assistant of Gemma 4 be built as it is published: all its layers read keys and values of the big model.

    5.23 looks for the layer of the same model that stores them and refuses; what it would name has no parameters.
    The unified one is built without that, and needs it to run.
    """
    names = {"Gemma4AssistantForCausalLM", *(("Gemma4UnifiedAssistantForCausalLM",) if running else ())}
    if cls.__name__ not in names:
        return nullcontext()
    modes = property(lambda text: ["reuse"] * text.num_hidden_layers)
    return patch.object(type(config.text_config), "kv_sharing_modes", modes)


def built(model_type: str, cls: Any, fields: dict[str, Any]) -> Any | None:
    """What transformers makes of the fields: a module in which every tensor has elements; None where it makes none."""
    try:
        model = build(cls, make_config(model_type, fields))
    except Exception:
        return None
    return model if all(tensor.numel() for tensor in model.state_dict().values()) else None


def truth_of(model: Any, *, hub_up_to: float = math.inf) -> Truth:
    """Names and shapes of what a built model holds in memory and of what its `save_pretrained` would write.

    The latter only for models of up to `hub_up_to` parameters: cutting thousands of experts apart takes seconds.
    """
    kept = remove_tied_weights_from_state_dict(dict(model.state_dict()), model)
    stored = {name: tuple(tensor.shape) for name, tensor in kept.items()}
    parameters = dict(model.named_parameters(remove_duplicate=False))
    buffers = frozenset(name for name in stored if name not in parameters)
    owners = {id(_tensor(model, name)): name for name in stored}
    tied = {name: owners[id(tensor)] for name, tensor in parameters.items() if name not in stored}
    if sum(map(math.prod, stored.values())) > hub_up_to:
        return Truth(stored, buffers, tied, None)
    hub = {name: tuple(tensor.shape) for name, tensor in revert_weight_conversion(model, kept).items()}
    return Truth(stored, buffers, tied, hub)


def _tensor(model: Any, name: str) -> Any:
    return model.get_parameter_or_buffer(name)


def knows(model_type: str) -> bool:
    """Whether this release of transformers has the model type."""
    return model_type in CONFIG_MAPPING
