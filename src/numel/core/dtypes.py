"""Which element types exist, and how many bytes their elements take."""

from __future__ import annotations

from .records import NamedTuple


class DType(NamedTuple):
    """An element type; `block_numel` elements take `block_nbytes` bytes together, 0 where nobody says which type it is.

    `block_stored`: how many elements a block is for the file that holds it, where the file packs them into another
    type; None: as many as they are.

    >>> DType("F4", block_nbytes=1, block_numel=2).nbytes(4096)
    2048
    >>> DType("GPTQ4", block_nbytes=4, block_numel=8, block_stored=1).stored(4096)
    512
    """

    name: str
    block_nbytes: int
    block_numel: int = 1
    block_stored: int | None = None

    def nbytes(self, numel: int) -> int | None:
        """Bytes of `numel` elements, in whole blocks (a started block counts); None for the unknown type."""
        return -(-numel // self.block_numel) * self.block_nbytes if self.block_nbytes else None

    @property
    def stated_name(self) -> str | None:
        """The name, None for the unknown type."""
        return self.name if self.block_nbytes else None

    def stored(self, numel: int) -> int:
        """Elements that a file with `numel` of these holds."""
        return numel if self.block_stored is None else -(-numel // self.block_numel) * self.block_stored


# The 22 names of safetensors 0.8.0 (safetensors/src/tensor.rs, enum Dtype).
SAFETENSORS_DTYPES: dict[str, DType] = {
    dtype.name: dtype
    for dtype in (
        DType("BOOL", 1),
        DType("F4", 1, 2),
        DType("F6_E2M3", 3, 4),
        DType("F6_E3M2", 3, 4),
        DType("U8", 1),
        DType("I8", 1),
        DType("F8_E5M2", 1),
        DType("F8_E4M3", 1),
        DType("F8_E8M0", 1),
        DType("F8_E4M3FNUZ", 1),
        DType("F8_E5M2FNUZ", 1),
        DType("I16", 2),
        DType("U16", 2),
        DType("F16", 2),
        DType("BF16", 2),
        DType("I32", 4),
        DType("U32", 4),
        DType("F32", 4),
        DType("C64", 8),
        DType("F64", 8),
        DType("I64", 8),
        DType("U64", 8),
    )
}

# torch's names, as configs ("torch_dtype": "bfloat16") and live tensors ("torch.bfloat16") write them.
TORCH_DTYPES: dict[str, DType] = {
    name: SAFETENSORS_DTYPES[of]
    for name, of in {
        "bool": "BOOL",
        "uint8": "U8",
        "int8": "I8",
        "float8_e5m2": "F8_E5M2",
        "float8_e4m3fn": "F8_E4M3",
        "float8_e8m0fnu": "F8_E8M0",
        "float8_e4m3fnuz": "F8_E4M3FNUZ",
        "float8_e5m2fnuz": "F8_E5M2FNUZ",
        "int16": "I16",
        "uint16": "U16",
        "float16": "F16",
        "half": "F16",
        "bfloat16": "BF16",
        "int32": "I32",
        "uint32": "U32",
        "float32": "F32",
        "float": "F32",
        "complex64": "C64",
        "float64": "F64",
        "double": "F64",
        "int64": "I64",
        "uint64": "U64",
    }.items()
}


def torch_dtype(name: str) -> DType | None:
    """The dtype that torch calls `name`, with or without "torch."; None when it has no counterpart."""
    return TORCH_DTYPES.get(name.removeprefix("torch."))


F32 = SAFETENSORS_DTYPES["F32"]
UNKNOWN = DType("unknown", 0)  # a configuration need not say in which type its weights are stored
