"""How far is it? What is done of what there is, and the time left, on stderr, of what takes longer than a second."""

from __future__ import annotations

from time import monotonic

from .core.report import Unit
from .units import format_value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self, TextIO

_FIRST = 1.0  # seconds, on a terminal
_EVERY = 0.2
_EVERY_LINE = 10.0  # where lines stay, as in a log


class Progress:
    """Says how much of `total` is done: on one line of a terminal, or every ten seconds on a line of its own.

    `unit`: NBYTES, with their rate, or COUNT of steps.
    """

    def __init__(self, out: TextIO, unit: Unit = Unit.NBYTES) -> None:
        self._out = out
        self._unit = unit
        self._on_terminal = out.isatty()
        self._start = monotonic()
        self._next = self._start + (_FIRST if self._on_terminal else _EVERY_LINE)
        self._written = 0

    def __call__(self, done: int, total: int) -> None:
        """`done` of `total` bytes are read, or steps done."""
        now = monotonic()
        if now < self._next or not total:
            return
        self._next = now + (_EVERY if self._on_terminal else _EVERY_LINE)
        rate = done / (now - self._start)
        left = (total - done) / rate if rate else float("inf")
        shown = f"{_size(done)} / {_size(total)} · {_size(int(rate))}/s · {_time(left)}"
        if self._unit is Unit.COUNT:
            shown = f"{format_value(done, Unit.COUNT)} / {format_value(total, Unit.COUNT)} · {_time(left)}"
        if self._on_terminal:
            self._out.write("\r" + shown.ljust(self._written))
            self._written = len(shown)
        else:
            self._out.write(shown + "\n")
        self._out.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._written:
            self._out.write("\r" + " " * self._written + "\r")
            self._out.flush()


def _size(nbytes: int) -> str:
    """In one unit only: a line is short."""
    return format_value(nbytes, Unit.SHORT_NBYTES)


def _time(seconds: float) -> str:
    """Hours, minutes and seconds that are left."""
    if seconds == float("inf"):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
