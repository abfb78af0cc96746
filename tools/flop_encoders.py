"""Encoders of text and encoder-decoders under FlopCounterMode: what makes a drawn configuration run, and what the model is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flop_inputs import Maker

AGREEING: dict[str, dict[str, Any]] = {}

INPUTS: dict[str, Maker] = {}
