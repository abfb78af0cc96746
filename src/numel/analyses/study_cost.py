"""What does each component cost beside what it holds? The study's line from parameters to performance, from shapes alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.parameters import Component
from ..core.report import Column, Note, Section, Table, Text, Unit, Value
from ..costs.roofline import moved
from ..errors import NumelError
from . import cost
from .cost_charts import lens_chart
from .cost_words import assumptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..core.parameters import ParameterTable
    from ..core.report import Block
    from ..costs.estimate import Estimate
    from ..costs.work import Work


class Costed(NamedTuple):
    """The cost of each model that can be estimated, and why it cannot of the others: (model, reason)."""

    costs: tuple[cost.ModelCost, ...]
    refused: tuple[tuple[str, str], ...]


def costed(tables: Sequence[ParameterTable]) -> Costed:
    """A prompt of 1,024 tokens, or of as many as the model has positions, and one token more."""
    costs: list[cost.ModelCost] = []
    refused = []
    for table in tables:
        if not table.rows:
            continue
        try:
            costs += cost.analyze((table,), cost.Options())
        except NumelError as error:
            refused.append((table.name, error.message))
    return Costed(tuple(costs), tuple(refused))


def section(found: Costed) -> Section:
    """The chapter: a table, a figure and what they say, for each model."""
    blocks: list[Block] = []
    if found.costs:
        blocks.append(
            Note(
                Text(
                    "A share of the parameters is not a share of the work. Beside the parameters of each component stand the "
                    "bytes of its weights, the FLOPs of a prompt and of one token after it, and the KV cache after the "
                    "prompt. All of it is estimated from shapes; numel cost --measure times real passes, and --device "
                    "draws a roofline."
                )
            )
        )
    ends = sorted(found.costs, key=lambda each: each.estimate.total("numel"))
    for k, each in enumerate(found.costs):
        chart = lens_chart(each)
        blocks += [_table(each), chart._replace(key=f"{chart.key}-{k + 1}") if k else chart]
        blocks += (*_of_a_token(each), *_of_the_experts(each))
        blocks += _said(each) if each in (ends[0], ends[-1]) else ()
    blocks += _trend(ends)
    for model, why in found.refused:
        values = {"model": Value(model, Unit.NAME), "why": Value(why, Unit.FORMULA)}
        said = "Not estimated: {why}" if why.startswith(model) else "Not estimated: {model}: {why}"
        blocks.append(Note(Text(said, values)))
    return Section(Text("Link to performance: what the parameters cost"), tuple(blocks))


def conventions(found: Costed) -> tuple[Text, ...]:
    """How the costs were counted."""
    return assumptions(found.costs) if found.costs else ()


_COLUMNS: tuple[tuple[str, Text, Unit, Callable[[Work], int]], ...] = (
    ("numel", Text("parameters"), Unit.SHORT_COUNT, lambda w: w.numel),
    ("weight_nbytes", Text("bytes"), Unit.SHORT_NBYTES, lambda w: w.weight_nbytes),
    ("prefill_flops", Text("FLOPs of the prompt"), Unit.FLOPS, lambda w: w.flops),
    ("decode_flops", Text("FLOPs of a token"), Unit.FLOPS, lambda w: w.flops),
    ("kv_nbytes", Text("KV cache"), Unit.SHORT_NBYTES, lambda w: w.kv_nbytes),
)
_N_PREFILL = 3  # of these columns, which every model has; one that decodes nothing has no others


def _sums(each: cost.ModelCost) -> dict[str, dict[str, int]]:
    """For each column the sum of each component."""
    prefill, decode = each.lens
    columns = _COLUMNS if decode.setting.phase == "decode" else _COLUMNS[:_N_PREFILL]
    return {
        key: _by_component(prefill if k < _N_PREFILL else decode, value) for k, (key, _, _, value) in enumerate(columns)
    }


def _by_component(found: Estimate, value: Callable[[Work], int]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for work in found.works:
        sums[work.component] = sums.get(work.component, 0) + value(work)
    return sums


def _table(each: cost.ModelCost) -> Table:
    """What each component holds and costs."""
    sums = _sums(each)
    columns = [(key, title, unit) for key, title, unit, _ in _COLUMNS if any(sums.get(key, {}).values())]
    rank = {component.value: k for k, component in enumerate(Component)}
    components = {component for of in sums.values() for component, n in of.items() if n}
    rows = tuple(
        (component, *(_cell(key, sums[key].get(component)) for key, _, _ in columns))
        for component in sorted(components, key=lambda name: rank.get(name, len(rank)))
    )
    values = {
        "model": Value(each.estimate.table.name, Unit.NAME),
        "context": Value(each.estimate.setting.context, Unit.COUNT),
        "dtype": Value(each.estimate.stored.name, Unit.NAME),
    }
    return Table(
        Text("{model}: a prompt of {context} tokens, weights in {dtype}", values),
        (Column("component", Text("component"), Unit.WORD), *(Column(*column) for column in columns)),
        rows,
        (Text("total"), *(sum(sums[key].values()) for key, _, _ in columns)),
        key="costs",
    )


def _cell(key: str, n: int | None) -> int | None:
    """Of a component that keeps nothing in the cache nothing is said; one without parameters or FLOPs has 0."""
    return n or None if key == "kv_nbytes" else n


def _of_a_token(each: cost.ModelCost) -> Iterator[Note]:
    """What must be read for one token more, and what it adds to the cache."""
    decode = each.lens[1]
    if decode.setting.phase == "decode":
        values = {
            "model": Value(each.estimate.table.name, Unit.NAME),
            "read": Value(moved(decode.works), Unit.NBYTES),
            "each": Value(decode.kv_per_token, Unit.NBYTES),
        }
        said = "{model}: {read} are read for the next token; the KV cache, which is no parameter, grows by {each} with each"
        yield Note(Text(said if decode.kv_per_token else "{model}: {read} are read for the next token", values))


def _shares(each: cost.ModelCost, key: str) -> dict[str, float]:
    of = _sums(each).get(key, {})
    total = sum(of.values())
    return {component: n / total for component, n in of.items()} if total else {}


def _said(each: cost.ModelCost) -> Iterator[Note]:
    """What stands out: the embedding and the output matrix."""
    held, worked = _shares(each, "numel"), _shares(each, "prefill_flops")
    model = Value(each.estimate.table.name, Unit.NAME)
    if held.get("embedding"):
        yield Note(
            Text(
                "{model}: the embedding holds {held} of the parameters and does {worked} of the FLOPs of a prompt: a lookup "
                "multiplies nothing",
                {
                    "model": model,
                    "held": Value(held["embedding"], Unit.SHARE),
                    "worked": Value(worked.get("embedding", 0.0), Unit.SHARE),
                },
            )
        )
    yield from _of_the_head(each, model)


def _of_the_experts(each: cost.ModelCost) -> Iterator[Note]:
    """How many of them work."""
    held, worked = _shares(each, "numel"), _shares(each, "prefill_flops")
    if held.get("moe") and each.estimate.n_experts:
        values = {
            "model": Value(each.estimate.table.name, Unit.NAME),
            "held": Value(held["moe"], Unit.SHARE),
            "worked": Value(worked.get("moe", 0.0), Unit.SHARE),
            "all": Value(each.estimate.n_experts[0], Unit.COUNT),
            "n": Value(each.estimate.n_experts[1], Unit.COUNT),
        }
        yield Note(
            Text(
                "{model}: the experts hold {held} of the parameters and do {worked} of the FLOPs of a prompt: {n} of {all} "
                "work on a token",
                values,
            )
        )


def _of_the_head(each: cost.ModelCost, model: Value) -> Iterator[Note]:
    """The output matrix: tied to the embedding, or one of its own."""
    prefill, decode = each.lens
    numel = sum(work.numel for work in prefill.works if work.part == "lm_head")
    flops = [sum(work.flops for work in found.works if work.part == "lm_head") for found in (prefill, decode)]
    if not flops[0]:
        return
    values = {
        "model": model,
        "held": Value(numel / (prefill.total("numel") or 1), Unit.SHARE),
        "prefill": Value(flops[0] / prefill.total("flops"), Unit.SHARE),
        "decode": Value(flops[1] / (decode.total("flops") or 1), Unit.SHARE),
    }
    if numel:
        said = "{model}: the output matrix holds {held} of the parameters and does {prefill} of the FLOPs of a prompt"
    else:
        said = (
            "{model}: the output matrix is the token embedding again, no parameter of its own, and does {prefill} of the "
            "FLOPs of a prompt and {decode} of those of a token"
        )
    yield Note(Text(said, values))


def _trend(ends: Sequence[cost.ModelCost]) -> Iterator[Note]:
    """How the work of one family moves from its smallest model to its largest."""
    if len({each.estimate.table.model_type for each in ends}) != 1 or len(ends) < 2:
        return
    small, large = ends[0], ends[-1]
    work = [_shares(each, "prefill_flops") for each in (small, large)]
    if not all(of.get("head") and of.get("mlp") for of in work):
        return
    values = {
        "small": Value(small.estimate.table.name, Unit.NAME),
        "large": Value(large.estimate.table.name, Unit.NAME),
        **{f"{name}_{k}": Value(work[k][name], Unit.SHARE) for name in ("head", "mlp") for k in (0, 1)},
    }
    yield Note(
        Text(
            "From {small} to {large} the head goes from {head_0} to {head_1} of the FLOPs of a prompt and the MLP from "
            "{mlp_0} to {mlp_1}: the matrices of the layers grow with the square of the width, the output matrix with the width alone",
            values,
        )
    )


def data(found: Costed) -> list[dict[str, Any]]:
    """Every number of the chapter: for each model its components, or why there are none."""
    return [
        *(
            {
                "name": each.estimate.table.name,
                "context": each.estimate.setting.context,
                "dtype": each.estimate.stored.name,
                "components": _sums(each),
                "totals": {key: sum(of.values()) for key, of in _sums(each).items()},
                "decode_read_nbytes": moved(each.lens[1].works),
                "kv_nbytes_per_token": each.lens[1].kv_per_token,
            }
            for each in found.costs
        ),
        *({"name": model, "refused": why} for model, why in found.refused),
    ]
