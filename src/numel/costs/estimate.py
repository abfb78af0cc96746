"""How much arithmetic does each part of a model do, which bytes move for it, and what does the cache keep?

Convention: that of torch's FlopCounterMode. A multiply and an add are 2 FLOPs, only matrix products and convolutions
count, so a bias, a norm, an activation, a softmax and a lookup are 0. A training step is three forward passes, since
the gradients of a product by its two factors are two products of its size.
"""

from __future__ import annotations

import re
from fractions import Fraction

from ..core.kinds import kinds_of
from ..core.parameters import Component
from ..core.records import NamedTuple
from ..errors import Sentence, UsageError
from .attention import CROSS, attentions
from .chunks import in_chunks
from .distances import distances_of, products
from .linear import ROUTED, Tokens, alike, linear_cost
from .pictures import pooled_queries
from .recurrent import states_of
from .setting import ASSUMED, checked, nbytes_of, worked_in
from .streams import PLACE, mixing
from .working import working
from .written import is_pile, numbers, sums_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..core.dtypes import DType
    from ..core.parameters import Parameter, ParameterTable
    from .attention import Attention
    from .families import Family
    from .noted import Noted
    from .pictures import Picture
    from .setting import Setting
    from .working import Working


class Work(NamedTuple):
    """What one part of a model costs. Its parameters take `weight_nbytes`, of which a pass reads `read_nbytes`.

    `flops` are those of the whole batch, `written` the numbers that its products write in a forward pass. `kv_nbytes` is
    what the cache keeps for the batch at the end of the context, `reserved_nbytes` what an engine sets aside for it, and
    `kv_moved_nbytes` what the pass reads and writes of it.
    """

    component: str
    part: str
    tower: str
    layer: int | None
    numel: int
    flops: int
    weight_nbytes: int
    read_nbytes: int
    kv_nbytes: int = 0
    reserved_nbytes: int = 0
    kv_moved_nbytes: int = 0
    written: int = 0


