"""What is counted in one go? A job: pieces of one file, whose counts are the same whoever does it, and however often."""

from __future__ import annotations

import json
from threading import local
from typing import TYPE_CHECKING, NamedTuple

from ..core.visible import visible_path
from ..errors import CorruptFileError, Sentence, SourceError, reason
from ..kernels import WORK_NBYTES, kernels
from .tally import Piece, count_piece

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..core.bytes import ValueFile
    from .tally import Counted

    Opener = Callable[[str], ValueFile]

_MAX_SHOWN = 120
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
