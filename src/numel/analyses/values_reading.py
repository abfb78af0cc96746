"""Which tensors of a model are read for their values, and as what? Packed ones as if they were F32."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.report import Text, Unit, Value
from ..statistics.patterns import TWO_BYTES, WIDE
from ..statistics.scan import n_processors, unread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..core.bytes import ValueFile
    from ..core.parameters import Parameter, ParameterTable
    from ..core.tensors import TensorInfo
    from ..statistics.channels import Channel
    from ..statistics.dequantised import Dequantised
    from ..statistics.scan import Reading
    from .values_spectrum import Plan

_PLAIN = {"BOOL", "U8", "F32", *TWO_BYTES, *WIDE}  # stored as they are; what is not may be packed
_PACKED_PIECE_NBYTES = 8 << 20  # a whole piece of what is dequantised is in memory
_OTHER_AXIS = {"row": "column", "column": "row"}


class Told:
    """The parameters of one model that are read, `rows`, and beside them the `tensors` as they are read.

    `packed` ones are dequantised and `unknown` ones not read: name → dtype. `open_shard` is None where histograms are kept.
    """

    def __init__(
        self, table: ParameterTable, chosen: list[Parameter], open_shard: Callable[[str], ValueFile] | None
    ) -> None:
        self.table = table
        self.chosen = chosen
        self.packed: dict[str, str] = {}
        self.unknown: dict[str, str] = {}
        self.rows: list[Parameter] = []
        self.tensors: list[TensorInfo] = []
        self.plan: Plan | None = None
        self._open_shard = open_shard
        self._dequantised: Dequantised | None = None
        if any(row.tensor.dtype.name not in _PLAIN for row in chosen):
            from ..statistics.dequantised import Dequantised  # numpy

            self._dequantised = Dequantised((row.tensor for row in table.rows), open_shard or _unopened, _stated(table))
        for row in chosen:
            tensor = self._as_read(row.tensor)
            if tensor is not None:
                self.rows.append(row)
                self.tensors.append(tensor)

    def _as_read(self, tensor: TensorInfo) -> TensorInfo | None:
        found = None
        if self._dequantised is None:
            pass
        elif self._open_shard is not None:
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
        return self._dequantised.open if self._dequantised and self.packed else self._open_shard or _unopened

    @property
    def opening(self) -> Callable[[str], ValueFile]:
        """The same for other processes."""
        return self._dequantised.opening if self._dequantised and self.packed else self.open

    @property
    def is_in_memory(self) -> bool:
        """Whether only this process can open what is read: a live model."""
        return self.table.source.kind in ("module", "state_dict")

    def reading(self, reading: Reading) -> Reading:
        """How it is read: of what is made in memory in small pieces, and as fast as it can be made."""
        if not (self.is_in_memory or self.packed):
            return reading
        return reading._replace(piece_nbytes=_PACKED_PIECE_NBYTES, threads=reading.threads or n_processors())

    @property
    def dequantised(self) -> tuple[str, ...]:
        """The packed dtypes that are read."""
        return tuple(sorted(set(self.packed.values())))

    @property
    def by_name(self) -> dict[str, TensorInfo]:
        """The name of each that is read, and the tensor as it is read."""
        return {row.tensor.name: tensor for row, tensor in zip(self.rows, self.tensors, strict=True)}

    def is_turned(self, name: str) -> bool:
        """Whether the rows of the tensor's shape come as columns."""
        return self._dequantised is not None and self._dequantised.is_turned(name)

    def as_shaped(self, channel: Channel) -> Channel:
        """A row that lies in the file as a column, or the other way round, under its right name."""
        if not self.is_turned(channel.tensor):
            return channel
        return channel._replace(axis=_OTHER_AXIS[channel.axis])


def dequantised_note(dtypes: Iterable[str]) -> tuple[Text, ...]:
    """What is said of those packed dtypes."""
    names = ", ".join(sorted(set(dtypes)))
    said = Text("the values of {dtypes} are dequantised: integers times their scales, as float32")
    return (said._replace(values={"dtypes": Value(names, Unit.NAME)}),) if names else ()


def unread_notes(model: str, n: int, dtypes: Sequence[str]) -> tuple[Text, ...]:
    """What is said of a model of which `n` tensors, of these dtypes, are not read."""
    if not n:
        return ()
    values = {
        "model": Value(model, Unit.NAME),
        "n": Value(n, Unit.COUNT),
        "dtypes": Value(", ".join(dtypes), Unit.NAME),
    }
    said = Text("{model}: the values of {n} tensors are not read, as numel does not know how to: {dtypes}", values)
    return (said, *grids_note(dtypes))


def grids_note(dtypes: Iterable[str]) -> tuple[Text, ...]:
    """What is said of these dtypes that are not read, where a package would read them."""
    from ..statistics.ggml_blocks import GRIDS  # numpy

    said = Text("those that begin with IQ are read where the gguf package is installed: pip install 'numel[gguf]'")
    return (said,) if any(name in GRIDS for each in dtypes for name in each.split("+")) else ()


def _unopened(shard: str) -> ValueFile:
    """Histograms answer, and nobody opens anything."""
    raise AssertionError(shard)


def _stated(table: ParameterTable) -> dict[str, Any]:
    """What the configuration says of the quantisation."""
    stated = table.config.fields.get("quantization_config") if table.config else None
    return stated if isinstance(stated, dict) else {}
