"""Singular values against numpy.linalg.svd in float64, their stated errors, and laws whose constants are known."""

import numpy as np
import pytest

from numel.core.dtypes import SAFETENSORS_DTYPES
from numel.core.tensors import TensorInfo
from numel.statistics import powerlaw, spectrum
from numel.statistics.matrices import matrices
from numel.statistics.spectrum import NotFiniteError, spectrum_of

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def small_is_smaller(monkeypatch):
    """The cheap tier takes all singular values of small matrices; here it is to be seen at work on them."""
    monkeypatch.setattr(spectrum, "_SMALL_RANK", 200)


class Held:
    """An array as a file."""

    def __init__(self, array):
        self.raw = array.tobytes()

    def read(self, offset, nbytes):
        return self.raw[offset : offset + nbytes]


def spectra(array, k=None, dtype="F32", *, of_experts=False):
    tensor = TensorInfo("w", array.shape, SAFETENSORS_DTYPES[dtype], "shard", 0)
    return [spectrum_of(matrix, Held(array), k=k) for matrix in matrices(tensor, of_experts=of_experts)]


def svd(array):
    return np.linalg.svd(array.astype(np.float64), compute_uv=False)


def decaying(m, n, power=0.7):
    r = min(m, n)
    left, right = (np.linalg.qr(RNG.standard_normal((size, r)))[0] for size in (m, n))
    return ((left * np.arange(1, r + 1.0) ** -power) @ right.T).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.float64])
@pytest.mark.parametrize("shape", [(40, 60), (60, 40), (2, 300)])
def test_exact_is_numpys_svd(shape, dtype):
    array = RNG.standard_normal(shape).astype(dtype)
    (found,) = spectra(array, dtype={4: "F32", 2: "F16", 8: "F64"}[array.itemsize])
    expected = svd(array)
    assert np.abs(found.values - expected).max() <= 1e-14 * expected[0]
    assert found.square == pytest.approx((array.astype(np.float64) ** 2).sum(), rel=1e-13)


def test_bfloat16_is_read_as_what_it_is():
    words = (RNG.standard_normal((30, 30)).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
    expected = svd((words.astype(np.uint32) << 16).view(np.float32))
    for k in (None, 3):
        (found,) = spectra(words, k, "BF16")
        assert found.values == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(700, 50), (50, 700)])
def test_a_matrix_too_long_to_be_held_gives_the_same_within_its_error(shape, monkeypatch):
    monkeypatch.setattr(spectrum, "_WHOLE_NUMEL", 60 * 50)  # R, and 60 rows or columns at a time
    monkeypatch.setattr(spectrum, "_CLOSE", 0.0)  # and not by its WᵀW
    array = decaying(*shape)
    (found,) = spectra(array)
    expected = svd(array)
    assert len(found.values) == 50
    assert np.abs(found.values - expected).max() <= found.error < 1e-12 * expected[0]


@pytest.mark.parametrize("shape", [(900, 60), (60, 900)])
def test_a_long_matrix_is_right_to_what_it_states_by_its_square(shape, monkeypatch):
    monkeypatch.setattr(spectrum, "_triangle", None)  # no other way is taken
    array = decaying(*shape)
    (found,) = spectra(array)
    expected = svd(array)
    assert np.abs(found.values - expected).max() <= found.error < 1e-9 * expected[0]
    assert found.square == pytest.approx((array.astype(np.float64) ** 2).sum(), rel=1e-13)


def test_small_singular_values_of_a_long_matrix_are_not_lost_in_its_square():
    left, right = (np.linalg.qr(RNG.standard_normal((size, 40)))[0] for size in (300, 40))
    array = (left * 10.0 ** -np.linspace(0, 11, 40)) @ right.T  # the square of the least is below float64's rounding
    (found,) = spectra(array, dtype="F64")
    assert np.abs(found.values - 10.0 ** -np.linspace(0, 11, 40)).max() < 1e-14


