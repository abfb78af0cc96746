"""How wide is each attention of a model, how far does it look, and what does it keep of each token?"""

from __future__ import annotations

import re

from ..core.parameters import Component
from ..core.records import NamedTuple
from ..errors import Sentence, UnsupportedError
from .distances import MAPS
from .pictures import works_on_pictures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.parameters import Parameter
    from .families import Family
    from .fields import TextFields
    from .working import Working

CROSS = re.compile(r"cross_?att|enc_?dec_?att|encoder_(?:decoder_)?att", re.IGNORECASE)
_BESIDE = re.compile(rf"{MAPS.pattern}|adapter_list")  # maps of distances; what is added to queries, keys and values
_LEAF = re.compile(r"\.[^.]+\.(?:weight|bias)$")
_VISION = frozenset({"vision", "audio"})


class Attention(NamedTuple):
    """One attention of one layer. Widths are of all heads together, so that a head count is nowhere needed.

    `scores`: numbers of a query that meet a key (heads × d_qk); `values`: heads × d_v. `kept`: numbers that the cache
    keeps of each token. `window`: how many tokens it sees, itself included; None: all. `latent`: the parameters that
    expand what is kept into keys and values, and the widths of the same products when these are absorbed instead.
    `length`: how many keys there are whatever the context is, of a picture or a sound; None: as many as the context.
    `reuses`: what an earlier layer keeps and this one reads. `indexer`: what chooses the tokens that it sees. `stride`: it
    sees stretches of so many tokens, each made into one, from `waits` numbers of each token. `pairs` and `queries`: how
    many queries meet how many keys, and how many queries there are, where that is not all of them. `sums`: how many
    values are summed, where that is not a value for each score; `results`: how many sums that makes, where not one a query.
    """

    layer: int | None
    tower: str
    scores: int
    values: int
    kept: int
    window: int | None = None
    is_cross: bool = False
    latent: Latent | None = None
    length: int | None = None
    reuses: int = 0
    indexer: Index | None = None
    stride: int = 0
    waits: int = 0
    pairs: int | None = None
    queries: int | None = None
    sums: int | None = None
    results: int | None = None

    def pending(self, n: int) -> int:
        """Numbers kept of tokens whose stretch is not full yet, and of the last full one where stretches overlap."""
        if not self.stride:
            return 0
        overlap = self.stride * self.waits // 2 if self.indexer is not None and n >= self.stride else 0
        return n % self.stride * self.waits + overlap

    @property
    def read(self) -> int:
        """Numbers of each token of the cache that a new one reads, its own or those of an earlier layer."""
        return self.kept or self.reuses

    @property
    def kept_of_all(self) -> int:
        """Numbers that the cache keeps of each token, an index key too."""
        return self.kept + (self.indexer.kept if self.indexer else 0)

    def span(self, n: int) -> int:
        """How many of `n` tokens it sees."""
        if self.length is not None:
            return self.length
        if self.stride:
            return n // self.stride
        return n if self.window is None else min(n, self.window)


class Index(NamedTuple):
    """Sparse attention (DeepSeek-V3.2): each token chooses `chosen` of those before it by small heads of their own.

    `kept`: numbers of each token's index key, 0 in a layer that takes the choice of an earlier one. `pair`: products for
    each token that is looked at, and the sum over heads.
    """

    chosen: int
    kept: int
    pair: int


class Latent(NamedTuple):
    """Multi-head latent attention: `expand` parameters make keys and values, `width` numbers; widths when they are absorbed."""

    expand: int
    scores: int
    values: int
    width: int


def attentions(model: Working) -> tuple[Attention, ...]:
    """Every attention that works, in order. Raises UnsupportedError for one whose matrices do not fit together."""
    fields, family = model.fields, model.family
    noted = model.noted
    described: tuple[Attention, ...] = ()
    if noted is not None and noted.has_attention:
        rows = (*model.table.rows, *model.again)
        described = noted.attentions(row for row in rows if row.tower not in _VISION or noted.works(row.tower))
        if not noted.is_around:
            return described
    modules = _modules(model)
    merged = list(modules.values())
    if family.attention == "compressed":
        found = tuple(attention for rows in merged for attention in _compressed(rows, fields))
    elif family.attention == "latent":
        found = tuple(_latent(rows, fields) for rows in merged)
    else:
        found = tuple(_softmax(owner, rows, model) for owner, rows in modules.items())
    if family.stack != "decoder":
        is_encoder = family.stack == "encoder"
        found = tuple(a._replace(kept=0) if is_encoder or a.tower == "encoder" else a for a in found)
    if model.heard is not None:
        found = tuple(a._replace(length=model.heard) if a.is_cross or a.tower == "encoder" else a for a in found)
    found = _windowed(found, fields, family)
    return described + (_reusing(found) if family.reuses else found)


