"""What is a model of transformers given to read, so that its products can be counted: token ids, a picture or a sound?"""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

import flop_encoders
import flop_pictures
import flop_sounds
import flop_texts
import flop_towers
import flop_wrappers

if TYPE_CHECKING:
    from collections.abc import Callable

# Makes the arguments of `forward`: of (configuration, vectors of each input, inputs of the batch, device).
Maker: TypeAlias = "Callable[[Any, int, int, Any], dict[str, Any]]"

_KINDS = (flop_texts, flop_encoders, flop_pictures, flop_sounds, flop_towers, flop_wrappers)
AGREEING: dict[str, dict[str, Any]] = {name: fields for kind in _KINDS for name, fields in kind.AGREEING.items()}
# By model type, or by a class that is given something else.
INPUTS: dict[str, Maker] = {name: make for kind in _KINDS for name, make in kind.INPUTS.items()}
# Types that are given all of their inputs for each new token again, not token ids alone.
EVERY_TIME: frozenset[str] = frozenset().union(*(getattr(kind, "EVERY_TIME", ()) for kind in _KINDS))
# Of these, those that are given the whole text each time, though only its last token is new.
WHOLE: frozenset[str] = frozenset().union(*(getattr(kind, "WHOLE", ()) for kind in _KINDS))
# Modules that work on an encoder's output anew for each token, though keys and values of it are kept: no work, a waste.
MADE_AGAIN: dict[str, tuple[str, ...]] = {
    name: ends for kind in _KINDS for name, ends in getattr(kind, "MADE_AGAIN", {}).items()
}
CROPPED: frozenset[str] = flop_wrappers.CROPPED
LATER: dict[str, Maker] = flop_wrappers.LATER
KEPT: dict[str, str] = flop_wrappers.KEPT
DISCARDED: dict[str, tuple[str, ...]] = flop_wrappers.DISCARDED
# Classes that transformers has without offering them: the type's module and the name there.
CLASSES: dict[str, str] = {name: place for kind in _KINDS for name, place in getattr(kind, "CLASSES", {}).items()}
# Vectors of an input where that is not what is asked for: whole blocks of patches.
VECTORS: dict[str, int] = {name: n for kind in _KINDS for name, n in getattr(kind, "VECTORS", {}).items()}
# Modules that are no models of their own there, and how each is built.
BUILT: dict[str, Callable[[Any, Any], Any]] = {**flop_pictures.BUILT, **flop_towers.BUILT, **flop_wrappers.BUILT}


def class_of(model_type: str) -> Any:
    """The class of CLASSES."""
    module, name = CLASSES[model_type].split(".")
    return getattr(importlib.import_module(f"transformers.models.{module}.modeling_{module}"), name)


def inputs(model: Any, config: Any, n: int, batch: int) -> dict[str, Any]:
    """The arguments of a forward pass over `n` vectors in each of `batch` inputs."""
    takes, device = inspect.signature(model.forward).parameters, next(model.parameters()).device
    kind = next((kind for kind in (type(model).__name__, config.model_type) if kind in INPUTS), None)
    if kind is not None:
        made = INPUTS[kind](config, n, batch, device)
        return {name: value for name, value in made.items() if name in takes or not name.startswith("decoder_")}
    ids = torch.ones((batch, n), dtype=torch.long, device=device)
    given: dict[str, Any] = {"input_ids": ids} if "input_ids" in takes else {}
    if config.is_encoder_decoder and "decoder_input_ids" in takes:
        given["decoder_input_ids"] = ids
    if "input_features" in takes and "input_ids" not in takes:
        shape = (batch, config.num_mel_bins, 2 * config.max_source_positions)
        given["input_features"] = torch.zeros(shape, device=device)
    elif "pixel_values" in takes and (
        "input_ids" not in takes or "return_loss" in takes
    ):  # (what pairs texts and pictures)
        given["pixel_values"] = torch.zeros((batch, *_picture(config)), device=device)
    return given


def _picture(config: Any) -> tuple[int, int, int]:
    """Channels, height and width of a picture as the configuration states them."""
    seen = getattr(config, "vision_config", config)
    size = seen.image_size if isinstance(seen.image_size, (list, tuple)) else (seen.image_size, seen.image_size)
    return (getattr(seen, "num_channels", 3), *size)
