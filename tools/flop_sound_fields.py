"""Fields that must agree for transformers to run a drawn configuration of an encoder of sounds, and widths that are quick to run."""

from __future__ import annotations

from typing import Any

import flop_texts

_PARAKEET: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 16, "intermediate_size": 48,
    "subsampling_factor": 4, "subsampling_conv_channels": 8, "num_mel_bins": 16, "conv_kernel_size": 5,
}  # fmt: skip
_IN_CHUNKS = {
    "n_window": 50,
    "n_window_infer": 200,
    "max_source_positions": 16,
    "conv_chunksize": 4,
    "num_mel_bins": 20,
}
_GRANITE = {
    "context_size": 4, "max_pos_emb": 8, "feedforward_mult": 2, "conv_kernel_size": 3, "conv_expansion_factor": 2,
}  # fmt: skip
_NEMOTRON_EAR = {
    "hidden_size": 64, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_mel_bins": 10,
}  # fmt: skip
_NEMOTRON_EARS = {
    "asr_config": _NEMOTRON_EAR,
    "diarization_config": {"audio_config": _NEMOTRON_EAR, "head_config": {"audio_hidden_size": 64}},
}
_TEXT = {
    "hidden_size": 64, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 16, "vocab_size": 160,
}  # fmt: skip
_GRANITE_SPEECH = {
    "text_config": _TEXT | {"model_type": "granite"},
    "encoder_config": _GRANITE | {"num_layers": 2, "hidden_dim": 32, "num_heads": 4, "dim_head": 8},
    "projector_config": {
        "model_type": "blip_2_qformer", "hidden_size": 32, "encoder_hidden_size": 32, "num_hidden_layers": 2,
        "num_attention_heads": 4, "intermediate_size": 48, "vocab_size": 60,
    },
}  # fmt: skip
_DIA = _TEXT | {
    "num_channels": 3, "cross_num_attention_heads": 2, "cross_num_key_value_heads": 2, "cross_head_dim": 16, "cross_hidden_size": 64,
}  # fmt: skip
_MIMI = {
    "hidden_size": 32, "num_filters": 2, "num_hidden_layers": 1, "intermediate_size": 48, "num_attention_heads": 2,
    "num_key_value_heads": 2, "head_dim": 16, "codebook_dim": 8, "vector_quantization_hidden_dimension": 8, "codebook_size": 16,
    "num_quantizers": 4, "upsample_groups": 32,
}  # fmt: skip
_MUSIC = {
    "text_encoder": {
        "model_type": "t5", "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "vocab_size": 60,
    },
    "audio_encoder": {
        "model_type": "encodec", "num_filters": 2, "hidden_size": 8, "codebook_size": 16, "codebook_dim": 8, "num_lstm_layers": 1,
    },
    "decoder": {
        "hidden_size": 48, "ffn_dim": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "num_codebooks": 3, "vocab_size": 16,
    },
    "chroma_length": 7, "num_chroma": 12,
}  # fmt: skip
_TOKENIZER = {
    "ffn_expansion": 2,
    "downsampling_ratios": [2, 3],
    "depths": [1, 2, 1],
    "num_filters": 4,
    "kernel_size": 5,
}
_WAV2VEC2 = {
    "model_type": "wav2vec2", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
    "conv_dim": [8, 12], "conv_kernel": [4, 3], "conv_stride": [2, 2], "num_feat_extract_layers": 2, "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2, "add_adapter": True, "num_adapter_layers": 2, "mask_time_prob": 0.0,
}  # fmt: skip
_MBART = {
    "model_type": "mbart", "d_model": 32, "decoder_layers": 2, "decoder_attention_heads": 2, "decoder_ffn_dim": 40,
    "vocab_size": 60, "is_decoder": True, "add_cross_attention": True,
}  # fmt: skip
_INSIDE: dict[str, Any] = {"encoder_config": _PARAKEET}
AGREEING: dict[str, dict[str, Any]] = {
    "moonshine": {
        "hidden_size": 64, "head_dim": 16, "encoder_num_attention_heads": 4, "decoder_num_attention_heads": 4,
        "encoder_num_key_value_heads": 4, "decoder_num_key_value_heads": 4,
    },
    "moonshine_streaming": {
        "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 8, "pad_head_dim_to_multiple_of": None,
        "encoder_config": {
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
            "num_key_value_heads": 2, "sample_rate": 800,
        },
    },
    "moonshine_streaming_encoder": {"sample_rate": 800},
    "qwen2_5_omni_audio_encoder": {"n_window": 4, "max_source_positions": 16},
    **dict.fromkeys(("qwen3_omni_moe_audio_encoder", "qwen3_asr_encoder"), _IN_CHUNKS),
    **dict.fromkeys(("granite_speech_encoder", "granite_speech_plus_encoder"), _GRANITE),
    "gemma3n_audio": {
        "conf_attention_chunk_size": 4, "conf_attention_context_left": 5, "conf_attention_context_right": 1,
    },
    "phi4_multimodal_audio": {"hidden_size": 64, "ext_pw_out_channel": 64, "depthwise_separable_out_channel": 64},
    "gemma4_audio": {"conv_kernel_size": 3, "attention_chunk_size": 4, "attention_context_left": 5, "attention_context_right": 1},
    "muse_spark_audio": {"conv_kernel_size": 3},
    "nemotron3_5_transcribe_audio": _NEMOTRON_EARS,
    "nemo_speechlm": {
        "text_config": flop_texts.AGREEING["nemotron_h"] | {"model_type": "nemotron_h", "vocab_size": 64, "intermediate_size": 48},
        "audio_config": _NEMOTRON_EARS,
        "word_timestamp_config": _NEMOTRON_EAR | {"vocab_size": 64, "blank_token_id": 63},
    },
    "fun_asr_nano": {
        "audio_config": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_timestamp_prediction_layers": 1},
        "text_config": _TEXT | {"model_type": "qwen3"},
        "adaptor_config": {"hidden_size": 64, "num_attention_heads": 4, "intermediate_size": 16, "projector_hidden_size": 48},
    },
    **dict.fromkeys(("granite_speech", "granite_speech_plus"), _GRANITE_SPEECH),
    "vibevoice": {"text_config": _TEXT | {"model_type": "qwen2"}},
    "canary": {"vocab_size": 60, "encoder_config": _PARAKEET, "decoder_config": _TEXT | {"num_key_value_heads": 4, "vocab_size": 60}},
    "cohere_asr": {"encoder_config": _PARAKEET, "hidden_size": 48, "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 12},
    "dia": {"encoder_config": _TEXT, "decoder_config": _DIA, "delay_pattern": [0, 1, 2]},
    "kyutai_speech_to_text": {"codec_config": _MIMI},
    **dict.fromkeys(("musicgen", "musicgen_melody"), _MUSIC),
    "voxtral_realtime": {
        "downsample_factor": 4, "text_config": _TEXT | {"model_type": "voxtral_realtime_text", "sliding_window": 6},
        "audio_config": {
            "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "head_dim": 8,
            "num_mel_bins": 10, "sliding_window": 17,
        },
    },
    "speech-encoder-decoder": {"encoder": _WAV2VEC2, "decoder": _MBART},
    "speecht5": {
        "conv_dim": [8, 12], "conv_kernel": [4, 3], "conv_stride": [2, 2], "num_feat_extract_layers": 2, "encoder_layers": 2,
        "decoder_layers": 2, "num_conv_pos_embeddings": 4,
    },
    "encodec": {"audio_channels": 1, "sampling_rate": 24000, "target_bandwidths": [32.0, 64.0], "codebook_size": 16, "upsampling_ratios": [3, 2], "chunk_length_s": None, "num_filters": 4},
    "mimi": _MIMI | {"audio_channels": 1, "upsampling_ratios": [3, 2], "sampling_rate": 300},
    **dict.fromkeys(
        ("vibevoice_acoustic_tokenizer", "vibevoice_acoustic_tokenizer_encoder", "vibevoice_acoustic_tokenizer_decoder"), _TOKENIZER
    ),
    "parakeet_encoder": _PARAKEET,
    **dict.fromkeys(("parakeet_ctc", "parakeet_rnnt", "parakeet_tdt"), _INSIDE),
}  # fmt: skip