@pytest.mark.parametrize("make", [decaying, lambda m, n: RNG.standard_normal((m, n)).astype(np.float32)])
@pytest.mark.parametrize("shape", [(300, 500), (500, 300)])
def test_the_cheap_tier_keeps_its_stated_error(make, shape):
    array = make(*shape)
    (found,) = spectra(array, 16)
    expected = svd(array)[:16]
    assert not found.is_complete
    assert np.abs(found.values - expected).max() <= found.error <= 0.01 * expected[0]
    assert found.square == pytest.approx((array.astype(np.float64) ** 2).sum(), rel=1e-12)  # and so is the stable rank


def test_the_cheap_tier_reads_anew_what_it_cannot_keep(monkeypatch):
    array = decaying(300, 400)
    (kept,) = spectra(array, 8)
    monkeypatch.setattr(spectrum, "_KEPT_NBYTES", 1)
    (found,) = spectra(array, 8)
    assert found.values.tolist() == kept.values.tolist()


def test_a_matrix_of_rank_two_has_two():
    array = np.outer(RNG.standard_normal(400), np.ones(300)) + np.outer(np.arange(400), RNG.standard_normal(300))
    (found,) = spectra(array, 5, "F64")
    expected = svd(array)[:5]
    assert np.abs(found.values - expected).max() <= found.error
    assert found.values[2] < 1e-6 * found.values[0]


def test_experts_are_matrices_each_and_kernels_are_flattened():
    array = RNG.standard_normal((3, 8, 5)).astype(np.float32)
    experts = spectra(array, of_experts=True)
    assert [found.matrix.expert for found in experts] == [0, 1, 2]
    for found, matrix in zip(experts, array, strict=True):
        assert found.values == pytest.approx(svd(matrix), rel=1e-12)
    (kernel,) = spectra(array)
    assert kernel.values == pytest.approx(svd(array.reshape(3, 40)), rel=1e-12)
    assert spectra(np.ones(9, np.float32)) == spectra(np.ones((9, 1), np.float32)) == []


def test_ranks_of_matrices_whose_singular_values_are_known():
    (found,) = spectra(np.eye(64, dtype=np.float32))
    assert (found.stable_rank, found.effective_rank) == (pytest.approx(64), pytest.approx(64))
    (found,) = spectra(np.diag([2.0, 1.0, 1.0]).astype(np.float32))
    assert found.stable_rank == pytest.approx(6 / 4)
    assert found.effective_rank == pytest.approx(2**1.5)  # shares 1/2, 1/4, 1/4: 1.5 bits
    assert found.edge == pytest.approx(np.sqrt(6 / 9) * 2 * np.sqrt(3))


def test_planted_spikes_lie_beyond_the_edge_and_random_values_do_not():
    noise = RNG.standard_normal((120, 100))
    assert spectra(noise, dtype="F64")[0].n_beyond <= 1
    left, right = (np.linalg.qr(RNG.standard_normal((size, 4)))[0] for size in (120, 100))
    (found,) = spectra(noise + 60 * left @ right.T, dtype="F64")
    assert found.n_beyond == 4


def test_nan_has_no_singular_values():
    array = np.ones((300, 300), np.float32)
    array[7, 8] = np.nan
    for k in (None, 4):
        with pytest.raises(NotFiniteError):
            spectra(array, k)


@pytest.mark.parametrize("alpha", [1.8, 2.5, 4.0])
def test_the_exponent_of_a_power_law_is_found(alpha):
    """Its standard error is (α − 1) / √n: Clauset et al., eq. 3.2."""
    values = (1 - RNG.random(3000)) ** (-1 / (alpha - 1))
    law = powerlaw.fit(values)
    assert abs(law.alpha - alpha) < 4 * (alpha - 1) / np.sqrt(law.n_tail)
    assert law.n_tail > 1000


def test_the_law_begins_where_the_data_begin_to_follow_it():
    rng = np.random.default_rng(0)
    tail = 10 * (1 - rng.random(2000)) ** (-1 / 1.5)
    law = powerlaw.fit(np.concatenate([tail, rng.uniform(0, 10, 2000)]))
    assert 8 < law.x_min < 16
    assert abs(law.alpha - 2.5) < 0.2


def test_few_or_equal_values_have_no_exponent():
    assert powerlaw.fit(np.arange(1.0, 50.0)) is None
    assert powerlaw.fit(np.ones(200)) is None
    assert powerlaw.fit(np.append(np.arange(1.0, 51.0), [0.0, -1.0])).n_tail <= 50
