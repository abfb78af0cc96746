"""What an expression of config fields means: `3 * n_embd`, `layer >= first_k_dense_replace`.

The notation is that of Python's arithmetic, comparisons, `and or not in`, `a if c else b`, indexing, comprehensions,
and the functions below; `text_config.hidden_size` is a field of a sub-configuration. Nothing else is let in: no other
call, no attribute of a Python object, so that a blueprint stays data.
"""

from __future__ import annotations

import _ast
from functools import cache
from math import ceil, isqrt, prod
from types import MappingProxyType

from ..errors import Sentence
from .records import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import CodeType
    from typing import Any

_LONGEST_LIST = 100_000
_MOST_FACTORS = 64
_MOST_PRIMES, _LARGEST_PRIME = 10_000, 10**15
_BASES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
_LARGEST_EXPONENT, _MOST_DIGITS = 30, 90


def round_up(value: int, multiple: int) -> int:
    """The smallest multiple of `multiple` that is not below `value`.

    >>> round_up(10922, 256)
    11008
    """
    return -(-value // multiple) * multiple


def near(value: float, multiple: int, least: int | None = None) -> int:
    """The multiple of `multiple` nearest to `value`, not below `least` and not a tenth below `value`: MobileNet's rule.

    >>> near(18, 8), near(11, 8), near(3, 8)
    (24, 16, 8)
    """
    nearest = max(multiple if least is None else least, int(value + multiple / 2) // multiple * multiple)
    return nearest + multiple if nearest < 0.9 * value else nearest


def field(config: Mapping[str, Any] | None, name: object, default: object = None) -> Any:
    """A field of a nested object, `default` where it is absent; a number is a key in quotes, with zeros or without.

    >>> field({"d_model": 512}, "d_model"), field(None, "d_model", 64), field({"05": 1}, 5)
    (512, 64, 1)
    """
    key = str(name)
    for written in (key, key.zfill(2), key.zfill(3)) if isinstance(name, int) else (key,):
        if config is not None and written in config:
            return config[written]
    return default


def each(value: object, n: int, default: object = None) -> list[Any]:
    """`n` values, from a list of as many or from one for all; `default` stands for null.

    >>> each(3, 2), each([1, 2], 2), each(None, 2, 5)
    ([3, 3], [1, 2], [5, 5])
    """
    value = default if value is None else value
    if not isinstance(value, (list, tuple)):
        return [value for _ in _range(n)]
    if len(value) != n:
        message = Sentence("a list of {n} where {needed} are needed", n=len(value), needed=n)
        raise ValueError(message)
    return list(value)


def convolved(side: int, kernels: object, strides: list[int], padded: object) -> list[int]:
    """A picture's side behind each of several convolutions, one after the other; `padded`: places added at both ends together.

    >>> convolved(224, [7, 3], [4, 2], [6, 2]), convolved(75, 3, [2, 2], [1, 2])
    ([56, 28], [37, 19])
    """
    sides, n = [], len(strides)
    for kernel, stride, more in zip(each(kernels, n), strides, each(padded, n), strict=True):
        side = (side + more - kernel) // stride + 1
        if side < 1:
            message = Sentence("a kernel of {kernel} on a smaller picture", kernel=kernel)
            raise ValueError(message)
        sides.append(side)
    return sides


def product(values: Iterable[int]) -> int:
    """All of them multiplied, at most 64 numbers.

    >>> product([2, 3, 4]), product([])
    (24, 1)
    """
    numbers = list(values)
    if len(numbers) > _MOST_FACTORS:
        raise ValueError(Sentence("a product of {n} numbers", n=len(numbers)))
    return prod(numbers)


def primes(start: int, n: int) -> list[int]:
    """The first `n` primes from `start` on: how many rows a table of hashes has. Both are bounded.

    >>> primes(100, 3), primes(20_000_000, 1)
    ([101, 103, 107], [20000003])
    """
    if n > _MOST_PRIMES or start > _LARGEST_PRIME:
        raise ValueError(Sentence("{n} primes from {start} on", n=n, start=start))
    found: list[int] = []
    number = max(start, 2)
    while len(found) < n:
        if all(number % prime for prime in _BASES if prime < number) and all(
            _may_be_prime(number, base) for base in _BASES if base < number
        ):
            found.append(number)
        number += 1
    return found


def _may_be_prime(number: int, base: int) -> bool:
    """Miller's test of an odd number; the first twelve primes as bases leave none undecided below 3 · 10²⁴."""
    halvings = ((number - 1) & (1 - number)).bit_length() - 1
    power = pow(base, (number - 1) >> halvings, number)
    return power == 1 or any(pow(power, 2**i, number) == number - 1 for i in range(halvings))


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > _LONGEST_LIST:
        message = Sentence("a list of {n} numbers", n=len(numbers))
        raise ValueError(message)
    return numbers


def _times(a: Any, b: Any) -> Any:
    """`a * b` of numbers alone: Python would repeat a text or a list as often as a config asks."""
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a * b
    raise TypeError


def _power(a: Any, b: Any) -> Any:
    """`a ** b` of at most 90 digits: what doubles from stage to stage, the places of a square."""
    are_numbers = isinstance(a, (int, float)) and isinstance(b, int)
    if are_numbers and 0 <= b <= _LARGEST_EXPONENT and abs(a) <= 10 ** (_MOST_DIGITS // max(b, 1)):
        return a**b
    raise TypeError


FUNCTIONS: Mapping[str, Any] = MappingProxyType(
    {"min": min, "max": max, "len": len, "int": int, "sum": sum, "round": round, "ceil": ceil, "list": list,
     "any": any, "all": all, "isqrt": isqrt, "range": _range, "round_up": round_up, "field": field,
     "each": each, "convolved": convolved, "product": product, "near": near, "primes": primes}
)  # fmt: skip
CONSTANTS: Mapping[str, Any] = MappingProxyType({"true": True, "false": False, "null": None})

_ONLY_AST = 0x400  # ast.PyCF_ONLY_AST; importing `ast` for it would cost 4 ms at each start
_ALLOWED = (
    _ast.Expression, _ast.BoolOp, _ast.And, _ast.Or, _ast.UnaryOp, _ast.Not, _ast.USub, _ast.BinOp, _ast.Add, _ast.Sub,
    _ast.Mult, _ast.Pow, _ast.FloorDiv, _ast.Div, _ast.Mod, _ast.Compare, _ast.Eq, _ast.NotEq, _ast.Lt, _ast.LtE, _ast.Gt,
    _ast.GtE, _ast.In, _ast.NotIn, _ast.Is, _ast.IsNot, _ast.IfExp, _ast.Subscript, _ast.Slice, _ast.List, _ast.Tuple,
    _ast.Dict, _ast.Call, _ast.Name, _ast.Load, _ast.Constant, _ast.ListComp, _ast.GeneratorExp, _ast.comprehension,
    _ast.Store, _ast.Attribute,
)  # fmt: skip
_GLOBALS: dict[str, Any] = {"__builtins__": {}, "*": _times, "**": _power, **FUNCTIONS, **CONSTANTS}


class Expression(NamedTuple):
    """A compiled expression: its text, the names it reads, and the code."""

    text: str
    names: frozenset[str]
    code: CodeType
    has_inner_scope: bool

    def evaluate(self, values: dict[str, Any]) -> Any:
        """Its value, with `values` for the names.

        >>> compile_expression("[i % 2 for i in range(n)]").evaluate({"n": 3})
        [0, 1, 0]
        """
        if self.has_inner_scope:  # before Python 3.12 a comprehension is a function and sees globals alone
            return eval(self.code, {**_GLOBALS, **values})  # noqa: S307
        return eval(self.code, _GLOBALS, values)  # noqa: S307 - the tree was checked node by node below


@cache
def compile_expression(text: str) -> Expression:
    """The expression that `text` writes. Raises ValueError when it is none or uses more than is allowed.

    >>> compile_expression("3 * n_embd").evaluate({"n_embd": 768})
    2304
    >>> compile_expression("__import__('os')")
    Traceback (most recent call last):
    ValueError: __import__('os'): no function called __import__
    """
    try:
        tree = compile(text, "<blueprint>", "eval", _ONLY_AST)
    except SyntaxError as error:
        message = Sentence("{text}: no expression ({why})", text=text, why=error.msg)
        raise ValueError(message) from error
    except (RecursionError, MemoryError) as error:
        message = Sentence("{text}: too deep", text=f"{text[:40]}…")
        raise ValueError(message) from error
    checker = _Checker(text)
    tree = checker.rewrite(tree)
    names = frozenset(checker.read - checker.bound - FUNCTIONS.keys() - CONSTANTS.keys())
    return Expression(text, names, compile(tree, "<blueprint>", "eval"), bool(checker.bound))


class _Checker:
    """Refuses what is not in the language; turns `a.b` into `a["b"]` and `a * b`, `a ** b` into functions of numbers."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.read: set[str] = set()
        self.bound: set[str] = set()

    def rewrite(self, node: Any) -> Any:
        """The node as it is compiled."""
        self._check(node)
        for name in node._fields:
            value = getattr(node, name)
            if isinstance(value, list):
                value[:] = [self.rewrite(child) if isinstance(child, _ast.AST) else child for child in value]
            elif isinstance(value, _ast.AST):
                setattr(node, name, self.rewrite(value))
        if isinstance(node, _ast.Attribute):
            key = _at(node, _ast.Constant(value=node.attr))
            return _at(node, _ast.Subscript(value=node.value, slice=key, ctx=_ast.Load()))
        if isinstance(node, _ast.BinOp) and isinstance(node.op, (_ast.Mult, _ast.Pow)):
            operator = "*" if isinstance(node.op, _ast.Mult) else "**"
            function = _at(node, _ast.Name(id=operator, ctx=_ast.Load()))
            return _at(node, _ast.Call(func=function, args=[node.left, node.right], keywords=[]))
        return node

    def _check(self, node: Any) -> None:
        if not isinstance(node, _ALLOWED):
            message = Sentence("{text}: {what} is not part of the language", text=self.text, what=type(node).__name__)
            raise ValueError(message)  # noqa: TRY004 - the text is wrong, not a Python type
        if isinstance(node, _ast.Call) and not (isinstance(node.func, _ast.Name) and node.func.id in FUNCTIONS):
            name = getattr(node.func, "id", getattr(node.func, "attr", "?"))
            message = Sentence("{text}: no function called {name}", text=self.text, name=name)
            raise ValueError(message)
        if isinstance(node, _ast.Call) and node.keywords:
            message = Sentence("{text}: a function takes no keywords", text=self.text)
            raise ValueError(message)
        if isinstance(node, _ast.Attribute) and node.attr.startswith("_"):
            message = Sentence("{text}: no field is called {name}", text=self.text, name=node.attr)
            raise ValueError(message)
        if isinstance(node, _ast.Name):
            (self.bound if isinstance(node.ctx, _ast.Store) else self.read).add(node.id)


def _at(place: Any, node: Any) -> Any:
    """`node`, standing where `place` stands in the text."""
    for name in ("lineno", "col_offset", "end_lineno", "end_col_offset"):
        setattr(node, name, getattr(place, name))
    return node