class Estimate(NamedTuple):
    """The work of every part, in the order of the parameters; attention's own products behind them.

    `stored` is the type of the weights, `worked` that of activations, and of the cache where no other is asked for.
    `size`: height and width of what is seen, of a film its frames before them.
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
        kept = sum(a.kept_of_all * _blocks(a, n) for a in self.attentions)
        return self.state_nbytes + self.setting.batch * nbytes_of(self.kv_dtype, kept)

    @property
    def kv_per_token(self) -> int:
        """Bytes that one more token adds to the cache of a sequence while no window is full."""
        kept = sum(Fraction(a.kept_of_all, a.stride or 1) for a in self.attentions if a.length is None)
        return nbytes_of(self.kv_dtype, round(kept))


# vLLM and its kin hand out the cache in blocks of 16 tokens (CacheConfig.block_size, its default on NVIDIA GPUs).
BLOCK = 16


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
    works = _linear(model, tokens, experts, setting, by_layer=by_layer)
    works += _states(model, setting, kv_dtype, by_layer=by_layer)
    works += _tied_head(table, tokens, setting)
    works += [w for a in found for w in _products(a, setting, kv_dtype, by_layer=by_layer)]
    works += _mixing(model, tokens, setting, by_layer=by_layer)
    works += _noted(model, setting, kv_dtype, by_layer=by_layer)
    if distances is not None:
        for layer, n, written in products(found, distances, model.d_model, tokens.all_new):
            place = (Component.ATTENTION.value, "distances", "main", layer if by_layer else None)
            works.append(Work(*place, 0, 2 * _times(setting) * n, 0, 0, written=written))
    works += _pooling(model, setting)
    sizes = model.n_positions, experts, kv_dtype, stored, worked, model.d_model, model.picture
    seen = model.size, model.is_size_assumed
    return Estimate(table, setting, model.family, _merge(works), found, *sizes, *seen)


def _linear(
    model: Working, tokens: Tokens, experts: tuple[int, int] | None, setting: Setting, *, by_layer: bool
) -> list[Work]:
    """The work of every tensor."""
    table = model.table
    # kinds do not tell a decoder's two attentions apart, nor layers that do nothing from others, nor which way a pile leads
    is_plain = model.family.stack == "decoder" and not model.skipped and model.noted is None
    is_plain = is_plain and not any(is_pile(row) for row, _ in kinds_of(table))
    whole = by_layer or not is_plain or _has_cross(table)
    rows: Iterable[tuple[Parameter, int]] = ((r, 1) for r in table.rows) if whole else kinds_of(table)
    if model.noted is not None and not model.noted.tells_experts_apart:
        rows = alike(table.rows)
    times = _times(setting)
    sums: dict[tuple[str, str, str, int | None], list[int]] = {}
    whole_cost: dict[tuple[str, str, str, int | None], list[int]] = {}  # of experts of which no share is taken
    for row, n in rows:
        cost = linear_cost(row, tokens, experts, setting.phase, setting.dtype)
        if cost is not None:
            key, written = _place(row, by_layer=by_layer), numbers(row, cost[1] // (2 * times), model)
            entry = sums.setdefault(key, [0] * 5)
            for k, value in enumerate((*cost, written)):
                entry[k] += n * value
            if key[:2] in ROUTED and tokens.noted is not None:
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
    return [Work(*key, *values[:4])._replace(written=values[4]) for key, values in sums.items()]


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


def _states(model: Working, setting: Setting, kv_dtype: DType, *, by_layer: bool) -> list[Work]:
    """What layers with a state multiply with it, and its bytes, which do not grow with the context."""
    works = []
    n, is_chunked = 1 if setting.phase == "decode" else setting.context, setting.scan == "chunked"
    heads = {(row.tower, row.layer): row.numel for row in model.table.rows if row.part == "A_log"}
    for row, state in states_of(model.table, model.fields, model.family):
        nbytes = 0 if setting.phase == "train" else setting.batch * nbytes_of(kv_dtype, state.kept)
        place = (row.component.value, "state", row.tower, row.layer if by_layer else None)
        products, written = state.read * n, state.written * n
        if is_chunked and setting.phase != "decode" and state.read:
            n_heads = heads.get((row.tower, row.layer), 1)
            products, written = in_chunks(row, n, model.fields, model.family, n_heads) or (products, written)
        flops, again = _times(setting) * 2 * setting.batch * products, 2 * nbytes  # read, and written again
        works.append(Work(*place, 0, flops, 0, 0, nbytes, nbytes, again, setting.batch * written))
    return works


def _tied_head(table: ParameterTable, tokens: Tokens, setting: Setting) -> list[Work]:
    """The arithmetic of an output matrix that is the token embedding again: no parameters of its own."""
    row = _head_again(table, tokens.noted)
    if row is None:
        return []
    nbytes = nbytes_of(setting.dtype or row.tensor.dtype, row.tensor.numel)
    said = tokens.noted.vectors("lm_head.weight") if tokens.noted is not None else None
    n = tokens.all_new if said is None or isinstance(said, str) else tokens.batch * said
    flops, written = _times(setting) * 2 * row.tensor.numel * n, row.tensor.shape[0] * n
    return [Work(Component.HEAD.value, "lm_head", row.tower, None, 0, flops, 0, nbytes, written=written)]


def _head_again(table: ParameterTable, noted: Noted | None) -> Parameter | None:
    """The embedding that is the output matrix too. DeBERTa's newer head says so by no tie of its own."""
    shapes = {row.tensor.name: row for row in table.rows if row.component is Component.EMBEDDING}
    if any(row.tensor.name.startswith("lm_predictions.") for row, _ in kinds_of(table)):
        return next((row for row in shapes.values() if row.part == "token"), None)
    own = (row for row, _ in kinds_of(table) if row.part == "lm_head" and row.role == "weight" and row.excluded is None)
    works = (row for row in own if noted is None or noted.vectors(row.tensor.name) != "idle")
    if any(row.tower not in ("vision", "audio") for row in works):
        return None
    ties = (shapes[t] for name, t in table.aliases.items() if t in shapes and not _IS_EMBEDDING.search(name))
    return next(ties, None)


