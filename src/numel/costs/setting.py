"""For which work is the cost asked: phase, context, batch, element types and conventions?"""

from __future__ import annotations

from ..core.dtypes import SAFETENSORS_DTYPES, TORCH_DTYPES
from ..core.records import NamedTuple
from ..errors import Sentence, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.dtypes import DType
    from .fields import TextFields

ASSUMED = SAFETENSORS_DTYPES["BF16"]  # where neither a file nor a configuration nor --dtype says how weights are held

PHASES = ("prefill", "decode", "train")
CAUSAL = ("square", "triangle")
LATENT = ("absorbed", "naive")
SCAN = ("chunked", "recurrent")

# What people call element types besides the names that torch and safetensors have for them.
_SHORT = {
    "fp32": "F32", "fp16": "F16", "half": "F16", "fp8": "F8_E4M3", "fp8_e4m3": "F8_E4M3", "fp8_e5m2": "F8_E5M2",
    "e4m3": "F8_E4M3", "e5m2": "F8_E5M2", "int8": "I8", "fp4": "F4", "int4": "F4",
}  # fmt: skip


class Setting(NamedTuple):
    """`context`: tokens of a sequence, the new one included when decoding. `dtype` None: weights as they are stored.

    `causal`: whether a causal prompt is counted as the whole square of scores or as its triangle. `latent`: whether
    decoding with latent attention absorbs the expanding matrices or expands the whole cache anew. `scan`: whether a prompt
    passes layers with a state in chunks, or token by token as decoding does.
    """

    phase: str = "prefill"
    context: int = 1024
    batch: int = 1
    dtype: DType | None = None
    kv_dtype: DType | None = None
    causal: str = "square"
    latent: str = "absorbed"
    scan: str = "chunked"


def dtype_called(name: str, option: str) -> DType:
    """The element type that `name` means: bf16, fp8, float16, F8_E4M3 … Raises UsageError."""
    key = name.strip()
    found = SAFETENSORS_DTYPES.get(_SHORT.get(key.lower(), key.upper())) or TORCH_DTYPES.get(key.lower())
    if found is None or found.name in ("BOOL", "C64"):
        message = Sentence("{option}: no such element type", option=f"{option} {name}")
        raise UsageError(message, hint=Sentence("there is {names}", names="fp32, bf16, fp16, fp8, int8, fp4"))
    return found


def nbytes_of(dtype: DType, numel: int) -> int:
    """Bytes of `numel` elements; of the type that nobody states those of ASSUMED, as the assumptions then say."""
    found = dtype.nbytes(numel)
    return numel * ASSUMED.block_nbytes if found is None else found


_WORKS = frozenset({"F64", "F32", "BF16", "F16"})


def worked_in(stored: DType, fields: TextFields) -> DType:
    """The type of activations and, by default, of the cache: that of the weights, and 16 bits of weights in fewer or packed.

    Engines keep them so: vLLM's kv_cache_dtype "auto" is the model's own type, whatever its weights are quantised to.
    """
    if stored.name in _WORKS:
        return stored
    stated = TORCH_DTYPES.get(str(fields.get("dtype", "torch_dtype")).removeprefix("torch."))
    return stated if stated is not None and stated.name == "F16" else ASSUMED


def checked(setting: Setting) -> Setting:
    """The setting itself. Raises UsageError for a value that makes no sense."""
    for what, value, known in (
        ("--phase", setting.phase, PHASES),
        ("--causal-flops", setting.causal, CAUSAL),
        ("--mla", setting.latent, LATENT),
        ("--scan", setting.scan, SCAN),
    ):
        if value not in known:
            message = Sentence("{option}: not one of {names}", option=f"{what} {value}", names=", ".join(known))
            raise UsageError(message)
    for what, number in (("--context", setting.context), ("--batch", setting.batch)):
        if type(number) is not int or number < 1:
            message = Sentence("{option}: not a whole number of 1 or more", option=f"{what} {number}")
            raise UsageError(message)
        if number > _MOST:
            message = Sentence("{option}: it must be {most} or less", option=f"{what} {number}", most=_MOST)
            raise UsageError(message)
    return setting


_MOST = 10**12
