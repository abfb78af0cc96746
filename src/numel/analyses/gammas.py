"""Which γ are dead, and of which models is γ − 1 stored in the place of γ?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..core.parameters import Component

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.parameters import Parameter, ParameterTable

DEAD_GAMMA = 1e-6  # of the median |γ|: what is below has no effect in any 16-bit type

# The architectures whose norms multiply by 1 + weight: `(1.0 + self.weight)` in transformers 5.23, models/*/modeling_*.py.
_ABOUT_ONE = (
    "gemma", "gemma2", "gemma3", "gemma3_text", "minimax_m3_vl", "minimax_m3_vl_text", "muse_glimmer",
    "muse_glimmer_text", "muse_spark", "muse_spark_text", "nemotron", "paligemma", "qwen3_5", "qwen3_5_moe",
    "qwen3_5_moe_text", "qwen3_5_text", "qwen3_next", "qwen4_exp", "qwen4_exp_text", "recurrent_gemma", "step3p5",
    "step3p7", "t5gemma", "t5gemma2", "t5gemma2_decoder", "t5gemma2_encoder", "t5gemma2_text", "t5_gemma_module",
    "vaultgemma", "videoprism", "videoprism_text_model", "videoprism_vision_model",
)  # fmt: skip


# Of these the norms that are plain: the gated ones of linear attention, and those of MuseSpark's class with a scale of one.
_PLAIN = {
    "qwen": r"(?:^|\.)linear_attn\.norm\.weight",
    "muse_glimmer": r"(?:^|\.)norm\.weight",
    "muse_spark": r"(?:^|\.)(?:norm|post_attention_layernorm)\.weight",
}
_IN_TOWERS = "videoprism"  # beside the text of the others stand towers with nn.LayerNorm


def less_one(table: ParameterTable) -> Callable[[Parameter], bool]:
    """Whether a norm of the model stores γ − 1, as Gemma's do: what is stored is 0 at first, and −1 where it is dead.

    llama.cpp adds the 1 when it writes a GGUF file (convert_hf_to_gguf.py: `data_torch + 1`).
    """
    model_type = _about_one(table)
    if model_type is None or any(row.tensor.name.startswith("blk.") for row in table.rows):
        return _is_never
    plain = next((re.compile(pattern) for family, pattern in _PLAIN.items() if model_type.startswith(family)), None)
    in_towers = model_type.startswith(_IN_TOWERS)

    def is_less_one(row: Parameter) -> bool:
        is_text = in_towers or row.tower not in ("vision", "audio")
        return is_text and is_gamma(row) and not (plain and plain.search(row.tensor.name))

    return is_less_one


def is_gamma(row: Parameter) -> bool:
    """Whether it is the scale of a norm."""
    return row.component is Component.NORM and row.role == "weight"


def is_about_one(table: ParameterTable) -> bool:
    """Whether any norm of the model stores γ − 1."""
    return any(map(less_one(table), table.rows))


def _is_never(row: Parameter) -> bool:
    del row
    return False


def _about_one(table: ParameterTable) -> str | None:
    """The architecture in the configuration, or inside it, whose norms multiply by 1 + weight."""
    stated = [table.config.fields] if table.config else []
    while stated:
        fields = stated.pop()
        if fields.get("model_type") in _ABOUT_ONE:
            return str(fields["model_type"])
        stated += [value for value in fields.values() if isinstance(value, dict)]
    return None
