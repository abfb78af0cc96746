"""How the shape of a tensor follows from the configuration: the line of a blueprint, with its numbers."""

from __future__ import annotations

from math import prod

from .records import NamedTuple


class Term(NamedTuple):
    """An expression of config fields as the blueprint writes it, and its value: `3 * n_embd` = 2304."""

    expression: str
    value: int


class Formula(NamedTuple):
    """`n_tensors` tensors named like `template`, each of shape `dims`; `repeats` say how often and why.

    `note` is the blueprint's remark. `tied_when_loaded`: what transformers ties it to, though the config says otherwise.

    >>> c_attn = Formula("h.{layer}.attn.c_attn.weight", (Term("n_embd", 768), Term("3 * n_embd", 2304)),
    ...                  repeats=(Term("n_layer", 12),), n_tensors=12)
    >>> c_attn.numel
    21233664
    """

    template: str
    dims: tuple[Term, ...]
    repeats: tuple[Term, ...] = ()
    n_tensors: int = 1
    tied_to: str | None = None
    is_buffer: bool = False
    note: str = ""
    tied_when_loaded: str | None = None

    @property
    def numel_each(self) -> int:
        """Elements of one such tensor."""
        return prod(term.value for term in self.dims)

    @property
    def numel(self) -> int:
        """Elements of all of them together."""
        return self.n_tensors * self.numel_each
