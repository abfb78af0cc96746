"""Packed checkpoints: as many parameters as the model has, whatever a file makes of them.

Meta-Llama-3-8B has 8,030,261,248 (the hub's total for its BF16 files). The layouts are those that the libraries write;
`numel.quantised` names the file of each. The files here are sparse: a header, and a hole where the values would be.
"""

import json
from math import prod

import pytest

import numel
from numel.core.dtypes import SAFETENSORS_DTYPES
from numel.quantised import packed

LLAMA = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256,
    "tie_word_embeddings": False,
}  # fmt: skip
TOTAL = 8_030_261_248
IN_MATRICES = 32 * (2 * 4096**2 + 2 * 1024 * 4096 + 3 * 4096 * 14336)  # the linear maps of the layers: 6,979,321,856
MATRICES = {
    "self_attn.q_proj": (4096, 4096), "self_attn.k_proj": (1024, 4096), "self_attn.v_proj": (1024, 4096),
    "self_attn.o_proj": (4096, 4096), "mlp.gate_proj": (14336, 4096), "mlp.up_proj": (14336, 4096),
    "mlp.down_proj": (4096, 14336),
}  # fmt: skip


def write(path, tensors, contents=None):
    """A safetensors file of these names, dtypes and shapes; zeros but for `contents`."""
    header, offset, places = {}, 0, {}
    for name, (dtype, shape) in tensors.items():
        nbytes = SAFETENSORS_DTYPES[dtype].nbytes(prod(shape))
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [offset, offset + nbytes]}
        places[name], offset = offset, offset + nbytes
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + offset)
        for name, value in (contents or {}).items():
            file.seek(8 + len(text) + places[name])
            file.write(value)
    return path


def llama(pack, embedding=None):
    """Llama-3-8B with each matrix of a layer as `pack(name, out, in)` stores it."""
    tensors = {"model.norm.weight": ("BF16", (4096,))}
    for name in ("model.embed_tokens", "lm_head"):
        tensors |= (embedding or (lambda name, *shape: {f"{name}.weight": ("BF16", shape)}))(name, 128256, 4096)
    for layer in range(32):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{layer}.{norm}.weight"] = ("BF16", (4096,))
        for name, shape in MATRICES.items():
            tensors |= pack(f"model.layers.{layer}.{name}", *shape)
    return tensors


