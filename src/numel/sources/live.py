"""How are the values of a live module or state dict read? Tensor by tensor, as the bytes that a file of it would hold.

torch is not imported: a tensor that came from it brings it along. A tensor on an accelerator is copied whole, one at a time.
"""

from __future__ import annotations

import sys

from ..core.visible import visible
from ..errors import MissingValuesError, Sentence, UnsupportedError
from .module import members

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MAX_SHOWN = 100


def opener(live: object) -> Callable[[str], LiveTensor]:
    """What opens a tensor of `live` by the name that `sources.module.read` gives it as its shard."""
    tensors = {member.name: member.tensor for member in members(live)}
    return lambda name: LiveTensor(name, tensors[name])


class LiveTensor:
    """One tensor as a file. Its identity changes when it is changed in place, as torch counts it."""

    def __init__(self, name: str, tensor: Any) -> None:
        """Raises MissingValuesError for a tensor without values, UnsupportedError for one that gives no bytes."""
        self.name = name
        self._tensor = tensor
        self._bytes = _bytes_of(name, tensor)
        self.size = self._bytes.nbytes
        self.first_identity = self.identity()

    def read(self, offset: int, nbytes: int) -> bytes:
        """Bytes of its values in their order, the last index fastest."""
        return bytes(self._bytes[offset : offset + nbytes])

    def identity(self) -> tuple[object, ...]:
        """How often it was changed in place."""
        return (getattr(self._tensor, "_version", 0),)

    def fileno(self) -> int | None:
        """None: it lies in memory."""
        return None


def _bytes_of(name: str, tensor: Any) -> memoryview:
    """Its bytes; no copy where it lies in main memory and in order."""
    shown = visible(name, _MAX_SHOWN)
    if str(getattr(tensor, "device", "")) == "meta":
        message = Sentence("the values of {name} are not known, only its shape", name=shown)
        raise MissingValuesError(message, hint=Sentence("it is on the meta device: load the weights"))
    try:
        if hasattr(tensor, "detach"):
            flat = tensor.detach().cpu().contiguous().reshape(-1)
            tensor = flat.view(sys.modules["torch"].uint8).numpy()
        else:
            tensor = tensor.reshape(-1).view("uint8")  # of numpy
        return memoryview(tensor)
    except (AttributeError, KeyError, RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        why = visible(str(error).splitlines()[0] if str(error) else type(error).__name__, 120)
        message = Sentence("the values of {name} cannot be read: {why}", name=shown, why=why)
        raise UnsupportedError(message, hint=Sentence("save it, and give the file")) from error
