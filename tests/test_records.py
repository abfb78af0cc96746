"""A record does what a typing.NamedTuple of the same text does: the standard library's own is the measure."""

import copy
import inspect
import pickle
import typing

import pytest

from numel.core.records import NamedTuple


class Point(NamedTuple):
    """A place."""

    x: int
    y: int = 2
    z: int | None = None

    @property
    def sum(self) -> int:
        """x and y together."""
        return self.x + self.y


class Typed(typing.NamedTuple):
    """A place."""

    x: int
    y: int = 2
    z: int | None = None


class Empty(NamedTuple):
    """Nothing at all."""


@pytest.mark.parametrize(
    "ask",
    [
        lambda record: tuple(record(1)),
        lambda record: tuple(record(y=1, x=4)),
        lambda record: record(1)._asdict(),
        lambda record: tuple(record(1)._replace(z=7)),
        lambda record: tuple(record._make([1, 2, 3])),
        lambda record: repr(record(1, z=3)).partition("(")[2],
        lambda record: (record._fields, record._field_defaults, record.__match_args__, record.__doc__),
        lambda record: (record(1, 5).y, record(1) == (1, 2, None), hash(record(1)), record(1) < record(2)),
        lambda record: [p.replace(annotation=p.empty) for p in inspect.signature(record).parameters.values()],
    ],
)
def test_a_record_does_what_a_typed_named_tuple_does(ask):
    assert ask(Point) == ask(Typed)


@pytest.mark.parametrize(
    "fail",
    [
        lambda record: record(),
        lambda record: record(1, 2, 3, 4),
        lambda record: record(1, w=3),
        lambda record: record._make([1]),
        lambda record: record(1)._replace(w=3),
        lambda record: setattr(record(1), "x", 3),
        lambda record: setattr(record(1), "w", 3),
    ],
)
def test_a_record_refuses_what_a_typed_named_tuple_refuses(fail):
    with pytest.raises(Exception) as ours:
        fail(Point)
    with pytest.raises(type(ours.value)) as theirs:
        fail(Typed)
    if type(ours.value) is TypeError:
        assert str(ours.value) == str(theirs.value).replace("Typed", "Point")


def test_a_record_keeps_its_methods_and_is_copied_and_pickled_whole():
    point = Point(1)
    assert point.sum == 3
    for made in (copy.copy(point), pickle.loads(pickle.dumps(point))):
        assert type(made) is Point
        assert made == point
    assert Empty() == ()


def test_a_record_is_taken_apart_by_a_match():
    match Point(3):
        case Point(x, y):
            assert (x, y) == (3, 2)
