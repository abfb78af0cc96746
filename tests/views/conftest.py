"""Reports to render: GPT-2's four sizes by arithmetic alone, every kind of block, and names that mean harm."""

from io import StringIO
from types import SimpleNamespace

import pytest

from numel.core.report import (
    Chart,
    ChartKind,
    Column,
    Derivation,
    Formulas,
    Note,
    NoteKind,
    Report,
    Section,
    Series,
    Table,
    Text,
    Unit,
    Value,
)
from numel.registry import find
from numel.views import VIEWS
from numel.views.options import ViewOptions

# name → n_layer, d_model (Radford et al. 2019, table 2)
SIZES = {"gpt2": (12, 768), "gpt2-medium": (24, 1024), "gpt2-large": (36, 1280), "gpt2-xl": (48, 1600)}


def numels(n_layer, d):
    """Parameters of each component of a GPT-2: the head is the token embedding, so it adds none."""
    return {
        "embedding": 50257 * d + 1024 * d,
        "attention": n_layer * (4 * d * d + 4 * d),
        "mlp": n_layer * (8 * d * d + 5 * d),
        "norm": (2 * n_layer + 1) * 2 * d,
    }


def word(text):
    return Text("{what}", {"what": Value(text, Unit.WORD)})


def name(text):
    return Text("{name}", {"name": Value(text, Unit.NAME)})


def breakdown_table(model="gpt2"):
    parts = numels(*SIZES[model])
    total = sum(parts.values())
    columns = (
        Column("component", Text("component"), Unit.WORD),
        Column("numel", Text("parameters"), Unit.COUNT),
        Column("share", Text("share"), Unit.SHARE, bar=True),
    )
    rows = tuple((key, n, n / total) for key, n in parts.items())
    return Table(Text(""), columns, rows, (Text("total"), total, 1.0), key="groups")


def share_chart(kind=ChartKind.STACKED, keys=("embedding", "attention", "mlp", "norm"), key="share"):
    parts = {model: numels(*size) for model, size in SIZES.items()}
    totals = {model: sum(p.values()) for model, p in parts.items()}
    series = tuple(Series(k, word(k), tuple(parts[m][k] / totals[m] for m in SIZES)) for k in keys)
    if kind is ChartKind.ROOFLINE:
        return roofline_chart()
    return Chart(
        key,
        Text("Where the parameters live"),
        kind,
        tuple(SIZES),
        series,
        Text("share of the parameters"),
        x=tuple(float(t) for t in totals.values()) if kind is ChartKind.LINES else (),
        x_title=Text("parameters"),
    )


def roofline_chart(bandwidth=3.35e12, peak=989.4e12):
    """Three parts at 512 and 0.5 FLOPs a byte, two of them at one place, on NVIDIA's H100 as its maker states it."""
    x = (512.0, 512.0, 0.5, 0.5, 0.7, 0.1, peak / bandwidth, 3000.0)
    none = (None,) * 5
    parts = {"mlp": (0, 2), "head": (1, 3), "attention": (4,)}
    series = (
        Series("bandwidth", Text("memory"), (*none, 0.1 * bandwidth, peak, None)),
        Series("peak", Text("peak"), (*none, None, peak, peak)),
        *(
            Series(k, word(k), tuple(min(peak, bandwidth * x[i]) if i in at else None for i in range(8)))
            for k, at in parts.items()
        ),
    )
    phases = ("prefill", "prefill", "decode", "decode", "decode", "roof", "roof", "roof")
    return Chart(
        "roofline", Text("Roofline"), ChartKind.ROOFLINE, phases, series, Text("FLOP/s"), Unit.FLOP_RATE, x,
        Text("FLOP/byte"), Unit.INTENSITY,
    )  # fmt: skip


