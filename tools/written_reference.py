"""How many numbers do the matrix products and convolutions of a real pass write, apart from scores and rotary angles?

A second mode under FlopCounterMode, so that no model runs twice: it looks at what torch itself counts. A product of two
activations whose result goes into a softmax, or into a choice of the best, is a score, which a fused kernel never holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_ENDS = (
    "_softmax",
    "_safe_softmax",
    "logsumexp",
    "topk",
    "sort",
    "acos",
)  # where scores end; the last in YOSO's expectation
_IS_PARAMETER, _COMES_OF = "_is_of_parameters", "_comes_of"


class WrittenMode(TorchDispatchMode):
    """Sums the outputs of what `flop_registry` has, each with its module. `is_angle(module)`: whether they are left out."""

    def __init__(self, model: Any, parents: Callable[[], Sequence[str]], is_angle: Callable[[str], bool]) -> None:
        super().__init__()
        self._parents, self._is_angle = parents, is_angle
        self._written: list[int] = []  # of each product
        self._scores: set[int] = set()  # which of them are scores
        for parameter in model.parameters():
            setattr(parameter, _IS_PARAMETER, True)

    @property
    def total(self) -> int:
        """What all wrote that holds more than a moment."""
        return sum(n for i, n in enumerate(self._written) if i not in self._scores)

    @property
    def scores(self) -> int:
        """What was held apart."""
        return sum(self._written[i] for i in self._scores)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs the operation, and follows which products its inputs come of."""
        out = func(*args, **(kwargs or {}))
        packet = func.overloadpacket
        given = list(_tensors((args, kwargs)))
        if packet in flop_registry:
            self._product(given, out)
            return out
        of = frozenset[int]().union(*(getattr(tensor, _COMES_OF, ()) for tensor in given))
        if packet.__name__ in _ENDS:
            self._scores |= of
            return out
        whole = given[:1] if packet.__name__ == "index_select" else given  # (slices of a parameter are one)
        is_parameter = bool(given) and all(getattr(tensor, _IS_PARAMETER, False) for tensor in whole)
        for tensor in _tensors(out):
            if of:
                setattr(tensor, _COMES_OF, of)
            if is_parameter:
                setattr(tensor, _IS_PARAMETER, True)
        return out

    def _product(self, given: list[Any], out: Any) -> None:
        """One more product; of parameters it is no score, whatever becomes of it."""
        if any(self._is_angle(name) for name in self._parents()):
            return
        is_empty = any(tensor.numel() == 0 for tensor in given)  # of experts that are none: it writes zeros
        self._written.append(0 if is_empty else sum(tensor.numel() for tensor in _tensors(out)))
        if not any(getattr(tensor, _IS_PARAMETER, False) for tensor in given):
            before = frozenset[int]().union(*(getattr(tensor, _COMES_OF, ()) for tensor in given))
            for tensor in _tensors(out):
                setattr(tensor, _COMES_OF, before | {len(self._written) - 1})


def _tensors(thing: Any) -> Iterator[Any]:
    """Every tensor in arguments or results."""
    if isinstance(thing, torch.Tensor):
        yield thing
    elif isinstance(thing, (list, tuple)):
        for item in thing:
            yield from _tensors(item)
    elif isinstance(thing, dict):
        yield from _tensors(tuple(thing.values()))
