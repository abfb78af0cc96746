"""What do the products of an attention cost, what do they write, and what of the cache do they touch?"""

from __future__ import annotations

from ..core.parameters import Component
from .setting import nbytes_of
from .work import Work, times_of
from .written import sums_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.dtypes import DType
    from .attention import Attention
    from .setting import Setting

# vLLM and its kin hand out the cache in blocks of 16 tokens (CacheConfig.block_size, its default on NVIDIA GPUs).
BLOCK = 16


def products_of(attention: Attention, setting: Setting, kv_dtype: DType, *, by_layer: bool) -> list[Work]:
    """The scores and the weighted sum of one attention, and the cache that they read: keys for one, values for the other."""
    n, batch = setting.context, setting.batch
    scores, values, extra, expanded = attention.scores, attention.values, 0, 0
    decoding = setting.phase == "decode"
    is_done = decoding and attention.read == 0 and attention.pairs is None  # an encoder's own attention
    if decoding and attention.latent is not None:
        if setting.latent == "absorbed":
            scores, values = attention.latent.scores, attention.latent.values
            expanded = (
                values + attention.values - attention.latent.width
            ) * batch  # queries and sums, not keys and values
        else:  # every latent of the cache is expanded, not only the new one
            again = (attention.span(n) - 1) * batch
            extra, expanded = 2 * attention.latent.expand * again, attention.latent.width * again
    pairs = 0 if is_done else _pairs(attention, setting) * batch * times_of(setting)
    sums = pairs if attention.sums is None or is_done else attention.sums * batch * times_of(setting)
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
    reserved = batch * nbytes_of(kv_dtype, attention.kept * blocks(attention, n) + attention.pending(n))
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
    looks = _pairs(attention._replace(indexer=None), setting) * batch * times_of(setting)
    kept = 0 if setting.phase == "train" else batch * nbytes_of(kv_dtype, index.kept * attention.span(n))
    reserved = 0 if setting.phase == "train" else batch * nbytes_of(kv_dtype, index.kept * blocks(attention, n))
    name = Component.ATTENTION.value
    return Work(name, "indexer", attention.tower, layer, 0, 2 * index.pair * looks, 0, 0, kept, reserved, kept)


def _chosen(attention: Attention, setting: Setting) -> int:
    """How many of the tokens before it a token works with: the eager products run over all and mask the others."""
    is_eager = setting.latent == "naive" if setting.phase == "decode" else setting.causal == "square"
    return setting.context if attention.indexer is None or is_eager else attention.indexer.chosen


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
        whole = min(n // attention.stride, span)  # before token whole · stride every stretch that is there is seen
        return attention.stride * whole * (whole - 1) // 2 + whole * (n - whole * attention.stride + 1)
    return span * (span + 1) // 2 + (n - span) * span


def blocks(attention: Attention, n: int) -> int:
    """Tokens (or stretches of them) that an engine makes room for, in whole blocks."""
    room = n // attention.stride if attention.stride else n
    return -(-(room if attention.length is None else attention.length) // BLOCK) * BLOCK
