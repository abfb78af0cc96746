"""How are sums of powers kept so that nothing is lost? As integers: they add up in any order to the same bits.

A sum is an integer in units of 2^-4300: a fourth power of the smallest float64 is 2^-4296, so that each float64 and each
power that occurs here is a whole number of them. Mean, standard deviation, norms and moments are divided and rooted in
integers and rounded once, at the end.
"""

from __future__ import annotations

from math import isfinite, isqrt, ldexp
from typing import TYPE_CHECKING, NamedTuple

from ..kernels import kernels

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SCALE = 4300
_N_POWERS = 4


class PowerSums(NamedTuple):
    """Σx, Σx², Σx³, Σx⁴ and Σ|x| over n finite values, in units of 2^-SCALE."""

    n: int
    x1: int = 0
    x2: int = 0
    x3: int = 0
    x4: int = 0
    size: int = 0

    def plus(self, other: PowerSums) -> PowerSums:
        """The sums over both; in whatever order they are added, the result is the same."""
        return PowerSums(*(a + b for a, b in zip(self, other, strict=True)))


class BlockSums(NamedTuple):
    """What the kernels give of one block: Σd, Σd² and Σ|x| with what their rounding lost, Σd³, Σd⁴, where d = x − pivot.

    All of them in 2^unit as the unit of d and x; `least` and `greatest` of x itself.
    """

    d1: float
    lost1: float
    d2: float
    lost2: float
    size: float
    lost_size: float
    d3: float
    d4: float
    least: float
    greatest: float
    unit: float


def total(sums: Iterable[PowerSums]) -> PowerSums:
    """All of them added."""
    found = PowerSums(0)
    for each in sums:
        found = found.plus(each)
    return found


def units(x: float) -> int:
    """A float64 in units of 2^-SCALE, exactly."""
    numerator, denominator = x.as_integer_ratio()
    return numerator << (SCALE - denominator.bit_length() + 1)


def hexadecimal(x: int) -> str:
    """A sum (in units of 2^-SCALE) as C and Python write a float in hexadecimal, with all its digits.

    >>> hexadecimal(3 << SCALE), float.fromhex(hexadecimal(-(5 << SCALE - 1)))
    ('0x3p+0', -2.5)
    """
    if not x:
        return "0x0p+0"
    n_zeros = (x & -x).bit_length() - 1
    return f"{x >> n_zeros:#x}p{n_zeros - SCALE:+d}"


def from_hexadecimal(text: str) -> int:
    """The sum that `hexadecimal` wrote. Raises ValueError for anything else."""
    digits, _, exponent = text.partition("p")
    shift = int(exponent) + SCALE
    if not 0 <= shift <= 4 * SCALE:
        raise ValueError
    return int(digits, 16) << shift


def shifted(sums: Sequence[int], n: int, pivot: float) -> tuple[int, int, int, int]:
    """Σx … Σx⁴ from Σd … Σd⁴ with d = x − pivot, in units, by the binomial theorem in integers."""
    d1, d2, d3, d4 = sums
    if pivot == 0:
        return d1, d2, d3, d4
    p, q = pivot.as_integer_ratio()  # q is a power of two
    x1 = d1 + (n * p << SCALE) // q
    x2 = d2 + 2 * p * d1 // q + (n * p**2 << SCALE) // q**2
    x3 = d3 + 3 * p * d2 // q + 3 * p**2 * d1 // q**2 + (n * p**3 << SCALE) // q**3
    x4 = d4 + 4 * p * d3 // q + 6 * p**2 * d2 // q**2 + 4 * p**3 * d1 // q**3 + (n * p**4 << SCALE) // q**4
    return x1, x2, x3, x4


def of_blocks(blocks: Sequence[Sequence[float]], n: int, pivot: float) -> PowerSums | None:
    """The sums of blocks, as the kernels give them; None where one left the range of float64."""
    found = [0] * (_N_POWERS + 1)
    for row in blocks:
        block = BlockSums(*row)
        if not all(map(isfinite, block[:8])):
            return None
        pairs = (
            (block.d1, block.lost1),
            (block.d2, block.lost2),
            (block.d3,),
            (block.d4,),
            (block.size, block.lost_size),
        )
        for k, (power, parts) in enumerate(zip((1, 2, 3, 4, 1), pairs, strict=True)):
            found[k] += _moved(sum(map(units, parts)), power * int(block.unit))
    return PowerSums(n, *shifted(found[:_N_POWERS], n, pivot), found[_N_POWERS])


