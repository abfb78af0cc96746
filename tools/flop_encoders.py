"""Encoders of text and encoder-decoders under FlopCounterMode: what makes a drawn configuration run, and what the model is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flop_inputs import Maker

AGREEING: dict[str, dict[str, Any]] = {
    "nystromformer": {
        "num_landmarks": 4,
        "segment_means_seq_len": 4,
        "inv_coeff_init_option": False,
        "conv_kernel_size": 3,
    },
    "yoso": {"use_expectation": True, "conv_window": 3},
    "convbert": {"conv_kernel_size": 5},
}

INPUTS: dict[str, Maker] = {}
