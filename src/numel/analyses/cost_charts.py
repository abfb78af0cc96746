"""Which pictures do costs make? The components beside each other in all that they cost, and on the roofline of a device."""

from __future__ import annotations

from ..core.records import NamedTuple
from ..core.report import Chart, ChartKind, Series, Text, Unit, Value
from ..costs.devices import HERE
from ..costs.roofline import roof

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..costs.devices import Device
    from ..costs.estimate import Estimate
    from ..costs.work import Work
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


class RoofPoint(NamedTuple):
    """A component in one phase: FLOPs for each byte that moves, and the FLOP/s that the device can reach with them."""

    phase: str
    component: str
    intensity: float
    flop_rate: float


def roof_points(cost: ModelCost, device: Device) -> list[RoofPoint]:
    """The components of a prompt and of a token on the roofline; none where no peak is stated.

    What multiplies nothing (a lookup, a norm) has no place on it.
    """
    prefill, decode = cost.lens
    peak, bandwidth = device.peak(prefill.stored.name), device.all_bandwidth
    if peak is None:
        return []
    phases = (prefill, decode) if decode.setting.phase == "decode" else (prefill,)
    return [
        RoofPoint(found.setting.phase, component, flops / nbytes, min(float(peak), flops / nbytes * bandwidth))
        for found in phases
        for component, flops, nbytes in _moving(found)
        if flops and nbytes
    ]


def roofline_chart(cost: ModelCost, device: Device) -> Chart | None:
    """What the device can do at most against FLOPs for each byte, and the components there."""
    prefill, points = cost.lens[0], roof_points(cost, device)
    peak, bandwidth = device.peak(prefill.stored.name), device.all_bandwidth
    if peak is None or not points:
        return None
    ridge = peak / bandwidth
    intensities = [ridge, *(point.intensity for point in points)]
    low, high = min(intensities) / 4, max(intensities) * 12
    rest = (None,) * len(points)
    bits = Value(device.peak_bits(prefill.stored.name), Unit.COUNT)
    roofs = {
        "bandwidth": (Text("{rate} of memory", {"rate": Value(bandwidth, Unit.BYTE_RATE)}),
                      (low * bandwidth, float(peak), None)),
        "peak": (Text("{rate} at the peak, in {bits} bits", {"rate": Value(peak, Unit.FLOP_RATE), "bits": bits}),
                 (None, float(peak), float(peak))),
    }  # fmt: skip
    series = [Series(key, name, (*rest, *ends)) for key, (name, ends) in roofs.items()]
    for name in dict.fromkeys(point.component for point in points):
        at = tuple(point.flop_rate if point.component == name else None for point in points)
        series.append(Series(name, Text("{what}", {"what": Value(name, Unit.WORD)}), (*at, None, None, None)))
    values = {
        "model": Value(prefill.table.name, Unit.NAME),
        "device": Value(device.title, Unit.NAME),
        "n": Value(device.n_devices, Unit.COUNT),
        "context": Value(prefill.setting.context, Unit.COUNT),
        "batch": Value(prefill.setting.batch, Unit.COUNT),
    }
    title = Text("Roofline of {model} on {n} × {device}", values)
    if device.n_devices == 1:
        title = Text("Roofline of {model} on {device}", values)
    if device.name == HERE:
        title = Text("Roofline of {model} on this machine", values)
    return Chart(
        "roofline", title, ChartKind.ROOFLINE, (*(point.phase for point in points), *("roof",) * 3), tuple(series),
        Text("attainable FLOP/s of each component; context {context}, batch {batch}", values), Unit.FLOP_RATE,
        (*(point.intensity for point in points), low, ridge, high),
        Text("arithmetic intensity (FLOP/byte of weights and cache)"), Unit.INTENSITY, category_unit=Unit.WORD,
    )  # fmt: skip


def _moving(found: Estimate) -> list[tuple[str, int, int]]:
    """Each component with its FLOPs and the bytes that move for it."""
    flops, nbytes = (
        _by_component(found, lambda w: w.flops),
        _by_component(found, lambda w: w.read_nbytes + w.kv_moved_nbytes),
    )
    return [(name, int(flops[name]), int(nbytes[name])) for name in flops]


def least_time_chart(cost: ModelCost, device: Device) -> Chart | None:
    """Of the least time of a prompt and of a token, the share of each component; None where no peak is stated."""
    prefill, decode = cost.lens
    phases = (prefill, decode) if decode.setting.phase == "decode" else (prefill,)
    times = [
        {name: roof(flops, nbytes, device, found.stored.name).seconds or 0.0 for name, flops, nbytes in _moving(found)}
        for found in phases
    ]
    if not all(sum(of.values()) for of in times):
        return None
    series = tuple(
        Series(name, Text("{what}", {"what": Value(name, Unit.WORD)}),
               tuple(of.get(name, 0.0) / sum(of.values()) for of in times))
        for name in dict.fromkeys(name for of in times for name, seconds in of.items() if seconds)
    )  # fmt: skip
    title = Text("Where the time goes at the least, by the roofline")
    return Chart(
        "least-time", title, ChartKind.STACKED, tuple(found.setting.phase for found in phases), series,
        Text("share of the time"), category_unit=Unit.WORD,
    )  # fmt: skip
