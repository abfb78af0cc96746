"""A mistake in a blueprint is told with its line."""

from __future__ import annotations

import pytest

from numel.blueprints.evaluate import evaluate
from numel.blueprints.language import parse
from numel.blueprints.syntax import BlueprintSyntaxError
from numel.core.config import ModelConfig
from numel.translate import Translator


def found(text, fields=None):
    return evaluate(parse(text, "tiny"), ModelConfig(fields or {}))


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("model\n    x", 2, "no shape"),
        ("model\n    x  d.e(", 2, "never closed"),
        ("model\n    x  3  sometimes", 2, "not understood: sometimes"),
        ("model\n    x.{i} for i of n\n        y  1", 2, "not a loop"),
        ("model\n    x.{i}\n        y  1", 2, "{i} has no `for`"),
        ("model\n    else\n        y  1", 2, "`else` without `if`"),
        ("model\n    if 1\n        y  1\n      else\n        z  1", 4, "`else` without `if`"),
        ("model\n    y  1  bias", 2, "only a linear map"),
        ("model\n    g  buffer\n        y  1", 2, "a group cannot be buffer"),
        ("model\n    drop y", 2, "nothing to drop"),
        ("config\n    a b c", 2, "not a field"),
        ("config\n    a = open('x')", 2, "no function called open"),
        ("config\n    require n ==", 2, "invalid syntax"),
        ("hub\n    a.b", 2, "not a rename"),
        ("hub\n    *.a -> b", 2, "not a rename"),
        ("drop Nothing", 1, "no section Nothing"),
        ("what is this", 1, "not a section"),
        ("model\n    x  include a b c", 2, "not an include"),
        ("config\n    x is gpt2 or nothing", 2, "not a kind of configuration"),
    ],
)
def test_a_mistake_is_told_with_its_line(text, line, said):
    with pytest.raises(BlueprintSyntaxError) as error:
        parse(text, "bad")
    assert str(error.value).startswith(f"bad.blueprint:{line}: ")
    assert said in str(error.value)
    assert Translator("vi").sentence(error.value.message) != error.value.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model\n    x  hidden_sise", "nothing says what hidden_sise is"),
        ("model\n    x  1  if flag", "nothing says what flag is"),
        ("config\n    a = b\nmodel\n    x  a", "nothing says what b is"),
        ("model\n    x.{i} for i < n\n        y  1", "nothing says what n is"),
        ("model\n    x  include tower", "nothing says what tower is"),
        ("config\n    require k > 2\nmodel\n    x  1", "nothing says what k is"),
    ],
)
def test_a_name_that_nothing_explains_is_a_mistake(text, said):
    with pytest.raises(BlueprintSyntaxError, match=said):
        parse(text, "bad")


def test_fields_that_are_computed_from_each_other_are_a_mistake():
    with pytest.raises(BlueprintSyntaxError, match="computed from itself"):
        found("config\n    a := b\n    b := a\nmodel\n    x  a")
