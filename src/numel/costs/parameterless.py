"""What does a model multiply that is no parameter of its own: a tied head, states, streams, pooling, what a pass file says?"""

from __future__ import annotations

import re

from ..core.kinds import kinds_of
from ..core.parameters import Component
from .chunks import in_chunks
from .pictures import pooled_queries
from .recurrent import states_of
from .setting import nbytes_of
from .streams import PLACE, mixing
from .work import Work, times_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..core.dtypes import DType
    from ..core.parameters import Parameter, ParameterTable
    from .linear import Tokens
    from .noted import Noted
    from .setting import Setting
    from .working import Working


def tied_head(table: ParameterTable, tokens: Tokens, setting: Setting) -> list[Work]:
    """The arithmetic of an output matrix that is the token embedding again: no parameters of its own."""
    row = _head_again(table, tokens.noted)
    if row is None:
        return []
    nbytes = nbytes_of(setting.dtype or row.tensor.dtype, row.tensor.numel)
    said = tokens.noted.vectors("lm_head.weight") if tokens.noted is not None else None
    n = tokens.all_new if said is None or isinstance(said, str) else tokens.batch * said
    flops, written = times_of(setting) * 2 * row.tensor.numel * n, row.tensor.shape[0] * n
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


def states(model: Working, setting: Setting, kv_dtype: DType, *, by_layer: bool) -> list[Work]:
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
        flops, again = times_of(setting) * 2 * setting.batch * products, 2 * nbytes  # read, and written again
        works.append(Work(*place, 0, flops, 0, 0, nbytes, nbytes, again, setting.batch * written))
    return works


def streams_mixed(model: Working, tokens: Tokens, setting: Setting, *, by_layer: bool) -> list[Work]:
    """The products that mix several residual streams."""
    per_token = 2 * times_of(setting) * tokens.all_new
    found = mixing(model.table, model.fields, model.family)
    return [
        Work(*PLACE, layer if by_layer else None, 0, per_token * n, 0, 0, written=written * tokens.all_new)
        for layer, n, written in found
    ]


def said_besides(model: Working, setting: Setting, kv_dtype: DType, *, by_layer: bool) -> list[Work]:
    """What a pass file says of products without parameters, and of states."""
    noted = model.noted
    if noted is None:
        return []
    times = 2 * times_of(setting) * setting.batch
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


def pooling(model: Working, setting: Setting) -> list[Work]:
    """What one learned query does to pool a picture, and how pictures are compared with texts."""
    works: list[Work] = []
    table, picture, batch, times = model.table, model.picture, setting.batch, times_of(setting)
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
