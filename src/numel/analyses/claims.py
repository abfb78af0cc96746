"""What the original study says of GPT-2, claim by claim, beside what is true.

Every number is computed from the models given; the quotations are a few words each, in the language of the original.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from ..core.report import Text, Unit, Value
from .claims_structure import structure
from .four_sizes import INCOMPLETE, RIGHT, WRONG, Claim, printed_shares, the_four_sizes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..core.parameters import ParameterTable
    from .four_sizes import Size


def audit(models: Sequence[ParameterTable], beyond: Sequence[Any]) -> tuple[Claim, ...]:
    """Every claim of the study, in the order of its sections; empty when the four models are not among `models`.

    `beyond`: what the study's substring rule does on other models (study_audit.Misplaced).
    """
    sizes = the_four_sizes(models)
    if not sizes:
        return ()
    found = (
        *structure(sizes),
        *(_shares(size) for size in sizes),
        _bars(sizes),
        _twice(sizes),
        _largest(sizes),
        _rising(sizes),
        _embedding_fixed(sizes),
        _embedding_once(sizes),
        _linear(sizes),
        _norm_count(sizes),
        _norm_share(sizes),
        _gamma_beta(sizes),
        _formula(sizes),
        _substrings(sizes, beyond),
        _optimal(),
    )
    return tuple(sorted(found, key=lambda claim: claim.section))


def _count(n: int) -> Value:
    return Value(n, Unit.COUNT)


def _share(x: float) -> Value:
    return Value(x, Unit.SHARE)


def _shares(size: Size) -> Claim:
    """The table's row of one size: right when the printed figures are the shares with their decimals cut off."""
    printed = printed_shares(size)
    attention, mlp = size.share("attention"), size.share("mlp")
    cut = (int(100 * attention), int(100 * mlp))
    rounded = (round(100 * attention), round(100 * mlp))
    values = {"attention": _share(attention), "mlp": _share(mlp)}
    if cut == printed != rounded:
        true = Text("attention {attention}, MLP {mlp}; the table cuts the decimals off instead of rounding", values)
    else:
        true = Text("attention {attention}, MLP {mlp}", values)
    return Claim(
        f"shares-{size.label}",
        "4.3",
        f"~{printed[0]} | ~{printed[1]}",
        Text(
            "{model}: attention about {attention} percent, MLP about {mlp} percent",
            {
                "model": Value(size.table.name, Unit.NAME),
                "attention": Value(printed[0], Unit.INDEX),
                "mlp": Value(printed[1], Unit.INDEX),
            },
        ),
        true,
        RIGHT if printed in (cut, rounded) else WRONG,
        {"attention_share": attention, "mlp_share": mlp, "printed_percent": list(printed)},
    )


def _bars(sizes: tuple[Size, ...]) -> Claim:
    sums = [s.share("attention") + s.share("mlp") for s in sizes]
    missing = [s.share("embedding") for s in sizes]
    return Claim(
        "bars",
        "3.3",
        "tỷ lệ phần trăm",
        Text("the bars of attention and MLP show the distribution in percent of the model"),
        Text(
            "together they reach {first} in small and {last} in xl: embedding, {e_first} to {e_last}, has no bar, so none "
            "reaches 100 percent",
            {
                "first": _share(sums[0]),
                "last": _share(sums[-1]),
                "e_first": _share(missing[0]),
                "e_last": _share(missing[-1]),
            },
        ),
        INCOMPLETE,
        {"attention_and_mlp_share": sums, "embedding_share": missing},
    )


def _twice(sizes: tuple[Size, ...]) -> Claim:
    ratios = [s.numel["mlp"] / s.numel["attention"] for s in sizes]
    return Claim(
        "twice",
        "4.3",
        "xấp xỉ gấp đôi",
        Text("the MLP has about twice the parameters of attention in every version"),
        Text(
            "MLP / attention is {first} in small and {last} in xl",
            {"first": Value(ratios[0], Unit.RATIO), "last": Value(ratios[-1], Unit.RATIO)},
        ),
        RIGHT if all(1.95 < r < 2.05 for r in ratios) else WRONG,
        {"ratio": ratios},
    )


