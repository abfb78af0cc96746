"""Which tensors of a model are read for their values, and as what? Packed ones as if they were F32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..statistics.dequantised import Dequantised
from ..statistics.scan import unread

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.bytes import ValueFile
    from ..core.parameters import Parameter, ParameterTable
    from ..core.tensors import TensorInfo
    from ..statistics.channels import Channel
    from .values_spectrum import Plan

_OTHER_AXIS = {"row": "column", "column": "row"}


class Told:
    """The parameters of one model that are read, `rows`, and beside them the `tensors` as they are read.

    `packed` ones are dequantised and `unknown` ones not read: name → dtype. `open_shard` is None where histograms are kept.
    """

    def __init__(
        self, table: ParameterTable, chosen: list[Parameter], open_shard: Callable[[str], ValueFile] | None
    ) -> None:
        self.table = table
        self.packed: dict[str, str] = {}
        self.unknown: dict[str, str] = {}
        self.rows: list[Parameter] = []
        self.tensors: list[TensorInfo] = []
        self.plan: Plan | None = None
        self._open_shard = open_shard
        self._dequantised = Dequantised((row.tensor for row in table.rows), open_shard or _unopened, _stated(table))
        for row in chosen:
            tensor = self._as_read(row.tensor)
            if tensor is not None:
                self.rows.append(row)
                self.tensors.append(tensor)

    def _as_read(self, tensor: TensorInfo) -> TensorInfo | None:
        found = None
        if self._open_shard is not None:
            found = self._dequantised.tensor(tensor)
        elif self._dequantised.is_packed(tensor):  # and its histogram is kept
            found = tensor
        if found is not None:
            self.packed[tensor.name] = tensor.dtype.name
        elif unread([tensor]):
            self.unknown[tensor.name] = tensor.dtype.name
        else:
            found = tensor
        return found

    @property
    def nbytes(self) -> int:
        """Of all that is read, as it is counted."""
        return sum(tensor.nbytes or 0 for tensor in self.tensors)

    @property
    def open(self) -> Callable[[str], ValueFile]:
        """What opens the files of `tensors`; that of the source itself where nothing is packed."""
        return self._dequantised.open if self.packed else self._open_shard or _unopened

    @property
    def opening(self) -> Callable[[str], ValueFile]:
        """The same for other processes."""
        return self._dequantised.opening if self.packed else self.open

    @property
    def is_in_memory(self) -> bool:
        """Whether only this process can open what is read: a live model."""
        return self.table.source.kind in ("module", "state_dict")

    def as_shaped(self, channel: Channel) -> Channel:
        """A row that lies in the file as a column, or the other way round, under its right name."""
        if not self._dequantised.is_turned(channel.tensor):
            return channel
        return channel._replace(axis=_OTHER_AXIS[channel.axis])


def _unopened(shard: str) -> ValueFile:
    """Histograms answer, and nobody opens anything."""
    raise AssertionError(shard)


def _stated(table: ParameterTable) -> dict[str, Any]:
    """What the configuration says of the quantisation."""
    stated = table.config.fields.get("quantization_config") if table.config else None
    return stated if isinstance(stated, dict) else {}
