"""What the original study says of how GPT-2 is built: what attention and MLP consist of, and what grows."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from ..core.groups import group
from ..core.report import Text, Unit, Value
from .four_sizes import INCOMPLETE, RIGHT, WRONG, Claim

if TYPE_CHECKING:
    from .four_sizes import Size


def structure(sizes: tuple[Size, ...]) -> tuple[Claim, ...]:
    """The claims about the architecture, of sections 4 and 5."""
    return _attention(sizes[0]), _mlp(sizes[0]), _widening(sizes), _blocks(sizes)


def _by_role(size: Size, component: str) -> dict[str, tuple[int, int]]:
    """The tensors and parameters of a component: of its weights and of its biases."""
    found = group(size.table, "component", "role")
    return {g.keys[1]: (g.n_tensors, g.numel) for g in found if g.keys[0] == component}


def _attention(size: Size) -> Claim:
    roles, layers = _by_role(size, "attention"), size.table.hyperparameters["n_layer"]
    matrices, (_, biases) = roles["weight"][0] // layers, roles.get("bias", (0, 0))
    return Claim(
        "attention-matrices",
        "4.1",
        "Ma trận QKV gộp, Ma trận chiếu đầu ra",
        Text("attention consists of the joint matrix of query, key and value and the output matrix"),
        Text(
            "these two in each layer, and a bias to each: {biases} of the {total} parameters of attention in small",
            {"biases": Value(biases, Unit.COUNT), "total": Value(size.numel["attention"], Unit.COUNT)},
        ),
        WRONG if matrices != 2 else INCOMPLETE if biases else RIGHT,
        {"matrices_per_layer": matrices, "biases": biases},
    )


def _mlp(size: Size) -> Claim:
    roles, fields = _by_role(size, "mlp"), size.table.hyperparameters
    matrices = roles["weight"][0] // fields["n_layer"]
    narrow, wide = fields["n_embd"], fields["n_inner"]
    return Claim(
        "mlp-layers",
        "4.2",
        "Lớp mở rộng chiều, Lớp thu hẹp chiều",
        Text("the MLP consists of two linear layers, one that widens and one that narrows back"),
        Text(
            "{narrow} → {wide} → {narrow} in small, each with its bias",
            {"narrow": Value(narrow, Unit.INDEX), "wide": Value(wide, Unit.INDEX)},
        ),
        RIGHT if matrices == 2 and wide > narrow else WRONG,
        {"matrices_per_layer": matrices, "n_embd": narrow, "n_inner": wide},
    )


def _widening(sizes: tuple[Size, ...]) -> Claim:
    """Weights alone, in squares of the width: 4 of attention, 8 of the MLP."""
    squares = []
    for size in sizes:
        fields = size.table.hyperparameters
        square = fields["n_layer"] * fields["n_embd"] ** 2
        squares.append([_by_role(size, c)["weight"][1] / square for c in ("attention", "mlp")])
    attention, mlp = squares[0]
    return Claim(
        "widening",
        "4.4",
        "MLP sử dụng tầng mở rộng chiều lớn",
        Text("the MLP is larger because it widens, while attention keeps to the width of the embedding"),
        Text(
            "in every size attention has {attention}·d² weights in a layer and the MLP {mlp}·d², for the width d",
            {"attention": Value(round(attention), Unit.INDEX), "mlp": Value(round(mlp), Unit.INDEX)},
        ),
        RIGHT if all(found == [4, 8] for found in squares) else WRONG,
        {"attention_and_mlp_in_squares_of_the_width": squares},
    )


def _blocks(sizes: tuple[Size, ...]) -> Claim:
    layers = [size.table.hyperparameters["n_layer"] for size in sizes]
    values = {size.label: Value(n, Unit.INDEX) for size, n in zip(sizes, layers, strict=True)}
    return Claim(
        "blocks",
        "5.1",
        "số lượng Transformer block tăng",
        Text("the number of Transformer blocks grows with the size of the model"),
        Text("small {small}, medium {medium}, large {large}, xl {xl}", values),
        RIGHT if all(a < b for a, b in pairwise(layers)) else WRONG,
        {"n_layer": layers},
    )