def _largest(sizes: tuple[Size, ...]) -> Claim:
    largest = [max(s.numel, key=lambda c, s=s: s.numel[c]) for s in sizes]  # type: ignore[misc]
    values = {"mlp": _share(sizes[0].share("mlp")), "embedding": _share(sizes[0].share("embedding"))}
    return Claim(
        "largest",
        "4.4",
        "tiêu thụ tham số lớn nhất",
        Text("the MLP is the component with the most parameters"),
        Text("in every size; closest in small, where the MLP has {mlp} and the embedding {embedding}", values),
        RIGHT if set(largest) == {"mlp"} else WRONG,
        {"largest": largest},
    )


def _rising(sizes: tuple[Size, ...]) -> Claim:
    attention, mlp = [s.share("attention") for s in sizes], [s.share("mlp") for s in sizes]
    rising = all(a < b for xs in (attention, mlp) for a, b in pairwise(xs))
    values = {
        "a_first": _share(attention[0]), "a_last": _share(attention[-1]),
        "m_first": _share(mlp[0]), "m_last": _share(mlp[-1]),
    }  # fmt: skip
    return Claim(
        "rising",
        "5.2",
        "ngày càng lớn",
        Text("the shares of attention and MLP grow with the size of the model"),
        Text("attention {a_first} → {a_last}, MLP {m_first} → {m_last}, at every step upwards", values),
        RIGHT if rising else WRONG,
        {"attention_share": attention, "mlp_share": mlp},
    )


def _embedding_fixed(sizes: tuple[Size, ...]) -> Claim:
    numel = [s.numel["embedding"] for s in sizes]
    widths = [s.table.hyperparameters["n_embd"] for s in sizes]
    vocabulary = {s.table.hyperparameters["vocab_size"] for s in sizes}
    values = {
        "first": _count(numel[0]), "last": _count(numel[-1]), "vocab": _count(min(vocabulary)),
        "d_first": Value(widths[0], Unit.INDEX), "d_last": Value(widths[-1], Unit.INDEX),
    }  # fmt: skip
    return Claim(
        "embedding-fixed",
        "5.1",
        "kích thước cố định cho mọi phiên bản",
        Text("the embedding matrices have a fixed size in every version"),
        Text(
            "they grow from {first} to {last} parameters: the vocabulary is fixed ({vocab} tokens), the width is not "
            "({d_first} to {d_last})",
            values,
        ),
        RIGHT if len(set(numel)) == 1 else WRONG,
        {"embedding": numel, "n_embd": widths, "vocab_size": sorted(vocabulary)},
    )


def _embedding_once(sizes: tuple[Size, ...]) -> Claim:
    ties = [dict(s.table.aliases) for s in sizes]
    return Claim(
        "embedding-once",
        "5.1",
        "chỉ xuất hiện một lần ở đầu mô hình",
        Text("the embedding matrices occur once, at the beginning of the model"),
        Text("they are stored once, and the token embedding works twice: the output matrix is tied to it"),
        INCOMPLETE if all(ties) else RIGHT,
        {"tied": ties},
    )


def _linear(sizes: tuple[Size, ...]) -> Claim:
    first, last = sizes[0], sizes[-1]
    layers = last.table.hyperparameters["n_layer"] / first.table.hyperparameters["n_layer"]
    growth = last.numel["attention"] / first.numel["attention"]
    embedding = last.numel["embedding"] / first.numel["embedding"]
    values = {
        "layers": Value(layers, Unit.FACTOR), "growth": Value(growth, Unit.FACTOR), "embedding": Value(embedding, Unit.FACTOR),
    }  # fmt: skip
    return Claim(
        "linear",
        "5.2",
        "tăng tuyến tính",
        Text("with more blocks, attention and MLP grow linearly while the embedding stays the same"),
        Text(
            "linear in the number of blocks holds only at a fixed width: from small to xl the number of blocks grows {layers}, attention "
            "{growth}, because its matrices also grow with the square of the width, and the embedding {embedding}",
            values,
        ),
        WRONG if growth > 1.05 * layers or embedding > 1 else RIGHT,
        {"layers_growth": layers, "attention_growth": growth, "embedding_growth": embedding},
    )


