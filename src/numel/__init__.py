"""Where a Transformer's parameters live.

>>> import numel
>>> numel.inspect("gpt2").total
124439808
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .api import Comparison, Model, compare, inspect
    from .errors import NumelError
    from .frames import GroupTable, ValueTable

__all__ = ["Comparison", "GroupTable", "Model", "NumelError", "ValueTable", "__version__", "compare", "inspect"]

_HOMES = {
    "Comparison": "api",
    "Model": "api",
    "compare": "api",
    "inspect": "api",
    "NumelError": "errors",
    "GroupTable": "frames",
    "ValueTable": "frames",
}


def __getattr__(name: str) -> object:
    """A public name, from the module that defines it, imported when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
