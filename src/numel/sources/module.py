"""What a live torch module or a state dict holds: names and shapes; the values are not read here (`live` does).

torch is not imported: a tensor is whatever has a shape and a dtype, and a module whatever has named_modules. So
tensors on the meta device, NumPy arrays and the wrappers of distributed training do as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..core.config import ModelConfig
from ..core.dtypes import torch_dtype
from ..core.records import NamedTuple
from ..core.tensors import Inventory, Source, TensorInfo
from ..core.visible import visible
from ..errors import Sentence, UnsupportedError, UsageError, and_more

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from typing import Any, NoReturn

    from ..core.dtypes import DType

# Wrappers whose names a saved checkpoint does not have: class → the attribute that holds the module itself.
_WRAPPERS = {
    "OptimizedModule": "_orig_mod",  # torch.compile
    "DistributedDataParallel": "module",
    "DataParallel": "module",
}


class Member(NamedTuple):
    """A tensor and its name."""

    name: str
    tensor: Any
    is_buffer: bool


def read(live: object) -> Inventory:
    """The tensors of a torch module or of a state dict, under the names that a checkpoint of it would have.

    Of tensors that share their memory, the first is stored and the others are aliases. Of a module's buffers, those
    that are not saved are left out. Raises UnsupportedError for a dtype that no checkpoint format has.

    >>> import types
    >>> weight = types.SimpleNamespace(shape=(3, 2), dtype="torch.bfloat16")
    >>> read({"wte.weight": weight}).tensors[0][:2]
    ('wte.weight', (3, 2))
    """
    if isinstance(live, Mapping):
        source, members, warnings = Source("state_dict", "torch", type(live).__name__), *_of_state_dict(live)
        return _inventory("state dict", source, members, warnings, None)
    if not hasattr(live, "named_modules"):
        message = Sentence("a {name} is neither a torch module nor a state dict", name=type(live).__name__)
        raise UsageError(message)
    module = _unwrapped(live)
    class_name, config = type(module).__name__, _config(module)
    name = name_of(config) if config else None
    source = Source("module", "torch", class_name)
    classes = {path: type(inner).__name__ for path, inner in module.named_modules(remove_duplicate=False)}
    return _inventory(name or class_name, source, list(_of_module(module)), (), config)._replace(classes=classes)


def members(live: object) -> list[Member]:
    """The tensors of a torch module or a state dict with their names, tied ones as often as they are named."""
    return _of_state_dict(live)[0] if isinstance(live, Mapping) else list(_of_module(_unwrapped(live)))


def _inventory(
    name: str, source: Source, members: list[Member], warnings: tuple[str, ...], config: ModelConfig | None
) -> Inventory:
    """The members as tensors, each memory once."""
    stored: dict[Hashable, str] = {}
    tensors: list[TensorInfo] = []
    aliases: dict[str, str] = {}
    buffers: set[str] = set()
    for member in members:
        tensor = TensorInfo(member.name, _shape(member), _dtype(member), member.name, 0)  # sources.live opens it so
        first = stored.setdefault(_memory(member.tensor), member.name)
        if first == member.name:
            tensors.append(tensor)
        else:
            aliases[member.name] = first
        if member.is_buffer:
            buffers.add(member.name)
    return Inventory(
        name, source, tuple(tensors), config=config, aliases=aliases, buffers=frozenset(buffers), warnings=warnings
    )


def _of_module(module: Any) -> Iterator[Member]:
    """Parameters and saved buffers in the order of state_dict(), which is not called: it may gather them all."""
    for path, inner in module.named_modules(remove_duplicate=False):
        prefix = path + "." if path else ""
        transient = getattr(inner, "_non_persistent_buffers_set", ())
        for name, tensor in inner._parameters.items():  # noqa: SLF001 - named_parameters hides which module has what
            if tensor is not None:
                yield Member(prefix + name, tensor, is_buffer=False)
        for name, tensor in inner._buffers.items():  # noqa: SLF001
            if tensor is not None and name not in transient:
                yield Member(prefix + name, tensor, is_buffer=True)


def _of_state_dict(state: Mapping[Any, Any]) -> tuple[list[Member], tuple[str, ...]]:
    """The tensors of a state dict, and a warning about what else it holds."""
    members = [Member(str(name), tensor, is_buffer=False) for name, tensor in state.items() if hasattr(tensor, "dtype")]
    others = [str(name) for name, value in state.items() if not hasattr(value, "dtype")]
    if not members:
        inside = [name for name in others if isinstance(state.get(name), Mapping)]
        message = Sentence("a state dict maps names to tensors, and none of these values is one")
        raise UsageError(
            message,
            hint=Sentence("perhaps its ['{inside}'] is meant", inside=visible(inside[0], 40)) if inside else None,
        )
    if not others:
        return members, ()
    names = and_more(visible(others[0], 64), len(others) - 1)
    return members, (Sentence("no tensor, and left out: {names}", names=names),)


def _unwrapped(module: Any) -> Any:
    """The module inside torch.compile and data parallelism."""
    while (attribute := _WRAPPERS.get(type(module).__name__)) and hasattr(module, attribute):
        module = getattr(module, attribute)
    return module


def _config(module: Any) -> ModelConfig | None:
    """The configuration that a transformers model carries."""
    config = getattr(module, "config", None)
    to_dict = getattr(config, "to_dict", None)
    fields = to_dict() if callable(to_dict) else None
    if not isinstance(fields, Mapping):
        return None
    return ModelConfig({"_name_or_path": getattr(config, "name_or_path", None), **fields})


def name_of(config: ModelConfig) -> str | None:
    """What to call a model of which only the configuration is known: where it was loaded from, else its model type."""
    loaded_from = config.fields.get("_name_or_path") or config.fields.get("name_or_path")
    if isinstance(loaded_from, str) and loaded_from.strip("./"):
        is_path = loaded_from.startswith((".", "/", "~")) or loaded_from.count("/") > 1 or "\\" in loaded_from
        return loaded_from.replace("\\", "/").rstrip("/").rpartition("/")[2] if is_path else loaded_from
    return config.model_type


def _memory(tensor: Any) -> Hashable:
    """The same value for tensors that show the same memory in the same way, as tied weights do.

    Two views of one memory that differ in shape, strides or start are two tensors. `_cdata` is the address of the
    storage object and not of its bytes, so it tells tensors on the meta device apart as well, and survives the
    detach() that state_dict() makes.
    """
    try:
        storage = tensor.untyped_storage()._cdata  # noqa: SLF001 - safetensors and transformers compare it too
        view = (storage, tensor.storage_offset(), tuple(tensor.stride()), tuple(tensor.shape), str(tensor.dtype))
    except (AttributeError, RuntimeError, NotImplementedError, TypeError):  # no torch tensor, or one without storage
        return id(tensor)
    return view


def _shape(member: Member) -> tuple[int, ...]:
    try:
        return tuple(map(int, member.tensor.shape))
    except (RuntimeError, TypeError, ValueError) as error:
        message = Sentence("{name} is not initialised: it has no shape yet", name=visible(member.name, 64))
        hint = Sentence("a lazy module gets its shapes when it is run once on an input")
        raise UnsupportedError(message, hint=hint) from error


def _dtype(member: Member) -> DType:
    found = torch_dtype(str(member.tensor.dtype))
    return found if found is not None else _refuse_dtype(member)


def _refuse_dtype(member: Member) -> NoReturn:
    message = Sentence(
        "{name} is of {dtype}, which no checkpoint has",
        name=visible(member.name, 64),
        dtype=visible(str(member.tensor.dtype), 40),
    )
    raise UnsupportedError(message)
