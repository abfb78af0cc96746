"""Whether the quantiles of wide types are numpy's to the last bit, once their bins are read again."""

import numpy as np
import pytest

from numel.core.dtypes import SAFETENSORS_DTYPES
from numel.core.tensors import TensorInfo
from numel.sources.local import LocalFile
from numel.statistics import merge, scan
from numel.statistics.second_pass import SecondPass
from numel.statistics.summary import QUANTILES

AT = (0.0, *QUANTILES, 1.0)
N = 80_003


def samples(kind):
    rng = np.random.default_rng(11)
    normal = rng.standard_normal(N)
    return {
        "normal": normal * 0.02,
        "heavy-tailed": rng.standard_t(2, N),
        "constant": np.full(N, 0.3),
        "mean beyond std": 1 + normal * 1e-3,
        "pruned": np.where(rng.random(N) < 0.9, 0, normal),
        "subnormal": normal * 1e-40,
        "negative": -np.abs(normal) - 1e-3,
    }[kind]


@pytest.mark.parametrize(
    "kind", ["normal", "heavy-tailed", "constant", "mean beyond std", "pruned", "subnormal", "negative"]
)
@pytest.mark.parametrize("dtype", ["F32", "F64"])
def test_they_are_numpys(dtype, kind, tmp_path):
    values = samples(kind).astype({"F32": np.float32, "F64": np.float64}[dtype])
    (tmp_path / "values").write_bytes(values.tobytes())
    tensor = TensorInfo("w", (N,), SAFETENSORS_DTYPES[dtype], "values", 0)
    ((_, histogram),) = scan([tensor], lambda file: LocalFile(tmp_path / file))
    again = SecondPass(histogram, AT)
    again.read([tensor], lambda file: LocalFile(tmp_path / file))
    assert [value for _, value in again.quantiles()] == np.quantile(values.astype(np.float64), AT).tolist()


def test_of_a_group_of_several_types_too(tmp_path):
    wide = samples("normal").astype(np.float32)
    narrow = (samples("heavy-tailed") * 0.01).astype(np.float16)
    (tmp_path / "values").write_bytes(wide.tobytes() + narrow.tobytes())
    tensors = [
        TensorInfo("a", (N,), SAFETENSORS_DTYPES["F32"], "values", 0),
        TensorInfo("b", (N,), SAFETENSORS_DTYPES["F16"], "values", wide.nbytes),
    ]
    whole = merge([h for _, h in scan(tensors, lambda file: LocalFile(tmp_path / file))])
    again = SecondPass(whole, AT)
    again.read(tensors, lambda file: LocalFile(tmp_path / file))
    both = np.concatenate([wide.astype(np.float64), narrow.astype(np.float64)])
    assert [value for _, value in again.quantiles()] == np.quantile(both, AT).tolist()
