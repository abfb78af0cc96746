"""How bytes are read. A format is one file with `read(source) -> Inventory`, and one row here."""

from __future__ import annotations

from ..core.records import NamedTuple
from ..registry import Plugin

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.bytes import ByteSource
    from ..core.tensors import Inventory


class Format(NamedTuple):
    """A kind of weights file: who reads it, what its name ends in, and what bytes stand at which offset."""

    plugin: Plugin
    suffixes: tuple[str, ...]
    magic: tuple[int, bytes]

    def load(self) -> Callable[[ByteSource], Inventory]:
        """Its `read`; the module is imported now and not before."""
        reader: Callable[[ByteSource], Inventory] = self.plugin.load()
        return reader

    def is_at(self, head: bytes) -> bool:
        """Whether a file that begins with `head` bears the format's mark."""
        offset, mark = self.magic
        return head.startswith(mark, offset)


FORMATS: dict[str, Format] = {
    "safetensors": Format(
        Plugin("numel.formats.safetensors:read", "names, shapes and values without a program (Hugging Face)"),
        suffixes=(".safetensors",),
        magic=(8, b'{"'),
    ),
    "gguf": Format(
        Plugin("numel.formats.gguf:read", "weights in blocks of few bits, with metadata (llama.cpp)"),
        suffixes=(".gguf",),
        magic=(0, b"GGUF"),
    ),
    "numel": Format(
        Plugin("numel.statistics.artefact:read", "histograms of the values, without the weights (numel values)"),
        suffixes=(".numel",),
        magic=(0, b"PAR1"),
    ),
}
