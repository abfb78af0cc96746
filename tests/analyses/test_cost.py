"""What the cost command says: numbers from publications, conventions, one clear line for a senseless value."""

from __future__ import annotations

import json

import pytest

import numel
from numel.cli import main
from numel.costs.families import FAMILIES
from numel.errors import UnsupportedError, UsageError


def answer(capsys, *words):
    assert main(["cost", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["models"][0]


def group(found, component):
    return next(g for g in found["groups"] if g["component"] == component)


def test_the_tied_head_is_no_parameter_and_a_quarter_of_the_work(capsys):
    found = answer(capsys, "gpt2", "--context", "1024")
    head, embedding = group(found, "head"), group(found, "embedding")
    assert (head["numel"], head["flops"]) == (0, 79047426048)  # nanoGPT's table: "dense"
    assert head["flops_share"] == pytest.approx(79047426048 / 291648307200)
    assert embedding["flops"] == 0
    assert embedding["numel"] == 38597376 + 786432


def test_the_groups_sum_to_the_model(capsys):
    for by in ("component", "part", "layer"):
        found = answer(capsys, "gpt2", "--by", by, "--phase", "decode")
        assert sum(g["numel"] for g in found["groups"]) == found["counts"]["total"] == 124439808
        for key in ("flops", "weight_nbytes", "read_nbytes", "kv_nbytes", "kv_moved_nbytes", "activation_nbytes"):
            assert sum(g[key] for g in found["groups"]) == found[key]


def test_activations_are_told_by_component_and_by_layer(capsys):
    # nanoGPT's products: queries, keys and values, their sum, two maps back to the stream, the MLP's middle, all logits
    n, d = 1024, 768
    by_hand = {"embedding": 0, "attention": 12 * 5 * n * d, "mlp": 12 * 5 * n * d, "norm": 0, "head": n * 50257}
    found = answer(capsys, "gpt2")
    assert {g["component"]: g["activation_nbytes"] for g in found["groups"]} == {k: 4 * v for k, v in by_hand.items()}
    assert found["activation_nbytes"] == 4 * sum(by_hand.values())
    assert found["memory"]["activations"] == 4 * (n * (2 * d + 2 * 4 * d) + 50257)  # held at once
    layers = answer(capsys, "gpt2", "--by", "layer", "--dtype", "bf16")["groups"]
    assert [g["activation_nbytes"] for g in layers] == [2 * 10 * n * d] * 12 + [2 * n * 50257]
    assert main(["cost", "gpt2", "--csv"]) == 0
    header, *rows = capsys.readouterr().out.splitlines()
    assert header.split(",")[-1] == "activation_nbytes"
    assert [int(row.split(",")[-1]) for row in rows] == [4 * v for v in by_hand.values()]


@pytest.mark.parametrize(("by", "keys"), [("layer,layer", 1), ("component,part", 2), ("part,layer,part", 3)])
def test_a_key_that_is_named_twice_is_one_column(by, keys):
    table = next(b for b in numel.inspect("gpt2").report("cost", by=by).blocks if getattr(b, "columns", ()))
    names = [column.key for column in table.columns]
    assert len(set(names)) == len(names)
    assert names.index("numel") == keys


def test_what_is_remarked_of_a_device_is_translated(capsys):
    for language, said in (("en", "(FP32 of the GPU)"), ("vi", "(FP32 của GPU)")):
        assert main(["cost", "gpt2", "--device", "m1-max", "--lang", language]) == 0
        assert said in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("device", "said"),
    [
        (
            "h200x2",
            "9.6 TB/s, 1.979 PFLOP/s in 16 bits together",
        ),  # NVIDIA's 1,979 TFLOP/s with sparsity, halved, of two
        ("m1-max", "10.4 TFLOP/s in 32 bits together"),
        ("m3-ultra", "819 GB/s together, and no peak is stated"),
    ],
)
def test_of_which_width_products_reach_the_peak_is_said(capsys, device, said):
    assert main(["cost", "gpt2", "--device", device]) == 0
    assert said in " ".join(capsys.readouterr().out.split())


def test_the_lens_tells_bytes_of_weights_from_those_of_the_cache(capsys):
    """12 layers × 2 × 768 numbers of 4 bytes for each of 1,024 tokens."""
    for phase in ("prefill", "decode"):
        assert answer(capsys, "gpt2")["lens"][phase]["kv_moved_nbytes"] == 1024 * 12 * 2 * 768 * 4


def test_latents_that_are_expanded_anew_are_held(capsys):
    """DeepSeek-V3: 128 heads with keys and values of 128 numbers each, of every token, 2 bytes a number."""
    words = ("deepseek-ai/DeepSeek-V3", "--phase", "decode", "--context", "4096", "--batch", "2", "--mla")
    naive, absorbed = (answer(capsys, *words, form)["memory"]["activations"] for form in ("naive", "absorbed"))
    assert naive - absorbed == 2 * 4096 * 128 * (128 + 128) * 2


def test_a_state_is_said_to_be_a_part_of_the_cache(capsys):
    assert main(["cost", "ai21labs/Jamba-v0.1"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "25.5 MB (24.3 MiB) at this context" in said  # 1,024 × 16,384, and 28 × 8,192 × (16 + 3) × 2 of state
    assert "8.7 MB (8.3 MiB) of the cache are a state" in said


def test_a_training_step_says_what_stays_for_its_backward_pass(capsys):
    assert main(["cost", "gpt2", "--phase", "train"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "291.7 MB (278.2 MiB) in 16 bits that products write stay for the backward pass" in said


def test_the_table_says_which_bytes_move_for_a_token():
    table = next(b for b in numel.inspect("gpt2").report("cost", phase="decode").blocks if getattr(b, "columns", ()))
    column = [c.key for c in table.columns].index("moved_nbytes")
    cache = 12 * 2 * 768 * 1024
    by_hand = {
        "embedding": 2 * 768,  # a row of each table
        "attention": 12 * (768 * 2304 + 2304 + 768 * 768 + 768) + cache,
        "mlp": 12 * (2 * 768 * 3072 + 3072 + 768),
        "norm": 25 * 2 * 768,
        "head": 50257 * 768,  # the embedding, as a matrix
    }
    assert {row[0]: row[column] for row in table.rows} == {name: 4 * n for name, n in by_hand.items()}
    assert table.total[column] == 4 * sum(by_hand.values())


def test_the_triangle_is_half_of_the_square_and_its_diagonal(capsys):
    square = answer(capsys, "gpt2", "--context", "1000", "--by", "part")
    triangle = answer(capsys, "gpt2", "--context", "1000", "--by", "part", "--causal-flops", "triangle")
    scores = [next(g["flops"] for g in found["groups"] if g["part"] == "scores") for found in (square, triangle)]
    assert scores == [12 * 2 * 768 * 1000 * 1000, 12 * 2 * 768 * 500500]


def test_element_types_change_bytes_and_not_flops(capsys):
    held = answer(capsys, "gpt2", "--dtype", "bf16", "--kv-dtype", "fp8", "--batch", "8")
    assert held["weight_nbytes"] == 2 * 124439808
    assert held["kv_nbytes"] == 8 * 1024 * 12 * 2 * 768
    assert held["kv_nbytes_per_token"] == 12 * 2 * 768


@pytest.mark.parametrize("dtype", ["fp8", "int8", "fp4"])
def test_weights_of_fewer_bits_leave_the_cache_at_sixteen(capsys, dtype):
    # vLLM's kv_cache_dtype "auto"; arXiv 2505.09343, table 1, gives 70,272 bytes a token for a model of FP8 weights
    found = answer(capsys, "deepseek-ai/DeepSeek-V3", "--dtype", dtype, "--context", "512")
    assert (found["kv_nbytes_per_token"], found["setting"]["kv_dtype"]) == (70272, "BF16")
    assert found["memory"]["activations"] == 2 * (512 * (2 * 7168 + 2 * 32768) + 129280)
    assert (
        answer(capsys, "deepseek-ai/DeepSeek-V3", "--dtype", dtype, "--kv-dtype", "fp8")["kv_nbytes_per_token"] == 35136
    )


def test_a_packed_checkpoint_keeps_its_cache_in_the_type_it_works_in(capsys, tmp_path):
    tensors, n = {}, 0
    for name, out in (*((f"self_attn.{key}_proj", 64) for key in "qkvo"), ("mlp.up_proj", 128)):
        for part, dtype, shape in (
            ("qweight", "I32", [8, out]),
            ("qzeros", "I32", [1, out // 8]),
            ("scales", "F16", [1, out]),
        ):
            nbytes = shape[0] * shape[1] * {"I32": 4, "F16": 2}[dtype]
            tensors[f"model.layers.0.{name}.{part}"] = {"dtype": dtype, "shape": shape, "data_offsets": [n, n + nbytes]}
            n += nbytes
    header = json.dumps(tensors).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(n))
    fields = {
        "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 4,
        "num_key_value_heads": 4, "vocab_size": 100, "torch_dtype": "float16",
        "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 64},
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(fields), encoding="utf-8")
    found = answer(capsys, str(tmp_path), "--context", "10")
    assert (found["setting"]["dtype"], found["setting"]["kv_dtype"]) == ("GPTQ4", "F16")
    assert found["kv_nbytes_per_token"] == 2 * 2 * 64


def test_a_decoded_token_reads_the_expected_number_of_experts(capsys):
    # 256 experts of 3 × 2048 × 7168 in 58 layers, 8 for a token; two tokens touch 256·(1 − (31/32)²) = 15.75
    for batch, touched in ((1, 8), (2, 15.75)):
        found = answer(
            capsys,
            "deepseek-ai/DeepSeek-V3",
            "--phase",
            "decode",
            "--dtype",
            "fp8",
            "--batch",
            str(batch),
            "--by",
            "part",
        )
        experts = next(g for g in found["groups"] if g["part"] == "experts")
        assert experts["read_nbytes"] == pytest.approx(58 * touched * 3 * 2048 * 7168)
        assert experts["flops"] == batch * 58 * 8 * 2 * 3 * 2048 * 7168


def test_a_type_that_nobody_states_is_said_to_be_assumed():
    fields = {"model_type": "gpt2", "n_layer": 2, "architectures": ["GPT2LMHeadModel"]}
    said = [text.template for text in numel.inspect(fields).report("cost").assumptions]
    assumed = "no element type is stated for the weights: BF16 taken, --dtype says another"
    assert assumed in said
    assert not any("bytes are unknown" in text for text in said)
    said = [text.template for text in numel.inspect(fields).report("cost", dtype="fp16").assumptions]
    assert assumed not in said


@pytest.mark.parametrize(
    ("model_type", "words"),
    [
        ("wav2vec2", "--context counts the vectors of a sound"),
        ("moonshine", "the shortest of which it makes as many vectors"),
        ("granite_speech", "held in memory and do no work"),
    ],
)
def test_what_the_context_means_for_a_sound_is_said(model_type, words):
    said = [text.template for text in numel.inspect({"model_type": model_type}).report("cost").assumptions]
    assert any(words in line for line in said)


def test_an_ear_that_works_is_not_said_to_rest():
    said = [text.template for text in numel.inspect({"model_type": "voxtral_realtime"}).report("cost").assumptions]
    assert not any("do no work" in line for line in said)


def test_engines_reserve_whole_blocks(capsys):
    found = answer(capsys, "gpt2", "--context", "17", "--dtype", "bf16")
    assert found["kv_nbytes"] == 17 * 36864
    assert found["kv_reserved_nbytes"] == 32 * 36864


def test_training_holds_sixteen_bytes_a_parameter(capsys):
    found = answer(capsys, "gpt2", "--phase", "train")
    assert found["training"]["total"] == 16 * 124439808
    shared = answer(capsys, "gpt2", "--phase", "train", "--zero", "3", "--device", "a100x8")
    assert shared["training"]["total"] == 2 * 124439808


def test_a_model_that_fits_and_one_that_does_not(capsys):
    fits = answer(capsys, "deepseek-ai/DeepSeek-V3", "--device", "h200x8", "--dtype", "fp8", "--context", "131072")
    assert fits["device"]["fits"]
    assert fits["device"]["longest_context"] == 163840  # all of its positions
    tight = answer(capsys, "deepseek-ai/DeepSeek-V3", "--device", "h100x8", "--dtype", "fp8")
    assert not tight["device"]["fits"]  # 671 GB of weights, 684 GB of memory, of which 90 % are used
    assert tight["device"]["longest_context"] is None


def test_the_longest_context_is_the_last_that_fits_with_its_own_activations(capsys):
    words = ("meta-llama/Llama-2-7b-hf", "--device", "rtx4090", "--dtype", "bf16", "--batch", "64", "--context")
    found = answer(capsys, *words, "1")["device"]
    n, free = found["longest_context"], 0.9 * 24564 * 2**20 - 2 * 6738415616 - 64 * 2 * 32000
    cache, activations = 64 * 2 * 32 * 4096 * 2, 64 * 2 * (2 * 4096 + 2 * 11008)  # bytes a token
    assert -(-n // 16) * 16 * cache + n * activations <= free
    assert -(-(n + 1) // 16) * 16 * cache + (n + 1) * activations > free
    assert answer(capsys, *words, str(n))["device"]["fits"]
    assert not answer(capsys, *words, str(n + 1))["device"]["fits"]


@pytest.mark.parametrize(
    ("model", "d_model", "widest", "vocabulary"),
    [
        ("openai-community/gpt2", 768, 3072, 50257),
        ("deepseek-ai/DeepSeek-V3", 7168, 128 * (128 + 128), 129280),  # keys and values of all heads, from the latents
        ("mistralai/Mixtral-8x22B-v0.1", 6144, 2 * 16384, 32000),  # a token passes through two experts
        ("openai/gpt-oss-20b", 2880, 4 * 2880, 201088),  # four experts, whose gates come out of the same product
        ("microsoft/phi-4", 5120, 17920, 100352),  # a gate and what it gates in one matrix
        ("albert/albert-base-v2", 768, 3072, 30000),  # embeddings narrower than the stream
    ],
)
def test_activations_are_those_of_the_widest_place(capsys, model, d_model, widest, vocabulary):
    found = answer(capsys, model, "--dtype", "bf16", "--context", "512")
    assert found["memory"]["activations"] == 2 * (512 * (2 * d_model + 2 * widest) + vocabulary)


def test_training_fits_where_the_states_of_one_device_do(capsys):
    words = ("meta-llama/Meta-Llama-3-70B", "--phase", "train", "--zero", "3", "--device")
    assert not answer(capsys, *words, "h200x8")["training"]["fits"]  # 2 bytes a parameter on each, 141 GB of 151
    assert answer(capsys, *words, "h200x16")["training"]["fits"]


def test_decoding_is_bound_by_bandwidth_and_a_long_prompt_by_arithmetic(capsys):
    words = ("gpt2", "--device", "h200", "--dtype", "bf16")
    decode, prefill = (answer(capsys, *words, "--phase", phase) for phase in ("decode", "prefill"))
    assert group(decode, "mlp")["intensity"] == pytest.approx(1, rel=0.01)  # 2 FLOPs for the 2 bytes of a weight
    assert group(decode, "mlp")["bound"] == "bandwidth"
    assert group(prefill, "mlp")["bound"] == "compute"
    assert group(prefill, "mlp")["time_s"] == pytest.approx(115964116992 / 989.4e12)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--context", "1025"), "beyond the model's 1024 positions"),
        (("--context", "0"), "--context 0: not a whole number of 1 or more"),
        (("--batch", "-1"), "--batch -1: not a whole number of 1 or more"),
        (("--device", "h1000"), "--device h1000: no such device"),
        (("--device", "h200x0"), "no such device"),
        (("--dtype", "bf17"), "--dtype bf17: no such element type"),
        (("--phase", "sleep"), "--phase sleep: not one of prefill, decode, train"),
        (("--causal-flops", "round"), "not one of square, triangle"),
        (("--by", "tower"), "cannot group the cost by 'tower'"),
        (("--phase", "train", "--zero", "4"), "--zero 4: ZeRO has the stages"),
        (("--zero", "2"), "--zero 2 is for --phase train alone"),
        (("--threads", "2"), "--threads 2 is for --measure alone"),
        (("--passes", "5"), "--passes 5 is for --measure alone"),
        (("--batch", "many"), "--batch"),
    ],
)
def test_a_senseless_value_gets_one_line(capsys, words, said):
    assert main(["cost", "gpt2", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert err.count("\n") == 1


def test_an_attention_that_is_not_known_is_refused_by_name(monkeypatch):
    monkeypatch.delitem(FAMILIES, "phi")  # one that nobody has looked at
    with pytest.raises(UnsupportedError, match="model_type 'phi' attends is not known"):
        numel.inspect({"model_type": "phi"}).report("cost")
    with pytest.raises(UnsupportedError, match="a model without a configuration"):
        numel.inspect({"h.0.attn.c_attn.weight": Shaped((8, 24))}).report("cost")


class Shaped:
    """A tensor of a state dict, as far as a count needs it."""

    def __init__(self, shape):
        self.shape = shape
        self.dtype = "torch.float32"


def test_a_model_of_no_tensors_costs_nothing():
    with pytest.raises(UnsupportedError, match="holds no tensors"):
        numel.inspect({"model_type": "gemma4_unified_audio"}).report("cost")


def test_an_encoder_does_not_decode():
    with pytest.raises(UsageError, match="decodes nothing"):
        numel.inspect("google-bert/bert-base-uncased").report("cost", phase="decode")


def test_what_decodes_no_single_token_is_costed_without_asking_for_a_phase():
    blt = numel.inspect({"model_type": "blt"})
    lens = blt.report("cost").data["models"][0]["lens"]
    assert lens["prefill"] == lens["decode"]
    with pytest.raises(UsageError, match="not decoding"):
        blt.report("cost", phase="decode")


def test_the_lens_stands_as_a_figure(tmp_path):
    path = tmp_path / "lens.svg"
    assert main(["cost", "gpt2", "--save", str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    assert "FLOPs, decode" in text


@pytest.mark.parametrize("view", ["terminal", "csv", "markdown", "html"])
@pytest.mark.parametrize("lang", ["en", "vi"])
def test_every_view_says_it(capsys, view, lang):
    assert main(["cost", "gpt2", "--format", view, "--lang", lang, "--device", "h200"]) == 0
    out = capsys.readouterr().out
    assert out.strip()
    assert (
        "291.648.307.200" if lang == "vi" and view != "csv" else "79047426048" if view == "csv" else "291,648,307,200"
    ) in out


def test_each_component_stands_on_the_roofline_of_the_device(capsys):
    """NVIDIA's H100 SXM: 3.35 TB/s, 989.4 TFLOP/s. A matrix of F32 is 2 FLOPs for 4 bytes, times the tokens that it is read for."""
    found = answer(capsys, "gpt2", "--device", "h100")
    points = {(p["phase"], p["component"]): (p["intensity"], p["flop_rate"]) for p in found["roofline"]}
    assert points["decode", "head"] == (0.5, 0.5 * 3.35e12)
    assert points["prefill", "head"] == (512.0, 989.4e12)
    assert not any(component in ("embedding", "norm") for _, component in points)  # a lookup multiplies nothing


def test_the_roofline_is_a_figure_with_both_roofs_and_every_part():
    shown = numel.inspect("gpt2").report("cost", on="h100")
    chart = next(block for block in shown.blocks if getattr(block, "key", "") == "roofline")
    assert (chart.kind, chart.x_unit, chart.y_unit) == ("roofline", "intensity", "flop_rate")
    assert [series.key for series in chart.series] == ["bandwidth", "peak", "attention", "mlp", "head"]
    ridge = chart.x[-2]
    assert ridge == 989.4e12 / 3.35e12  # where the two roofs meet
    for series in chart.series[2:]:
        for x, rate in zip(chart.x, series.values, strict=True):
            assert rate is None or rate == min(989.4e12, 3.35e12 * x)


def test_a_device_without_a_stated_peak_has_no_roofline(capsys):
    assert answer(capsys, "gpt2", "--device", "m3-ultra")["roofline"] == []


def test_the_least_time_of_each_phase_is_shared_out():
    """A token of GPT-2 in BF16 waits for memory: 2 bytes a weight, the embedding's but one row, and the cache."""
    shown = numel.inspect("gpt2").report("cost", on="h100", dtype="bf16")
    chart = next(block for block in shown.blocks if getattr(block, "key", "") == "least-time")
    assert chart.categories == ("prefill", "decode")
    token = {series.key: series.values[1] for series in chart.series}
    mlp, cache = 12 * (8 * 768**2 + 5 * 768), 1024 * 12 * 2 * 768
    everything = 12 * (4 * 768**2 + 4 * 768) + mlp + 25 * 2 * 768 + 50257 * 768 + cache + 2 * 768
    assert token["mlp"] == pytest.approx(mlp / everything, rel=1e-12)
    assert sum(token.values()) == pytest.approx(1)
