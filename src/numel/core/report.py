"""What an analysis hands to every view: text with numbers apart, tables, charts and sections. No formatted text.

A view renders each block in its own way; a new analysis needs no view, a new view no analysis.
"""

from __future__ import annotations

from enum import StrEnum

from .records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Unit(StrEnum):
    """What a raw number counts; `units` decides how it is written."""

    COUNT = "count"  # parameters, tensors: 124,439,808
    SHORT_COUNT = "short_count"  # the same, rounded for reading: 124.4M
    NBYTES = "nbytes"  # 497.8 MB (474.7 MiB)
    SHORT_NBYTES = "short_nbytes"  # 497.8 MB, where many stand side by side
    SHARE = "share"  # 0..1, shown in percent
    SMALL_SHARE = "small_share"  # a share whose interest lies below 0.1 %: more digits
    RATIO = "ratio"  # 1.9990
    REAL = "real"  # a value of any size, of a weight say: 0.04466, −1.5e-09
    FACTOR = "factor"  # growth: ×17.3
    FLOPS = "flops"  # arithmetic: 291.6 GFLOP
    FLOP_RATE = "flop_rate"  # arithmetic a second: 989.4 TFLOP/s
    BYTE_RATE = "byte_rate"  # 4.8 TB/s
    INTENSITY = "intensity"  # arithmetic for each byte that moves: 206 FLOP/B
    SECONDS = "seconds"  # 4.35 ms
    INDEX = "index"  # a layer's number: no separators
    NAME = "name"  # a name from outside (tensor, model, path): shown escaped, never translated
    WORD = "word"  # a word of the taxonomy (a component, a part): translated by the view
    FORMULA = "formula"  # arithmetic to be shown as it stands
    FLAG = "flag"  # true or false


class Value(NamedTuple):
    """A raw value with its unit; None is unknown and shown as such."""

    raw: Any
    unit: Unit


class Text(NamedTuple):
    """A sentence to be translated, with the raw values that stand in its braces.

    The template is the English text and the key of the catalogues:
    `Text("{model} has {total} parameters", {"model": Value("gpt2", Unit.NAME), "total": Value(124439808, Unit.COUNT)})`
    """

    template: str
    values: Mapping[str, Value | Text] = {}


class Column(NamedTuple):
    """A column: `key` is stable and English (CSV, JSON), `title` is for people; `bar` asks for a bar beside it."""

    key: str
    title: Text
    unit: Unit
    bar: bool = False


class Table(NamedTuple):
    """Rows of raw cells, one per column; a cell may also be a Value (another unit) or a Text. `total` is a last row."""

    title: Text
    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    total: tuple[Any, ...] | None = None
    key: str = ""


class Series(NamedTuple):
    """One colour of a chart: `key` names the component (and so the colour), one value per category or x."""

    key: str
    title: Text
    values: tuple[float | None, ...]


class ChartKind(StrEnum):
    """How the series stand to each other."""

    STACKED = "stacked"  # horizontal bars that reach 100 %, one per category
    GROUPED = "grouped"  # vertical bars side by side, one group per category
    LINES = "lines"  # series against x (logarithmic), labelled at their ends
    DISTRIBUTION = "distribution"  # densities against x in units of σ
    RANGE = "range"  # least, quarter, median, three quarters and greatest (the series) of each category
    RANKS = "ranks"  # sizes against their rank, both logarithmic, measured by what stands at 1
    ROOFLINE = "roofline"  # points on two lines (the first two series), both axes logarithmic; a category for each x
    MAP = "map"  # a colour for each series (a row) and category (a column)


class Chart(NamedTuple):
    """Series over categories or over numbers (`x`).

    `categories` are names of models, or words to be translated where `category_unit` says so.
    """

    key: str
    title: Text
    kind: ChartKind
    categories: tuple[str, ...]
    series: tuple[Series, ...]
    y_title: Text
    y_unit: Unit = Unit.SHARE
    x: tuple[float, ...] = ()
    x_title: Text = Text("")
    x_unit: Unit = Unit.SHORT_COUNT
    note: Text = Text("")
    category_unit: Unit = Unit.NAME


class NoteKind(StrEnum):
    """What a note is for."""

    PARAGRAPH = "paragraph"
    SUMMARY = "summary"  # the line above a table: the model and its counts
    RULE = "rule"  # how it was counted
    WARNING = "warning"


class Note(NamedTuple):
    """A sentence or a paragraph."""

    text: Text
    kind: NoteKind = NoteKind.PARAGRAPH


class Formulas(NamedTuple):
    """Derivations, one below the other: symbolic, with numbers, the result, and a remark."""

    title: Text
    lines: tuple[Derivation, ...]


class Derivation(NamedTuple):
    """`label`: `symbols` = `numbers` = `result`, in words `remark`."""

    label: Text
    symbols: str
    numbers: str
    result: int
    remark: str = ""


class Section(NamedTuple):
    """A chapter of a document."""

    title: Text
    blocks: tuple[Block, ...]


Block = Table | Chart | Note | Formulas | Section


class Report(NamedTuple):
    """All that a command has to say.

    `data` is the body of `--json`: plain dicts, lists and numbers with stable English keys, which hold every number
    that the blocks show. `assumptions` say how it was counted, `warnings` what is odd; views print both. `records`
    is the long form for CSV; None: the first table. `exit_code`: 1 where a check that was asked for failed.
    """

    command: str
    title: Text
    blocks: tuple[Block, ...]
    data: Mapping[str, Any]
    assumptions: tuple[Text, ...] = ()
    warnings: tuple[Text, ...] = ()
    records: Table | None = None
    exit_code: int = 0


def charts(report: Report) -> list[Chart]:
    """Every chart of the report, those inside sections too."""
    found: list[Chart] = []
    waiting = list(report.blocks)
    while waiting:
        block = waiting.pop(0)
        if isinstance(block, Section):
            waiting = [*block.blocks, *waiting]
        elif isinstance(block, Chart):
            found.append(block)
    return found
