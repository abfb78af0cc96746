"""How are packed tensors read as if their values lay in a file as F32? Dequantised by block, piece by piece.

What comes out is a TensorInfo of F32 in a file of its own, which a scan, the channels and the spectra read like any other.
"""

from __future__ import annotations

import json
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from ..core.dtypes import F32
from ..core.visible import visible, visible_path
from ..errors import CorruptFileError, EngineError, Sentence
from .ggml_blocks import DECODERS, GRIDS, decoder
from .packed import SCHEMES, Packed, Unpacked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import NoReturn

    from numpy.typing import NDArray

    from ..core.bytes import ValueFile
    from ..core.tensors import TensorInfo
    from .ggml_blocks import Bytes, Floats
    from .packed import ReadPart

_AT_ONCE = 1 << 19  # values that are decoded together: what numpy holds meanwhile stays in the cache
_MAX_SHOWN = 120
_MARK = "\0dequantised "  # begins no file's name


class Dequantised:
    """Opens files as `open_shard` does, and those that `tensor` makes of packed tensors as well."""

    def __init__(
        self,
        tensors: Iterable[TensorInfo],
        open_shard: Callable[[str], ValueFile],
        stated: Mapping[str, Any] | None = None,
    ) -> None:
        """`tensors`: all of the model, for the scales; `stated`: what its configuration says of the quantisation."""
        self._by_name = {tensor.name: tensor for tensor in tensors}
        self._open_shard = open_shard
        self._stated = stated or {}
        self._made: dict[str, tuple[TensorInfo, Unpacked]] = {}
        self._leaves = _leaves(self._by_name)
        self._file: tuple[str, ValueFile] | None = None

    @property
    def opening(self) -> Callable[[str], ValueFile]:
        """What opens the same files in another process."""
        opening = Opening(tuple(self._by_name.values()), self._open_shard, json.dumps(self._stated))
        return cast("Callable[[str], ValueFile]", opening)  # mypy knows of no tuple that can be called

    def tensor(self, tensor: TensorInfo) -> TensorInfo | None:
        """The tensor as F32; None where nothing is to be done, or nobody knows how."""
        unpacked = self._unpacked(tensor)
        if unpacked is None:
            return None
        name = _MARK + tensor.name
        self._made[name] = tensor, unpacked
        return tensor._replace(shape=unpacked.shape, dtype=F32, shard=name, offset=0)

    def is_packed(self, tensor: TensorInfo) -> bool:
        """Whether it looks like one that `tensor` makes F32 of: of a block type, or with scales beside it."""
        name, module = tensor.dtype.name, tensor.name.removesuffix(".weight")
        has_scheme = any(name.startswith(start) for start, _ in SCHEMES)
        return ((name in DECODERS or name in GRIDS) and tensor.dtype.block_stored is None) or (
            has_scheme and bool(self._leaves.get(module) or self._leaves.get(tensor.name))
        )

    def is_turned(self, name: str) -> bool:
        """Whether the rows of that tensor come as columns."""
        made = self._made.get(_MARK + name)
        return made is not None and made[1].is_turned

    def open(self, shard: str) -> ValueFile:
        """The file called so."""
        if not shard.startswith(_MARK):
            return self._open_shard(shard)
        if shard not in self._made:  # asked for in another process
            asked = self._by_name[shard.removeprefix(_MARK)]
            if self.tensor(asked) is None:
                message = Sentence("a worker cannot dequantise {name}", name=visible(asked.name, _MAX_SHOWN))
                raise EngineError(message, hint=Sentence("install the same packages on all machines"))
        tensor, unpacked = self._made[shard]
        return _Decoded(tensor, unpacked, self._underneath(tensor.shard or ""))

    def _unpacked(self, tensor: TensorInfo) -> Unpacked | None:
        if tensor.shard is None or tensor.offset is None or not tensor.numel:
            return None
        name = tensor.dtype.name
        decode = decoder(name) if tensor.dtype.block_stored is None else None
        if decode is not None and tensor.shape[-1] % tensor.dtype.block_numel == 0:
            return _of_blocks(tensor, decode)
        for start, scheme in SCHEMES:
            if name.startswith(start):
                module = tensor.name.removesuffix(".weight")
                beside = self._leaves.get(module) or self._leaves.get(tensor.name)
                try:
                    return scheme(Packed(tensor, beside, self._whole, self._stated)) if beside else None
                except (ValueError, IndexError, TypeError, ZeroDivisionError):  # shapes that do not belong together
                    return None
        return None

    def _whole(self, tensor: TensorInfo) -> bytes:
        return self._underneath(tensor.shard or "").read(tensor.offset or 0, tensor.nbytes or 0)

    def _underneath(self, shard: str) -> ValueFile:
        """The file itself, opened once as long as the same is asked for."""
        held = self._file  # another thread may put its own there meanwhile
        if held is None or held[0] != shard:
            held = self._file = shard, self._open_shard(shard)
        return held[1]


