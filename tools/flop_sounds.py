"""Encoders of sounds under FlopCounterMode: what the model is given."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import torch

import flop_sound_fields

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


def _whisper(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001 - its length is fixed
    shape = (batch, config.num_mel_bins, 2 * config.max_source_positions)
    return {"input_features": torch.zeros(shape, device=device)}


def _whisper_and_mask(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Audio Flamingo 3 wants to know which frames are sound."""
    mask = torch.ones((batch, 2 * config.max_source_positions), dtype=torch.long, device=device)
    return _whisper(config, n, batch, device) | {"input_features_mask": mask}


def _mel_of_any_length(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Whisper's two convolutions, of which the second halves the length."""
    return {"input_features": torch.zeros((batch, config.num_mel_bins, 2 * n - 1), device=device)}


def _causal_mel(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Voxtral Realtime's two convolutions, padded in front alone."""
    return {"input_features": torch.zeros((batch, config.num_mel_bins, 2 * n), device=device)}


def _chunks(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Qwen2.5-Omni: the frames of all sounds in a row, which it cuts into chunks that make `n_window` vectors each."""
    whole, rest = divmod(n - 1, config.n_window)
    lengths = torch.full((batch,), whole * 2 * config.n_window + 2 * rest + 1, device=device)
    return {
        "input_features": torch.zeros((config.num_mel_bins, int(lengths.sum())), device=device),
        "feature_lens": lengths,
    }


def _eighth(config: Any, n: int) -> tuple[int, int]:
    """Qwen3-Omni: chunks before the last, and frames of the last, of which three convolutions make an eighth each."""
    whole, rest = divmod(n - 1, -(-config.n_window // 4))
    return whole, 8 * rest + 1


def _chunks_of_eighths(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    whole, rest = _eighth(config, n)
    lengths = torch.full((batch,), whole * 2 * config.n_window + rest, device=device)
    return {
        "input_features": torch.zeros((config.num_mel_bins, int(lengths.sum())), device=device),
        "feature_lens": lengths,
    }


def _whole_chunks(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Qwen3-ASR: the same, the last chunk padded, with a mask."""
    whole, rest = _eighth(config, n)
    width = 2 * config.n_window
    mask = (torch.arange((whole + 1) * width, device=device) < whole * width + rest).long().repeat(batch, 1)
    return {
        "input_features": torch.zeros((batch, config.num_mel_bins, (whole + 1) * width), device=device),
        "input_features_mask": mask,
    }


def _blocks(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Granite Speech: as many frames as vectors."""
    return {"hidden_states": torch.zeros((batch, n, config.input_dim), device=device)}


def _halved_often(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Phi-4-multimodal: padded convolutions, each of which halves the length."""
    factor = 2 ** (config.time_reduction.bit_length() - 1)
    return {"hidden_states": torch.zeros((batch, factor * (n - 1) + 1, config.input_size), device=device), "mask": None}


def _gemma3n(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Two convolutions, padded behind alone, and what of it is silence."""
    for kernel in reversed(config.sscp_conv_stride_size):
        n = (n - 1) * kernel[0] + 1
    mask = torch.zeros((batch, n), dtype=torch.bool, device=device)
    return {"audio_mel": torch.zeros((batch, n, config.input_feat_size), device=device), "audio_mel_mask": mask}


def _quarter(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Gemma 4: two padded convolutions that each halve time and pitch; of pitches the first's channels are as many."""
    pitches = 4 * (config.subsampling_conv_channels[0] // 4)
    return {"input_features": torch.zeros((batch, 4 * n - 3, pitches), device=device)}


def _dots(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """dots.note: three padded convolutions that each halve time and pitch, and how many samples were heard."""
    frames = 8 * n - 7
    samples = torch.full((batch,), frames * config.hop_length, device=device)
    return {
        "input_features": torch.zeros((batch, config.feature_size, frames), device=device),
        "chunk_sample_lengths": samples,
    }


def _pyramid(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Muse Spark: patches of patches of a wave."""
    return {"input_values": torch.zeros((batch, n * config.samples_per_token), device=device)}


def _loudness(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    return {"audio_input_ids": torch.zeros((batch, n, config.n_mel_bins), dtype=torch.long, device=device)}


def _stacked(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Fun-ASR-Nano: several frames side by side."""
    mask = torch.ones((batch, n), dtype=torch.long, device=device)
    return {"input_features": torch.zeros((batch, n, config.input_size), device=device), "input_features_mask": mask}


def _stacked_within(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Nemotron 3: the model itself lays frames side by side."""
    ear = next((getattr(config, name) for name in ("audio_config", "asr_config") if hasattr(config, name)), config)
    shape = (batch, n * ear.subsampling_factor, ear.num_mel_bins)
    return {"input_features": torch.zeros(shape, device=device)}


def _heard(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    return {"inputs_embeds": torch.zeros((batch, n, config.hidden_size), device=device)}


def _mel_and_written(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    return _mel_inside(config, n, batch, device) | _written(n, batch, device)


def _script_and_streams(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Dia: a text, and so many codes at each step."""
    codes = torch.ones((batch, n, config.decoder_config.num_channels), dtype=torch.long, device=device)
    return {
        "input_ids": torch.ones((batch, n), dtype=torch.long, device=device),
        "decoder_input_ids": codes,
        "use_cache": True,
    }


def _codes_and_word(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Kyutai's speech to text: at each step the last word and the codes of the sound."""
    return {"input_ids": torch.ones((batch, n, config.num_codebooks + 1), dtype=torch.long, device=device)}


def _read(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:  # noqa: ARG001
    """SeamlessM4T reads a text, where it may."""
    return {"input_ids": torch.ones((batch, n), dtype=torch.long, device=device)} | _written(n, batch, device)


def _wave_and_written(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    return _wave(config, n, batch, device) | _written(n, batch, device)


def _heard_and_written(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    return _wave(config.encoder, n, batch, device) | _written(n, batch, device)


def _said_and_heard(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """Voxtral Realtime: a word and several vectors of a sound for each token."""
    frames = 2 * n * config.downsample_factor
    return {
        "input_ids": torch.ones((batch, n), dtype=torch.long, device=device),
        "input_features": torch.zeros((batch, config.audio_config.num_mel_bins, frames), device=device),
    }


def _adapted(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """SeamlessM4T hears a sound, of whose frames an adapter makes `n` vectors."""
    frames = n
    for _ in range(config.num_adapter_layers if config.add_adapter else 0):
        frames = (frames - 1) * config.adaptor_stride + config.adaptor_kernel_size - 2 * (config.adaptor_stride // 2)
    features = torch.zeros((batch, frames, config.feature_projection_input_dim), device=device)
    return {"input_features": features} | _written(n, batch, device)


def _read_out(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """SpeechT5 reads a text, and goes on with a spectrogram in somebody's voice."""
    return {
        "input_ids": torch.ones((batch, n), dtype=torch.long, device=device),
        "decoder_input_values": torch.zeros((batch, n, config.num_mel_bins), device=device),
        "speaker_embeddings": torch.zeros((batch, config.speaker_embedding_dim), device=device),
        "use_cache": False,
    }


def _description(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """MusicGen: the codes of every stream below each other."""
    codes = torch.ones((batch * config.decoder.num_codebooks, n), dtype=torch.long, device=device)
    return {
        "input_ids": torch.ones((batch, n), dtype=torch.long, device=device),
        "decoder_input_ids": codes,
        "use_cache": True,
    }


def _coded(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """A codec: so many samples for each vector."""
    samples = n * prod(config.upsampling_ratios)
    return {"input_values": torch.zeros((batch, config.audio_channels, samples), device=device)}


def _tokenized(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    """VibeVoice's tokenizer and its encoder."""
    samples = n * prod(config.downsampling_ratios)
    name = "hidden_states" if config.model_type.endswith("encoder") else "input_values"
    return {name: torch.zeros((batch, config.channels, samples), device=device)}


def _latent(config: Any, n: int, batch: int, device: Any) -> dict[str, Any]:
    return {"hidden_states": torch.zeros((batch, config.hidden_size, n), device=device)}


AGREEING = flop_sound_fields.AGREEING

_WAVES = "wav2vec2 hubert unispeech unispeech-sat wavlm data2vec-audio wav2vec2-conformer"
_NEMOTRON = (
    "nemotron3_5_transcribe_asr_audio nemotron3_5_transcribe_audio nemotron3_diarization nemotron3_diarization_audio"
)
INPUTS: dict[str, Maker] = {
    **dict.fromkeys(_WAVES.split(), _wave),
    "sew": _squeezed_wave,
    "wav2vec2-bert": _frames,
    "audio-spectrogram-transformer": _spectrogram_of_patches,
    "speech_to_text": _transcribed,
    "moonshine": _moonshine,
    "moonshine_streaming": _streamed_and_written,
    "moonshine_streaming_encoder": _streamed,
    **dict.fromkeys(("qwen2_audio_encoder", "voxtral_encoder"), _whisper),
    "audioflamingo3_encoder": _whisper_and_mask,
    "glmasr_encoder": _mel_of_any_length,
    "voxtral_realtime_encoder": _causal_mel,
    "qwen2_5_omni_audio_encoder": _chunks,
    "qwen3_omni_moe_audio_encoder": _chunks_of_eighths,
    "qwen3_asr_encoder": _whole_chunks,
    **dict.fromkeys(("granite_speech_encoder", "granite_speech_plus_encoder"), _blocks),
    "phi4_multimodal_audio": _halved_often,
    "gemma3n_audio": _gemma3n,
    "gemma4_audio": _quarter,
    "dots3_note_audio_encoder": _dots,
    "moss_transcribe_diarize_audio": _whisper,
    "muse_spark_audio": _pyramid,
    "inkling_audio": _loudness,
    "fun_asr_nano_encoder": _stacked,
    **dict.fromkeys(_NEMOTRON.split(), _stacked_within),
    "nemotron3_5_transcribe_word_timestamp": _heard,
    **dict.fromkeys(("canary", "cohere_asr"), _mel_and_written),
    "dia": _script_and_streams,
    "kyutai_speech_to_text": _codes_and_word,
    **dict.fromkeys(("seamless_m4t", "seamless_m4t_v2"), _read),
    "speecht5": _wave_and_written,
    "SpeechT5ForTextToSpeech": _read_out,
    **dict.fromkeys(("SeamlessM4TForSpeechToText", "SeamlessM4Tv2ForSpeechToText"), _adapted),
    "voxtral_realtime": _said_and_heard,
    "speech-encoder-decoder": _heard_and_written,
    **dict.fromkeys(("musicgen", "musicgen_melody"), _description),
    **dict.fromkeys(("encodec", "mimi"), _coded),
    **dict.fromkeys(("vibevoice_acoustic_tokenizer", "vibevoice_acoustic_tokenizer_encoder"), _tokenized),
    "vibevoice_acoustic_tokenizer_decoder": _latent,
    "parakeet_encoder": _mel,
    "parakeet_ctc": _mel_inside,
    **dict.fromkeys(("parakeet_rnnt", "parakeet_tdt"), _mel_and_one),
}

# Encoders whose classes transformers does not offer by themselves: the module of a model and their name there.
CLASSES: dict[str, str] = {
    "moonshine_streaming_encoder": "moonshine_streaming.MoonshineStreamingEncoder",
    "qwen2_5_omni_audio_encoder": "qwen2_5_omni.Qwen2_5OmniAudioEncoder",
    "dia_encoder": "dia.DiaEncoder",
    "speecht5": "speecht5.SpeechT5ForSpeechToText",
    "qwen3_omni_moe_audio_encoder": "qwen3_omni_moe.Qwen3OmniMoeAudioEncoder",
}

MADE_AGAIN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("moonshine_streaming", "cohere_asr"), (".decoder.proj",)),
    "musicgen": (".enc_to_dec_proj",),
}
# Vectors that make more than one chunk of a sound; transformers has 13 of a chunk written into its code.
VECTORS = dict.fromkeys(("qwen3_omni_moe_audio_encoder", "qwen3_asr_encoder"), 31)

EVERY_TIME = frozenset({"voxtral_realtime", "voxtral_realtime_encoder"})
