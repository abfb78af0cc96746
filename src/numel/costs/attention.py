"""How wide is each attention of a model, how far does it look, and what does it keep of each token?"""

from __future__ import annotations

import re

from ..core.parameters import Component
from ..core.records import NamedTuple
from ..errors import Sentence, UnsupportedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.parameters import Parameter, ParameterTable
    from .families import Family
    from .fields import TextFields

CROSS = re.compile(r"cross_?att|enc_?dec_?att|encoder_att", re.IGNORECASE)
_LEAF = re.compile(r"\.[^.]+\.(?:weight|bias)$")
_VISION = frozenset({"vision", "audio"})


class Attention(NamedTuple):
    """One attention of one layer. Widths are of all heads together, so that a head count is nowhere needed.

    `scores`: numbers of a query that meet a key (heads × d_qk); `values`: heads × d_v. `kept`: numbers that the cache
    keeps of each token. `window`: how many tokens it sees, itself included; None: all. `latent`: the parameters that
    expand what is kept into keys and values, and the widths of the same products when these are absorbed instead.
    """

    layer: int | None
    tower: str
    scores: int
    values: int
    kept: int
    window: int | None = None
    is_cross: bool = False
    latent: Latent | None = None

    def span(self, n: int) -> int:
        """How many of `n` tokens it sees."""
        return n if self.window is None else min(n, self.window)


class Latent(NamedTuple):
    """Multi-head latent attention: `expand` parameters make keys and values; widths when they are absorbed."""

    expand: int
    scores: int
    values: int


def attentions(table: ParameterTable, fields: TextFields, family: Family) -> tuple[Attention, ...]:
    """Every attention of the text model, in order. Raises UnsupportedError for one whose matrices do not fit together."""
    modules: dict[str, list[Parameter]] = {}
    for row in table.rows:
        if row.component is Component.ATTENTION and row.excluded is None and row.tower not in _VISION:
            if row.part == "rel_pos_bias" or (family.stack != "encoder_decoder" and CROSS.search(row.tensor.name)):
                continue  # looked up; and what no encoder feeds leaves its cross-attention out
            modules.setdefault(_module(row.tensor.name), []).append(row)
    merged = _merged(modules)
    if family.attention == "latent":
        found = tuple(_latent(rows, fields) for rows in merged)
    else:
        found = tuple(
            _softmax(owner, rows, fields, table.name, family) for owner, rows in zip(modules, merged, strict=False)
        )
    if family.stack != "decoder":
        is_encoder = family.stack == "encoder"
        found = tuple(a._replace(kept=0) if is_encoder or a.tower == "encoder" else a for a in found)
    return _windowed(found, fields, family)


def _module(name: str) -> str:
    """The attention that owns a tensor: all up to its layer, and whether it is the one on an encoder's output."""
    owner = _LEAF.sub("", name)
    found = re.search(r"^(.*?\.(?:\d+)\.)", owner)
    return (found[1] if found else owner) + ("cross" if CROSS.search(owner) else "")


def _merged(modules: dict[str, list[Parameter]]) -> list[list[Parameter]]:
    return list(modules.values())


def _softmax(owner: str, rows: list[Parameter], fields: TextFields, name: str, family: Family) -> Attention:
    """Widths from the matrices: q and o say what a score and a value are made of, k and v what is kept."""
    d_model = fields.d_model
    sums: dict[str, int] = {}
    for row in rows:
        if row.role == "weight" and len(row.tensor.shape) > 1:
            sums[row.part] = sums.get(row.part, 0) + row.numel
    widths = {part: numel // d_model for part, numel in sums.items()}
    out = widths.get("o", 0)
    if "qkv" in widths and "q" not in widths:
        query, kept = out, widths["qkv"] - out
        value = out
    elif "qkv" in widths:
        query, kept, value = widths["q"], widths["qkv"], out
    elif "q" in widths and "v" in widths:
        query, value, kept = widths["q"], out, widths.get("k", widths["v"]) + widths["v"]
    else:
        query = value = kept = 0
    if family.attention == "gated":
        query //= 2
    first = rows[0]
    if not (query and value and kept):
        message = Sentence(
            "{model}: the attention of {owner} is not understood: it has {parts}",
            model=name,
            owner=owner.strip(".") or Sentence("the model"),
            parts=", ".join(sums),
        )
        hint = Sentence("numel costs attention made of q, k, v and o, or of latents")
        raise UnsupportedError(message, hint=hint)
    return Attention(first.layer, first.tower, query, value, kept, is_cross=owner.endswith("cross"))


def _latent(rows: list[Parameter], fields: TextFields) -> Attention:
    """DeepSeek's: per token kv_lora_rank numbers for all heads together, and one rotary key that they share."""
    rank, rope = fields.integer("kv_lora_rank"), fields.integer("qk_rope_head_dim")
    nope, value = fields.integer("qk_nope_head_dim"), fields.integer("v_head_dim")
    heads = fields.n_heads
    expand = heads * (nope + value) * rank
    latent = Latent(expand, heads * (rank + rope), heads * rank)
    return Attention(rows[0].layer, rows[0].tower, heads * (nope + rope), heads * value, rank + rope, latent=latent)


def _windowed(found: tuple[Attention, ...], fields: TextFields, family: Family) -> tuple[Attention, ...]:
    windows = family.windows
    if windows is None:
        return found
    if windows.switch and not fields.get(windows.switch):
        return found
    width = fields.get(windows.field) if fields.states(windows.field) else windows.default
    if not width:
        return found
    kinds, n_layers = fields.get("layer_types"), fields.n_layers
    made = []
    for attention in found:
        i = attention.layer or 0
        has = kinds[i] == windows.kind if isinstance(kinds, list) else not windows.sees_all(i, n_layers, fields)
        made.append(attention._replace(window=int(width)) if has and not attention.is_cross else attention)
    return tuple(made)
