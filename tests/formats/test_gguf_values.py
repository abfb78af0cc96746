"""The values of a GGUF file that the gguf package wrote, against its own dequantisation."""

import numpy as np
import pytest

import numel
from numel.cli import main

gguf = pytest.importorskip("gguf")
TYPES = ("Q4_0", "Q5_1", "Q8_0", "BF16", "F16", "F32")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A file of matrices in several types, and what each holds."""
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    rng = np.random.default_rng(2)
    writer, expected = gguf.GGUFWriter(path, "llama"), {}
    for i, name in enumerate(TYPES):
        kind = gguf.GGMLQuantizationType[name]
        values = (rng.standard_normal((96, 256)) * 0.02).astype(np.float32)
        raw = gguf.quantize(values, kind)
        writer.add_tensor(f"blk.{i}.ffn_up.weight", raw, raw_dtype=kind)
        expected[f"blk.{i}.ffn_up.weight"] = gguf.dequantize(raw, kind).astype(np.float64)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path, expected


def test_its_values_are_those_that_ggufs_own_package_sees(written):
    path, expected = written
    (model,) = numel.inspect(path).report("values", by="tensor", exact=True).data["models"]
    assert model["dequantised"] == {"Q4_0": 1, "Q5_1": 1, "Q8_0": 1}
    assert {group["tensor"]: group["dtype"] for group in model["groups"]} == dict(zip(expected, TYPES, strict=True))
    for group in model["groups"]:
        values, stats = expected[group["tensor"]], group["stats"]
        assert (stats["min"], stats["max"], stats["zeros"]) == (values.min(), values.max(), (values == 0).sum())
        assert stats["mean"] == pytest.approx(values.mean(), rel=1e-9)
        assert stats["kurtosis"] == pytest.approx(
            ((values - values.mean()) ** 4).mean() / values.var() ** 2 - 3, abs=1e-9
        )
        quantiles = np.quantile(values, [float(q) for q in stats["quantiles"]])
        assert list(stats["quantiles"].values()) == quantiles.tolist()


def test_its_spectra_are_numpys(written):
    path, expected = written
    (model,) = numel.inspect(path).report("values", spectrum="exact").data["models"]
    for one in model["spectra"]:
        singular = np.linalg.svd(expected[one["tensor"]], compute_uv=False)
        assert one["singular_values"] == pytest.approx(singular.tolist(), abs=one["error"])


def test_the_answer_says_that_they_are_dequantised(written, capsys):
    assert main(["values", str(written[0])]) == 0
    assert "the values of Q4_0, Q5_1, Q8_0 are dequantised" in " ".join(capsys.readouterr().out.split())