_IS_EMBEDDING = re.compile(r"embed(?!_out)|wte|shared|emb\b")


def _times(setting: Setting) -> int:
    """Forward passes that a phase is worth."""
    return 3 if setting.phase == "train" else 1


def _products(attention: Attention, setting: Setting, kv_dtype: DType, *, by_layer: bool) -> list[Work]:
    """The scores and the weighted sum of one attention, and the cache that they read: keys for one, values for the other."""
    n, batch = setting.context, setting.batch
    scores, values, extra, expanded = attention.scores, attention.values, 0, 0
    decoding = setting.phase == "decode"
    is_done = decoding and attention.read == 0  # an encoder's own attention
    if decoding and attention.latent is not None:
        if setting.latent == "absorbed":
            scores, values = attention.latent.scores, attention.latent.values
            expanded = (
                values + attention.values - attention.latent.width
            ) * batch  # queries and sums, not keys and values
        else:  # every latent of the cache is expanded, not only the new one
            again = (attention.span(n) - 1) * batch
            extra, expanded = 2 * attention.latent.expand * again, attention.latent.width * again
    pairs = 0 if is_done else _pairs(attention, setting) * batch * _times(setting)
    sums = pairs if attention.sums is None or is_done else attention.sums * batch * _times(setting)
    layer, name = attention.layer if by_layer else None, Component.ATTENTION.value
    works = (
        [_index(attention, setting, kv_dtype, layer)]
        if attention.indexer is not None and attention.indexer.kept
        else []
    )
    seen = attention.span(n) if attention.length is not None else min(attention.span(n), _chosen(attention, setting))
    moved = batch * nbytes_of(kv_dtype, attention.read * seen)
    if setting.phase == "train":  # nothing is kept for later tokens
        attention, moved = attention._replace(kept=0, waits=0), 0
    kept = batch * nbytes_of(kv_dtype, attention.kept * attention.span(n) + attention.pending(n))
    reserved = batch * nbytes_of(kv_dtype, attention.kept * _blocks(attention, n) + attention.pending(n))
    if expanded:
        works.append(Work(name, "latent", attention.tower, layer, 0, 0, 0, 0, written=expanded))
    written = 0 if is_done else values * sums_of(attention, setting.context, decoding=decoding) * batch
    return [
        *works,
        Work(name, "scores", attention.tower, layer, 0, 2 * scores * pairs + extra, 0, 0, kept, reserved, moved),
        Work(name, "weighted_sum", attention.tower, layer, 0, 2 * values * sums, 0, 0, written=written),
    ]


def _index(attention: Attention, setting: Setting, kv_dtype: DType, layer: int | None) -> Work:
    """What choosing costs: every token before it is looked at, by small heads over index keys."""
    n, batch, index = setting.context, setting.batch, attention.indexer
    assert index is not None
    looks = _pairs(attention._replace(indexer=None), setting) * batch * _times(setting)
    kept = 0 if setting.phase == "train" else batch * nbytes_of(kv_dtype, index.kept * attention.span(n))
    reserved = 0 if setting.phase == "train" else batch * nbytes_of(kv_dtype, index.kept * _blocks(attention, n))
    name = Component.ATTENTION.value
    return Work(name, "indexer", attention.tower, layer, 0, 2 * index.pair * looks, 0, 0, kept, reserved, kept)


def _chosen(attention: Attention, setting: Setting) -> int:
    """How many of the tokens before it a token works with: the eager products run over all and mask the others."""
    is_eager = setting.latent == "naive" if setting.phase == "decode" else setting.causal == "square"
    return setting.context if attention.indexer is None or is_eager else attention.indexer.chosen


