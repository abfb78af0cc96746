"""Published figures of what models cost. Where one follows another convention, the test says which and adds the difference."""

from __future__ import annotations

import pytest

import numel
from numel.costs import families
from numel.costs.estimate import estimate, usual_context
from numel.costs.memory import activations
from numel.costs.setting import Setting, dtype_called
from numel.errors import UnsupportedError

BF16 = dtype_called("bf16", "--dtype")


def cost(source, **setting):
    return estimate(numel.inspect(source).table, Setting(**setting))


def flops(found, *places):
    """The FLOPs of these (component, part)s; of a component alone with None."""
    return sum(w.flops for w in found.works if any(w.component == c and p in (None, w.part) for c, p in places))


def test_longcat_flash_activates_as_many_as_it_says():
    """arXiv 2509.01322: 18.6 to 31.3 × 10⁹ parameters a token, 27 on average, as 0 to 12 of its experts do something."""
    found = cost({"model_type": "longcat_flash"}, context=1024)
    experts = flops(found, ("moe", "experts"))
    products = flops(found, ("attention", "scores"), ("attention", "weighted_sum"))
    others = found.total("flops") - experts - products
    per_parameter = 2 * 1024 * 10**9
    assert others / per_parameter == pytest.approx(18.6, abs=0.1)
    assert (others + experts) / per_parameter == pytest.approx(27, abs=0.5)
    assert (others + experts * 768 / 512) / per_parameter == pytest.approx(31.3, abs=0.1)
    said = [str(text) for text in numel.inspect({"model_type": "longcat_flash"}).report("cost").assumptions]
    assert any("experts do nothing" in text for text in said)


# karpathy/nanoGPT@3adf61e1, transformer_sizing.ipynb: the printed table of forward FLOPs, GPT-2 124M, T = 1024. It has
# no biases; they cost nothing in its convention, nor here.
NANOGPT_BLOCK = {
    ("attention", "qkv"): 3623878656,
    ("attention", "scores"): 1610612736,
    ("attention", "weighted_sum"): 1610612736,
    ("attention", "o"): 1207959552,
    ("attention", None): 8053063680,
    ("mlp", None): 9663676416,
}


@pytest.mark.parametrize(("place", "published"), NANOGPT_BLOCK.items(), ids=str)
def test_each_row_of_nanogpts_table(place, published):
    assert flops(cost("gpt2", context=1024), place) == 12 * published


def test_the_totals_of_nanogpts_table():
    found = cost("gpt2", context=1024)
    assert flops(found, ("attention", None), ("mlp", None)) == 212600881152
    assert flops(found, ("head", None)) == 79047426048
    assert found.total("flops") == 291648307200
    assert cost("gpt2", context=1024, phase="train").total("flops") == 874944921600


def test_palms_flops_as_nanogpt_has_them():
    """6·N + 12·L·H·Q·T for each token (Chowdhery et al. 2022, appendix B): every γ of the 25 norms is counted as a matrix, too."""
    step = cost("gpt2", context=1024, phase="train").total("flops")
    assert step + 6 * 1024 * 25 * 768 == 875062886400


