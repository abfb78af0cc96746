"""The arithmetic behind a component's count: from a blueprint's lines to one product-sum, in symbols and in numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ..core.groups import template_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..core.formulas import Formula
    from ..core.parameters import Component, Parameter, ParameterTable

_VARIABLE = re.compile(r"\{\w+\}")


class Placed(NamedTuple):
    """A formula and what its tensors are for."""

    formula: Formula
    component: Component
    part: str


class Derived(NamedTuple):
    """A component's count as arithmetic: `symbols` = `numbers` = `numel`."""

    component: Component
    symbols: str
    numbers: str
    numel: int
    formulas: tuple[Placed, ...]


def derive(table: ParameterTable) -> tuple[Derived, ...]:
    """The arithmetic of each component, in the taxonomy's order; empty when no blueprint is known."""
    rows: dict[str, list[Parameter]] = {}
    for row in table.rows:
        rows.setdefault(template_of(row.tensor.name), []).append(row)
    by_component: dict[Component, list[Placed]] = {}
    for formula in table.formulas:
        example = None if formula.tied_to or formula.is_buffer else _example(formula, rows)
        if example is not None and example.numel:
            by_component.setdefault(example.component, []).append(Placed(formula, example.component, example.part))
    order = list(type(next(iter(by_component)))) if by_component else []
    return tuple(_derived(c, by_component[c]) for c in order if c in by_component)


def _example(formula: Formula, rows: dict[str, list[Parameter]]) -> Parameter | None:
    """A row whose name the formula's template writes; a digit that stands in the template (`layer.0`) must be there."""
    pattern = re.compile(r"\d+".join(map(re.escape, _VARIABLE.split(formula.template))))
    like = rows.get(template_of(_VARIABLE.sub("0", formula.template)), ())
    return next((row for row in like if pattern.fullmatch(row.tensor.name)), None)


def _derived(component: Component, placed: list[Placed]) -> Derived:
    formulas = [p.formula for p in placed]
    numel = sum(f.numel for f in formulas)
    return Derived(
        component, _product_sum(formulas, "symbols"), _product_sum(formulas, "numbers"), numel, tuple(placed)
    )


def _product_sum(formulas: Iterable[Formula], form: str) -> str:
    """`n_layer × (n_embd·3·n_embd + 3·n_embd) + n_embd`: terms with the same repeats share a bracket."""
    brackets: dict[tuple[str, ...], dict[str, int]] = {}
    for formula in formulas:
        repeats = tuple(_factor(r.expression) if form == "symbols" else str(r.value) for r in formula.repeats)
        product = term(formula, form)
        terms = brackets.setdefault(repeats, {})
        terms[product] = terms.get(product, 0) + 1
    sums = []
    for repeats, terms in brackets.items():
        inner = " + ".join(f"{n}·{product}" if n > 1 else product for product, n in terms.items())
        bracket = f"({inner})" if repeats and (len(terms) > 1 or "+" in inner) else inner
        sums.append(" × ".join((*repeats, bracket)))
    return " + ".join(sums)


def term(formula: Formula, form: str) -> str:
    """The elements of one tensor as a product: `n_embd·3·n_embd`, or `768·2304`."""
    if form == "symbols":
        return "·".join(_factor(dim.expression) for dim in formula.dims) or "1"
    return "·".join(str(dim.value) for dim in formula.dims) or "1"


def _factor(expression: str) -> str:
    """An expression as a factor: in brackets when it is a sum, with a centred dot for the product."""
    text = expression.replace(" * ", "·").replace(" // ", "/")
    return f"({text})" if re.search(r" [-+%]| if | where | or ", text) else text


def fields_of(formulas: Iterable[Formula]) -> tuple[str, ...]:
    """The names of the config's fields that occur in the dimensions and repeats, in order."""
    names: dict[str, None] = {}
    for formula in formulas:
        for expression in (*(d.expression for d in formula.dims), *(r.expression for r in formula.repeats)):
            names.update(dict.fromkeys(re.findall(r"[A-Za-z_]\w*", expression)))
    reserved = {
        "where",
        "if",
        "else",
        "and",
        "or",
        "not",
        "in",
        "layer",
        "expert",
        "min",
        "max",
        "len",
        "int",
        "round_up",
    }
    return tuple(name for name in names if name not in reserved)