def _mixing(model: Working, tokens: Tokens, setting: Setting, *, by_layer: bool) -> list[Work]:
    """The products that mix several residual streams."""
    per_token = 2 * _times(setting) * tokens.all_new
    found = mixing(model.table, model.fields, model.family)
    return [
        Work(*PLACE, layer if by_layer else None, 0, per_token * n, 0, 0, written=written * tokens.all_new)
        for layer, n, written in found
    ]


def _noted(model: Working, setting: Setting, kv_dtype: DType, *, by_layer: bool) -> list[Work]:
    """What a pass file says of products without parameters, and of states."""
    noted = model.noted
    if noted is None:
        return []
    times = 2 * _times(setting) * setting.batch
    rows = [r for r in (*model.table.rows, *model.again) if r.tower not in ("vision", "audio") or noted.works(r.tower)]
    made = noted.products(rows)
    works = [
        Work(*one[:3], one.layer if by_layer else None, 0, times * one.numel, 0, 0, written=setting.batch * one.written)
        for one in made
    ]
    for kept in noted.states(rows) if setting.phase != "train" else ():
        nbytes = setting.batch * nbytes_of(kv_dtype, kept.numel)
        works.append(Work(*kept[:3], kept.layer if by_layer else None, 0, 0, 0, 0, nbytes, nbytes, 2 * nbytes))
    return works


def _blocks(attention: Attention, n: int) -> int:
    """Tokens (or stretches of them) that an engine makes room for, in whole blocks."""
    room = n // attention.stride if attention.stride else n
    return -(-(room if attention.length is None else attention.length) // BLOCK) * BLOCK


def _pooling(model: Working, setting: Setting) -> list[Work]:
    """What one learned query does to pool a picture, and how pictures are compared with texts."""
    works: list[Work] = []
    table, picture, batch, times = model.table, model.picture, setting.batch, _times(setting)
    width = pooled_queries(table.rows, picture)
    if picture is not None and width:
        keys_and_values = 2 * 2 * width * width * (picture.n_tokens - 1)  # (those of one token are with the matrix)
        pairs = 2 * 2 * width * picture.n_tokens
        flops, written = times * batch * (keys_and_values + pairs), batch * (2 * width * (picture.n_tokens - 1) + width)
        works.append(Work("head", "pooling", "vision", None, 0, flops, 0, 0, written=written))
    if model.fields.wrapper and picture is not None:
        shared = next((r.tensor.shape[0] for r in table.rows if _SHARED.search(r.tensor.name)), 0)
        if shared:
            flops = times * 2 * batch * batch * shared
            works.append(Work("head", "similarity", "main", None, 0, flops, 0, 0, written=batch * batch))
    return works


_SHARED = re.compile(r"text_projection\.weight$|text_model\.head\.weight$")


def _pairs(attention: Attention, setting: Setting) -> int:
    """How many queries meet how many keys."""
    n, span = setting.context, attention.span(setting.context)
    if attention.pairs is not None:
        return attention.pairs
    if attention.length is None:
        span = min(span, _chosen(attention, setting))
    if setting.phase == "decode":
        return span
    if attention.length is not None:
        return (n if attention.is_cross else span) * span
    if setting.causal == "square" or attention.is_cross or attention.read == 0:
        return n * (span if attention.stride else n)
    if attention.stride:  # token t sees t // stride stretches, at most as many as are chosen
        return sum(min(t // attention.stride, span) for t in range(1, n + 1))
    return span * (span + 1) // 2 + (n - span) * span


def _merge(works: Sequence[Work]) -> tuple[Work, ...]:
    """Works of the same place summed, in the order of the first."""
    sums: dict[tuple[str, str, str, int | None], Work] = {}
    for work in works:
        known = sums.get(work[:4])
        sums[work[:4]] = work if known is None else Work(*work[:4], *map(sum, zip(known[4:], work[4:], strict=True)))
    return tuple(sums.values())
