"""What the drawing of configurations must know of models of speech and music."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    Rule = Callable[["Fields", Random], "Fields"]

Fields = dict[str, Any]


def _encodec(_: Fields, random: Random) -> Fields:
    sizes = {"codebook_size": random.choice([8, 64]), "num_filters": random.choice([8, 16]), "compress": 2}
    ratios = random.choice([[8, 5, 4, 2], [4, 2, 2]])
    return sizes | {"sampling_rate": 24000, "upsampling_ratios": ratios, "target_bandwidths": [1.5, 6.0]}


def _mimi(_: Fields, random: Random) -> Fields:
    sizes = {"codebook_size": random.choice([8, 64]), "num_filters": random.choice([8, 16]), "compress": 2}
    rates = {"sampling_rate": 24000, "upsampling_ratios": random.choice([None, [4, 2, 2]]), "hidden_size": 64}
    return (
        sizes | rates | {"upsample_groups": random.choice([1, 64]), "num_quantizers": 4, "num_semantic_quantizers": 1}
    )


def _moshi(_: Fields, random: Random) -> Fields:
    # 5.23 fits a depth decoder to the rest when its configuration is given, not when it is absent, but then on reloading
    return {"depth_decoder_config": {"hidden_size": random.choice([32, 48]), "num_attention_heads": 2, "ffn_dim": 40}}


def _parakeet_encoder(_: Fields, random: Random) -> Fields:
    sizes = {"num_mel_bins": random.choice([32, 40, 64]), "subsampling_factor": random.choice([1, 2, 4, 8])}
    return sizes | {"subsampling_conv_stride": 2, "num_key_value_heads": random.choice([1, 2])}


def _shallow(*names: str) -> Rule:
    """A rule that gives each of these sub-configurations, where none was drawn, two layers: the default has dozens."""

    def rule(fields: Fields, _: Random) -> Fields:
        return {name: fields.get(name) or {"num_hidden_layers": 2} for name in names}

    return rule


def _canary(fields: Fields, random: Random) -> Fields:
    decoder = fields.get("decoder_config") or {}
    vocabulary = {"vocab_size": fields.get("vocab_size", 16384)}
    return {"decoder_config": decoder | vocabulary, **_shallow("encoder_config")(fields, random)}


def _nemotron3_diarization(fields: Fields, random: Random) -> Fields:
    width, frames, speakers = random.choice([32, 64]), random.choice([4, 8]), random.choice([2, 8])
    audio = {"num_hidden_layers": 2} | (fields.get("audio_config") or {})
    head = {"hidden_size": random.choice([16, 24]), "num_speakers": speakers, "audio_hidden_size": width}
    return {
        "audio_config": audio | {"hidden_size": width, "subsampling_factor": frames},
        "head_config": head | {"subsampling_factor": frames},
        "streaming_config": {"num_speakers": speakers, "subsampling_factor": frames},
        "chunk_length": 340,
        "chunk_right_context": random.choice([0, 40]),
        "chunk_left_context": 0,
        "fifo_length": 40,
    }


def _nemo_speechlm(fields: Fields, random: Random) -> Fields:
    text = {"hybrid_override_pattern": random.choice(["ME*", "EM-M"]), "hidden_size": 64, "n_routed_experts": 4}
    parts = _shallow("asr_config")(fields.get("audio_config") or {}, random)
    speakers = {"audio_config": {"num_hidden_layers": random.choice([1, 2])}}
    audio = {"diarization_config": speakers} | (fields.get("audio_config") or {}) | parts
    return {"text_config": fields.get("text_config") or text, "audio_config": audio}


def _speecht5(fields: Fields, random: Random) -> Fields:
    n = random.choice([1, 2, 3])
    lists = {"conv_dim": (16, 24), "conv_kernel": (2, 3, 10), "conv_stride": (2,)}
    drawn = {name: [random.choice(values) for _ in range(n)] for name, values in lists.items()}
    masks = {name: random.choice([0.0, 0.1]) for name in ("mask_time_prob", "mask_feature_prob")}
    heads = {"decoder_attention_heads": fields.get("encoder_attention_heads", 12)}
    return drawn | masks | heads | {"num_conv_pos_embedding_groups": random.choice([2, 4])}


def _seamless_m4t(fields: Fields, random: Random) -> Fields:
    n, n_kernels = random.choice([1, 2, 3]), random.choice([1, 2])
    rates = {"upsample_rates": [2] * n, "upsample_kernel_sizes": [random.choice([4, 8]) for _ in range(n)]}
    dilations = [[1, 3, 5][: random.choice([1, 2, 3])] for _ in range(n_kernels)]
    blocks: Fields = {
        "t2u_variance_predictor_kernel_size": 3,
        "resblock_kernel_sizes": [random.choice([3, 7]) for _ in range(n_kernels)],
    }
    heads = fields.get("decoder_attention_heads", 16)
    stacks = ("encoder", "t2u_encoder", "t2u_decoder", "speech_encoder")
    agreed: Fields = {f"{stack}_attention_heads": heads for stack in stacks} | {"conv_depthwise_kernel_size": 5}
    return rates | blocks | agreed | {"resblock_dilation_sizes": dilations, "upsample_initial_channel": 64}


def _wav2vec2(fields: Fields, random: Random) -> Fields:
    lists = {"tdnn_dim": (16, 24), "tdnn_kernel": (1, 3), "tdnn_dilation": (1,)}
    n = random.choice([1, 2, 3])
    tdnn = {name: [random.choice(values) for _ in range(n)] for name, values in lists.items()}
    codes = {"num_codevector_groups": 2, "codevector_dim": random.choice([16, 32]), "num_codevectors_per_group": 8}
    drawn = _speecht5(fields, random)
    del drawn["decoder_attention_heads"]
    return drawn | tdnn | codes | {"adapter_kernel_size": random.choice([1, 3])}


def _wav2vec2_bert(fields: Fields, random: Random) -> Fields:
    drawn = _wav2vec2(fields, random) | {"conv_depthwise_kernel_size": 5, "adapter_stride": 2}
    drawn |= {"vocab_size": random.choice([32, 50])}
    for name in ("conv_dim", "conv_kernel", "conv_stride", "num_conv_pos_embedding_groups"):
        del drawn[name]
    return drawn | random.choice([{}, {"add_adapter": True, "use_intermediate_ffn_before_adapter": True}])


def _vibevoice_tokenizer(_: Fields, random: Random) -> Fields:
    n = random.choice([1, 2, 3])
    depths = [random.choice([1, 2, 3]) for _ in range(n + 1)]
    return {"depths": depths, "downsampling_ratios": [random.choice([2, 3, 4]) for _ in range(n)]}


# Called with what was drawn, returns what to change.
SPEECH: dict[str, Callable[[Fields, Random], Fields]] = {
    "canary": _canary,
    "cohere_asr": _shallow("encoder_config"),
    "nemo_speechlm": _nemo_speechlm,
    "nemotron3_diarization": _nemotron3_diarization,
    "vibevoice": _shallow("text_config"),
    "moonshine_streaming": lambda _, random: {"num_key_value_heads": random.choice([1, 2])},  # the class sets none
    "parakeet_encoder": _parakeet_encoder,
    "parakeet_tdt": lambda _, random: {"durations": random.choice([[0, 1], [0, 1, 2, 4, 8]])},
    "seamless_m4t": _seamless_m4t,
    "seamless_m4t_v2": _seamless_m4t,
    "speecht5": _speecht5,
    "wav2vec2": _wav2vec2,
    "hubert": _wav2vec2,
    "wavlm": _wav2vec2,
    "sew": _wav2vec2,
    "wav2vec2-conformer": lambda fields, random: (
        _wav2vec2(fields, random) | {"conv_depthwise_kernel_size": 5, "vocab_size": random.choice([32, 50])}
    ),
    "audio-spectrogram-transformer": lambda _, random: {
        "patch_size": random.choice([4, 8]),
        "frequency_stride": random.choice([2, 5]),
        "time_stride": random.choice([3, 4]),
        "max_length": random.choice([40, 64]),
    },
    "wav2vec2-bert": _wav2vec2_bert,
    "unispeech": _wav2vec2,
    "unispeech-sat": _wav2vec2,
    "data2vec-audio": _wav2vec2,
    "vibevoice_acoustic_tokenizer": _vibevoice_tokenizer,
    "vibevoice_acoustic_tokenizer_encoder": _vibevoice_tokenizer,
    "vibevoice_acoustic_tokenizer_decoder": _vibevoice_tokenizer,
    "moshi": _moshi,
    "mimi": _mimi,
    "encodec": _encodec,
}