# arXiv 2505.09343 (Insights into DeepSeek-V3), table 1, and kaito's generator_test.go: bytes a token at BF16.
LLAMA_405B = {
    "model_type": "llama", "hidden_size": 16384, "intermediate_size": 53248, "num_hidden_layers": 126,
    "num_attention_heads": 128, "num_key_value_heads": 8, "vocab_size": 128256,
}  # fmt: skip
QWEN25_72B = {
    "model_type": "qwen2", "hidden_size": 8192, "intermediate_size": 29568, "num_hidden_layers": 80,
    "num_attention_heads": 64, "num_key_value_heads": 8, "vocab_size": 152064, "tie_word_embeddings": False,
}  # fmt: skip
MINISTRAL_8B = {  # Ministral-3-8B-2512
    "model_type": "ministral3", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 34,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 131072,
}  # fmt: skip
QWEN3_30B = {
    "model_type": "qwen3_moe", "hidden_size": 2048, "intermediate_size": 6144, "moe_intermediate_size": 768,
    "num_hidden_layers": 48, "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "num_experts": 128,
    "num_experts_per_tok": 8, "vocab_size": 151936, "tie_word_embeddings": False,
}  # fmt: skip
KV_PER_TOKEN = [
    ("deepseek-ai/DeepSeek-V3", 70272),  # latent: 61 × (512 + 64) × 2
    (QWEN25_72B, 327680),
    (LLAMA_405B, 516096),
    ("microsoft/Phi-4-mini-instruct", 131072),
    ("tiiuae/falcon-7b", 8192),  # one head of keys for all
    ("Qwen/Qwen3-8B", 147456),
    (QWEN3_30B, 98304),  # Qwen3-Coder-30B-A3B has the same shapes
    ("microsoft/phi-4", 204800),
    ("google/gemma-3-4b-it", 139264),  # before its windows are full
    ("mistralai/Mistral-7B-v0.1", 131072),  # published for v0.3, which has the same shapes
    (MINISTRAL_8B, 139264),
]


@pytest.mark.parametrize(("source", "published"), KV_PER_TOKEN, ids=lambda v: v if isinstance(v, str) else None)
def test_the_published_cache_of_a_token(source, published):
    assert cost(source, context=1, kv_dtype=BF16).kv_per_token == published
    assert cost(source, context=64, batch=3, kv_dtype=BF16).total("kv_nbytes") == 3 * 64 * published


# ── One model of each kind, the cache worked out by hand from its paper or card ──────────────────────────────────────


def test_the_cache_of_latent_attention_at_a_long_context():
    # DeepSeek-V2 (arXiv 2405.04434, table 1): (d_c + d_R/2…) in its words 9/2·d_h·l elements; d_c = 512, d_R = 64, l = 61
    found = cost("deepseek-ai/DeepSeek-V3", context=131072, kv_dtype=BF16)
    assert found.total("kv_nbytes") == 61 * (512 + 64) * 2 * 131072


def test_the_cache_of_sliding_windows():
    # Mistral 7B (arXiv 2310.06825, section 2): a rolling buffer of W = 4096 in every one of 32 layers, 8 × 128 twice
    found = cost("mistralai/Mistral-7B-v0.1", context=32768, kv_dtype=BF16)
    assert found.total("kv_nbytes") == 32 * 2 * 8 * 128 * 2 * 4096
    assert found.total("kv_nbytes") * 8 == found.total("reserved_nbytes")  # "reduces the cache memory usage by 8x"


def test_the_cache_of_windows_in_five_of_six_layers():
    # Gemma 3 (arXiv 2503.19786, section 2.1): 5 local layers of 1,024 tokens for each global one; 27B has 62 layers,
    # of which 10 are global, 16 heads of 128 for keys
    found = cost("google/gemma-3-27b-it", context=32768, kv_dtype=BF16)
    per_layer = 2 * 16 * 128 * 2
    assert found.total("kv_nbytes") == per_layer * (10 * 32768 + 52 * 1024)


