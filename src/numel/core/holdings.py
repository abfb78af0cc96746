"""What may a checkpoint hold beside the parameters of its model? One line for each reason, with its arithmetic."""

from __future__ import annotations

from math import prod

from .records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MAX_TERMS = 3
_POWERS = ("", "", "²", "³")


class Holding(NamedTuple):
    """Tensors that a checkpoint may hold beside the parameters: `kind` as `Parameter.excluded`, `part` says more.

    `shapes`: how many tensors of each shape there are. `counted`: whether they are among the elements of the published
    checkpoint; None: some have them.

    >>> masks = Holding("buffer", "causal_mask", {(1, 1, 1024, 1024): 12})
    >>> masks.formula, masks.numel
    ('12 × 1024²', 12582912)
    """

    kind: str
    part: str
    shapes: Mapping[tuple[int, ...], int]
    counted: bool | None = None

    @property
    def numel(self) -> int:
        """Elements of them all."""
        return sum(n * prod(shape) for shape, n in self.shapes.items())

    @property
    def n_tensors(self) -> int:
        """How many they are."""
        return sum(self.shapes.values())

    @property
    def formula(self) -> str:
        """The arithmetic behind `numel`."""
        return arithmetic(self.shapes)


class Published(NamedTuple):
    """The checkpoint in which a model was published: the hub's count of its elements, and who says so."""

    model: str
    numel: int
    source: str


class Checkpoint(NamedTuple):
    """What a checkpoint of a configuration holds beside the parameters; `published` is None where none is known."""

    published: Published | None
    lines: tuple[Holding, ...]


def arithmetic(shapes: Mapping[tuple[int, ...], int]) -> str:
    """`12 × 1024²` for 12 tensors of 1024 × 1024; of many shapes only how many tensors there are.

    >>> arithmetic({(7168, 14336): 1, (7168,): 3})
    '7168 × 14336 + 3 × 7168'
    """
    if len(shapes) > _MAX_TERMS:
        return f"{sum(shapes.values())} tensors"
    return " + ".join(_product(n, shape) for shape, n in shapes.items())


def _product(n: int, shape: Iterable[int]) -> str:
    sizes = [size for size in shape if size != 1] or [1]
    factors = [str(n)] if n > 1 else []
    while sizes:
        power = next((i for i, size in enumerate(sizes) if size != sizes[0]), len(sizes))
        factors.append(f"{sizes[0]}{_POWERS[power] if power < len(_POWERS) else f'^{power}'}")
        del sizes[:power]
    return " × ".join(factors)
