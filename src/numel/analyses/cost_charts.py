"""How do the components stand to each other in parameters, bytes, arithmetic and cache, at one look?"""

from __future__ import annotations

from ..core.report import Chart, ChartKind, Series, Text, Unit, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..costs.estimate import Estimate, Work
    from .cost import ModelCost


def lens_chart(cost: ModelCost) -> Chart:
    """One full bar each for parameters, bytes, FLOPs of a prompt and of a token, bytes that a token reads, cache, measured time."""
    prefill, decode = cost.lens
    bars: list[tuple[str, Estimate, Callable[[Work], int]]] = [
        ("parameters", prefill, lambda w: w.numel),
        ("bytes", prefill, lambda w: w.weight_nbytes),
        ("FLOPs, prefill", prefill, lambda w: w.flops),
    ]
    if decode.setting.phase == "decode":
        bars += [
            ("FLOPs, decode", decode, lambda w: w.flops),
            ("bytes read, decode", decode, lambda w: w.read_nbytes + w.kv_moved_nbytes),
            ("KV cache", decode, lambda w: w.kv_nbytes),
        ]
    names = [name for name, _, _ in bars]
    sums: list[dict[str, float]] = [_by_component(found, value) for _, found, value in bars]
    if cost.measured is not None:
        names.append("measured time, " + cost.estimate.setting.phase)
        sums.append({part.component: part.time.median for part in cost.measured.parts})
    kept = [k for k, s in enumerate(sums) if sum(s.values())]
    seen = [c for c in dict.fromkeys(c for s in sums for c in s) if any(s.get(c) for s in sums)]
    series = tuple(
        Series(c, Text("{what}", {"what": Value(c, Unit.WORD)}),
               tuple(sums[k].get(c, 0) / (sum(sums[k].values()) or 1) for k in kept))
        for c in seen
    )  # fmt: skip
    title = Text(
        "Where {model} has its parameters, and where its work is", {"model": Value(prefill.table.name, Unit.NAME)}
    )
    return Chart(
        "cost-lens", title, ChartKind.STACKED, tuple(names[k] for k in kept), series, Text("share of each"),
        category_unit=Unit.WORD,
    )  # fmt: skip


def _by_component(found: Estimate, value: Callable[[Work], int]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for work in found.works:
        sums[work.component] = sums.get(work.component, 0) + value(work)
    return sums


def roofline_chart(cost: ModelCost) -> Chart:
    """Of the least time of the pass, the share of each component."""
    named = [(g, g.roof.seconds or 0.0) for g in cost.groups if g.roof is not None]
    sums: dict[str, float] = {}
    for group, seconds in named:
        sums[str(group.keys[0])] = sums.get(str(group.keys[0]), 0.0) + seconds
    total = sum(sums.values()) or 1.0
    series = tuple(Series(c, Text("{what}", {"what": Value(c, Unit.WORD)}), (s / total,)) for c, s in sums.items())
    title = Text("Where the time goes at the least, by the roofline")
    return Chart(
        "roofline", title, ChartKind.STACKED, (cost.estimate.setting.phase,), series, Text("share of the time"),
        category_unit=Unit.WORD,
    )  # fmt: skip
