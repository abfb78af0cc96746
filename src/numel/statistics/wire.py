"""How do counts travel? Some kilobytes for each job that go through a pipe, a network or a journal."""

from __future__ import annotations

import json
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..kernels import N_SUMS
from .jobs import count_job
from .tally import Counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.bytes import ValueFile
    from .jobs import Job, Opener


def count_elsewhere(open_shard: Opener, job: Job) -> bytes:
    """The same in a process that has nothing but the job; as `encode` writes it."""
    file = _opened(open_shard, job.shard)
    if file.identity() != job.identity:  # opened long ago
        _opened.cache_clear()
        file = _opened(open_shard, job.shard)
    return encode(count_job(job, file))


@lru_cache(maxsize=4)
def _opened(open_shard: Opener, shard: str) -> ValueFile:
    return open_shard(shard)


def encode(found: Sequence[Counted]) -> bytes:
    """Counts as some kilobytes that go through a pipe, a network or a journal; what never occurs is left out."""
    heads, arrays = [], []
    for each in found:
        counts, size = np.asarray(each.counts), None
        if each.bins is not None:
            bins = np.asarray(each.bins)
        else:
            size = len(counts)
            bins = np.flatnonzero(counts != 0).astype(np.uint16)  # of a mask: four times as fast
            counts = counts[bins]
        most = int(counts.max(initial=0))
        counts = counts.astype(np.min_scalar_type(most))  # an eighth of the bytes where each occurs seldom
        sums = np.array(each.sums, np.float64)
        heads.append([size, bins.dtype.str, counts.dtype.str, len(bins), len(each.sums), each[3:]])
        arrays += [bins.tobytes(), counts.tobytes(), sums.tobytes()]
    head = json.dumps(heads).encode()
    return zlib.compress(len(head).to_bytes(8, "little") + head + b"".join(arrays), 1)


def decode(raw: bytes) -> list[Counted]:
    """What `encode` wrote."""
    content = zlib.decompress(raw)
    at = 8 + int.from_bytes(content[:8], "little")
    found = []
    for size, kind, count_kind, n_bins, n_sums, rest in json.loads(content[8:at]):
        arrays: list[Any] = []
        for dtype, n in (
            (np.dtype(kind), n_bins),
            (np.dtype(count_kind), n_bins),
            (np.dtype(np.float64), n_sums * N_SUMS),
        ):
            arrays.append(np.frombuffer(content, dtype, n, at))
            at += n * dtype.itemsize
        bins, counts, sums = arrays
        bins, counts = bins.copy(), counts.astype(np.int64)  # on even addresses
        if size is not None:
            dense = np.zeros(size, np.int64)
            dense[bins] = counts
            bins, counts = None, dense
        found.append(Counted(bins, counts, sums.reshape(n_sums, N_SUMS).tolist(), *rest))
    return found
