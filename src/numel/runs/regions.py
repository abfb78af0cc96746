"""To which component does the time inside each module belong? To that of the parameters it holds, functions between them too.

A softmax, an activation or a dropout has no parameters: its time belongs to the module around it. That is a component's when
all parameters in it are (norms apart, which are components of their own) and one of them is its own or that of a child without
children: an attention module, an MLP, a mixture with its router. What holds several components, as a Transformer block does,
is none of them: its time between the parts is OTHER.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.parameters import Component

if TYPE_CHECKING:
    from . import Running

_WITHIN_OTHERS = frozenset({Component.NORM, Component.ROTARY, Component.BUFFER, Component.OTHER})


def regions(running: Running) -> dict[Any, Component]:
    """The modules at whose borders the component changes, and to which."""
    found: dict[Any, Component] = {}
    _walk(running.module, "", Component.OTHER, running, found)
    return found


def _walk(module: Any, path: str, around: Component, running: Running, found: dict[Any, Component]) -> None:
    component = _component(module, path, around, running)
    if component is not around:
        found.setdefault(module, component)
    for name, child in module.named_children():
        _walk(child, f"{path}.{name}" if path else name, component, running, found)


def _component(module: Any, path: str, around: Component, running: Running) -> Component:
    own = _of_names(module, path, running)
    if own and not any(True for _ in module.children()):
        return max(own, key=lambda component: own[component])
    below: dict[Component, int] = {}
    for name, inner in module.named_modules():
        for component, numel in _of_names(inner, ".".join(filter(None, (path, name))), running).items():
            below[component] = below.get(component, 0) + numel
    if not below:
        return around
    kinds = set(below) - _WITHIN_OTHERS or set(below)
    if len(kinds) > 1:
        return Component.OTHER
    component = kinds.pop()
    near = set(own)
    for name, child in module.named_children():
        if not any(True for _ in child.children()):
            near |= set(_of_names(child, f"{path}.{name}" if path else name, running))
    return component if component in near else Component.OTHER


def _of_names(module: Any, path: str, running: Running) -> dict[Component, int]:
    """Elements by component of the parameters that the module itself has."""
    found: dict[Component, int] = {}
    for name, tensor in module.named_parameters(prefix=path, recurse=False):
        component = running.components.get(name)
        if component is not None:
            found[component] = found.get(component, 0) + tensor.numel()
    return found
