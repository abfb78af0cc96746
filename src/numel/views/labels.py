"""Where does a label go so that it can be read? Widths measured in points, neighbours kept apart."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

if TYPE_CHECKING:
    from collections.abc import Sequence

LINE_HEIGHT = 1.25  # of the font's size, in DejaVu Sans with Vietnamese marks


@lru_cache(maxsize=4096)
def width(text: str, size: float, *, bold: bool = False) -> float:
    """The width of the text in points, in the font that figures are drawn with; of several lines the widest."""
    font = FontProperties(family=["DejaVu Sans"], weight="bold" if bold else "normal", size=size)
    measured = (text_to_path.get_text_width_height_descent(line, font, ismath=False) for line in text.split("\n"))
    return max(float(size[0]) for size in measured)


def spread(centers: Sequence[float], sizes: Sequence[float], low: float, high: float) -> list[float]:
    """Where labels of these sizes go so that none overlaps its neighbour: each as near as can be to its center.

    `centers` ascend; the labels stay in their order, and between `low` and `high` if there is room for all.

    >>> spread([1.0, 1.5, 9.0], [2.0, 2.0, 2.0], 0.0, 10.0)
    [1.0, 3.0, 9.0]
    """
    offsets = [sum(sizes[:i]) + size / 2 for i, size in enumerate(sizes)]
    groups: list[tuple[float, int]] = []  # labels that touch, as where their first one begins and how many they are
    for center, offset in zip(centers, offsets, strict=True):
        start, n = center - offset, 1
        while groups and groups[-1][0] > start:
            before, n_before = groups.pop()
            start, n = (before * n_before + start * n) / (n_before + n), n_before + n
        groups.append((start, n))
    starts = [start for start, n in groups for _ in range(n)]
    last = max(low, high - sum(sizes))
    return [min(max(start, low), last) + offset for start, offset in zip(starts, offsets, strict=True)]


def broken(text: str, room: float, size: float, *, bold: bool = False) -> str:
    """The text with line breaks where it would be wider than `room` points; before a bracket if that is enough.

    >>> broken("long name (short)", 80.0, 9.5).splitlines()
    ['long name', '(short)']
    """
    if width(text, size, bold=bold) <= room:
        return text
    at_bracket = text.replace(" (", "\n(")
    if width(at_bracket, size, bold=bold) <= room:
        return at_bracket
    lines: list[str] = []
    for word in text.split(" "):
        if lines and width(f"{lines[-1]} {word}", size, bold=bold) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)
