"""What do the numbers of a distribution come to? Moments, quantiles, entropy, outliers, what int8 would cost."""

from __future__ import annotations

from array import array
from math import fsum, log10
from typing import TYPE_CHECKING, NamedTuple

from ..kernels import kernels
from . import exact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .histogram import Histogram

QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
OUTLIER_SIGMAS = 6


class Statistics(NamedTuple):
    """All that is said of a distribution. Over the finite values; None where it is not defined or not known.

    `std` is of the population (÷ n), `kurtosis` the excess over a normal distribution, `entropy` in bits per value (unknown where bins stand for values),
    `n_outliers` how many lie further than 6 σ from the mean, `int8_sqnr` the signal to noise ratio in dB after rounding
    to 255 even steps up to the largest |x|. `quantiles` are those that numpy.quantile gives (linear, in float64).
    """

    numel: int
    n_finite: int
    n_nan: int
    n_plus_inf: int
    n_minus_inf: int
    zeros: int
    n_distinct: int | None
    min: float | None
    max: float | None
    mean: float | None
    std: float | None
    l1: float | None
    l2: float | None
    skewness: float | None
    kurtosis: float | None
    n_outliers: int | None
    entropy: float | None
    int8_sqnr: float | None
    quantiles: tuple[tuple[float, float], ...]
    resolution: float
    used_bits: int | None

    @classmethod
    def of(cls, histogram: Histogram, *, at: Sequence[float] = QUANTILES) -> Statistics:
        """The statistics of the values that the histogram counts."""
        h, sums = histogram, histogram.sums
        n = h.n_finite
        mean, std, kurtosis, n_outliers = moments(h)
        return cls(
            h.numel,
            n,
            h.n_nan,
            h.n_plus_inf,
            h.n_minus_inf,
            h.zeros,
            None if h.resolution else len(h.values),
            h.least,
            h.greatest,
            mean,
            std,
            None if sums is None else exact.l1(sums),
            None if sums is None else exact.l2(sums),
            None if sums is None else exact.skewness(sums),
            kurtosis,
            n_outliers,
            _entropy(h) if n and not h.resolution else None,
            _int8_sqnr(h) if n else None,
            quantiles(h, at) if n else (),
            h.resolution,
            h.used_bits,
        )


def moments(histogram: Histogram) -> tuple[float | None, float | None, float | None, int | None]:
    """Mean, standard deviation, excess kurtosis, and how many values lie further than 6 σ from the mean."""
    sums = histogram.sums
    if sums is None or not sums.n:
        return None, None, None, None
    mean, std = exact.mean(sums), exact.std(sums)
    return mean, std, exact.kurtosis(sums), _outliers(histogram, mean, std)


def quantiles(histogram: Histogram, at: Sequence[float]) -> tuple[tuple[float, float], ...]:
    """(q, value) for each q: numpy.quantile(values, q) in float64, to the last bit where the histogram is exact."""
    places = [place_of(q, histogram.n_finite) for q in at]
    ranks = array("q", [rank for below, above, _ in places for rank in (below, above)])
    found_at = kernels().at_ranks(histogram.counts, ranks)
    found = []
    for q, (_, _, share), i, j in zip(at, places, found_at[::2], found_at[1::2], strict=True):
        value = between(histogram.values[i], histogram.values[j], share)
        if histogram.least is not None and histogram.greatest is not None:  # the middle of a bin may lie outside
            value = min(max(value, histogram.least), histogram.greatest)
        found.append((q, value))
    return tuple(found)


def place_of(q: float, n: int) -> tuple[int, int, float]:
    """Between which two ranks of n the quantile lies, and how far; numpy/lib/_function_base_impl.py, method "linear"."""
    place = q * (n - 1)
    below = int(place)
    return below, min(below + 1, n - 1), place - below


def between(a: float, b: float, share: float) -> float:
    """The value `share` of the way from a to b, with the rounding of numpy's own interpolation."""
    step = b - a
    return a + step * share if share < 0.5 else b - step * (1 - share)


def _outliers(histogram: Histogram, mean: float | None, std: float | None) -> int | None:
    if mean is None or std is None:
        return None
    return kernels().n_beyond(histogram.values, histogram.counts, mean, OUTLIER_SIGMAS * std)


def _entropy(histogram: Histogram) -> float:
    """Bits per value: what a coder of single values can reach."""
    return max(0.0, -fsum(kernels().entropy_terms(histogram.counts, histogram.n_finite)))


def _int8_sqnr(histogram: Histogram) -> float | None:
    """10 log₁₀ (Σx² / Σ(x − x̂)²) with x̂ = s·round(x / s), s = max|x| / 127; None where nothing is lost."""
    step = max(-histogram.values[0], histogram.values[-1]) / 127
    if not 0 < step < float("inf"):
        return None
    terms = kernels().int8_terms(histogram.values, histogram.counts, step)  # in steps: no square leaves float64
    lost, kept = map(fsum, terms)
    return 10 * log10(kept / lost) if lost else None


def effective_bits(used_bits: int | None) -> int | None:
    """How many of the 32 bits of an F32 are ever used: 16 or fewer when it holds only bfloat16, 19 for float16.

    >>> effective_bits(0xFFFF0000), effective_bits(0)
    (16, 0)
    """
    if used_bits is None:
        return None
    return 32 - (used_bits & -used_bits).bit_length() + 1 if used_bits else 0
