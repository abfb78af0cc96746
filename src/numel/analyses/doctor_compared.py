"""What looks wrong in a tensor beside the others? Untouched while its siblings moved, stored twice, wider than need be."""

from __future__ import annotations

from hashlib import blake2b
from math import prod, sqrt
from typing import TYPE_CHECKING, Any

from ..core.groups import template_of
from ..core.parameters import Component
from ..core.report import Text, Unit, Value
from ..statistics.initial import Start
from .doctor_checks import Finding
from .gammas import is_gamma

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ..core.bytes import ValueFile
    from ..core.parameters import Parameter, ParameterTable
    from ..core.tensors import TensorInfo
    from .doctor_checks import Facts, Setting

_READ_NBYTES = 1 << 22
_MOST_NARROW = 8  # tensors: more become one line
_USUAL_STD = 0.02  # GPT-2, BERT and most models since
_STDS = ("initializer_range", "init_std", "initializer_std")
_DEPTHS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_UNTRAINED_SHARE = 0.9
_WHAT = {
    "zeros": Text("is still zero; {n_moved} of {n_all} like it have moved"),
    "ones": Text("is still one; {n_moved} of {n_all} like it have moved"),
    "normal": Text("is still normal(0, {scale}); {n_moved} of {n_all} like it have moved"),
    "uniform": Text("is still uniform within ±{scale}; {n_moved} of {n_all} like it have moved"),
}


def starts_of(table: ParameterTable) -> Callable[[Parameter], tuple[Start, ...]]:
    """How the matrices of a model may begin: as its configuration says, and as torch does by itself.

    normal(0, initializer_range), which GPT-2 divides by √(2·layers) where a block ends; torch.nn.Linear's uniform within
    ±1/√fan_in, torch.nn.Embedding's normal(0, 1); those of LeCun, of Glorot and Bengio ("Understanding the difficulty of
    training deep feedforward neural networks", 2010) and of He et al. (arXiv:1502.01852, 2015); T5's query, by √d_kv less.
    """
    fields = table.config.fields if table.config else {}
    stated = [fields[name] for name in _STDS if isinstance(fields.get(name), (int, float))]
    std = float(stated[0]) if stated else _USUAL_STD
    depths = [fields[name] for name in _DEPTHS if type(fields.get(name)) is int]
    depth = depths[0] if depths else 1 + max((row.layer for row in table.rows if row.layer is not None), default=0)
    d_head = fields.get("d_kv")
    always = (std, std / sqrt(2 * max(depth, 1)), 1.0)

    def starts(row: Parameter) -> tuple[Start, ...]:
        shape = row.tensor.shape
        if len(shape) < 2 or not row.tensor.numel:
            return ()
        field = prod(shape[2:])  # of a convolution
        fans = (shape[1] * field, shape[0] * field)  # which of the two goes in, the name does not tell
        both = sum(fans)
        scales = [*always, *(sqrt(k / fan) for fan in fans for k in (1, 2)), sqrt(2 / both)]
        if type(d_head) is int and d_head > 0:
            scales.append(1 / sqrt(fans[0] * d_head))
        bounds = [*(1 / sqrt(fan) for fan in fans), sqrt(6 / both)]
        normal = tuple(Start("normal", scale) for scale in dict.fromkeys(scales))
        return (*normal, *(Start("uniform", bound) for bound in dict.fromkeys(bounds)))

    return starts


def between(table: ParameterTable, facts: Sequence[Facts], setting: Setting) -> Iterator[Finding]:
    """What looks wrong in tensors beside each other."""
    counted = [each for each in facts if each.row.excluded is None and each.row.tensor.numel > 1]
    yield from _untouched(counted, setting)
    yield from _twice(table, facts, setting.opened)
    yield from _narrow(facts)


def _untouched(facts: list[Facts], setting: Setting) -> Iterator[Finding]:
    """Tensors that look initial while half of their siblings or more have certainly moved.

    Siblings are the tensors of the same template; of one that has none, all of the model of its kind.
    """
    known = [(each, each.likeness) for each in facts if each.likeness is not None]
    matrices = [like for each, like in known if len(each.row.tensor.shape) > 1]
    n_initial = sum(like.is_initial for like in matrices)
    gammas = [each.is_constant for each in facts if is_gamma(each.row)]
    if matrices and n_initial >= _UNTRAINED_SHARE * len(matrices) and 2 * sum(gammas) >= len(gammas):
        what = Text("of {n_all} matrices look as they were initialised", {"n_all": Value(len(matrices), Unit.COUNT)})
        advice = Text("the model is untrained, or its weights were not loaded before it was saved")
        number = Value(n_initial, Unit.COUNT)
        yield Finding("warning", "untrained", None, what, number, advice, {"of": len(matrices)})
        return
    moved: dict[Any, list[bool]] = {}
    for each, like in known:
        moved.setdefault(_template(each), []).append(like.has_moved)
        moved.setdefault(_kind(each), []).append(like.has_moved)
    for each, like in known:
        of_template = moved[_template(each)]
        siblings = of_template if len(of_template) > 1 else moved[_kind(each)]
        is_told = each.is_constant and len(each.row.tensor.shape) > 1  # as a constant matrix
        if like.start == Start("zeros") and is_gamma(each.row) and not setting.is_less_one(each.row):
            is_told = True  # as dead γ
        if like.start is not None and like.is_initial and 2 * sum(siblings) >= len(siblings) and not is_told:
            yield _still_initial(each.row, like.start, sum(siblings), len(siblings))


