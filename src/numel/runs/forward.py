"""What is one forward pass of a model? Tokens drawn at random, all at once, nothing kept for later."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def prefill(module: Any, *, context: int, batch: int, device: Any) -> Callable[[], object]:
    """The pass of `batch` sequences of `context` tokens, the same tokens every time."""
    drawn = torch.Generator().manual_seed(0)
    ids = torch.randint(0, _vocabulary(module), (batch, context), generator=drawn).to(device)
    takes = inspect.signature(module.forward).parameters
    extra: dict[str, Any] = {}
    if getattr(module.config, "is_encoder_decoder", False) and "decoder_input_ids" in takes:
        extra["decoder_input_ids"] = ids
    if "use_cache" in takes:
        extra["use_cache"] = False
    return lambda: module(input_ids=ids, **extra)


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
