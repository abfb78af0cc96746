"""Encoders of text and encoder-decoders under FlopCounterMode: what makes a drawn configuration run, and what the model is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers.models.mra import modeling_mra

if TYPE_CHECKING:
    from flop_inputs import Maker

_BERT: dict[str, Any] = {
    "model_type": "bert", "vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 40, "max_position_embeddings": 24,
}  # fmt: skip
# One half of T5Gemma, whose widths differ.
_HALF: dict[str, Any] = {
    "vocab_size": 97, "hidden_size": 48, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "sliding_window": 6,
}  # fmt: skip
_TOWER: dict[str, Any] = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "image_size": 8, "patch_size": 4,
}  # fmt: skip
AGREEING: dict[str, dict[str, Any]] = {
    "nystromformer": {
        "num_landmarks": 4,
        "segment_means_seq_len": 4,
        "inv_coeff_init_option": False,
        "conv_kernel_size": 3,
    },
    "yoso": {"use_expectation": True, "conv_window": 3},
    "led": {"encoder_layers": 2, "decoder_layers": 1, "attention_window": [4, 8]},
    "nllb-moe": {
        "num_experts": 4,
        "encoder_sparse_step": 2,
        "decoder_sparse_step": 1,
        "encoder_layers": 2,
        "decoder_layers": 2,
    },
    "encoder-decoder": {
        "encoder": _BERT,
        "decoder": _BERT | {"hidden_size": 48, "is_decoder": True, "add_cross_attention": True},
    },
    "switch_transformers": {"expert_capacity": 64, "num_layers": 2, "num_decoder_layers": 2},
    "t5gemma2_text": {"dropout_rate": 0.0},
    "t5gemma2_decoder": {"dropout_rate": 0.0},
    "t5_gemma_module": {"is_decoder": False, "dropout_rate": 0.0},
    "t5gemma2_encoder": {
        "text_config": _HALF | {"dropout_rate": 0.0},
        "vision_config": _TOWER,
        "image_token_index": 90,
    },
    "t5gemma2": {
        "encoder": {
            "text_config": _HALF | {"num_attention_heads": 2},
            "vision_config": _TOWER,
            "image_token_index": 90,
        },
        "decoder": _HALF,
        "image_token_index": 90,
    },
    "t5gemma": {"encoder": _HALF | {"hidden_size": 64, "num_hidden_layers": 3}, "decoder": _HALF, "vocab_size": 97},
    "prophetnet": {"add_cross_attention": True, "ngram": 2, "num_encoder_layers": 1, "num_decoder_layers": 1},
    "mra": {"max_position_embeddings": 64, "block_per_row": 1},
    "udop": {
        "d_model": 32,
        "num_layers": 1,
        "num_decoder_layers": 1,
        "d_ff": 40,
        "d_kv": 12,
        "num_heads": 4,
        "vocab_size": 97,
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
    },
    "pegasus_x": {"block_size": 4, "num_global_tokens": 3},
    "longt5": {"encoder_attention_type": "transient-global", "local_radius": 3, "global_block_size": 4},
    "longformer": {"num_hidden_layers": 2, "attention_window": [4, 8]},
    "funnel": {"block_sizes": [2, 1, 2], "block_repeats": [1, 2, 1]},
    "perceiver": {
        "num_self_attends_per_block": 2,
        "num_blocks": 2,
        "d_latents": 48,
        "qk_channels": 32,
        "v_channels": 48,
        "num_self_attention_heads": 4,
        "num_cross_attention_heads": 2,
        "self_attention_widening_factor": 2,
    },
    "convbert": {"conv_kernel_size": 5},
}


def _queries(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Vectors that ask, and as many of an encoder that they look at."""
    seen = torch.zeros((batch, n, config.encoder_hidden_size), device=device)
    return {"query_embeds": torch.zeros((batch, n, config.hidden_size), device=device), "encoder_hidden_states": seen}


def _queries_alone(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    return {"input_ids": None, **_queries(config, n, batch, device)}


_ENCODED = 11  # vectors of an encoder for a decoder that stands alone: as many as the prompt that is compared


def _with_encoded(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Token ids, and vectors of an encoder."""
    seen = torch.zeros((batch, _ENCODED, config.hidden_size), device=device)
    return {"input_ids": torch.ones((batch, n), dtype=torch.long, device=device), "encoder_hidden_states": seen}


def _words_on_a_page(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001 - all are called alike
    ids = torch.ones((batch, n), dtype=torch.long, device=device)
    return {"input_ids": ids, "bbox": torch.zeros((batch, n, 4), device=device), "decoder_input_ids": ids}


class _Kernel:
    """MRA's kernel for GPUs in torch's own products: blocks of 32 × 32 scores, of the queries and keys that were chosen.

    Without it the layers give back zeros, which is no pass to count. Shapes and products are the kernel's, and no more:
    where sums are added up and which score is the largest changes no count.
    """

    @staticmethod
    def mm_to_sparse(queries: Any, keys: Any, indices: Any) -> Any:
        """(batch, chosen, 32, 32): queries and keys are (batch, blocks, width, 32)."""
        return _chosen(queries, indices // keys.shape[1]).transpose(-1, -2) @ _chosen(keys, indices % keys.shape[1])

    @staticmethod
    def sparse_dense_mm(scores: Any, indices: Any, values: Any, n_blocks: int) -> Any:
        """(batch, blocks, width, 32): each chosen block of scores times its values, added to a block of queries."""
        made = _chosen(values, indices % values.shape[1]) @ scores
        found = made.new_zeros((len(values), n_blocks, *made.shape[2:]))
        return found.index_add(1, torch.zeros(made.shape[1], dtype=torch.long, device=made.device), made)

    @staticmethod
    def index_max(scores: Any, indices: Any, n_rows: int, n_columns: int) -> tuple[Any, Any]:  # noqa: ARG004
        """A largest score for each query, and that again for each chosen block: no products."""
        batch, width, chosen = scores.shape
        scores.topk(1, dim=1)  # (by which it is seen that they are scores)
        return scores.new_zeros((batch, n_rows * width)), scores.new_zeros((batch, width, chosen))


def _chosen(blocks: Any, at: Any) -> Any:
    return torch.stack([blocks[i].index_select(0, at[i].long()) for i in range(len(blocks))])


def _with_kernel(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001
    modeling_mra.mra_cuda_kernel = _Kernel
    return {"input_ids": torch.ones((batch, n), dtype=torch.long, device=device)}


INPUTS: dict[str, Maker] = {
    "t5gemma2_decoder": _with_encoded,
    "udop": _words_on_a_page,
    "mra": _with_kernel,
    "blip_2_qformer": _queries,
    "instructblip_qformer": _queries_alone,
    "instructblipvideo_qformer": _queries_alone,
}
EVERY_TIME = frozenset({"t5gemma2_decoder"})
MADE_AGAIN = {"encoder-decoder": ("enc_to_dec_proj",)}
CLASSES = {
    "evolla": "evolla.EvollaForProteinText2Text",
    "t5_gemma_module": "t5gemma.T5GemmaEncoder",
    "t5gemma2_decoder": "t5gemma2.T5Gemma2Decoder",
    "t5gemma2_encoder": "t5gemma2.T5Gemma2Encoder",
    "t5gemma2_text": "t5gemma2.T5Gemma2TextEncoder",
}
VECTORS = {"mra": 64}  # two rows of blocks