def _modules(model: Working) -> dict[str, list[Parameter]]:
    """The rows of each attention that works."""
    noted = model.noted
    modules: dict[str, list[Parameter]] = {}
    for row in (*model.table.rows, *model.again):
        name = row.tensor.name
        sees = works_on_pictures(row, model.picture) or (noted is not None and noted.works(row.tower))
        if (
            row.component is not Component.ATTENTION
            or row.excluded is not None
            or not (sees or row.tower not in _VISION)
        ):
            continue
        if (row.layer in model.skipped and not sees) or _BESIDE.search(row.tensor.name) or row.part == "rel_pos_bias":
            continue  # (which is looked up)
        if noted is not None and (noted.is_passed_by(name) or (noted.is_around and noted.describes(name))):
            continue
        if model.family.stack != "encoder_decoder" and CROSS.search(row.tensor.name):
            continue  # what no encoder feeds leaves its cross-attention out
        modules.setdefault(_module(row.tensor.name), []).append(row)
    return modules


def _reusing(found: tuple[Attention, ...]) -> tuple[Attention, ...]:
    """Layers without keys of their own read those of the last one before them that has some, and as wide a window."""
    last: dict[int | None, int] = {}
    made = []
    for attention in found:
        if attention.kept:
            last[attention.window] = attention.kept
            made.append(attention)
        else:
            made.append(attention._replace(reuses=last.get(attention.window, 0)))
    return tuple(made)


def _module(name: str) -> str:
    """The attention that owns a tensor: all up to its layer, and whether it is the one on an encoder's output."""
    owner = _LEAF.sub("", name)
    found = re.search(r"^(.*?\.(?:\d+)\.)", owner)
    return (found[1] if found else owner) + ("cross" if CROSS.search(owner) else "")