def gptq(bits, group=128):
    def pack(name, out, width):
        return {
            f"{name}.qweight": ("I32", (width * bits // 32, out)),
            f"{name}.qzeros": ("I32", (width // group, out * bits // 32)),
            f"{name}.scales": ("F16", (width // group, out)),
            f"{name}.g_idx": ("I32", (width,)),
        }

    return pack


def awq(name, out, width):
    return {
        f"{name}.qweight": ("I32", (width, out // 8)),
        f"{name}.qzeros": ("I32", (width // 128, out // 8)),
        f"{name}.scales": ("F16", (width // 128, out)),
    }


def nf4(name, out, width):
    n = out * width
    return {
        f"{name}.weight": ("U8", (n // 2, 1)),
        f"{name}.weight.absmax": ("U8", (n // 64,)),
        f"{name}.weight.nested_absmax": ("F32", (n // 64 // 256,)),
        f"{name}.weight.nested_quant_map": ("F32", (256,)),
        f"{name}.weight.quant_map": ("F32", (16,)),
        f"{name}.weight.quant_state.bitsandbytes__nf4": ("U8", (200,)),
    }


def int8(name, out, width):
    return {
        f"{name}.weight": ("I8", (out, width)),
        f"{name}.SCB": ("F32", (out,)),
        f"{name}.weight_format": ("U8", ()),
    }


def pack_quantized(name, out, width):
    return {
        f"{name}.weight_packed": ("I32", (out, width // 8)),
        f"{name}.weight_scale": ("BF16", (out, width // 128)),
        f"{name}.weight_shape": ("I64", (2,)),
    }


def nvfp4(name, out, width):
    return {
        f"{name}.weight_packed": ("U8", (out, width // 2)),
        f"{name}.weight_scale": ("F8_E4M3", (out, width // 16)),
        f"{name}.weight_global_scale": ("F32", (1,)),
        f"{name}.input_global_scale": ("F32", (1,)),
    }


def modelopt(name, out, width):
    return {
        f"{name}.weight": ("U8", (out, width // 2)),
        f"{name}.weight_scale": ("F8_E4M3", (out, width // 16)),
        f"{name}.weight_scale_2": ("F32", ()),
        f"{name}.input_scale": ("F32", ()),
    }


def blocks(name, out, width):
    return {
        f"{name}.weight": ("F8_E4M3", (out, width)),
        f"{name}.weight_scale_inv": ("F32", (out // 128, width // 128)),
    }


def per_tensor(name, out, width):
    return {
        f"{name}.weight": ("F8_E4M3", (out, width)),
        f"{name}.weight_scale": ("F32", ()),
        f"{name}.input_scale": ("F32", ()),
    }


def mlx(bits):
    def pack(name, out, width):
        return {
            f"{name}.weight": ("U32", (out, width * bits // 32)),
            f"{name}.scales": ("F16", (out, width // 64)),
            f"{name}.biases": ("F16", (out, width // 64)),
        }

    return pack


# layout → how it packs, its dtype, bits of a weight with the scales (exact arithmetic on the layout above), None: below
LAYOUTS = {
    "GPTQ, 4 bits": (gptq(4), "GPTQ4", None),
    "GPTQ, 3 bits": (gptq(3), "GPTQ3", None),
    "GPTQ, 8 bits": (gptq(8), "GPTQ8", None),
    "AWQ": (awq, "AWQ4", 4 + 4 / 128 + 16 / 128),
    "bitsandbytes, 4 bits": (nf4, "NF4", None),
    "bitsandbytes, 8 bits": (int8, "I8", None),
    "compressed-tensors, int4": (pack_quantized, "INT4", 4 + 16 / 128),
    "compressed-tensors, NVFP4": (nvfp4, "NVFP4", None),
    "ModelOpt, NVFP4": (modelopt, "NVFP4", None),
    "FP8 in blocks": (blocks, "F8_E4M3", 8 + 32 / 128**2),
    "FP8 per tensor": (per_tensor, "F8_E4M3", None),
    "MLX, 4 bits": (mlx(4), "MLX4", 4 + 2 * 16 / 64),
    "MLX, 8 bits": (mlx(8), "MLX8", 8 + 2 * 16 / 64),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("has_config", [True, False], ids=["with config", "bare"])
def test_a_packed_llama_has_as_many_parameters_as_the_llama(tmp_path, layout, has_config):
    pack, dtype, bits = LAYOUTS[layout]
    tensors = llama(pack)
    write(tmp_path / "model.safetensors", tensors)
    if has_config:
        (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    model = numel.inspect(tmp_path)
    assert model.total == TOTAL
    assert model.stored == sum(prod(shape) for _, shape in tensors.values())
    found = model.report().data["models"][0]
    assert sum(line["numel"] for line in found["stored_difference"]) == model.stored - TOTAL
    assert found["nbytes"] == sum(SAFETENSORS_DTYPES[dtype].nbytes(prod(shape)) for dtype, shape in tensors.values())
    assert found["quantisation"]["dtypes"] == [dtype]
    assert (found["quantisation"]["n_weights"], found["quantisation"]["numel"]) == (224, IN_MATRICES)
    if bits:
        assert found["quantisation"]["bits_per_weight"] == pytest.approx(bits, abs=1e-12)
    shapes = {row.tensor.name: row.tensor.shape for row in model.parameters if row.numel}
    if has_config or "bitsandbytes, 4" not in layout:
        assert {name: shapes[f"model.layers.31.{name}.weight"] for name in MATRICES} == MATRICES
        assert not model.table.warnings
    assert {row.excluded for row in model.parameters} <= {None, "scale", "buffer"}


def test_what_a_header_alone_does_not_tell_is_said(tmp_path):
    """Four bits of bitsandbytes are stored flat, and this quant_state is empty."""
    model = numel.inspect(write(tmp_path / "model.safetensors", llama(nf4)))
    (said,) = model.table.warnings
    assert said == "the shapes of 224 packed weights stand nowhere: they are counted, and shown flat"
    assert model["model.layers.0.mlp.up_proj.weight"].tensor.shape == (14336 * 4096,)


def test_bitsandbytes_writes_the_shape_beside_the_weight(tmp_path):
    """bitsandbytes/functional.py, QuantState.as_dict(packed=True): JSON as bytes."""
    state = json.dumps({"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [1024, 4096]}).encode()
    tensors = nf4("k_proj", 1024, 4096)
    tensors["k_proj.weight.quant_state.bitsandbytes__nf4"] = ("U8", (len(state),))
    contents = {"k_proj.weight.quant_state.bitsandbytes__nf4": state}
    model = numel.inspect(write(tmp_path / "model.safetensors", tensors, contents))
    assert model["k_proj.weight"].tensor.shape == (1024, 4096)
    assert model.total == 1024 * 4096
    assert not model.table.warnings


@pytest.mark.parametrize("state", [b"[]", b'{"shape": [3, 5]}', b'{"shape": [-1, 2]}', b"\xff", b"[" * 4000])
def test_a_shape_that_cannot_be_is_not_believed(tmp_path, state):
    tensors = nf4("k_proj", 1024, 4096)
    tensors["k_proj.weight.quant_state.bitsandbytes__nf4"] = ("U8", (len(state),))
    contents = {"k_proj.weight.quant_state.bitsandbytes__nf4": state}
    assert numel.inspect(write(tmp_path / "model.safetensors", tensors, contents)).total == 1024 * 4096


def test_compressed_tensors_write_bits_into_the_config_and_the_shape_beside_the_weight(tmp_path):
    """Eight bits: four values a word, which the header alone would not tell from eight of four bits."""
    tensors = {
        "w.weight_packed": ("I32", (64, 32)), "w.weight_scale": ("BF16", (64, 1)), "w.weight_shape": ("I64", (2,)),
    }  # fmt: skip
    shape = (64).to_bytes(8, "little") + (128).to_bytes(8, "little")
    write(tmp_path / "model.safetensors", tensors, {"w.weight_shape": shape})
    config = {
        "model_type": "unknown",
        "quantization_config": {"config_groups": {"group_0": {"weights": {"num_bits": 8}}}},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    model = numel.inspect(tmp_path)
    assert model["w.weight"].tensor.shape == (64, 128)
    assert model["w.weight"].tensor.dtype.name == "INT8"


def test_a_row_that_is_filled_up_to_a_whole_word_ends_where_the_file_says(tmp_path):
    """compressed_tensors/compressors/pack_quantized/helpers.py: 101 values of 4 bits take 13 words, with 3 to spare."""
    tensors = {
        "w.weight_packed": ("I32", (7, 13)), "w.weight_scale": ("BF16", (7, 1)), "w.weight_shape": ("I64", (2,)),
    }  # fmt: skip
    shape = (7).to_bytes(8, "little") + (101).to_bytes(8, "little")
    model = numel.inspect(write(tmp_path / "model.safetensors", tensors, {"w.weight_shape": shape}))
    assert model.total == 7 * 101
    assert model.stored == 7 * 13 + 7 + 2
    assert model["w.weight"].tensor.nbytes == 4 * 7 * 13


@pytest.mark.parametrize(("bits", "columns"), [(4, 64), (6, 96)])
def test_microscaled_floats_of_compressed_tensors(tmp_path, bits, columns):
    """compressors/mxfp4 and mxfp6: 128 values of a row in so many bytes, and a scale for 32 of them."""
    tensors = {"w.weight_packed": ("U8", (16, columns)), "w.weight_scale": ("U8", (16, 4))}
    model = numel.inspect(write(tmp_path / "model.safetensors", tensors))
    assert model["w.weight"].tensor.shape == (16, 128)
    assert model["w.weight"].tensor.dtype.name == f"MXFP{bits}"


GPT_OSS = {
    "model_type": "gpt_oss",
    "architectures": ["GptOssForCausalLM"],
    "num_hidden_layers": 24,
    "num_local_experts": 32,
}


@pytest.mark.parametrize("has_config", [True, False], ids=["with config", "bare"])
def test_gpt_oss_in_its_published_form(tmp_path, has_config):
    """openai/gpt-oss-20b: 20,914,757,184 parameters; experts in MXFP4, 4.25 bits each (model card: 4.25)."""
    blueprint = numel.inspect(GPT_OSS)
    tensors = {}
    for row in blueprint.parameters:
        name, shape = row.tensor.name, row.tensor.shape
        if name.endswith(("gate_up_proj", "experts.down_proj")):
            experts, width, out = shape
            tensors[f"{name}_blocks"] = ("U8", (experts, out, width // 32, 16))
            tensors[f"{name}_scales"] = ("U8", (experts, out, width // 32))
        else:
            tensors[name] = ("BF16", shape)
    write(tmp_path / "model.safetensors", tensors)
    if has_config:
        (tmp_path / "config.json").write_text(json.dumps(GPT_OSS))
    model = numel.inspect(tmp_path)
    assert model.total == 20_914_757_184
    assert not model.table.warnings
    assert model.report().data["models"][0]["quantisation"]["bits_per_weight"] == 4.25
    name = "model.layers.0.mlp.experts.gate_up_proj"
    assert model[name].tensor.shape == blueprint[name].tensor.shape == (32, 2880, 5760)
    assert model.by("component").to_dicts() == [
        row | {"nbytes": found["nbytes"], "n_tensors": found["n_tensors"]}
        for row, found in zip(blueprint.by("component").to_dicts(), model.by("component").to_dicts(), strict=True)
    ]


def test_bitnet_holds_four_weights_a_byte(tmp_path):
    """transformers, integrations/bitnet.py: pack_weights puts row i, i + out/4, … into one byte."""
    tensors = {"q_proj.weight": ("U8", (640, 2560)), "q_proj.weight_scale": ("BF16", (1,))}
    model = numel.inspect(write(tmp_path / "model.safetensors", tensors))
    assert model["q_proj.weight"].tensor.shape == (2560, 2560)
    assert model.total == 2560 * 2560


def test_a_state_dict_is_unpacked_as_well():
    torch = pytest.importorskip("torch")
    dtypes = {"I32": torch.int32, "F16": torch.float16}
    state = {n: torch.empty(s, dtype=dtypes[d], device="meta") for n, (d, s) in gptq(4)("q_proj", 256, 512).items()}
    model = numel.inspect(state)
    assert model.total == 256 * 512
    assert model["q_proj.weight"].tensor.shape == (256, 512)


def test_integers_that_no_scheme_explains_are_left_as_they_are(tmp_path):
    tensors = {"w.qweight": ("I32", (3, 5)), "w.scales": ("F16", (1, 7)), "v.weight": ("U8", (4, 4))}
    model = numel.inspect(write(tmp_path / "model.safetensors", tensors))
    assert model["w.qweight"].tensor.shape == (3, 5)
    assert model["v.weight"].tensor.shape == (4, 4)


@pytest.mark.parametrize(("bits", "carrier"), [(b, c) for b in range(1, 9) for c in ("I32", "U8")])
def test_a_packed_type_takes_its_bits(bits, carrier):
    dtype = packed("X", bits, carrier)
    assert dtype.nbytes(32 * 8 * 3) * 8 == bits * 32 * 8 * 3
    assert dtype.stored(32 * 8) * {"I32": 32, "U8": 8}[carrier] == bits * 32 * 8


def test_the_terminal_says_how_a_model_is_quantised(tmp_path, capsys):
    from numel.cli import main

    write(tmp_path / "model.safetensors", llama(awq))
    assert main([str(tmp_path / "model.safetensors"), "--width", "250"]) == 0
    said = capsys.readouterr().out
    assert "8,030,261,248 parameters" in said
    assert "6,979,321,856 parameters in 224 weights of AWQ4, 4.1562 bits each with their scales" in said