def test_the_cache_of_experts_is_that_of_their_attention():
    # Mixtral 8x7B (arXiv 2401.04088, table 1): dim 4096, 32 layers, 32 heads of 128 and 8 for keys, no window
    mixtral = {"model_type": "mixtral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
    found = cost({**mixtral, "num_key_value_heads": 8, "sliding_window": None}, context=32768, kv_dtype=BF16)
    assert found.total("kv_nbytes") == 32 * 2 * 8 * 128 * 2 * 32768


def test_the_cache_of_a_hybrid_is_that_of_its_few_attention_layers_and_a_constant():
    # Jamba (arXiv 2403.19887, table 1): 4 GB of cache at 256K tokens and 16 bits; 4 of 32 layers attend, 8 heads of
    # 128 for keys. Mamba keeps 8192 × 16 numbers and the last 3 inputs of its convolution in each of the other 28.
    found = cost("ai21labs/Jamba-v0.1", context=256 * 1024, kv_dtype=BF16)
    assert len(found.attentions) == 4
    assert found.total("kv_nbytes") - found.state_nbytes == 4 * 2**30
    assert found.state_nbytes == 28 * (8192 * 16 + 3 * 8192) * 2
    assert cost("ai21labs/Jamba-v0.1", context=1, kv_dtype=BF16).state_nbytes == found.state_nbytes


def test_the_cache_and_the_state_of_the_gated_delta_rule():
    # Qwen3-Next-80B-A3B (its card): every fourth of 48 layers attends, 2 heads of 256 for keys; in the other 36 are 32
    # heads of 128 × 128 for values, 16 of 128 for keys, and a convolution over the last 4 of 2 × 2048 + 4096 channels
    found = cost({"model_type": "qwen3_next"}, context=1000, kv_dtype=BF16)
    assert found.kv_per_token == 12 * 2 * 2 * 256 * 2
    assert found.state_nbytes == 36 * (32 * 128 * 128 + 3 * 8192) * 2


def test_the_state_of_mamba_2():
    # Granite 4.0 H Tiny: 40 layers of which 4 attend with 4 heads of 128 for keys; 3072 channels × 128, and 3 inputs of
    # a convolution over 3072 + 2 × 128 channels
    found = cost("ibm-granite/granite-4.0-h-tiny", context=1000, kv_dtype=BF16)
    assert found.kv_per_token == 4 * 2 * 4 * 128 * 2
    assert found.state_nbytes == 36 * (3072 * 128 + 3 * 3328) * 2


def test_the_cache_of_whisper():
    # Radford et al. 2022, table 1: tiny has 4 layers of width 384; the decoder keeps keys and values of the 1,500
    # positions of 30 s of sound, and of its own tokens
    found = cost("openai/whisper-tiny", context=100, kv_dtype=BF16)
    assert found.total("kv_nbytes") == 4 * 2 * 384 * (1500 + 100) * 2


def test_the_cache_of_sparse_attention():
    # GLM-5's config: 78 layers, latents of 512 + 64, and an index key of 128 in each layer
    found = cost("zai-org/GLM-5", context=1000, kv_dtype=BF16)
    assert found.kv_per_token == 78 * (512 + 64 + 128) * 2
    long, longer = (cost("zai-org/GLM-5", context=n, phase="decode", kv_dtype=BF16) for n in (100_000, 200_000))
    assert flops(long, ("attention", "scores")) == flops(longer, ("attention", "scores"))  # 2,048 tokens are chosen
    assert 2 * flops(long, ("attention", "indexer")) > flops(longer, ("attention", "indexer"))  # among all of them


def test_what_stands_around_a_text_model_is_known_or_refused(monkeypatch):
    monkeypatch.setattr(families, "WRAPPERS", families.WRAPPERS - {"llava"})  # one that nobody has looked at
    text = {"model_type": "mistral", "hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    with pytest.raises(UnsupportedError, match="'llava'"):
        cost({"model_type": "llava", "text_config": text}, context=8)


def test_an_encoder_keeps_nothing_and_a_decoder_keeps_its_own_and_the_encoders():
    assert cost("google-bert/bert-base-uncased", context=128).total("kv_nbytes") == 0
    # T5-small (arXiv 1910.10683): 6 layers of 8 heads of 64; keys and values of the target and of the source
    assert cost("google-t5/t5-small", context=100, kv_dtype=BF16).total("kv_nbytes") == 6 * 2 * (2 * 512) * 2 * 100


# ── Training ─────────────────────────────────────────────────────────────────────────────────────────────────────────


DEEPSEEK_V2 = {
    "model_type": "deepseek_v2", "hidden_size": 5120, "intermediate_size": 12288, "moe_intermediate_size": 1536,
    "num_hidden_layers": 60, "num_attention_heads": 128, "q_lora_rank": 1536, "kv_lora_rank": 512, "head_dim": 64,
    "qk_rope_head_dim": 64, "qk_nope_head_dim": 128, "v_head_dim": 128, "n_routed_experts": 160, "n_shared_experts": 2,
    "num_experts_per_tok": 6, "first_k_dense_replace": 1, "vocab_size": 102400,
}  # fmt: skip


@pytest.mark.parametrize(("source", "published"), [(DEEPSEEK_V2, 155), ("deepseek-ai/DeepSeek-V3", 250)])
def test_deepseeks_training_gflops_of_a_token(source, published):
    """arXiv 2505.09343, table 2, at 4,096 tokens: causal attention counted as its triangle; printed without decimals."""
    found = cost(source, context=4096, phase="train", causal="triangle")
    assert found.total("flops") / 4096 / 1e9 == pytest.approx(published, abs=0.75)


@pytest.mark.parametrize(("source", "published"), [(LLAMA_405B, 2448), ("Qwen/Qwen1.5-72B", 394)])
def test_two_rows_of_that_table_follow_no_convention_of_ours(source, published):
    """Its Llama-405B and Qwen-72B rows are reached neither by the triangle nor by the square of scores."""
    for causal in ("triangle", "square"):
        found = cost(source, context=4096, phase="train", causal=causal)
        assert abs(found.total("flops") / 4096 / 1e9 - published) > 0.01 * published


@pytest.mark.parametrize(("h", "layers", "heads", "s"), [(4096, 30, 32, 2048), (14336, 70, 112, 2048)])
def test_blooms_block_formula(h, layers, heads, s):
    """Megatron (arXiv 2104.04473, section 5.1, which BLOOM's logs use): 96·B·s·l·h²·(1 + s/6h + V/16lh) for a step.

    Every block runs forward a second time there, to save activations: four passes of the blocks, three of the logits.
    """
    vocab = 250880
    fields = {"model_type": "bloom", "hidden_size": h, "n_layer": layers, "n_head": heads, "vocab_size": vocab}
    train, once = (cost(fields, context=s, phase=phase) for phase in ("train", "prefill"))
    blocks = flops(once, ("attention", None), ("mlp", None))
    assert blocks == layers * (24 * s * h * h + 4 * s * s * h)
    formula = 96 * s * layers * h * h + 16 * s * s * layers * h + 6 * s * h * vocab
    assert train.total("flops") + blocks == formula


# Chinchilla (arXiv 2203.15556, appendix F), as recomputed in nanoGPT's scaling_laws.ipynb: (d, heads, layers, ff, FLOPs).
CHINCHILLA = [
    (640, 10, 10, 2560, 929877196800),
    (1024, 16, 20, 4096, 4135248199680),
    (1280, 10, 24, 5120, 7353453772800),
    (1792, 14, 26, 7168, 14670316437504),
    (2048, 16, 28, 8192, 20220437594112),
    (3584, 28, 40, 14336, 83021046743040),
]


@pytest.mark.parametrize(("d", "heads", "layers", "ff", "published"), CHINCHILLA)
def test_chinchillas_table(d, heads, layers, ff, published):
    """Its FLOPs leave embedding and logits out (as its N does) and give three operations to each score of a softmax."""
    s, vocab = 2048, 32000
    fields = {"model_type": "gpt2", "n_embd": d, "n_head": heads, "n_layer": layers, "n_inner": ff, "vocab_size": vocab}
    ours = cost({**fields, "n_positions": s, "architectures": ["GPT2LMHeadModel"]}, context=s, phase="train")
    assert ours.total("flops") - flops(ours, ("head", None)) + 3 * layers * 3 * heads * s * s == published


# mlfoundations/open_clip@89fb801, docs/model_profile.csv: GFLOPs of one picture and one text of 77 tokens.
CLIP_B_16 = {"model_type": "clip", "projection_dim": 512, "text_config": {}, "vision_config": {"patch_size": 16}}
CLIP_H_14 = {
    "model_type": "clip", "projection_dim": 1024,
    "text_config": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16},
    "vision_config": {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 16,
                      "patch_size": 14},
}  # fmt: skip


@pytest.mark.parametrize(
    ("source", "published"),
    [
        ("openai/clip-vit-base-patch32", 14.78),
        (CLIP_B_16, 41.09),
        ("openai/clip-vit-large-patch14", 175.33),
        (CLIP_H_14, 381.68),
    ],
)
def test_open_clips_table(source, published):
    assert round(cost(source, context=77).total("flops") / 1e9, 2) == published


@pytest.mark.parametrize(
    ("d", "layers", "heads", "patch", "published"),
    [(768, 12, 12, 16, 17.6), (768, 12, 12, 32, 4.4), (1024, 24, 16, 16, 61.6), (1024, 24, 16, 32, 15.4), (1280, 32, 16, 14, 167.3)],
)  # fmt: skip
def test_torchvisions_pictures(d, layers, heads, patch, published):
    """pytorch/vision, vision_transformer.py, the _ops of its weights: multiply-adds in 10⁹, so half of our FLOPs."""
    fields = {
        "model_type": "vit", "hidden_size": d, "num_hidden_layers": layers, "num_attention_heads": heads, "num_labels": 1000,
        "intermediate_size": 4 * d, "patch_size": patch, "architectures": ["ViTForImageClassification"],
    }  # fmt: skip
    assert round(cost(fields, context=(224 // patch) ** 2 + 1).total("flops") / 2e9, 1) == published


@pytest.mark.parametrize(
    ("model_type", "cls", "published"),
    [
        ("resnet", "ResNet", 4.089),  # "V1.5": the middle convolution of a bottleneck takes the stride
        ("swin", "Swin", 4.491),  # Liu et al. 2021, table 1, print 4.5 for Swin-T
        ("convnext", "ConvNext", 4.456),  # Liu et al. 2022, table 1, print 4.5 for ConvNeXt-T
        ("mobilenet_v2", "MobileNetV2", 0.301),  # Sandler et al. 2018, table 4, print 300 M
        ("efficientnet", "EfficientNet", 0.386),  # Tan & Le 2019, table 2, print 0.39 B for B0
        ("mobilenet_v1", "MobileNetV1", 0.569),  # not torchvision's, but of Howard et al. 2017, table 4: 569 million
    ],
)
def test_torchvisions_hierarchies(model_type, cls, published):
    """As above, at 224 × 224, to its last digit: attention's own products are in, as in the 17.564 of ViT-B/16."""
    b0 = {"width_coefficient": 1.0, "depth_coefficient": 1.0, "hidden_dim": 1280, "image_size": 224}
    table = picture(model_type, f"{cls}ForImageClassification", **(b0 if model_type == "efficientnet" else {}))
    found = estimate(table, Setting(context=usual_context(table)))
    assert round(found.total("flops") / 2e9, 3) == published


def test_the_first_resnets_figure():
    # He et al. 2015, table 1: 3.8 × 10⁹ multiply-adds, cut and not rounded; its first convolution takes the stride, so that
    # the middle one works on a quarter of the places. What torchvision runs is 6 % more.
    table = picture("resnet", "ResNetForImageClassification", downsample_in_bottleneck=True)
    found = estimate(table, Setting(context=usual_context(table)))
    assert int(found.total("flops") / 2e8) == 38


@pytest.mark.parametrize(
    ("model_type", "cls", "views", "published"),
    [
        ("videomae", "VideoMAE", 1, 180),  # Tong et al. 2022, Kinetics-400, ViT-B: 180 × 5 × 3 views
        ("timesformer", "Timesformer", 3, 590),  # Bertasius et al. 2021, table 2: 0.59 TFLOPs for three views
    ],
)
def test_the_multiply_adds_of_films(model_type, cls, views, published):
    table = picture(model_type, f"{cls}ForVideoClassification", num_labels=400)
    found = estimate(table, Setting(context=usual_context(table)))
    assert found.total("flops") / 2e9 * views == pytest.approx(published, rel=0.005)


def picture(model_type, cls, **fields):
    """The model of the type as its configuration class has it, with ImageNet's classes, which no class states."""
    return numel.inspect({"model_type": model_type, "architectures": [cls], "num_labels": 1000, **fields}).table


def test_the_activations_of_an_encoder_of_pictures():
    # ViT-B/16 (Dosovitskiy et al. 2021, table 1): 197 tokens, width 768, MLP 3072; the stream, its sum, the MLP twice
    found = cost("google/vit-base-patch16-224", context=197, batch=8, dtype=BF16)
    assert activations(found) == 8 * 197 * (2 * 768 + 2 * 3072) * 2
    # CLIP's ViT-L/14 (Radford et al. 2021): 257 tokens of width 1024 are wider than a text of 77
    assert activations(cost("openai/clip-vit-large-patch14", context=77, dtype=BF16)) == 257 * (2 * 1024 + 2 * 4096) * 2


# volcengine/verl@b178a3cd5, tests/utils/test_flops_counter.py: two batches of sequence lengths.
LLAMA_2_7B = {"model_type": "llama", "vocab_size": 32000, "max_position_embeddings": 4096}  # (the class's own sizes)
VERL = [
    (LLAMA_2_7B, 149226491215872, 536372695793664),
    ("Qwen/Qwen2.5-7B", 167073690943488, 591764889010176),
    ("Qwen/Qwen3-8B", 180997438046208, 648394032807936),
    (QWEN3_30B, 78593069678592, 306570470621184),
    ("deepseek-ai/DeepSeek-V3", 848766538088448, 3145850406567936),
    ("mistralai/Mistral-Small-24B-Base-2501", 512303699066880, 1787393589903360),
]


def as_verl(source, lengths):
    """verl counts the input embedding as a product, and half of the square of scores."""
    total = 0
    for s in lengths:
        found = cost(source, context=s, phase="train")
        attention = flops(found, ("attention", "scores"), ("attention", "weighted_sum"))
        lookup = sum(w.numel for w in found.works if (w.component, w.part) == ("embedding", "token"))
        total += found.total("flops") - attention // 2 + 6 * s * lookup
    return total


@pytest.mark.parametrize(("source", "short", "long"), VERL)
def test_verls_counter(source, short, long):
    assert as_verl(source, (512, 1024, 2048)) == short
    assert as_verl(source, (4096, 4096, 4096)) == long


@pytest.mark.parametrize(
    ("source", "layers", "window", "short", "long"),
    [("google/gemma-3-12b-it", 40, 1024, 279084659638272, 963929979224064), ("openai/gpt-oss-20b", 12, 128, 91780464771072, 323953008574464)],
)  # fmt: skip
def test_verls_counter_of_windows(source, layers, window, short, long):
    """As before, and s·min(s, window) pairs of a token in so many layers, where the eager products run over all s²."""
    for lengths, published in (((512, 1024, 2048), short), ((4096, 4096, 4096), long)):
        masked = sum(6 * s * (s - min(s, window)) * layers * 4096 for s in lengths)  # 16 heads of 256, 64 of 64
        assert as_verl(source, lengths) - masked == published


def test_verls_counter_of_apertus():
    """It gives every head keys of its own, and counts the scales of the norms of queries and keys, one for each head."""
    fields = {
        "model_type": "apertus", "hidden_size": 4096, "intermediate_size": 21504, "num_hidden_layers": 32,
        "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 131072,
    }  # fmt: skip
    for lengths, published in (((512, 1024, 2048), 194825353691136), ((4096, 4096, 4096), 692711652851712)):
        assert as_verl(fields, lengths) + 6 * sum(lengths) * 32 * 2 * 4096 == published
