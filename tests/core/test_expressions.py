"""Expressions: the arithmetic that blueprints need, and nothing that could reach the machine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from numel.core.expressions import compile_expression, convolved, field, primes, round_up


@pytest.mark.parametrize(
    ("text", "values", "expected"),
    [
        ("3 * n_embd", {"n_embd": 768}, 2304),
        ("hidden_size // num_attention_heads", {"hidden_size": 4096, "num_attention_heads": 32}, 128),
        ("n_inner if n_inner else 4 * n_embd", {"n_inner": None, "n_embd": 768}, 3072),
        ("layer >= first_k_dense_replace", {"layer": 3, "first_k_dense_replace": 3}, True),
        ("layer in moe_layers", {"layer": 2, "moe_layers": [0, 2]}, True),
        ('layer_types[layer] == "full_attention"', {"layer_types": ["sliding_attention"], "layer": 0}, False),
        ("round_up(8 * d // 3, 256)", {"d": 4096}, 11008),
        ("min(a, b) + max(a, b)", {"a": 2, "b": 5}, 7),
        ("text_config.hidden_size", {"text_config": {"hidden_size": 64}}, 64),
        ("[i % 2 == 0 for i in range(n)]", {"n": 3}, [True, False, True]),
        ("sum(sizes[i] for i in range(len(sizes)))", {"sizes": [1, 2, 3]}, 6),
        ("q_lora_rank is not null", {"q_lora_rank": None}, False),
        ("not attention_bias", {"attention_bias": False}, True),
        ('field(rope, "factor", 8)', {"rope": {}}, 8),
    ],
)
def test_an_expression_has_the_value_that_python_gives_it(text, values, expected):
    assert compile_expression(text).evaluate(values) == expected


def test_primes_are_those_that_no_smaller_number_divides():
    divided = [n for n in range(2, 2000) if all(n % d for d in range(2, n))]
    assert primes(0, len(divided)) == divided
    assert primes(10**12, 2) == [1_000_000_000_039, 1_000_000_000_061]  # OEIS A033874: the next prime after 10^n


@given(
    st.integers(8, 300),
    st.lists(st.tuples(st.integers(1, 7), st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=4),
)
def test_a_picture_behind_convolutions_is_as_many_places_as_a_kernel_has(side, layers):
    kernels, strides, padded = ([layer[i] for layer in layers] for i in range(3))
    left = side
    for kernel, stride, more in layers:  # counted one by one
        left = len(range(0, left + more - kernel + 1, stride))
    if left:
        assert convolved(side, kernels, strides, padded)[-1] == left


def test_a_kernel_is_no_larger_than_its_picture():
    with pytest.raises(ValueError, match="smaller picture"):
        convolved(4, 7, [1], 0)


def test_a_config_cannot_ask_for_endless_primes():
    with pytest.raises(ValueError, match="primes"):
        primes(100, 10**6)


def test_an_expression_knows_the_fields_that_it_reads():
    expression = compile_expression("[kinds[i] for i in range(n)] if text_config.d else max(a, 1)")
    assert expression.names == {"kinds", "n", "text_config", "a"}


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "open('/etc/passwd')",
        "eval('1')",
        "len.__class__",
        "().__class__.__bases__[0].__subclasses__()",
        "(lambda: 1)()",
        "[x := 1]",
        "f'{n}'",
        "1 << 100000",
        "a.b()",
        "{1, 2}",
        "max(*a)",
        "max(a, key=len)",
        "yield 1",
        "await a",
        "n = 3",
        "import os",
        "",
        "(",
        "a b",
        "(" * 5000,
        "\x00",
    ],
)
def test_what_is_not_in_the_language_is_refused_when_it_is_compiled(text):
    with pytest.raises(ValueError):
        compile_expression(text)


def test_an_attribute_is_a_key_and_never_an_attribute():
    with pytest.raises(KeyError):
        compile_expression("n.items").evaluate({"n": {}})
    assert compile_expression("n.keys").evaluate({"n": {"keys": 5}}) == 5


def test_no_builtin_can_be_reached_by_its_name():
    for name in ("open", "__import__", "getattr", "print", "compile", "type"):
        with pytest.raises(NameError):
            compile_expression(name).evaluate({})


@pytest.mark.parametrize("text", ['"a" * n', "[0] * n", "names * n", "n * names"])
def test_a_product_is_of_numbers_alone(text):
    with pytest.raises(TypeError):
        compile_expression(text).evaluate({"n": 10**12, "names": ["x"]})


def test_a_power_is_of_small_numbers_alone():
    assert compile_expression("96 * 2 ** stage").evaluate({"stage": 3}) == 768
    assert compile_expression("n ** 2").evaluate({"n": 10**12}) == 10**24
    for text in ("2 ** 100000", "n ** 9", "2 ** -1", "2 ** names", "names ** 2"):
        with pytest.raises(TypeError):
            compile_expression(text).evaluate({"n": 10**12, "names": ["x"]})


def test_a_list_cannot_be_made_as_long_as_a_config_asks():
    with pytest.raises(ValueError, match="a list of"):
        compile_expression("[i for i in range(n)]").evaluate({"n": 10**15})


def test_the_same_text_is_compiled_once():
    assert compile_expression("3 * n_embd") is compile_expression("3 * n_embd")


@given(st.integers(0, 10**12), st.integers(1, 10**6))
def test_rounding_up_reaches_the_next_multiple(value, multiple):
    rounded = round_up(value, multiple)
    assert rounded % multiple == 0
    assert value <= rounded < value + multiple


def test_a_field_of_an_absent_object_is_the_default():
    assert field(None, "x", 3) == 3
    assert field({"x": None}, "x", 3) is None
