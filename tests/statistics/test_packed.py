"""Packed weights come out as the numbers that went in: packed here by hand as each library does it, read bit for bit."""

import json
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import numel
from numel.cli import main
from numel.core.dtypes import F32
from numel.errors import MissingValuesError
from numel.opening import open_values
from numel.statistics.dequantised import Dequantised

RNG = np.random.default_rng(11)
OUT, WIDTH, GROUP = 64, 256, 64
NAME = "model.layers.0.mlp.down_proj"
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6], np.float32)
F8 = torch.float8_e4m3fn


def words(values, bits):
    """The values of each row as a number, the first lowest, cut into words of 32 bits."""
    rows = []
    for row in values:
        number = sum(int(value) << (bits * k) for k, value in enumerate(row))
        rows.append([(number >> (32 * k)) & 0xFFFFFFFF for k in range(-(-len(row) * bits // 32))])
    return np.array(rows, np.uint32)


def integers(bits, *shape):
    return RNG.integers(0, 1 << bits, shape)


def halves(*shape):
    return RNG.uniform(0.01, 0.1, shape).astype(np.float16)


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array.view(np.int32) if array.dtype == np.uint32 else array))


def gptq(bits, *, shuffled=False, v2=False):
    quants, zeros, scales = integers(bits, WIDTH, OUT), integers(bits, WIDTH // GROUP, OUT), halves(WIDTH // GROUP, OUT)
    groups = RNG.permutation(np.arange(WIDTH) // GROUP) if shuffled else np.arange(WIDTH) // GROUP
    expected = scales[groups].astype(np.float32) * (quants - (zeros[groups] + (0 if v2 else 1))).astype(np.float32)
    config = {
        "quantization_config": {"quant_method": "gptq", "bits": bits} | ({"checkpoint_format": "gptq_v2"} if v2 else {})
    }
    return (
        {
            ".qweight": tensor(words(quants.T, bits).T),
            ".qzeros": tensor(words(zeros, bits)),
            ".scales": tensor(scales),
            ".g_idx": tensor(groups.astype(np.int32)),
        },
        expected,
        config,
    )


def awq():
    """AutoAWQ, gemm.py: bits 4 i to 4 i + 4 of a word hold column order_map[i] of its eight."""

    def pack(values):
        found = np.zeros((len(values), OUT // 8), np.uint32)
        for word in range(OUT // 8):
            for i, column in enumerate([0, 2, 4, 6, 1, 3, 5, 7]):
                found[:, word] |= values[:, 8 * word + column].astype(np.uint32) << np.uint32(4 * i)
        return found

    quants, zeros, scales = integers(4, WIDTH, OUT), integers(4, WIDTH // GROUP, OUT), halves(WIDTH // GROUP, OUT)
    groups = np.arange(WIDTH) // GROUP
    expected = scales[groups].astype(np.float32) * (quants - zeros[groups]).astype(np.float32)
    return {".qweight": tensor(pack(quants)), ".qzeros": tensor(pack(zeros)), ".scales": tensor(scales)}, expected, None


def pack_quantized():
    quants, scales = integers(4, OUT, WIDTH), halves(OUT, WIDTH // GROUP)
    expected = np.repeat(scales, GROUP, axis=1).astype(np.float32) * (quants - 8).astype(np.float32)
    shape = torch.tensor([OUT, WIDTH])
    return (
        {".weight_packed": tensor(words(quants, 4)), ".weight_scale": tensor(scales), ".weight_shape": shape},
        expected,
        None,
    )


def mlx(bits):
    quants, scales, biases = integers(bits, OUT, WIDTH), halves(OUT, WIDTH // GROUP), halves(OUT, WIDTH // GROUP)
    times, plus = (np.repeat(array, GROUP, axis=1).astype(np.float32) for array in (scales, biases))
    config = {"quantization": {"bits": bits, "group_size": GROUP}}
    packed = torch.from_numpy(words(quants, bits).view(np.int32)).view(torch.uint32)
    return {".weight": packed, ".scales": tensor(scales), ".biases": tensor(biases)}, times * quants + plus, config


def nvfp4(kind):
    codes = integers(4, OUT, WIDTH)
    scales = torch.from_numpy(RNG.uniform(1, 100, (OUT, WIDTH // 16)).astype(np.float32)).to(F8)
    packed = torch.from_numpy((codes[:, ::2] | codes[:, 1::2] << 4).astype(np.uint8))
    whole = torch.tensor([8.0])
    wide = scales.float().numpy().repeat(16, axis=1)
    if kind == "ModelOpt":
        found = {".weight": packed, ".weight_scale": scales, ".weight_scale_2": whole.reshape(())}
        return found, E2M1[codes] * (wide * np.float32(8)), None
    found = {".weight_packed": packed, ".weight_scale": scales, ".weight_global_scale": whole}
    return found, E2M1[codes] * (wide / np.float32(8)), None


def gpt_oss():
    codes, scales = integers(4, 2, OUT, WIDTH // 32, 32), RNG.integers(110, 130, (2, OUT, WIDTH // 32))
    expected = E2M1[codes] * np.float32(2.0) ** (scales[..., None].astype(np.float32) - 127)
    packed = (codes[..., ::2] | codes[..., 1::2] << 4).astype(np.uint8)
    return {"_blocks": tensor(packed), "_scales": tensor(scales.astype(np.uint8))}, expected, None


def nf4(*, nested):
    codes, table = integers(4, OUT * WIDTH), np.sort(RNG.uniform(-1, 1, 16)).astype(np.float32)
    n_blocks = OUT * WIDTH // 64
    state = {"blocksize": 64, "shape": [OUT, WIDTH], "dtype": "float16", "quant_type": "nf4"}
    found = {
        ".weight": tensor((codes[::2] << 4 | codes[1::2]).astype(np.uint8)[:, None]),
        ".weight.quant_map": tensor(table),
    }
    absmax = RNG.uniform(0.1, 1, n_blocks).astype(np.float32)
    if nested:
        state |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.25}
        inner, outer = RNG.uniform(-1, 1, 256).astype(np.float32), np.array([0.5], np.float32)
        bytes_ = RNG.integers(0, 256, n_blocks).astype(np.uint8)
        absmax = inner[bytes_] * outer[0] + np.float32(0.25)
        found |= {".weight.nested_quant_map": tensor(inner), ".weight.nested_absmax": tensor(outer)}
    found[".weight.absmax"] = tensor(bytes_ if nested else absmax)
    found[".weight.quant_state.bitsandbytes__nf4"] = tensor(np.frombuffer(json.dumps(state).encode(), np.uint8).copy())
    return found, table[codes] * absmax.repeat(64), None


def int8():
    """bitsandbytes/functional.py, int8_vectorwise_dequant: A · stats / 127."""
    values, largest = RNG.integers(-127, 128, (OUT, WIDTH)).astype(np.int8), RNG.uniform(0.1, 1, OUT).astype(np.float32)
    expected = values.astype(np.float32) * (largest / np.float32(127))[:, None]
    return {".weight": tensor(values), ".SCB": tensor(largest)}, expected, None


def fp8(leaf, shape):
    """The numbers by torch's own float8; a scale for each share of the rows and columns, 128 of them in a block."""
    values = torch.from_numpy(RNG.standard_normal((320, WIDTH)).astype(np.float32) * 30).to(F8)
    scales = RNG.uniform(0.001, 0.01, shape).astype(np.float32)
    wide = (
        np.broadcast_to(scales, (320, WIDTH)) if 1 in shape or not shape else scales.repeat(128, 0).repeat(128, 1)[:320]
    )
    return {".weight": values, leaf: torch.from_numpy(scales)}, values.float().numpy() * wide, None


LAYOUTS = {
    "GPTQ, 4 bits": lambda: gptq(4),
    "GPTQ, 3 bits": lambda: gptq(3),
    "GPTQ, 8 bits": lambda: gptq(8),
    "GPTQ, 2 bits, in the order of activations": lambda: gptq(2, shuffled=True),
    "GPTQ v2": lambda: gptq(4, v2=True),
    "AWQ": awq,
    "compressed-tensors, int4": pack_quantized,
    "MLX, 4 bits": lambda: mlx(4),
    "MLX, 3 bits": lambda: mlx(3),
    "compressed-tensors, NVFP4": lambda: nvfp4("compressed-tensors"),
    "ModelOpt, NVFP4": lambda: nvfp4("ModelOpt"),
    "MXFP4": gpt_oss,
    "bitsandbytes, NF4": lambda: nf4(nested=False),
    "bitsandbytes, NF4, nested": lambda: nf4(nested=True),
    "bitsandbytes, int8": int8,
    "FP8 in blocks": lambda: fp8(".weight_scale_inv", (3, 2)),
    "FP8, a scale for each row": lambda: fp8(".weight_scale", (320, 1)),
    "FP8, one scale": lambda: fp8(".weight_scale", ()),
}


def written(folder, tensors, config):
    prefix = "model.layers.0.mlp.experts.down_proj" if "_blocks" in tensors else NAME
    save_file({prefix + leaf: value.contiguous() for leaf, value in tensors.items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "unheard_of", **(config or {})}))
    return folder / "model.safetensors"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_was_packed_comes_out(tmp_path, layout):
    tensors, expected, config = LAYOUTS[layout]()
    model = numel.inspect(written(tmp_path, tensors, config))
    (row,) = [row for row in model.parameters if row.excluded is None]
    quantisation = (config or {}).get("quantization_config")
    opened = Dequantised([r.tensor for r in model.parameters], open_values("m", model.table.source), quantisation)
    found = opened.tensor(row.tensor)
    assert found.dtype == F32
    assert found.numel == row.numel == expected.size
    values = np.frombuffer(opened.open(found.shard).read(0, 4 * found.numel), np.float32)
    assert np.array_equal(values, expected.ravel())
    part = opened.open(found.shard).read(4 * 1001, 4 * 777)  # it begins and ends within a unit
    assert np.array_equal(np.frombuffer(part, np.float32), expected.ravel()[1001:1778])


@pytest.mark.parametrize("layout", ["GPTQ, 4 bits", "MXFP4", "FP8 in blocks"])
def test_their_statistics_are_those_of_the_values(tmp_path, layout):
    tensors, expected, config = LAYOUTS[layout]()
    (model,) = numel.inspect(written(tmp_path, tensors, config)).report("values", exact=True).data["models"]
    values = expected.astype(np.float64).ravel()
    assert sum(model["dequantised"].values()) == 1
    assert (model["stats"]["min"], model["stats"]["max"]) == (values.min(), values.max())
    assert model["stats"]["std"] == pytest.approx(values.std(), rel=1e-12)
    assert (
        list(model["stats"]["quantiles"].values())
        == np.quantile(values, [float(q) for q in model["stats"]["quantiles"]]).tolist()
    )


def test_a_row_of_a_packed_matrix_is_a_row(tmp_path):
    """GPTQ lies turned round in the file."""
    tensors, _, config = gptq(4)
    tensors[".scales"][:, 5] *= 100
    path = written(tmp_path, tensors, config)
    (model,) = numel.inspect(path).report("values", channels=True, top=1, spectrum="exact").data["models"]
    assert (model["channels"][0]["axis"], model["channels"][0]["channel"]) == ("row", 5)
    assert model["spectra"][0]["n_singular_values"] == OUT


def test_what_lies_there_without_its_scales_is_named(tmp_path):
    tensors, _, config = awq()
    del tensors[".qzeros"]
    report = numel.inspect(written(tmp_path, tensors, config)).report("values")
    (warning,) = [text for text in report.warnings if "not read" in text.template]
    assert warning.values["n"].raw == 1


def test_scales_that_do_not_fit_are_one_line(tmp_path, capsys):
    tensors, _, config = gptq(4)
    tensors[".g_idx"][100] = 99
    assert main(["values", str(written(tmp_path, tensors, config))]) == 4
    err = capsys.readouterr().err
    assert f"the scales of {NAME}.weight do not fit its values" in err
    assert err.count("\n") == 1
    tensors, _, config = nf4(nested=True)
    tensors[".weight.quant_state.bitsandbytes__nf4"][:] = 65  # no JSON
    assert main(["values", str(written(tmp_path, tensors, config))]) == 0
    assert "the values of 1 tensors are not read" in capsys.readouterr().out


def test_histograms_of_packed_weights_answer_without_them(tmp_path):
    tensors, _, config = gptq(4)
    path = written(tmp_path, tensors, config)
    kept = str(tmp_path / "model.numel")
    (first,) = numel.inspect(path).report("values", by="tensor", save_histograms=kept).data["models"]
    path.unlink()
    (again,) = numel.inspect(kept).report("values", by="tensor").data["models"]
    assert again["groups"] == first["groups"]
    assert again["dequantised"] == first["dequantised"] == {"GPTQ4": 1}
    with pytest.raises(MissingValuesError, match="histograms alone"):
        numel.inspect(kept).report("values", spectrum="top-k")


def test_other_processes_dequantise_and_count_the_same(tmp_path, monkeypatch):
    tensors, _, config = gptq(4)
    model = numel.inspect(written(tmp_path, tensors, config))
    (alone,) = model.report("values", by="tensor").data["models"]

    def nobody(*_):
        raise AssertionError

    monkeypatch.setattr(sys.modules["numel.statistics.scan"], "count_job", nobody)  # this process counts nothing
    (others,) = model.report("values", by="tensor", workers=2).data["models"]
    assert alone == others
    assert others["dequantised"] == {"GPTQ4": 1}


def _plain(folder, tensors):
    """A checkpoint of the same names whose values lie there as they are."""
    folder.mkdir()
    save_file(
        {name: torch.from_numpy(np.ascontiguousarray(values, np.float32)) for name, values in tensors.items()},
        folder / "model.safetensors",
    )
    return folder / "model.safetensors"


@pytest.mark.parametrize(
    "layout", ["FP8 in blocks", "bitsandbytes, NF4, nested", "MLX, 4 bits", "compressed-tensors, int4"]
)
def test_diff_compares_the_numbers_that_packed_values_stand_for(tmp_path, layout):
    tensors, expected, config = LAYOUTS[layout]()
    packed = numel.inspect(written(tmp_path, tensors, config))
    name, shape = next((row.tensor.name, row.tensor.shape) for row in packed.parameters if row.excluded is None)
    moved = expected.reshape(shape).copy()
    moved[3, 7] += 1
    for values, n_changed in ((expected.reshape(shape), 0), (moved, 1)):
        other = numel.inspect(_plain(tmp_path / str(n_changed), {name: values}))
        (found,) = numel.compare(packed, other).report("diff").data["tensors"]
        assert (found["tensor"], found["n_changed"]) == (name, n_changed)
        assert found["other_dtype"] == "F32" != found["dtype"]


@pytest.mark.parametrize("layout", ["GPTQ, 4 bits", "AWQ", "MXFP4"])
def test_what_is_packed_as_its_transpose_is_compared_with_a_matrix_that_lies_as_it_is(layout, tmp_path):
    """By row and column: a value that changed is one, wherever it stands, and norms are those of either layout."""
    tensors, expected, config = LAYOUTS[layout]()
    packed = numel.inspect(written(tmp_path, tensors, config))
    name = NAME + ".weight" if layout != "MXFP4" else "model.layers.0.mlp.experts.down_proj"
    expected = expected.reshape(2, OUT, WIDTH) if layout == "MXFP4" else expected
    plain = np.ascontiguousarray(np.swapaxes(expected, -1, -2)).astype(np.float32)
    for moved in (0, 2):
        plain[..., 3, 5] += moved
        n_changed = moved and plain[..., 3, 5].size
        other = numel.inspect(_plain(tmp_path / str(moved), {name: plain}))
        for one, two in ((packed, other), (other, packed)):
            result = numel.compare(one, two).report("diff")
            assert not [text for text in result.warnings if "not compared" in text.template]
            (found,) = result.data["tensors"]
            assert (found["tensor"], found["n_changed"]) == (name, n_changed)
            norm = np.linalg.norm(plain if one is other else expected.astype(float))
            assert found["relative"] == pytest.approx(2 * n_changed**0.5 / norm if n_changed else 0, rel=1e-6)


def test_the_doctor_looks_into_packed_weights(tmp_path):
    """A scale of zero is a dead row; GPTQ lies turned round in the file. What the packing cannot help is no finding."""
    tensors, _, config = gptq(4)
    assert numel.inspect(written(tmp_path, tensors, config)).report("doctor").data["models"][0]["findings"] == []
    tensors[".scales"][:, 5] = 0
    (model,) = numel.inspect(written(tmp_path, tensors, config)).report("doctor").data["models"]
    (found,) = model["findings"]
    assert (found["kind"], found["numbers"], found["of"]) == ("dead_rows", (5,), OUT)
    tensors[".scales"][0, 6] = float("nan")
    (model,) = numel.inspect(written(tmp_path, tensors, config)).report("doctor").data["models"]
    told = {(found["tensor"], found["kind"]): found["number"] for found in model["findings"]}
    assert told == {(NAME + ".weight", "nan"): GROUP, (NAME + ".scales", "nan"): 1, (NAME + ".weight", "dead_rows"): 1}