def _softmax(owner: str, rows: list[Parameter], model: Working) -> Attention:
    """Widths from the matrices: q and o say what a score and a value are made of, k and v what is kept."""
    picture, family = model.picture, model.family
    is_seen = picture is not None and works_on_pictures(rows[0], picture)
    d_model = picture.d_model if picture is not None and is_seen else model.fields.d_model
    sums: dict[str, int] = {}
    for row in rows:
        if row.role == "weight" and len(row.tensor.shape) > 1:
            is_wider = (
                family.sharing == "ties" and row.part != "o"
            )  # it reads the stream and the embedding side by side
            sums[row.part] = sums.get(row.part, 0) + (row.tensor.shape[0] * d_model if is_wider else row.numel)
    widths = {part: numel // d_model for part, numel in sums.items()}
    out = widths.get("o", 0)
    if "qkv" in widths and "q" not in widths:
        query, kept = out, widths["qkv"] - out
        value = out
    elif "qkv" in widths:
        query, kept, value = widths["q"], widths["qkv"], out
    elif "moa_experts" in widths and model.experts is not None:  # JetMoE: each expert has its queries and outputs
        query = value = widths["moa_experts"] * model.experts[1] // (2 * model.experts[0])
        kept = widths["latent"]
    elif "q" in widths and "v" in widths:
        query, value, kept = widths["q"], out, widths.get("k", widths["v"]) + widths["v"]
    elif "q" in widths and "k" in widths and family.reuses:  # values are keys before their norm and their rotation
        query, value, kept = widths["q"], out, 2 * widths["k"]
    elif "q" in widths and family.reuses:
        return Attention(rows[0].layer, rows[0].tower, widths["q"], out, 0)
    else:
        query = value = kept = 0
    query, value = _as_run(query, value, family.attention)
    first = rows[0]
    if min(query, value, kept) < 1:
        message = Sentence(
            "{model}: the attention of {owner} is not understood: it has {parts}",
            model=model.table.name,
            owner=owner.strip(".") or Sentence("the model"),
            parts=", ".join(sums),
        )
        hint = Sentence("numel costs attention made of q, k, v and o, or of latents")
        raise UnsupportedError(message, hint=hint)
    length = picture.n_tokens if picture is not None and is_seen else None
    kept = 0 if is_seen else kept
    made = Attention(first.layer, first.tower, query, value, kept, is_cross=owner.endswith("cross"), length=length)
    return made._replace(indexer=_of_blocks(model.fields)) if any(row.part == "indexer" for row in rows) else made


def _of_blocks(fields: TextFields) -> Index:
    """MiniMax-M3's choice: whole blocks of tokens, by the best of a small head in each."""
    width = fields.integer("index_head_dim")
    chosen = fields.integer("index_topk_blocks") * fields.integer("index_block_size")
    return Index(chosen, width, fields.integer("index_n_heads") * width)


def _as_run(query: int, value: int, kind: str) -> tuple[int, int]:
    """Widths as they meet: half of a gated query is the gate, and some scores are made twice."""
    if kind == "gated":
        return query // 2, value
    return (2 * query, 2 * value) if kind == "twice" else (query, value)


def _latent(rows: list[Parameter], fields: TextFields) -> Attention:
    """DeepSeek's: per token kv_lora_rank numbers for all heads together, and one rotary key that they share."""
    rank, rope = fields.integer("kv_lora_rank"), fields.integer("qk_rope_head_dim")
    nope, value = fields.integer("qk_nope_head_dim"), fields.integer("v_head_dim")
    heads = fields.n_heads
    width = heads * (nope + value)
    latent = Latent(width * rank, heads * (rank + rope), heads * rank, width)
    made = Attention(rows[0].layer, rows[0].tower, heads * (nope + rope), heads * value, rank + rope, latent=latent)
    if not fields.get("index_topk"):
        return made
    index_heads, index_width = fields.integer("index_n_heads"), fields.integer("index_head_dim")
    has_own = any(row.part == "indexer" for row in rows)
    pair = index_heads * (index_width + 1) if has_own else 0
    return made._replace(indexer=Index(fields.integer("index_topk"), index_width if has_own else 0, pair))


def _compressed(rows: list[Parameter], fields: TextFields) -> list[Attention]:
    """DeepSeek-V4's: one key that is the value too, for all heads; a window of tokens, and stretches of all the past.

    Where there is an indexer each token chooses among short stretches, else it sees every long one.
    """
    head, heads = fields.integer("head_dim"), fields.n_heads
    local = Attention(rows[0].layer, rows[0].tower, heads * head, heads * head, head)
    if not any("compressor" in row.tensor.name for row in rows):
        return [local]
    if not any("indexer" in row.tensor.name for row in rows):
        return [local, local._replace(stride=fields.integer("compress_rate_hca"), waits=2 * head)]
    width = fields.integer("index_head_dim")
    index = Index(fields.integer("index_topk"), width, fields.integer("index_n_heads") * width)
    return [local, local._replace(stride=fields.integer("compress_rate_csa"), waits=4 * (head + width), indexer=index)]


def _windowed(found: tuple[Attention, ...], fields: TextFields, family: Family) -> tuple[Attention, ...]:
    windows = family.windows
    if windows is None:
        return found
    if windows.switch and not fields.get(windows.switch):
        return found
    width = fields.get(windows.field) if fields.states(windows.field) else windows.default
    if windows.both_ways and not fields.states(windows.field) and fields.states(windows.both_ways):
        width = (fields.get(windows.both_ways) or 0) // 2
    if windows.before and fields.states(windows.before):
        width = (fields.get(windows.before) or 0) + 1
    if not width:
        return found
    if not isinstance(width, (int, float)) or width < 1:
        fields.refuse(windows.field)
    width = int(width)
    kinds, n_layers = fields.get("layer_types"), fields.n_layers
    made = []
    for attention in found:
        i = attention.layer or 0
        if isinstance(kinds, list) and i >= len(kinds):
            fields.refuse("layer_types")
        has = (
            kinds[i] == windows.kind
            if isinstance(kinds, list) and family.attention != "compressed"
            else not windows.sees_all(i, n_layers, fields)
        )
        has = has and not attention.is_cross and not attention.stride
        has = has and not (windows.last_sees_all and i == n_layers - 1)
        made.append(attention._replace(window=width) if has else attention)
    return tuple(made)
