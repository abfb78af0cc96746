"""Blocks of GGUF against the gguf package's own dequantisation: the same float32, bit for bit."""

import pickle
import sys

import numpy as np
import pytest

import numel
from numel.core.ggml_dtypes import GGML_DTYPES
from numel.errors import EngineError
from numel.opening import open_values
from numel.statistics import ggml_blocks
from numel.statistics.dequantised import Dequantised
from numel.statistics.ggml_blocks import DECODERS, GRIDS

gguf = pytest.importorskip("gguf")
TYPES = {dtype.name: (gguf.GGMLQuantizationType(number), dtype) for number, dtype in GGML_DTYPES.items()}


@pytest.mark.parametrize("name", [name for name in DECODERS if name != "Q1_0"])  # which gguf 0.19 only knows by name
def test_every_block_is_what_ggufs_own_package_makes_of_it(name):
    kind, dtype = TYPES[name]
    rng = np.random.default_rng(3)
    raw = rng.integers(0, 256, (2000, dtype.block_nbytes), dtype=np.uint8)
    with np.errstate(all="ignore"):  # random bytes are NaN and infinities too
        found = DECODERS[name](raw)
        expected = gguf.dequantize(raw, kind)
    assert found.dtype == np.float32
    assert found.shape == (2000, dtype.block_numel)
    assert np.array_equal(found, expected.reshape(found.shape), equal_nan=True)


def test_one_bit_is_a_sign():
    """block_q1_0 of ggml-common.h: a float16 and 128 bits, of each byte the lowest first."""
    raw = np.frombuffer(np.float16(0.5).tobytes() + bytes([0b00000101, *[0] * 15]), np.uint8)[None]
    assert DECODERS["Q1_0"](raw)[0].tolist() == [0.5, -0.5, 0.5, *[-0.5] * 125]


def _file_of_grids(folder):
    """A GGUF file with a tensor of each type that lies on a grid; name → its values as gguf reads them."""
    rng = np.random.default_rng(4)
    writer, expected = gguf.GGUFWriter(folder / "m.gguf", "llama"), {}
    for name in sorted(GRIDS):
        kind, dtype = TYPES[name]
        blocks = rng.integers(0, 256, (6, 2, dtype.block_nbytes), dtype=np.uint8)
        writer.add_tensor(f"{name}.weight", blocks.reshape(6, -1), raw_dtype=kind)
        with np.errstate(all="ignore"):  # random bytes are NaN and infinities too
            expected[f"{name}.weight"] = gguf.dequantize(blocks.reshape(6, -1), kind).astype(np.float64)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return numel.inspect(folder / "m.gguf"), expected


def test_types_that_lie_on_a_grid_are_read_through_gguf(tmp_path):
    model, expected = _file_of_grids(tmp_path)
    (found,) = model.report("values", by="tensor").data["models"]
    stats = {group["tensor"]: group["stats"] for group in found["groups"]}
    assert stats.keys() == expected.keys()
    for name, values in expected.items():
        finite = values[np.isfinite(values)]
        assert stats[name]["numel"] == values.size == 6 * 512
        assert (stats[name]["min"], stats[name]["max"]) == (finite.min(), finite.max())
        assert stats[name]["std"] == pytest.approx(finite.std(), rel=1e-9)


def test_without_gguf_they_are_named_with_what_would_read_them(tmp_path, monkeypatch):
    model, _ = _file_of_grids(tmp_path)
    monkeypatch.setitem(sys.modules, "gguf", None)
    monkeypatch.delitem(sys.modules, "numel.statistics.ggml_grids", raising=False)
    assert ggml_blocks.decoder("IQ2_S") is None
    for said in (model.report("doctor"), numel.compare(model, model).report("diff")):
        assert any("pip install 'numel[gguf]'" in text.template for text in said.warnings)


def test_a_worker_without_gguf_says_so(tmp_path, monkeypatch):
    """What opens a dequantised tensor goes to a machine where less is installed."""
    model, _ = _file_of_grids(tmp_path)
    tensors = [row.tensor for row in model.parameters]
    here = Dequantised(tensors, open_values("m", model.table.source))
    name = here.tensor(tensors[0]).shard
    there = pickle.loads(pickle.dumps(here.opening))
    monkeypatch.setitem(sys.modules, "gguf", None)
    monkeypatch.delitem(sys.modules, "numel.statistics.ggml_grids", raising=False)
    with pytest.raises(EngineError, match="a worker cannot dequantise IQ"):
        there(name)