class Opening(NamedTuple):
    """Opens what Dequantised opens, and goes through a pipe: it holds what that is made of, and no file."""

    tensors: tuple[TensorInfo, ...]
    open_shard: Callable[[str], ValueFile]
    stated: str

    def __call__(self, shard: str) -> ValueFile:
        """The file called so."""
        return _dequantised(self).open(shard)


@lru_cache(maxsize=1)
def _dequantised(opening: Opening) -> Dequantised:
    return Dequantised(opening.tensors, opening.open_shard, json.loads(opening.stated))


_LEAVES = (
    ".qzeros", ".scales", ".g_idx", ".biases", ".SCB", ".weight_scale", ".weight_scale_inv", ".weight_scale_2",
    ".weight_global_scale", ".weight_zero_point", ".weight_g_idx", ".weight.absmax", ".weight.quant_map",
    ".weight.nested_absmax", ".weight.nested_quant_map", "_scales",
    ".weight.quant_state.bitsandbytes__nf4", ".weight.quant_state.bitsandbytes__fp4",
)  # fmt: skip


def _leaves(by_name: Mapping[str, TensorInfo]) -> dict[str, dict[str, TensorInfo]]:
    """Module → what lies beside its weight, by what follows the module's name."""
    found: dict[str, dict[str, TensorInfo]] = {}
    for name, tensor in by_name.items():
        for leaf in _LEAVES:
            if name.endswith(leaf):
                found.setdefault(name.removesuffix(leaf), {})[leaf] = tensor
    return found


def _of_blocks(tensor: TensorInfo, decode: Callable[[Bytes], Floats]) -> Unpacked:
    """A tensor of ggml's: each block for itself."""
    size = tensor.dtype.block_nbytes

    def read(first: int, n: int, part: ReadPart) -> NDArray[np.float32]:
        return decode(np.frombuffer(part(first * size, n * size), np.uint8).reshape(n, size))

    return Unpacked(tensor.shape, tensor.dtype.block_numel, read)


class _Decoded:
    """The values of one packed tensor as a file of F32."""

    def __init__(self, tensor: TensorInfo, unpacked: Unpacked, file: ValueFile) -> None:
        self._tensor, self._unpacked, self._file = tensor, unpacked, file
        self.name = file.name
        self.size = 4 * prod(unpacked.shape)
        self.first_identity = file.first_identity

    def read(self, offset: int, nbytes: int) -> bytes:
        """The values from byte `offset` on as the bytes of F32; both are multiples of 4."""
        unit, start, end = self._unpacked.unit, offset // 4, (offset + nbytes) // 4
        found = np.empty(end - start, np.float32)
        step = max(_AT_ONCE // unit, 1)
        for first in range(start // unit, -(-end // unit), step):
            n = min(step, -(-self.size // (4 * unit)) - first)
            with np.errstate(invalid="ignore", over="ignore"):  # a scale may be NaN or infinite, and is counted so
                try:
                    values = self._unpacked.decode(first, n, self._part).reshape(-1)
                except (ValueError, IndexError) as error:
                    self._refuse(error)
            low, high = max(first * unit, start), min((first + n) * unit, end)
            found[low - start : high - start] = values[low - first * unit : high - first * unit]
        return found.tobytes()

    def _refuse(self, error: Exception) -> NoReturn:
        name = visible(self._tensor.name, _MAX_SHOWN)
        message = Sentence("the scales of {name} do not fit its values", name=name)
        path, hint = visible_path(self.name, _MAX_SHOWN), Sentence("download it again")
        raise CorruptFileError(message, path=path, hint=hint, offset=self._tensor.offset) from error

    def _part(self, offset: int, nbytes: int) -> bytes:
        return self._file.read((self._tensor.offset or 0) + offset, nbytes)

    def identity(self) -> tuple[object, ...]:
        """That of the file that holds the packed values."""
        return self._file.identity()

    def fileno(self) -> int | None:
        """None: these bytes lie in no file."""
        return None
