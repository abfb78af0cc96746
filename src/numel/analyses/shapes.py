"""Which sizes of a family come nearest to a number of parameters? The search over layers and width.

What makes a family stays as its template has it: the width of a head, query heads per key head, how much wider the
MLP is than the model, how many experts there are. What grows is the number of layers and the width; heads and the
inner widths follow. Each total is that of the family's own blueprint: a few are evaluated for each width, the others
follow since layers repeat, and whatever is answered with has been evaluated in full.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil, floor, gcd, lcm, log2
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import ConfigError, Sentence, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# Published models have 20 to 200 dimensions a layer (167 of the 169 presets that state both). Kaplan et al. (2020,
# arXiv:2001.08361, section 3.1 and figure 5) find the loss nearly flat over a wide range of the ratio; Levine et al.
# (2020, arXiv:2006.12467) where depth stops to pay.
ASPECTS = (16.0, 256.0)
_NEAR = 1.1  # how far from the ratio that was asked for a configuration may lie

# What configurations call their sizes; where an architecture knows several names, its blueprint says which is one.
_LAYERS = (
    "num_hidden_layers", "n_layer", "n_layers", "num_layers", "encoder_layers", "decoder_layers", "num_encoder_layers",
    "num_decoder_layers",
)  # fmt: skip
_WIDTHS = ("hidden_size", "n_embd", "d_model", "dim", "emb_dim", "embed_dim")
_HEADS = (
    "num_attention_heads", "n_head", "n_heads", "num_heads", "attention_heads", "encoder_attention_heads",
    "decoder_attention_heads", "num_encoder_attention_heads", "num_decoder_attention_heads",
)  # fmt: skip
_KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_kv_heads", "num_global_key_value_heads")
_HEAD_DIMS = ("head_dim", "d_kv", "attention_head_size", "d_head", "kv_channels")
_INNER = (
    "intermediate_size", "n_inner", "d_ff", "ffn_dim", "ffn_hidden_size", "encoder_ffn_dim", "decoder_ffn_dim",
    "moe_intermediate_size", "shared_expert_intermediate_size", "shared_intermediate_size", "intermediate_size_mlp",
    "dense_intermediate_size", "prefix_dense_intermediate_size", "moe_shared_expert_intermediate_size", "dim_ff", "dff",
    "feed_forward_size", "hidden_dim", "block_ff_dim", "lru_width", "attention_hidden_size",
)  # fmt: skip
_LONGEST = 1000  # layers: the most published are 126
_PROBED = 26  # layers that show whether a pattern repeats; the longest known is 12


class Family(NamedTuple):
    """A template to be made larger or smaller, and how to count what comes out.

    `fields`: its configuration, each field under the one name that its blueprint reads. `values`: these and all that
    is assumed of absent ones. `derived`: fields that follow from others. `total` counts the parameters of a
    configuration and raises ConfigError where there is no such model.
    """

    name: str
    fields: Mapping[str, Any]
    values: Mapping[str, Any]
    derived: frozenset[str]
    total: Callable[[Mapping[str, Any]], int]

    def sizes(self, names: tuple[str, ...]) -> dict[str, int]:
        """Those of the fields that the family has and that can be set, with the template's values."""
        found = {name: self.values.get(name) for name in names if name not in self.derived}
        return {name: value for name, value in found.items() if type(value) is int and value > 0}


class Candidate(NamedTuple):
    """A configuration near the budget; `changed` are the fields that the search decides on."""

    fields: dict[str, Any]
    changed: dict[str, int]
    n_layers: int
    d_model: int
    total: int

    @property
    def aspect(self) -> float:
        """Width by depth."""
        return self.d_model / self.n_layers


