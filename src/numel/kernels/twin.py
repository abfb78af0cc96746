"""How often does each bit pattern occur, and what are the power sums? The functions of native.c in numpy, bit for bit.

Taken where no compiler was at hand when numel was installed. The sums of F32 run over sixteen lanes: element i of a block
adds to lane i mod 16, sixteen of a lane by themselves and these to a sum that keeps what rounding loses; the lanes are added
pairwise at the end of each block, and a NaN or an infinity adds nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from . import BLOCK, F32_SHIFT, N_SUMS, VERSION
from .twin_histogram import (
    added,
    at_ranks,
    coarsened,
    distinct_f32,
    entropy_terms,
    gathered,
    halves,
    int8_terms,
    joined,
    merged,
    n_below,
    n_beyond,
    occurring,
    of_f32_bins,
    power_sums,
    total,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

__all__ = [
    "VERSION",
    "added",
    "at_ranks",
    "coarsened",
    "distinct_f32",
    "entropy_terms",
    "gathered",
    "halves",
    "int8_terms",
    "joined",
    "merged",
    "n_below",
    "n_beyond",
    "occurring",
    "of_f32_bins",
    "power_sums",
    "total",
]
LEVEL = "numpy"
LANES = 16
SHORT = 16  # elements of a lane that are added up plainly
_READ_NBYTES = BLOCK * 4


def count(  # noqa: PLR0913, PLR0917 - as the function in C takes them
    source: Any, offset: int, nbytes: int, itemsize: int, work: Any, counts: Any
) -> int:
    """Add to `counts` (256 or 65,536) how often each pattern of `itemsize` bytes occurs; the bytes read."""
    del work
    done = 0
    table = np.frombuffer(counts, np.uint64)
    dtype = np.uint8 if itemsize == 1 else np.uint16
    for piece in _pieces(source, offset, nbytes):
        whole = piece[: len(piece) // itemsize * itemsize]
        table += np.bincount(np.frombuffer(whole, dtype), minlength=len(table)).astype(np.uint64)
        done += len(piece)
    return done


def sum_f32(  # noqa: PLR0913, PLR0917
    source: Any, offset: int, nbytes: int, pivot: float, work: Any, sums: Any
) -> tuple[int, int, int, int, int, int]:
    """Count the upper 20 bits of each F32 into `work` (u32, from its start) and the sums of each block into `sums`.

    `sums`: (blocks, 11) of Σd, Σd² and Σ|x|, each with what rounding lost, Σd³, Σd⁴ with d = x − pivot, the least, the
    greatest, 0. Comes back: the bytes read, the bits that any finite value uses, how many are zero, NaN, +inf, −inf.
    """
    table = np.frombuffer(work, np.uint32, 1 << (32 - F32_SHIFT))
    table[:] = 0
    rows = np.frombuffer(sums, np.float64).reshape(-1, N_SUMS)
    done = used = zeros = n_nan = plus = minus = 0
    for number, piece in enumerate(_pieces(source, offset, nbytes)):
        bits = np.frombuffer(piece[: len(piece) // 4 * 4], np.uint32)
        table += np.bincount(bits >> F32_SHIFT, minlength=len(table)).astype(np.uint32)
        size = bits & 0x7FFFFFFF
        finite = size < 0x7F800000
        values = bits.view(np.float32)
        if not finite.all():
            n_nan += int(np.count_nonzero(size > 0x7F800000))
            plus += int(np.count_nonzero(bits == 0x7F800000))
            minus += int(np.count_nonzero(bits == 0xFF800000))
        used |= int(np.bitwise_or.reduce(bits[finite], initial=0))
        zeros += int(np.count_nonzero(size == 0))
        rows[number] = block_sums(values, finite, pivot)
        done += len(piece)
    return done, used, zeros, n_nan, plus, minus


def widened(values: NDArray[Any]) -> NDArray[np.float64]:
    """The values as float64; some processors complain about a signalling NaN, which is a NaN like any other here."""
    with np.errstate(invalid="ignore"):
        return values.astype(np.float64)


def block_sums(
    values: NDArray[Any], finite: NDArray[np.bool_], pivot: float, *, unit: int | None = 0
) -> tuple[float, ...]:
    """The eleven sums of one block of floats (n,); `finite` says which of them count.

    They are those of 2^-unit times the values, so that no square of float64 leaves it. None, for the types that only numpy
    sums: whatever suits the block, and each element joins the exact sum by itself.
    """
    short = SHORT if unit is not None else 1
    wide = widened(values)
    n = len(wide)
    whole = n // LANES * LANES
    about, size = (np.zeros(_padded(whole) + _padded(n - whole)) for _ in range(2))
    for begin, end, at in ((0, whole, 0), (whole, n, _padded(whole))):
        part = slice(at, at + end - begin)
        with np.errstate(over="ignore"):
            np.subtract(wide[begin:end], pivot, out=about[part], where=finite[begin:end])
        np.absolute(wide[begin:end], out=size[part], where=finite[begin:end])
    if unit is None:
        unit = int(np.frexp(max(np.abs(about).max(initial=0), size.max(initial=0)))[1])
    if unit:
        about, size = np.ldexp(about, -unit), np.ldexp(size, -unit)
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows here is seen by whoever adds it up
        square = about * about
        exact = [each for x in (about, square, size) for each in _joined(x, short)]
        lanes = [_in_lanes(x) for x in (square * about, square * square)]
    least = np.min(wide, initial=np.inf, where=finite)
    greatest = np.max(wide, initial=-np.inf, where=finite)
    return (*exact, *lanes, float(least), float(greatest), float(unit))


def _padded(n: int) -> int:
    return -(-n // (SHORT * LANES)) * SHORT * LANES


def _joined(padded: NDArray[np.float64], n_short: int) -> tuple[float, float]:
    """Short sums of each lane, joined to one sum and to what its rounding lost; then the lanes pairwise."""
    short = np.add.reduce(padded.reshape(-1, n_short, LANES), axis=1)
    if not len(short):
        return 0.0, 0.0
    ends = np.add.accumulate(short, axis=0)
    begins = np.concatenate([np.zeros((1, LANES)), ends[:-1]])
    lane, lost = ends[-1], np.add.reduce(_lost(begins, short, ends), axis=0)
    half = LANES // 2
    while half:
        after = lane[:half] + lane[half : 2 * half]
        lost = lost[:half] + lost[half : 2 * half] + _lost(lane[:half], lane[half : 2 * half], after)
        lane, half = after, half // 2
    return float(lane[0]), float(lost[0])


def _lost(before: NDArray[np.float64], more: NDArray[np.float64], after: NDArray[np.float64]) -> NDArray[np.float64]:
    """What rounding took from before + more (Knuth, "The Art of Computer Programming", 4.2.2)."""
    part = after - before
    found: NDArray[np.float64] = (before - (after - part)) + (more - part)
    return found


def _in_lanes(padded: NDArray[np.float64]) -> float:
    """Each lane from its first element to its last, then the lanes pairwise."""
    lane = np.add.reduce(padded.reshape(-1, LANES), axis=0)
    half = LANES // 2
    while half:
        lane[:half] += lane[half : 2 * half]
        half //= 2
    return float(lane[0])


def _pieces(source: Any, offset: int, nbytes: int) -> Iterator[memoryview]:
    """The range as blocks, the last one shorter; fewer bytes when a file ends before."""
    if not isinstance(source, int):
        view = memoryview(source).cast("B")[offset : offset + nbytes]
        for start in range(0, nbytes, _READ_NBYTES):
            yield view[start : start + _READ_NBYTES]
        return
    buffer = memoryview(bytearray(min(_READ_NBYTES, nbytes)))
    end = offset + nbytes
    while offset < end:
        got = 0
        want = min(len(buffer), end - offset)
        while got < want:
            n = os.preadv(source, [buffer[got:want]], offset + got)
            if not n:
                break
            got += n
        if got:
            yield buffer[:got]
        if got < want:
            return
        offset += got
