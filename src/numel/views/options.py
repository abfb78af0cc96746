"""What may a caller wish of any view? Its language, width and colour, and where the figures lie."""

from __future__ import annotations

from ..core.records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class ViewOptions(NamedTuple):
    """What None means is left to the view: it looks at the stream and the environment.

    `width`: columns of text; None is the terminal's, without limit where there is none. `color`: None asks NO_COLOR,
    FORCE_COLOR and the stream. `is_terminal`: None asks the stream. `figures`: a chart's key → the path by which a
    document refers to its picture.
    """

    lang: str = "en"
    width: int | None = None
    color: bool | None = None
    is_terminal: bool | None = None
    figures: Mapping[str, str] = {}
