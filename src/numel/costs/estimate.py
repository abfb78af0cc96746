"""How much arithmetic does each part of a model do, which bytes move for it, and what does the cache keep?

Convention: that of torch's FlopCounterMode. A multiply and an add are 2 FLOPs, only matrix products and convolutions
count, so a bias, a norm, an activation, a softmax and a lookup are 0. A training step is three forward passes, since
the gradients of a product by its two factors are two products of its size.
"""

from __future__ import annotations

from fractions import Fraction

from ..core.kinds import kinds_of
from ..core.parameters import Component
from ..core.records import NamedTuple
from ..errors import Sentence, UnsupportedError, UsageError
from .attending import blocks, products_of
from .attention import CROSS, attentions
from .distances import distances_of, products
from .linear import ROUTED, Tokens, alike, linear_cost
from .parameterless import pooling, said_besides, states, streams_mixed, tied_head
from .setting import ASSUMED, checked, nbytes_of, worked_in
from .work import Work, merged, times_of
from .working import working
from .written import is_pile, numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..core.dtypes import DType
    from ..core.parameters import Parameter, ParameterTable
    from .attention import Attention
    from .families import Family
    from .pictures import Picture
    from .setting import Setting
    from .working import Working


class Estimate(NamedTuple):
    """The work of every part, in the order of the parameters; attention's own products behind them.

    `stored` is the type of the weights, `worked` that of activations, and of the cache where no other is asked for.
    `size`: height and width of what is seen, of a film its frames before them. `most_written`: numbers that one tensor's
    products write in a forward pass, where most are written, experts and logits apart.
    """

    table: ParameterTable
    setting: Setting
    family: Family
    works: tuple[Work, ...]
    attentions: tuple[Attention, ...]
    n_positions: int | None
    n_experts: tuple[int, int] | None
    kv_dtype: DType
    stored: DType
    worked: DType
    d_model: int
    picture: Picture | None = None
    size: tuple[int, ...] = ()
    is_size_assumed: bool = False
    most_written: int = 0

    def total(self, field: str) -> int:
        """The sum of one field of all works."""
        return sum(getattr(work, field) for work in self.works)

    @property
    def activation_nbytes(self) -> int:
        """What all products of a pass write; what is held of it at once is in costs.memory."""
        return nbytes_of(self.worked, self.total("written"))

    @property
    def state_nbytes(self) -> int:
        """Of what the cache keeps, the states that do not grow with the context."""
        return sum(work.kv_nbytes for work in self.works if work.part == "state")

    def cache_nbytes(self, n: int) -> int:
        """Bytes that an engine reserves for `n` tokens of each sequence of the batch."""
        kept = sum(a.kept_of_all * blocks(a, n) for a in self.attentions)
        return self.state_nbytes + self.setting.batch * nbytes_of(self.kv_dtype, kept)

    @property
    def kv_per_token(self) -> int:
        """Bytes that one more token adds to the cache of a sequence while no window is full."""
        kept = sum(Fraction(a.kept_of_all, a.stride or 1) for a in self.attentions if a.length is None)
        return nbytes_of(self.kv_dtype, round(kept))


def estimate(table: ParameterTable, setting: Setting, *, by_layer: bool = False) -> Estimate:
    """The cost of `setting` for the model. Raises UnsupportedError for an attention that is not known.

    `by_layer` keeps the layers apart, at a microsecond for each tensor.
    """
    setting = checked(setting)
    model = working(table)
    _check(model, setting)
    model = model.at(setting)
    found = attentions(model)
    stored = setting.dtype or _stored(table)
    worked = worked_in(stored, model.fields)
    kv_dtype = setting.kv_dtype or worked
    experts = model.experts
    distances = distances_of(model.fields, model.family, setting.context)
    tokens = _tokens(setting, model)._replace(distances=distances.n if distances else 0)
    works, most = _linear(model, tokens, experts, setting, by_layer=by_layer)
    works += states(model, setting, kv_dtype, by_layer=by_layer)
    works += tied_head(table, tokens, setting)
    works += [w for a in found for w in products_of(a, setting, kv_dtype, by_layer=by_layer)]
    works += streams_mixed(model, tokens, setting, by_layer=by_layer)
    works += said_besides(model, setting, kv_dtype, by_layer=by_layer)
    if distances is not None:
        for layer, n, written in products(found, distances, model.d_model, tokens.all_new):
            place = (Component.ATTENTION.value, "distances", "main", layer if by_layer else None)
            works.append(Work(*place, 0, 2 * times_of(setting) * n, 0, 0, written=written))
    works += pooling(model, setting)
    sizes = model.n_positions, experts, kv_dtype, stored, worked, model.d_model, model.picture
    seen = model.size, model.is_size_assumed, most
    return Estimate(table, setting, model.family, merged(works), found, *sizes, *seen)


def _rows(model: Working, *, by_layer: bool) -> Iterable[tuple[Parameter, int]]:
    """Tensors that work, each for as many as cost the same."""
    table = model.table
    if model.noted is not None:
        return alike(table.rows, model.noted if model.noted.tells_experts_apart else None)
    # kinds do not tell a decoder's two attentions apart, nor layers that do nothing from others, nor which way a pile leads
    is_plain = model.family.stack == "decoder" and not model.skipped
    is_plain = is_plain and not any(is_pile(row) for row, _ in kinds_of(table))
    return ((row, 1) for row in table.rows) if by_layer or not is_plain or _has_cross(table) else kinds_of(table)


