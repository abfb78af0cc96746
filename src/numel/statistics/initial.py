"""Do values look as if nobody had trained them? Against zeros, ones, and the distributions that matrices begin with.

A matrix is told from normal(0, σ) by its mean, its standard deviation and its kurtosis, each within a few standard errors
of a sample of that size, and by the Kolmogorov–Smirnov distance between its distribution function and the normal one.
Standard errors: σ/√n, σ/√(2n), √(24/n) (Kendall and Stuart, "The Advanced Theory of Statistics", vol. 1, 10.15 and 12.18).
"""

from __future__ import annotations

from math import erf, inf, isfinite, sqrt
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .summary import moments

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .histogram import Histogram

LEAST_NUMEL = 10_000  # values: fewer tell a σ to no better than 3 %
MOST_ERRORS = 4.0  # standard errors: what is nearer looks initial
MOVED_ERRORS = 3 * MOST_ERRORS  # and what is further has certainly moved; between the two nobody can say
_ERRORS_OF_DISTANCE = MOST_ERRORS / 2.5  # √n·D of a sample of the distribution is beyond 2.5 once in 130,000 times


class Start(NamedTuple):
    """A distribution that values begin with: `kind` is zeros, ones, normal or uniform, `scale` its σ or its bound."""

    kind: str
    scale: float = 0.0


class Likeness(NamedTuple):
    """How far values are from the nearest distribution that they may have begun with, in standard errors."""

    start: Start | None
    errors: float

    @property
    def is_initial(self) -> bool:
        """Whether they cannot be told from it."""
        return self.start is not None and self.errors <= MOST_ERRORS

    @property
    def has_moved(self) -> bool:
        """Whether they certainly are something else."""
        return self.errors > MOVED_ERRORS


def likeness(histogram: Histogram, starts: Sequence[Start]) -> Likeness | None:
    """How the values look beside zeros, ones and `starts`; None where there are too few to tell."""
    if not histogram.n_finite or histogram.n_finite != histogram.numel:
        return None
    if histogram.least == histogram.greatest:
        start = {0.0: Start("zeros"), 1.0: Start("ones")}.get(histogram.least or 0.0)
        return Likeness(start, inf if start is None else 0.0)
    if not starts:
        return Likeness(None, inf)
    if histogram.n_finite < LEAST_NUMEL:
        return None
    return min((Likeness(start, _errors(histogram, start)) for start in starts), key=lambda found: found.errors)


def _errors(histogram: Histogram, start: Start) -> float:
    mean, std, kurtosis, _ = moments(histogram)
    n, scale = histogram.n_finite, start.scale
    if mean is None or not std or kurtosis is None or not scale or not isfinite(scale):
        return inf
    if start.kind == "normal":
        errors = (mean / scale * sqrt(n), (std / scale - 1) * sqrt(2 * n), kurtosis * sqrt(n / 24))
    else:  # uniform on ±scale: σ = scale/√3, its standard error σ/√(5n), kurtosis −1.2
        sigma = scale / sqrt(3)
        errors = (mean / sigma * sqrt(n), (std / sigma - 1) * sqrt(5 * n), (kurtosis + 1.2) * sqrt(n / 24))
    found = max(map(abs, errors))
    if found > MOST_ERRORS:  # no need to look at every value
        return found
    return max(found, distance(histogram, start) * sqrt(n) * _ERRORS_OF_DISTANCE)


def distance(histogram: Histogram, start: Start) -> float:
    """The largest difference between the two distribution functions, half way between each value and the next.

    So a value stands for all that were rounded to it, in BF16 say.
    """
    values = np.asarray(histogram.values)
    middles = (values[1:] + values[:-1]) / 2
    reached = np.asarray(histogram.counts).cumsum()[:-1] / histogram.n_finite
    z = middles / start.scale
    expected: NDArray[np.float64]
    if start.kind == "normal":
        expected = np.array([0.5 + 0.5 * erf(x) for x in (z / sqrt(2)).tolist()])
    else:
        expected = np.clip((z + 1) / 2, 0.0, 1.0)
    return float(np.abs(reached - expected).max(initial=0.0))
