"""Which γ are dead, and of which models is γ − 1 stored in the place of γ?"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..core.parameters import ParameterTable

DEAD_GAMMA = 1e-6  # of the median |γ|: what is below has no effect in any 16-bit type

# The architectures whose norms multiply by 1 + weight: `(1.0 + self.weight)` in transformers 5.23, models/*/modeling_*.py.
_ABOUT_ONE = (
    "gemma", "gemma2", "gemma3", "gemma3_text", "minimax_m3_vl", "minimax_m3_vl_text", "muse_glimmer",
    "muse_glimmer_text", "muse_spark", "muse_spark_text", "nemotron", "paligemma", "qwen3_5", "qwen3_5_moe",
    "qwen3_5_moe_text", "qwen3_5_text", "qwen3_next", "qwen4_exp", "qwen4_exp_text", "recurrent_gemma", "step3p5",
    "step3p7", "t5gemma", "t5gemma2", "t5gemma2_decoder", "t5gemma2_encoder", "t5gemma2_text", "t5_gemma_module",
    "vaultgemma", "videoprism", "videoprism_text_model", "videoprism_vision_model",
)  # fmt: skip


def is_about_one(table: ParameterTable) -> bool:
    """Whether the model's norms store γ − 1, as Gemma's do: what is stored is 0 at first, and −1 where it is dead."""
    stated = [table.config.fields] if table.config else []
    while stated:
        fields = stated.pop()
        if fields.get("model_type") in _ABOUT_ONE:
            return True
        stated += [value for value in fields.values() if isinstance(value, dict)]
    return False
