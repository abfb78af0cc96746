"""What is a record here? A named tuple, written as with typing.NamedTuple and made in a fraction of the time.

A command loads some fifty records. typing.NamedTuple takes 12 ms for them and 3 ms to be imported, out of 50 ms for the
whole process; collections.namedtuple takes 5 ms, most of it to compile a constructor for each; this one takes 1.3 ms,
since it compiles one for each number of fields and puts in their names. A type checker sees typing's own.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple
else:
    from collections import _tuplegetter
    from functools import cache
    from types import FunctionType

    class _Record(tuple):
        """What collections.namedtuple gives every record; subclasses have `_fields` and a constructor."""

        __slots__ = ()
        _fields = ()

        @classmethod
        def _make(cls, values: object) -> tuple:
            made = tuple.__new__(cls, values)
            if len(made) != len(cls._fields):
                message = f"Expected {len(cls._fields)} arguments, got {len(made)}"
                raise TypeError(message)
            return made

        def _replace(self, **changed: object) -> tuple:
            made = self._make(map(changed.pop, self._fields, self))
            if changed:
                message = f"Got unexpected field names: {list(changed)!r}"
                raise ValueError(message)
            return made

        __replace__ = _replace

        def _asdict(self) -> dict[str, object]:
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self) -> str:
            fields = (f"{name}={value!r}" for name, value in zip(self._fields, self, strict=True))
            return f"{type(self).__name__}({', '.join(fields)})"

        def __getnewargs__(self) -> tuple:
            return tuple(self)

    class _Maker(type):
        """Turns the annotations of a class into the fields of a tuple, and keeps what else the class defines."""

        def __new__(cls: type, name: str, bases: tuple[type, ...], members: dict[str, object]) -> type:
            if not bases:
                return super().__new__(cls, name, bases, members)
            fields = tuple(members.get("__annotations__", ()))
            defaults = {field: members.pop(field) for field in fields if field in members}
            getters = {field: _tuplegetter(i, "") for i, field in enumerate(fields)}
            made = {"__slots__": (), "_fields": fields, "_field_defaults": defaults, "__match_args__": fields}
            made["__new__"] = _constructor(name, fields, tuple(defaults.values()))
            return type(name, (_Record,), {**made, **getters, **members})

    def _constructor(name: str, fields: tuple[str, ...], defaults: tuple[object, ...]) -> FunctionType:
        own = {"co_varnames": ("_cls", *fields), "co_name": "__new__", "co_qualname": f"{name}.__new__"}
        code = _code(len(fields)).replace(**own)
        return FunctionType(code, {"new": tuple.__new__}, "__new__", defaults)

    @cache
    def _code(n_fields: int) -> object:
        names = "".join(f"_{i}, " for i in range(n_fields))
        return eval(f"lambda _cls, {names}: new(_cls, ({names}))").__code__  # noqa: S307 - our own text

    class NamedTuple(metaclass=_Maker):
        """The base of every record: annotate the fields in their order, defaults last."""


__all__ = ["NamedTuple"]