def _norm_count(sizes: tuple[Size, ...]) -> Claim:
    numel = [s.norms.numel for s in sizes]
    names = ("small", "medium", "large", "xl")
    return Claim(
        "norm-count",
        "6.2",
        "vài chục nghìn đến ~100.000",
        Text("LayerNorm has some tens of thousands to about 100,000 parameters"),
        Text(
            "small {small}, medium {medium}, large {large}, xl {xl}: wrong for large and xl",
            {name: _count(n) for name, n in zip(names, numel, strict=True)},
        ),
        RIGHT if max(numel) < 110_000 else WRONG,
        {"norm": numel},
    )


def _norm_share(sizes: tuple[Size, ...]) -> Claim:
    shares = [s.norms.share for s in sizes]
    return Claim(
        "norm-share",
        "6.2",
        "< 0.01%",
        Text("LayerNorm is less than 0.01 percent of the model"),
        Text("{first} in small to {last} in xl", {"first": _share(shares[0]), "last": _share(shares[-1])}),
        RIGHT if max(shares) < 0.0001 else WRONG,
        {"norm_share": shares},
    )


def _gamma_beta(sizes: tuple[Size, ...]) -> Claim:
    first = sizes[0].norms
    equal = all(s.norms.n_gamma == s.norms.n_beta for s in sizes)
    unlike = all(s.norms.n_weights != s.norms.n_biases for s in sizes)
    values = {
        "gamma": _count(first.n_gamma), "beta": _count(first.n_beta),
        "weights": _count(first.n_weights), "biases": _count(first.n_biases),
    }  # fmt: skip
    return Claim(
        "gamma-beta",
        "6.3",
        "Số weight = số bias",
        Text("in LayerNorm there are as many weights as biases, unlike in the model as a whole"),
        Text(
            "small: {gamma} weights and {beta} biases in LayerNorm; {weights} weights and {biases} biases in the model",
            values,
        ),
        RIGHT if equal and unlike else WRONG,
        {
            "n_gamma": [s.norms.n_gamma for s in sizes],
            "n_beta": [s.norms.n_beta for s in sizes],
            "n_weights": [s.norms.n_weights for s in sizes],
            "n_biases": [s.norms.n_biases for s in sizes],
        },
    )


def _formula(sizes: tuple[Size, ...]) -> Claim:
    fields = sizes[0].table.config.fields if sizes[0].table.config else {}
    epsilon = fields.get("layer_norm_epsilon")
    return Claim(
        "norm-formula",
        "6.1",
        "y = γ (x − μ) / σ + β",
        Text("LayerNorm divides by the standard deviation σ"),
        Text(
            "by √(σ² + ε): the ε of the configuration ({epsilon}) is left out; it keeps a constant vector from dividing by "
            "zero and adds no parameter",
            {"epsilon": Value(epsilon, Unit.RATIO)},
        ),
        INCOMPLETE,
        {"layer_norm_epsilon": epsilon},
    )


def _substrings(sizes: tuple[Size, ...], beyond: Sequence[Any]) -> Claim:
    del sizes  # the four sizes share their names, on which the rule is right; a test holds it against numel's
    worst = max(beyond, key=lambda m: m.share, default=None)
    true = Text("on GPT-2 it does; see the chapter on other models")
    if worst is not None:
        true = Text(
            "on GPT-2 it does; beyond, it does not: in {model} it misplaces or leaves out {share} of the parameters of "
            "attention, MLP, experts and norm",
            {"model": Value(worst.model, Unit.NAME), "share": _share(worst.share)},
        )
    return Claim(
        "substrings",
        "3.1",
        "phân loại chính xác",
        Text("the substrings of the names classify the weights accurately"),
        true,
        INCOMPLETE if any(m.share > 0 for m in beyond) else RIGHT,
        {"beyond": [m._asdict() for m in beyond]},
    )


def _optimal() -> Claim:
    return Claim(
        "optimal",
        "8",
        "chiến lược thiết kế tối ưu",
        Text("the distribution reflects an optimal design"),
        Text("counts cannot show it: nothing here was compared with another design, and no quality was measured"),
        INCOMPLETE,
        {},
    )