def of_values(values: memoryview, counts: memoryview) -> PowerSums:
    """The sums over `values` (n,), each as often as `counts` says: exact, by integers for each exponent."""
    loops = kernels()
    n = loops.total(counts)
    parts = loops.power_sums(values, counts)
    if parts is None:  # more bits than the processor multiplies; whoever has such values has numpy already
        from ..kernels.twin_histogram import power_sums

        parts = power_sums(values, counts)
    found = [0] * (_N_POWERS + 1)
    for which, exponent, part in parts:
        found[which] += _moved(part, SCALE + exponent)
    return PowerSums(n, *found)


def mean(sums: PowerSums) -> float | None:
    """Σx / n, correctly rounded."""
    return sums.x1 / (sums.n << SCALE) if sums.n else None


def l1(sums: PowerSums) -> float | None:
    """Σ|x|, correctly rounded; None beyond float64."""
    return _ratio(sums.size, 1 << SCALE)


def l2(sums: PowerSums) -> float | None:
    """√Σx², correctly rounded."""
    return root(sums.x2, 1 << SCALE)


def std(sums: PowerSums) -> float | None:
    """The standard deviation of the population (÷ n), correctly rounded."""
    if not sums.n:
        return None
    m2, _, _, unit = _central(sums)
    return root(m2 << max(2 * unit, 0), sums.n**2 << max(-2 * unit, 0))


def skewness(sums: PowerSums) -> float | None:
    """m₃ / m₂^1.5; None where all values are equal."""
    if not sums.n:
        return None
    m2, m3, _, _ = _central(sums)
    if not m2:
        return None
    size = root(m3 * m3, m2**3)
    return None if size is None else -size if m3 < 0 else size


def kurtosis(sums: PowerSums) -> float | None:
    """The excess kurtosis m₄ / m₂² − 3, 0 for a normal distribution; None where all values are equal."""
    if not sums.n:
        return None
    m2, _, m4, _ = _central(sums)
    return _ratio(m4 - 3 * m2 * m2, m2 * m2) if m2 else None


def _central(sums: PowerSums) -> tuple[int, int, int, int]:
    """n²·m₂, n³·m₃ and n⁴·m₄, the central moments as integers where x is measured in units of 2^unit, and that unit.

    The unit is the largest in which all sums are whole: numbers of 300 bits instead of 17,000.
    """
    n = sums.n
    powers = (sums.x1, sums.x2, sums.x3, sums.x4)
    unit = min(((_zeros(x) - SCALE) // k for k, x in enumerate(powers, 1) if x), default=0)
    x1, x2, x3, x4 = (_moved(x, -SCALE - k * unit) for k, x in enumerate(powers, 1))
    m2 = n * x2 - x1**2
    m3 = n**2 * x3 - 3 * n * x1 * x2 + 2 * x1**3
    m4 = n**3 * x4 - 4 * n**2 * x1 * x3 + 6 * n * x1**2 * x2 - 3 * x1**4
    return max(m2, 0), m3, max(m4, 0), unit


def _zeros(x: int) -> int:
    """Zero bits at the end."""
    return (x & -x).bit_length() - 1


def _moved(x: int, bits: int) -> int:
    return x << bits if bits >= 0 else x >> -bits


def _ratio(numerator: int, denominator: int) -> float | None:
    try:
        return numerator / denominator
    except OverflowError:
        return None


def root(numerator: int, denominator: int) -> float | None:
    """√(numerator / denominator), correctly rounded; None beyond float64.

    >>> root(2, 1), root(1, 9)
    (1.4142135623730951, 0.3333333333333333)
    """
    if numerator <= 0:
        return 0.0
    shift = 128 - numerator.bit_length() + denominator.bit_length()
    shift += shift % 2  # the root of the shifted quotient has 64 bits or a little more: 53 and enough to round by
    scaled, rest = divmod(numerator << shift, denominator) if shift >= 0 else divmod(numerator, denominator << -shift)
    found = isqrt(scaled)
    sticky = 1 if rest or found * found != scaled else 0
    try:
        return ldexp(float(found << 1 | sticky), -shift // 2 - 1)
    except OverflowError:
        return None
