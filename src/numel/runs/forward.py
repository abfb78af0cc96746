"""What is one forward pass of a model? A prompt read at once with nothing kept for later, or one more token with the cache of all before."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ..core.visible import visible
from ..errors import NumelError, Sentence, UnsupportedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def one_line_of_errors() -> Iterator[None]:
    """Raises UnsupportedError for whatever a model raises while it runs: other inputs, too little memory, a missing kernel."""
    try:
        yield
    except NumelError:
        raise
    except Exception as error:
        why = visible(" ".join(str(error).split()) or type(error).__name__, 160)
        message = Sentence("it does not run: {why}", why=why)
        raise UnsupportedError(message, hint=Sentence("a text model of transformers runs on tokens alone")) from error


class Pass(NamedTuple):
    """`run` is timed and takes what `prepare` gives, which is not."""

    prepare: Callable[[], Any]
    run: Callable[[Any], object]

    def once(self) -> object:
        """Both."""
        return self.run(self.prepare())


def prefill(module: Any, *, context: int, batch: int, device: Any) -> Pass:
    """The pass of `batch` sequences of `context` tokens, the same tokens every time."""
    ids = _drawn(module, batch, context, device)
    takes = inspect.signature(module.forward).parameters
    extra: dict[str, Any] = {}
    if getattr(module.config, "is_encoder_decoder", False) and "decoder_input_ids" in takes:
        extra["decoder_input_ids"] = ids
    if "use_cache" in takes:
        extra["use_cache"] = False
    return Pass(lambda: None, lambda _: module(input_ids=ids, **extra))


def decode(module: Any, *, context: int, batch: int, device: Any) -> Pass:
    """The pass of the last of `context` tokens of each sequence. Raises UsageError where there is no cache of the usual kind.

    A pass changes the cache, so each has a copy.
    """
    ids = _drawn(module, batch, context, device)
    cache = None
    if context > 1 and not getattr(module.config, "is_encoder_decoder", False):
        with torch.inference_mode():
            cache = getattr(module(input_ids=ids[:, :-1], use_cache=True), "past_key_values", None)
    if cache is None:
        message = Sentence("{model}: decoding is measured with a decoder's cache of keys and values, at a context of 2 or more",
                           model=type(module).__name__)  # fmt: skip
        raise UsageError(message, hint=Sentence("give {option}", option="--phase prefill"))
    return Pass(
        lambda: deepcopy(cache), lambda held: module(input_ids=ids[:, -1:], past_key_values=held, use_cache=True)
    )


def _drawn(module: Any, batch: int, context: int, device: Any) -> Any:
    """Tokens, the same at every call."""
    drawn = torch.Generator().manual_seed(0)
    return torch.randint(0, _vocabulary(module), (batch, context), generator=drawn).to(device)


def _vocabulary(module: Any) -> int:
    """How many tokens the input embedding has."""
    embedding = module.get_input_embeddings()
    return int(embedding.weight.shape[0])


def attention_of(module: Any) -> str:
    """How transformers computes attention in it, such as sdpa or eager."""
    return str(getattr(module.config, "_attn_implementation", None) or "eager")


def describe_device(device: Any) -> str:
    """The name of the processor or of the GPU."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            found = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        import platform

        found = platform.machine()
    return found


@contextmanager
def threads(n: int | None) -> Iterator[int]:
    """So many threads for passes on the processor, or as many as torch takes by itself; how many."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(n or before)
        yield n or before
    finally:
        torch.set_num_threads(before)


def torch_version() -> str:
    """Of the torch that ran it."""
    return str(torch.__version__)
