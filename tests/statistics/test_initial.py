"""Samples of the distributions that matrices begin with look initial, and what has moved by some percent does not."""

import numpy as np
import pytest

from numel.statistics.histogram import of_counts
from numel.statistics.initial import Start, likeness

torch = pytest.importorskip("torch")
NORMAL, UNIFORM = Start("normal", 0.02), Start("uniform", 1 / 16)


def histogram(values):
    return of_counts(*np.unique(values.double().numpy(), return_counts=True))


def begun(kind, n, dtype, seed=0):
    values = torch.empty(n)
    torch.manual_seed(seed)
    if kind == "normal":
        torch.nn.init.normal_(values, std=0.02)
    else:  # what torch.nn.Linear(256, …) begins with
        torch.nn.init.uniform_(values, -1 / 16, 1 / 16)
    return values.to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("n", [10_000, 200_000])
@pytest.mark.parametrize("kind", ["normal", "uniform"])
def test_a_sample_looks_initial_in_every_dtype(kind, n, dtype):
    found = likeness(histogram(begun(kind, n, dtype)), (NORMAL, UNIFORM))
    assert (found.start.kind, found.is_initial, found.has_moved) == (kind, True, False)


@pytest.mark.parametrize("change", [lambda w: w * 1.05, lambda w: w + 0.001, lambda w: w + 40 * w**3])
def test_a_matrix_that_moved_by_some_percent_has_moved(change):
    found = likeness(histogram(change(begun("normal", 400_000, torch.float32))), (NORMAL, UNIFORM))
    assert not found.is_initial
    assert found.has_moved


def test_the_same_moments_do_not_make_it_normal():
    """Two thirds 0 and a third ±√3 σ has the mean, the σ and the kurtosis of a normal distribution."""
    rng = np.random.default_rng(0)
    values = rng.permutation(np.repeat([-(3**0.5), 0.0, 3**0.5], [10_000, 40_000, 10_000])) * 0.02
    assert not likeness(histogram(torch.from_numpy(values)), (NORMAL,)).is_initial


def test_zeros_ones_and_too_few():
    assert likeness(histogram(torch.zeros(5)), ()).start == Start("zeros")
    assert likeness(histogram(torch.ones(5)), (NORMAL,)).is_initial
    assert likeness(histogram(torch.full((5,), 2.0)), ()).has_moved
    assert likeness(histogram(torch.randn(9)), ()).has_moved  # a bias begins constant
    assert likeness(histogram(torch.randn(9_999) * 0.02), (NORMAL,)) is None
    assert likeness(histogram(torch.full((5,), float("nan"))), ()) is None