def whole_report():
    """Every kind of block once, with GPT-2's numbers."""
    summary = Text(
        "{model} has {total} parameters",
        {"model": Value("gpt2", Unit.NAME), "total": Value(124439808, Unit.COUNT)},
    )
    line = Derivation(
        word("attention"), "n_layer (4 n_embd² + 4 n_embd)", "12 × (4 × 768² + 4 × 768)", 28348416, "four matrices"
    )
    total = Derivation(Text("total"), "embedding + attention", "39383808 + 28348416", 67732224)
    blocks = (
        Note(summary, NoteKind.SUMMARY),
        breakdown_table(),
        Section(
            Text("Why: the architecture"),
            (
                Note(Text("A share is of the whole model.")),
                Formulas(Text("Term by term"), (line, total)),
                share_chart(),
                share_chart(ChartKind.GROUPED, ("attention", "mlp"), "attention-mlp"),
                share_chart(ChartKind.LINES, key="scaling"),
                Note(Text("stored as float16"), NoteKind.WARNING),
            ),
        ),
    )
    data = {
        "models": [
            {
                "name": "gpt2",
                "total": 124439808,
                "groups": [dict(zip(("component", "numel", "share"), r, strict=True)) for r in breakdown_table().rows],
            }
        ]
    }
    return Report(
        "show",
        Text("Where the parameters live"),
        blocks,
        data,
        (Text("tied tensors count once"),),
        (Text("no config"),),
    )


HOSTILE = [
    "[/nope][bold red]",
    "\x1b[31mred\x1b]0;title\x07",
    "a\nb\rc\td",
    "\u202egnp.exe\u2066",
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    '=HYPERLINK("http://x")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "| cell | `code` | ![x](y) [a](javascript:alert(1)) *b* _c_ #d ~e~ {braces}",
    "\ud800lone",
    "a\u200bb\ufeff",
    "\x9b31m",
    "{0.__class__}",
    "%s%n",
    "x" * 120,
    "e" + "\u0301" * 40,
    "&amp;&lt;",
    "$$\\frac{1}{2}$$",
    "```\ncode",
    "]]>--><!--",
]


def hostile_report(names=tuple(HOSTILE)):
    """The names in every place where a name can stand."""
    columns = (
        Column("tensor", Text("tensor"), Unit.NAME),
        Column("model", name(names[0]), Unit.NAME),
        Column("numel", Text("parameters"), Unit.COUNT),
        Column("share", Text("share"), Unit.SHARE, bar=True),
    )
    rows = tuple((n, n, k + 1, 1 / len(names)) for k, n in enumerate(names))
    notes = tuple(
        Note(Text("{model} has {total} parameters", {"model": Value(n, Unit.NAME), "total": Value(1, Unit.COUNT)}))
        for n in names
    )
    series = tuple(Series(n, name(n), (1 / len(names),) * 2) for n in names)
    chart = Chart("share", name(names[0]), ChartKind.STACKED, tuple(names[:2]), series, name(names[1]))
    lines = tuple(Derivation(name(n), n, n, 1, n) for n in names)
    sections = tuple(Section(name(n), (Note(name(n)),)) for n in names)
    blocks = (
        *notes,
        Table(name(names[0]), columns, rows, (Text("total"), Value("", Unit.NAME), 9, 1.0)),
        chart,
        Formulas(name(names[0]), lines),
        *sections,
    )
    data = {"names": list(names)}
    return Report("show", name(names[0]), blocks, data, tuple(map(name, names)), tuple(map(name, names)))


@pytest.fixture
def whole():
    return whole_report()


@pytest.fixture
def hostile():
    return hostile_report()


@pytest.fixture
def show():
    """A function that renders a report by a view's name and gives the text."""

    def rendered(report, view, **options):
        out = StringIO()
        find(VIEWS, view, kind="view")(report, out, ViewOptions(**options))
        return out.getvalue()

    return rendered


@pytest.fixture
def samples():
    """The makers of reports, for tests that change something in them."""
    return SimpleNamespace(**{name: value for name, value in globals().items() if not name.startswith("_")})
