"""What is counted in one go? A job: pieces of one file, whose counts are the same whoever does it, and however often."""

from __future__ import annotations

import json
import zlib
from functools import lru_cache
from threading import local
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.visible import visible_path
from ..errors import CorruptFileError, Sentence, SourceError, reason
from ..kernels import WORK_NBYTES, kernels
from .tally import Counted, Piece, count_piece

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..core.bytes import ValueFile

    Opener = Callable[[str], ValueFile]

_MAX_SHOWN = 120
_N_SUMS = 7
_mine = local()


class Job(NamedTuple):
    """Pieces of the file `shard`, which must still be the one that `identity` tells."""

    shard: str
    identity: tuple[object, ...]
    pieces: tuple[Piece, ...]

    @property
    def key(self) -> str:
        """The same for the same work: SHA-256 of the file's name, its identity and the pieces."""
        from hashlib import sha256  # loads OpenSSL, 5 ms

        return sha256(json.dumps([self.shard, self.identity, self.pieces]).encode()).hexdigest()


def count_job(job: Job, file: ValueFile) -> list[Counted]:
    """What each of its pieces holds. Raises what `counted` raises."""
    if not hasattr(_mine, "work"):
        _mine.work = bytearray(WORK_NBYTES)
    return [_counted(file, piece, job.identity, _mine.work) for piece in job.pieces]


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


def _counted(file: ValueFile, piece: Piece, identity: tuple[object, ...], work: bytearray) -> Counted:
    """What the piece holds, with the file looked at before and after."""
    before = file.identity()
    try:
        counted, n_read = count_piece(kernels(), file, piece, work)
    except OSError as error:
        message = Sentence("cannot be read: {why}", why=reason(error))
        raise SourceError(message, path=visible_path(file.name, _MAX_SHOWN)) from error
    if n_read < piece.nbytes:
        refuse_cut(file, piece.offset + n_read)
    if file.identity() != before or before != identity:
        message = Sentence("changed while it was read")
        raise CorruptFileError(message, path=visible_path(file.name, _MAX_SHOWN), hint=Sentence("run it again"))
    return counted


def refuse_cut(file: ValueFile, offset: int) -> None:
    """Raises the error for a file that ends before its values do."""
    message = Sentence("was cut short: the values go on where the file ends")
    hint = Sentence("download it again")
    raise CorruptFileError(message, path=visible_path(file.name, _MAX_SHOWN), hint=hint, offset=offset)


def encode(found: Sequence[Counted]) -> bytes:
    """Counts as some kilobytes that go through a pipe, a network or a journal; what never occurs is left out."""
    heads, arrays = [], []
    for each in found:
        bins, counts, size = each.bins, each.counts, None
        if bins is None:
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
            (np.dtype(np.float64), n_sums * _N_SUMS),
        ):
            arrays.append(np.frombuffer(content, dtype, n, at))
            at += n * dtype.itemsize
        bins, counts, sums = arrays
        counts = counts.astype(np.int64)
        if size is not None:
            dense = np.zeros(size, np.int64)
            dense[bins] = counts
            bins, counts = None, dense
        found.append(Counted(bins, counts, sums.reshape(n_sums, _N_SUMS).tolist(), *rest))
    return found