def _still_initial(row: Parameter, start: Start, n_moved: int, n_all: int) -> Finding:
    values = {"n_moved": Value(n_moved, Unit.COUNT), "n_all": Value(n_all, Unit.COUNT)}
    what = _WHAT[start.kind]._replace(values={**values, "scale": Value(start.scale, Unit.REAL)})
    advice = Text("not trained, or not loaded: see whether it is frozen or new")
    details = {"start": start.kind, "scale": start.scale or None, "moved": n_moved, "of": n_all}
    return Finding("warning", "untouched", row.tensor.name, what, Value(row.tensor.numel, Unit.COUNT), advice, details)


def _template(facts: Facts) -> tuple[str, str]:
    return facts.row.tower, template_of(facts.row.tensor.name)


def _kind(facts: Facts) -> tuple[Any, ...]:
    row = facts.row
    return row.role, row.component is Component.NORM, len(row.tensor.shape) > 1


def _twice(table: ParameterTable, facts: Sequence[Facts], opened: Callable[[str], ValueFile]) -> Iterator[Finding]:
    """Tensors with the same bytes, and copies that should have them and do not."""
    by_digest: dict[tuple[str, int], list[Facts]] = {}
    for each in facts:
        if each.digest is not None:
            by_digest.setdefault((each.digest, each.row.tensor.nbytes or 0), []).append(each)
    order = {row.tensor.name: i for i, row in enumerate(table.rows)}
    original: dict[str, str] = {}  # name → the first tensor with the same bytes
    for alike in by_digest.values():
        by_bytes: dict[bytes, list[Facts]] = {}
        for each in alike if len(alike) > 1 else ():
            by_bytes.setdefault(_hash(each.tensor, opened), []).append(each)
        for same in by_bytes.values():
            same.sort(key=lambda each: (_is_copy(each.row), order[each.row.tensor.name]))
            for each in same[1:]:
                original[each.row.tensor.name] = same[0].row.tensor.name
                if len(each.row.tensor.shape) > 1:  # two vectors that add to one sum are trained alike
                    yield _copy(each.row, same[0].row)
    for row in (each.row for each in facts if each.row.excluded == "tied" and each.row.tied_to and each.digest):
        if row.tensor.name not in original and row.tied_to in {each.row.tensor.name for each in facts}:
            values = {"other": Value(row.tied_to, Unit.NAME)}
            what = Text("values differ from {other}, to which the configuration ties it", values)
            advice = Text("set tie_word_embeddings to false, or leave this tensor out")
            number, details = Value(row.tensor.numel, Unit.COUNT), {"other": row.tied_to}
            yield Finding("warning", "tied_differs", row.tensor.name, what, number, advice, details)


def _copy(row: Parameter, first: Parameter) -> Finding:
    """A tensor that holds what another holds; a tied matrix is stored twice on purpose or by habit."""
    values = {"other": Value(first.tensor.name, Unit.NAME)}
    details = {"other": first.tensor.name, "nbytes": row.tensor.nbytes}
    number = Value(row.tensor.numel, Unit.COUNT)
    if _is_copy(row) and (_is_copy(first) or first.component is Component.EMBEDDING):
        what, advice = (
            Text("a tied matrix, stored again: the same as {other}", values),
            Text("one of the two is enough"),
        )
        return Finding("note", "tied_twice", row.tensor.name, what, number, advice, details)
    what = Text("the same bytes as {other}", values)
    advice = Text("a layer copied by mistake, or shared: then one of the two is enough")
    return Finding("warning", "duplicate", row.tensor.name, what, number, advice, details)


def _is_copy(row: Parameter) -> bool:
    """Whether it is tied to another by the configuration, or an output matrix, which often is."""
    return row.excluded == "tied" or row.component is Component.HEAD


def _hash(tensor: TensorInfo, opened: Callable[[str], ValueFile]) -> bytes:
    file, found = opened(tensor.shard or ""), blake2b(digest_size=32)
    start, nbytes = tensor.offset or 0, tensor.nbytes or 0
    for at in range(0, nbytes, _READ_NBYTES):
        found.update(file.read(start + at, min(_READ_NBYTES, nbytes - at)))
    return found.digest()


def _narrow(facts: Sequence[Facts]) -> Iterator[Finding]:
    """F32 tensors of which every value is a BF16 or an F16; many of them are one line."""
    wide = [each for each in facts if each.row.tensor.dtype.name == "F32" and each.row.excluded is None]
    details: dict[str, Any]
    for dtype in ("BF16", "F16"):
        narrow = [each.row.tensor for each in wide if each.narrow == dtype]
        saved = sum((tensor.nbytes or 0) // 2 for tensor in narrow)
        advice = Text("save as {dtype}: the same values in half the bytes", {"dtype": Value(dtype, Unit.NAME)})
        values = {"dtype": Value(dtype, Unit.NAME), "all": Value(len(wide), Unit.COUNT)}
        if len(narrow) > _MOST_NARROW:
            what = Text("of {all} F32 tensors hold only values of {dtype}", values)
            names = [tensor.name for tensor in narrow]
            details = {"dtype": dtype, "nbytes_saved": saved, "tensors": names}
            yield Finding("note", "narrow", None, what, Value(len(narrow), Unit.COUNT), advice, details)
            continue
        for tensor in narrow:
            what = Text("F32 that holds only values of {dtype}", values)
            details = {"dtype": dtype, "nbytes_saved": (tensor.nbytes or 0) // 2}
            yield Finding("note", "narrow", tensor.name, what, Value(tensor.numel, Unit.COUNT), advice, details)
