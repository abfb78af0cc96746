"""Encoders of sounds under FlopCounterMode: what makes a drawn configuration run, and what the model is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from flop_inputs import Maker


def _wave(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """The fewest samples of which the convolutions make `n` frames."""
    for kernel, stride in zip(reversed(config.conv_kernel), reversed(config.conv_stride), strict=True):
        n = (n - 1) * stride + kernel
    return {"input_values": torch.zeros((batch, n), device=device)}


def _squeezed_wave(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """SEW: of `squeeze_factor` frames one vector is made."""
    return _wave(config, n * config.squeeze_factor, batch, device)


def _frames(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Two frames of a spectrogram side by side."""
    return {"input_features": torch.zeros((batch, n, config.feature_projection_input_dim), device=device)}


def _samples(n: int, kernels: Any, strides: Any) -> int:
    """The fewest samples of which convolutions without padding make `n` vectors."""
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        n = (n - 1) * stride + kernel
    return n


def _spectrogram_of_patches(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001 - its size is fixed
    return {"input_values": torch.zeros((batch, config.max_length, config.num_mel_bins), device=device)}


def _written(n: int, batch: int, device: Any) -> dict[str, Any]:
    return {"decoder_input_ids": torch.ones((batch, n), dtype=torch.long, device=device)}


def _halved(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Speech2Text: convolutions of odd kernels, padded by half, each of which halves the length."""
    for _ in config.conv_kernel_sizes:
        n = 2 * n - 1
    shape = (batch, n, config.input_feat_per_channel * config.input_channels)
    return {"input_features": torch.zeros(shape, device=device)}


def _transcribed(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    return _halved(config, n, batch, device) | _written(n, batch, device)


def _moonshine(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001
    samples = _samples(n, (127, 7, 3), (64, 3, 2))
    return {"input_values": torch.zeros((batch, samples), device=device)} | _written(n, batch, device)


def _streamed(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Moonshine Streaming: frames of a few ms, of which two convolutions padded in front make a quarter."""
    frame = round(config.sample_rate * config.frame_ms / 1000.0)
    return {"input_values": torch.zeros((batch, (4 * n - 3) * frame), device=device)}


def _streamed_and_written(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    return _streamed(config.encoder_config, n, batch, device) | _written(n, batch, device)


def _mel(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Parakeet's: a spectrogram of the fewest frames of which the convolutions make `n`."""
    factor, kernel, stride = (
        getattr(config, f"subsampling_{name}") for name in ("factor", "conv_kernel_size", "conv_stride")
    )
    for _ in range(factor.bit_length() - 1):
        n = (n - 1) * stride + kernel - 2 * ((kernel - 1) // 2)
    return {"input_features": torch.zeros((batch, n, config.num_mel_bins), device=device)}


def _mel_inside(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    return _mel(config.encoder_config, n, batch, device)


def _mel_and_one(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """A transducer meets every frame with what one token left behind."""
    return _mel_inside(config, n, batch, device) | _written(1, batch, device)


_PARAKEET: dict[str, Any] = {
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 16, "intermediate_size": 48,
    "subsampling_factor": 4, "subsampling_conv_channels": 8, "num_mel_bins": 16, "conv_kernel_size": 5,
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
    "parakeet_encoder": _PARAKEET,
    **dict.fromkeys(("parakeet_ctc", "parakeet_rnnt", "parakeet_tdt"), _INSIDE),
}  # fmt: skip

_WAVES = "wav2vec2 hubert unispeech unispeech-sat wavlm data2vec-audio wav2vec2-conformer"
INPUTS: dict[str, Maker] = {
    **dict.fromkeys(_WAVES.split(), _wave),
    "sew": _squeezed_wave,
    "wav2vec2-bert": _frames,
    "audio-spectrogram-transformer": _spectrogram_of_patches,
    "speech_to_text": _transcribed,
    "moonshine": _moonshine,
    "moonshine_streaming": _streamed_and_written,
    "moonshine_streaming_encoder": _streamed,
    "parakeet_encoder": _mel,
    "parakeet_ctc": _mel_inside,
    **dict.fromkeys(("parakeet_rnnt", "parakeet_tdt"), _mel_and_one),
}

# Encoders whose classes transformers does not offer by themselves: the module of a model and their name there.
CLASSES: dict[str, str] = {
    "moonshine_streaming_encoder": "moonshine_streaming.MoonshineStreamingEncoder",
    "qwen2_5_omni_audio_encoder": "qwen2_5_omni.Qwen2_5OmniAudioEncoder",
    "qwen3_omni_moe_audio_encoder": "qwen3_omni_moe.Qwen3OmniMoeAudioEncoder",
}

MADE_AGAIN: dict[str, tuple[str, ...]] = {"moonshine_streaming": (".decoder.proj",)}