def _linear(
    model: Working, tokens: Tokens, experts: tuple[int, int] | None, setting: Setting, *, by_layer: bool
) -> tuple[list[Work], int]:
    """The work of every tensor, and the most numbers that one of them writes (of no expert, and no logits)."""
    times = times_of(setting)
    sums: dict[tuple[str, str, str, int | None], list[int]] = {}
    whole_cost: dict[tuple[str, str, str, int | None], list[int]] = {}  # of experts of which no share is taken
    most = 0
    for row, n in _rows(model, by_layer=by_layer):
        cost = linear_cost(row, tokens, experts, setting.phase, setting.dtype)
        if cost is not None:
            _check_experts(row, cost[1], model)
            key, written = _place(row, by_layer=by_layer), numbers(row, cost[1] // (2 * times), model)
            entry = sums.setdefault(key, [0] * 5)
            for k, value in enumerate((*cost, written)):
                entry[k] += n * value
            if key[:2] not in ROUTED and row.component is not Component.HEAD:
                most = max(most, written)
            elif key[:2] in ROUTED and tokens.noted is not None:
                sure, is_sure = whole_cost.setdefault(key, [0, 0]), tokens.noted.is_sure(row.tensor.name)
                sure[0] += n * cost[1] if is_sure else 0
                sure[1] += n * written if is_sure or tokens.noted.is_together(row.tensor.name) else 0
    for row in model.again:
        _, flops, _, read = linear_cost(row, tokens, experts, setting.phase, setting.dtype) or (0, 0, 0, 0)
        entry = sums.setdefault(_place(row, by_layer=by_layer), [0] * 5)
        entry[1], entry[3] = entry[1] + flops, entry[3] + read
        entry[4] += numbers(row, flops // (2 * times), model)
    for key, entry in sums.items():
        if key[:2] in ROUTED and experts is not None:
            for k, n_sure in zip((1, 4), whole_cost.get(key, (0, 0)), strict=True):
                entry[k] = n_sure + (entry[k] - n_sure) * experts[1] // experts[0]  # of all: nothing is rounded
    return [Work(*key, *values[:4])._replace(written=values[4]) for key, values in sums.items()], most


def _place(row: Parameter, *, by_layer: bool) -> tuple[str, str, str, int | None]:
    return row.component.value, row.part, row.tower, row.layer if by_layer else None


def usual_context(table: ParameterTable) -> int:
    """1,024 tokens, or as many as the model has positions, or as a picture has."""
    return working(table).usual_context


def _has_cross(table: ParameterTable) -> bool:
    """Whether some attention is on another tower's output; a kind's first row stands for all of one shape, so ask early."""
    return any(row.component is Component.ATTENTION and CROSS.search(row.tensor.name) for row in table.rows)


def _check(model: Working, setting: Setting) -> None:
    table, n = model.table, model.n_positions
    if model.has_one_length and setting.context != n:
        sees = Sentence("{model}: it sees pictures, of {n} tokens each", model=table.name, n=str(n))
        hears = Sentence("{model}: it hears sounds, of {n} vectors each", model=table.name, n=str(n))
        seen = model.is_of_pictures
        hint = Sentence("leave --context out; --batch says how many there are")
        raise UsageError(sees if seen else hears, hint=hint)
    if n is not None and setting.context > n:
        message = Sentence(
            "{model}: --context {context} is beyond the model's {n} positions",
            model=table.name,
            context=str(setting.context),
            n=str(n),
        )
        raise UsageError(message, hint=Sentence("--context {n} is the longest", n=str(n)))
    if model.family.stack == "encoder" and setting.phase == "decode":
        message = Sentence("{model}: an encoder reads all at once and decodes nothing", model=table.name)
        raise UsageError(message, hint=Sentence("give {option}", option="--phase prefill"))


def _check_experts(row: Parameter, flops: int, model: Working) -> None:
    """Raises UnsupportedError for an expert of which nobody says how many tokens pass through it."""
    if model.experts is not None or not flops or (row.component.value, row.part) not in ROUTED:
        return
    if model.noted is None or not model.noted.is_sure(row.tensor.name):
        name, n = "num_experts_per_tok", model.table.name
        message = Sentence(
            "{model}: {field} is not there, or is no number up to that of the experts", model=n, field=name
        )
        raise UnsupportedError(message, hint=Sentence("give {option}", option=f"--set {name}=…"))


def _stored(table: ParameterTable) -> DType:
    """The element type of most of the weights."""
    sums: dict[DType, int] = {}
    for row, n in kinds_of(table):
        sums[row.tensor.dtype] = sums.get(row.tensor.dtype, 0) + n * row.numel
    most = max(sums, key=lambda dtype: sums[dtype])
    return most if most.block_nbytes else ASSUMED


def _tokens(setting: Setting, model: Working) -> Tokens:
    new = 1 if setting.phase == "decode" else setting.context
    encoded = 0 if setting.phase == "decode" else model.heard or setting.context
    has_encoder = model.family.stack == "encoder_decoder"
    made = Tokens(setting.batch, new, encoded if has_encoder else new, has_encoder)
    made = made._replace(picture=model.picture, skipped=model.skipped, pooled=model.family.pooled, noted=model.noted)
    return made._replace(one_answer=model.has_one_answer)
