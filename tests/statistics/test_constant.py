"""Which rows and columns are constant: beside numpy on the whole matrix."""

import numpy as np
import pytest

from numel.core.dtypes import SAFETENSORS_DTYPES
from numel.core.tensors import TensorInfo
from numel.sources.local import LocalFile
from numel.statistics import constant


def lines_of(folder, values, dtype, raw):
    path = folder / "matrix"
    path.write_bytes(bytes(24) + raw)
    tensor = TensorInfo("w", values.shape, SAFETENSORS_DTYPES[dtype], "matrix", 24)
    with LocalFile(path) as file:
        return constant.constant_lines(tensor, file)


def bf16(values):
    return (np.ascontiguousarray(values, np.float32).view(np.uint32) >> 16).astype(np.uint16)


@pytest.mark.parametrize("dtype", ["F32", "BF16", "F16", "F64"])
@pytest.mark.parametrize("at_once", [1 << 20, 100])
def test_rows_and_columns_are_numpys(dtype, at_once, tmp_path, monkeypatch):
    monkeypatch.setattr(constant, "_READ_NUMEL", at_once)  # several blocks, the last one shorter
    rng = np.random.default_rng(len(dtype))
    values = rng.integers(-2, 3, (33, 40)).astype(np.float64)
    values[:, 7] = -0.0
    values[[3, 17]] = 0.0
    values[17, 5::3] = -0.0
    values[20, np.arange(40) % 39 != 0] = 1.0  # all but its ends
    values[20, 7] = 0.0
    values[:, 39] = 0.0
    values[30, 39] = 1.0  # all but one
    raw = {"F32": values.astype(np.float32), "BF16": bf16(values), "F16": values.astype(np.float16), "F64": values}
    rows, columns = lines_of(tmp_path, values, dtype, raw[dtype].tobytes())
    assert rows.numbers == tuple(np.flatnonzero((values == values[:, :1]).all(axis=1)).tolist())
    assert columns.numbers == tuple(np.flatnonzero((values == values[:1]).all(axis=0)).tolist())
    assert (rows.zero, columns.zero) == ((3, 17), (7,))


def test_a_column_that_is_the_same_in_the_first_rows_only_is_none(tmp_path):
    values = np.random.default_rng(0).standard_normal((40, 30)).astype(np.float32)
    values[[0, 8, 39], 4] = 2.0
    values[:8, 5] = values[8:, 6] = 3.0
    rows, columns = lines_of(tmp_path, values, "F32", values.tobytes())
    assert rows.numbers == columns.numbers == ()


def test_nan_is_not_a_constant_and_short_lines_are_not_looked_at(tmp_path):
    values = np.full((20, 4), np.nan, np.float32)
    values[:, 2] = 1.0
    values[3] = 5.0
    rows, columns = lines_of(tmp_path, values, "F32", values.tobytes())
    assert (rows.n_lines, rows.numbers, columns.n_lines, columns.numbers) == (20, (), 4, ())
    values[3, 2] = 1.0
    assert lines_of(tmp_path, values, "F32", values.tobytes())[1].other == (2,)


@pytest.mark.parametrize("shape", [(40, 3, 3), (2, 20, 30), (50, 1), (1, 50)])
def test_what_lies_between_belongs_to_the_rows(shape, tmp_path):
    values = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    flat = values.reshape(-1, shape[-1])
    flat[:, -1] = 7.0
    rows, columns = lines_of(tmp_path, values, "F32", values.tobytes())
    assert rows.n_lines == len(flat)
    assert columns.numbers == ((shape[-1] - 1,) if len(flat) >= constant.LEAST_LENGTH else ())