class Shape:
    """The fields of a family that layers and width decide, and the fields of any other size."""

    def __init__(self, family: Family, *, n_heads: int | None = None, vocab_size: int | None = None) -> None:
        self.family = family
        self.layers, self.widths = family.sizes(_LAYERS), family.sizes(_WIDTHS)
        self.heads, self.kv_heads = family.sizes(_HEADS), family.sizes(_KV_HEADS)
        self.inner = family.sizes(_INNER)
        self.n_heads = n_heads
        self.fixed = {} if vocab_size is None else {"vocab_size": vocab_size}
        if not self.layers or not self.widths:
            what = Sentence("number of layers") if not self.layers else Sentence("width")
            message = Sentence("{name} has no single {what} that could be varied", name=family.name, what=what)
            raise UsageError(message, hint=Sentence("a language model of one stack has one: numel fit --like gpt2"))
        if vocab_size is not None and "vocab_size" not in family.values:
            message = Sentence("{name} has no vocab_size", name=family.name)
            raise UsageError(message, hint=Sentence("leave --vocab out"))
        if n_heads is not None and not self.heads:
            message = Sentence("{name} has no attention heads to choose", name=family.name)
            raise UsageError(message, hint=Sentence("leave --heads out"))
        self.n_layers = next(iter(self.layers.values()))
        self.d_model = next(iter(self.widths.values()))

    @property
    def step(self) -> int:
        """Widths are multiples of it: whole heads, and of 64 where the template's width is one."""
        if self.n_heads is not None:
            whole = self.n_heads * (2 if self.n_heads % 2 else 1)  # rotary halves want an even head
        else:
            whole = lcm(*(self.d_model // gcd(self.d_model, n) for n in self.heads.values()))
        aligned = lcm(whole, 64)
        if self.n_heads is None and self.d_model % aligned:
            aligned = whole if self.heads else gcd(self.d_model, 64)
        return aligned

    def fields(self, n_layers: int, d_model: int) -> dict[str, int] | None:
        """The sizes of a model so deep and so wide; None where its heads cannot be grouped."""
        first, width = self.n_layers, self.d_model
        changed = {name: max(round(n * n_layers / first), 1) for name, n in self.layers.items()}
        changed |= {name: d_model for name, n in self.widths.items() if n == width}
        heads = {name: self.n_heads or n * d_model // width for name, n in self.heads.items()}
        changed |= heads
        now, before = next(iter(heads.values()), 1), next(iter(self.heads.values()), 1)
        for name, n in self.kv_heads.items():
            grouped = _grouped(now, before, n)
            if grouped is None:
                return None
            changed[name] = grouped
        for name, n in self.family.sizes(_HEAD_DIMS).items():
            if self.n_heads is not None and n * before == width:
                changed[name] = d_model // self.n_heads
        changed |= {name: _inner(n, d_model, width) for name, n in self.inner.items()}
        return changed | self.fixed

    def config(self, n_layers: int, d_model: int) -> tuple[dict[str, Any], dict[str, int]] | None:
        """A whole configuration, and what in it the search decided; None where there is none of that size."""
        changed = self.fields(n_layers, d_model)
        if changed is None:
            return None
        fields = {name: self._resized(name, value, n_layers) for name, value in self.family.fields.items()}
        return fields | changed, changed

    def _resized(self, name: str, value: Any, n_layers: int) -> Any:
        """A list with an entry for each layer, for as many layers as there are now; its pattern goes on."""
        old = self.n_layers
        if not isinstance(value, list) or len(value) != old or old < 2 or name == "architectures":
            return value
        period = next((p for p in range(1, old // 2 + 1) if all(value[i] == value[i % p] for i in range(old))), None)
        return [value[i % period if period else i * old // n_layers] for i in range(n_layers)]


def _grouped(now: int, before: int, kv: int) -> int | None:
    """Key-value heads for `now` query heads: as many to a group as before, else as many groups."""
    if kv == 1:
        return 1
    group = before // kv
    if group and now % group == 0:
        return now // group
    return kv if now % kv == 0 else None


def _inner(inner: int, d_model: int, width: int) -> int:
    """An inner width in the same ratio to the model's, at the template's own roundness."""
    multiple = gcd(inner, 256)
    return max(round(inner * d_model / width / multiple), 1) * multiple


def parse_count(text: str) -> int:
    """A number of parameters as people write it. Raises UsageError.

    >>> parse_count("1.5B"), parse_count("350M"), parse_count("1_500_000_000"), parse_count("124,439,808")
    (1500000000, 350000000, 1500000000, 124439808)
    """
    import re
    from decimal import Decimal

    found = re.fullmatch(
        r"\s*(\d[\d_,]*(?:\.\d+)?)(?:[eE]\+?(\d{1,2}))?\s*([KMBGT]?)\s*", text, re.IGNORECASE | re.ASCII
    )
    if found:
        scale = {"": 0, "K": 3, "M": 6, "B": 9, "G": 9, "T": 12}[found[3].upper()] + int(found[2] or 0)
        number = Decimal(found[1].replace("_", "").replace(",", "")).scaleb(scale)
        if number == int(number) and 0 < number <= 10**15:
            return int(number)
    message = Sentence("'{text}' is not a number of parameters from 1 to 10^15", text=text[:40])
    raise UsageError(message, hint=Sentence("for example 1.5B, 350M, 124439808 or 1_500_000_000"))


def search(shape: Shape, budget: int, *, aspect: float | None = None, n: int = 10) -> list[Candidate]:
    """The `n` configurations nearest to `budget`, nearest first. Raises UsageError where there is none."""
    low, high = (aspect / _NEAR, aspect * _NEAR) if aspect else ASPECTS
    rhythm = _rhythm(shape)
    near: list[tuple[int, int, int]] = []
    smallest: int | None = None
    for d_model in _widths(shape):
        line = _Line(shape, d_model, rhythm)
        if line.least is None:
            continue
        smallest = line.least if smallest is None else min(smallest, line.least)
        if line.least > budget:
            break
        layers = range(max(ceil(d_model / high), 1), min(floor(d_model / low), _LONGEST) + 1)
        near += [(abs(line.total(n) - budget), n, d_model) for n in line.around(budget) if n in layers]
    if smallest is None or smallest > budget:
        least = Sentence("no size of it fits")
        if smallest:
            said = "its smallest, one layer of width {width}, has {n}"
            least = Sentence(said, width=str(shape.step), n=smallest)
        message = Sentence(
            "no {name} has as few as {budget} parameters: {least}", name=shape.family.name, budget=budget, least=least
        )
        raise UsageError(message, hint=Sentence("a smaller --vocab or more parameters"))
    near.sort()
    found = [c for _, n_layers, d_model in near[: 3 * n] if (c := _exact(shape, n_layers, d_model)) is not None]
    found.sort(key=lambda c: (abs(c.total - budget), c.n_layers))
    if not found:
        message = Sentence(
            "no {name} of {budget} parameters has {low} to {high} dimensions a layer",
            name=shape.family.name,
            budget=budget,
            low=f"{low:.3g}",
            high=f"{high:.3g}",
        )
        raise UsageError(message, hint=Sentence("another --aspect, or none"))
    return found[:n]


def _widths(shape: Shape) -> Iterator[int]:
    """Every width worth a try; in coarser steps where they are many: hardware likes round numbers."""
    d_model = step = shape.step
    while d_model < 10**6:
        yield d_model
        d_model += step * max(2 ** floor(log2(d_model / step / 64)), 1)


def _total(shape: Shape, n_layers: int, d_model: int) -> int | None:
    made = shape.config(n_layers, d_model)
    if made is None:
        return None
    try:
        return shape.family.total(made[0])
    except ConfigError:
        return None


def _exact(shape: Shape, n_layers: int, d_model: int) -> Candidate | None:
    made, total = shape.config(n_layers, d_model), _total(shape, n_layers, d_model)
    return None if made is None or total is None else Candidate(*made, n_layers, d_model, total)


def _rhythm(shape: Shape) -> tuple[int, int]:
    """After how many layers the stack repeats itself, and how many layers then make a period.

    Read off the template's own width: all layers alike are (1, 1), three dense ones before the experts (3, 1),
    attention in each eighth layer (1, 8).
    """
    totals = [_total(shape, n, shape.d_model) for n in range(1, _PROBED + 1)]
    steps = [None if a is None or b is None else b - a for a, b in pairwise(totals)]
    for start in range(_PROBED // 2):
        for period in range(1, 13):
            tail = steps[start:]
            if (
                len(tail) > period
                and None not in tail
                and all(a == b for a, b in zip(tail, tail[period:], strict=False))
            ):
                return start + 1, period
    return 1, 12  # no pattern: an estimate, which the exact count of what is found puts right


class _Line:
    """The totals of one width over the number of layers, from a few of them."""

    def __init__(self, shape: Shape, d_model: int, rhythm: tuple[int, int]) -> None:
        start, period = rhythm
        totals = [_total(shape, n, d_model) for n in (1, *range(start, start + period + 1))]
        self.start, self.period = start, period
        known = [total for total in totals if total is not None]
        self.least = min(known, default=None) if len(known) == len(totals) else None
        self.totals = known[1:]

    def total(self, n_layers: int) -> int:
        """Of so many layers; below the first whole period an estimate."""
        periods, rest = divmod(n_layers - self.start, self.period)
        return self.totals[rest] + periods * (self.totals[-1] - self.totals[0])

    def around(self, budget: int) -> Iterator[int]:
        """The two depths between which the budget lies."""
        growth = (self.totals[-1] - self.totals[0]) / self.period
        if growth <= 0:
            return
        middle = self.start + (budget - self.totals[0]) / growth
        depths = range(max(floor(middle) - self.period, 1), min(ceil(middle) + self.period, 10 * _LONGEST) + 1)
        yield from sorted(depths, key=lambda n: abs(self.total(n) - budget))[:2]
