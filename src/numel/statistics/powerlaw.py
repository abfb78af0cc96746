"""Which power law do the largest eigenvalues of a matrix follow, and from where on?

The method of Clauset, Shalizi and Newman, "Power-law distributions in empirical data" (SIAM Review 51, 2009,
arXiv:0706.1062): for each possible start x_min the exponent by maximum likelihood (eq. 3.1), and of all starts the one
whose law is nearest to the data by the distance of Kolmogorov and Smirnov (3.9). What the exponent means for trained
weights: Martin, Peng and Mahoney, Nature Communications 12, 4122 (2021); their weightwatcher fits the eigenvalues of WᵀW,
the squares of the singular values, and so does this.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 50  # values: with fewer, an exponent says little (Clauset et al., section 3.5)


class PowerLaw(NamedTuple):
    """p(x) ∝ x^−alpha for x ≥ x_min, which `n_tail` values are; `distance` of Kolmogorov and Smirnov."""

    alpha: float
    x_min: float
    n_tail: int
    distance: float


def fit(values: NDArray[np.float64]) -> PowerLaw | None:
    """The law of the values' upper end; None for fewer than FEWEST positive ones, and where all are equal.

    >>> quantiles = (np.arange(2000) + 0.5) / 2000
    >>> law = fit((1 - quantiles) ** (-1 / 1.5))  # the quantiles of a power law of exponent 2.5
    >>> round(law.alpha, 2), law.x_min < 1.01
    (2.5, True)
    """
    data = np.sort(values[values > 0])
    n = len(data)
    if n < FEWEST or data[0] == data[-1]:
        return None
    logs = np.log(data)
    above = np.cumsum(logs[::-1])[::-1]  # Σ of the logarithms from here on
    sizes = np.arange(n, 0, -1)
    sums = above - sizes * logs
    best: PowerLaw | None = None
    for start in np.flatnonzero(np.append(True, data[1:] > data[:-1]) & (data < data[-1])).tolist():
        n_tail = n - start
        alpha = 1 + n_tail / float(sums[start])
        expected = 1 - np.exp((1 - alpha) * (logs[start:] - logs[start]))
        distance = float(np.abs(expected - np.arange(n_tail) / n_tail).max())
        if best is None or distance < best.distance:
            best = PowerLaw(alpha, float(data[start]), n_tail, distance)
    return best
