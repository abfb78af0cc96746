"""JSON as RFC 8259 has it: what the standard library lets through is refused, and everything else is the same."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from numel.errors import CorruptFileError, NumelError
from numel.formats.strict_json import parse

REFUSED = {
    b"": "expecting value",
    b" ": "expecting value",
    b"{": "not valid JSON",
    b"[1,]": "not valid JSON",
    b"{'a':1}": "not valid JSON",
    b"{a:1}": "not valid JSON",
    b"[1] [2]": "more text behind the end",
    b"[1]\0": "more text behind the end",
    b"01": "more text behind the end",
    b"+1": "not valid JSON",
    b".5": "not valid JSON",
    b"[1.]": "not valid JSON",
    b"nan": "not valid JSON",
    b"NaN": "NaN is not a number",
    b"[Infinity]": "Infinity is not a number",
    b"[-Infinity]": "-Infinity is not a number",
    b"1e999": "beyond the range of floats",
    b"-1e999": "beyond the range of floats",
    b'"a\nb"': "control character",
    b'"\\x"': "not valid JSON",
    b'"a': "unterminated string",
    b'{"a":1,"a":1}': "key a appears twice",
    b'{"a":1,"\\u0061":1}': "key a appears twice",
    b'[{"b":{"c":1,"d":2,"c":3}}]': "key c appears twice",
    b'"\\ud800"': "lone surrogate",
    b'"\\udc00"': "lone surrogate",
    b'"\\ud83d\\ud83d\\ude00"': "lone surrogate",
    b'{"\\uD800":1}': "lone surrogate",
    b'"\xff"': "not UTF-8",
    b'"\xed\xa0\x80"': "not UTF-8",
    b'"\xc0\x80"': "not UTF-8",
    b"\xef\xbb\xbf{}": "byte order mark",
    b"1" * 41: "more than 40 digits",
    b"1" * 5000: "more than 40 digits",
    b"0." + b"1" * 41: "more than 40 digits",
    b"[" * 65 + b"]" * 65: "64 levels",
    b"[" * 200_000: "64 levels",
    b'{"a":' * 200_000: "64 levels",
    b"[" + b"1," * 1_600_000 + b"1]": "more than 500,000 values",
    b"[" + b"{}," * 600_000 + b"1]": "more than 500,000 values",
}


@pytest.mark.parametrize("raw", REFUSED, ids=lambda raw: ascii(raw[:24]))
def test_what_is_no_json_is_refused(raw):
    with pytest.raises(CorruptFileError) as caught:
        parse(raw, path="config.json")
    assert REFUSED[raw] in str(caught.value)
    assert len(str(caught.value)) <= 400


ACCEPTED = [
    b"[" * 64 + b"]" * 64,
    b'"' + b"[" * 1000 + b'"',
    b'["\\"[", "' + b"{" * 1000 + b'"]',
    b"1" * 40,
    b"-" + b"1" * 40,
    b'"\\ud83d\\ude00"',
    b'"\\\\ud800"',
    b'"\\\\\\ud83d\\ude00"',
    ' \t\r\n{"é": [1, -2.5e-3, null, true, false, "\\u0000\\/"]}\n'.encode(),
    b"1e308",
    b'["' + b"," * 600_000 + b'"]',
    b"[" + b"[1]," * 250_000 + b"1]",
    b"{}",
    b'{"": 1}',
]


@pytest.mark.parametrize("raw", ACCEPTED, ids=lambda raw: ascii(raw[:24]))
def test_json_is_read_as_by_the_standard_library(raw):
    assert parse(raw, path="config.json") == json.loads(raw)


def test_the_offset_counts_bytes():
    with pytest.raises(CorruptFileError) as caught:
        parse('["é", x]'.encode(), path="config.json")
    assert caught.value.offset == 7


def test_the_message_is_one_line_whatever_the_key_is():
    with pytest.raises(CorruptFileError) as caught:
        parse(
            json.dumps({"a\n\u202e" * 100: 1})[:-1].encode() + b"," + json.dumps({"a\n\u202e" * 100: 1})[1:].encode(),
            path="/x" * 500,
        )
    assert len(str(caught.value)) <= 400
    assert "\n" not in str(caught.value)
    assert "\u202e" not in str(caught.value)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(values, st.booleans())
@settings(max_examples=300, deadline=None)
def test_what_json_dumps_writes_is_read_back(value, ascii_only):
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode(), path="x") == value


@given(st.binary(max_size=60) | st.text('[]{}",:\\u0d8ac1e+-.truefalsn \n', max_size=60).map(str.encode))
@settings(max_examples=1000, deadline=None)
def test_any_bytes_end_in_a_value_or_in_our_error(raw):
    try:
        value = parse(raw, path="x")
    except NumelError:
        return
    assert json.loads(raw) == value
