"""Strict JSON: what is refused, with which status, and where it says the fault is."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.api.json_body import MAX_DEPTH, MAX_TEXT, dump_json, parse_json
from shared.errors import InputTooLarge, InvalidInput, MalformedInput


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (b"", "malformed", "no body"),
        (b"  \n", "malformed", "no body"),
        (b"{", "malformed", "not JSON"),
        (b'{"a": 1} x', "malformed", "line 1, column 10"),
        (b"{'a': 1}", "malformed", "not JSON"),
        (b"\xff\xfe", "malformed", "not UTF-8: byte 1"),
        (b'{"a": 1, "a": 2}', "duplicate_key", "'a' is given twice"),
        (b'{"a": ' + b"9" * 5000 + b"}", "malformed", "too many digits"),
        (b'"\\ud800"', "malformed", "surrogate"),
    ],
)
def test_what_is_not_json_is_malformed(body: bytes, code: str, message: str) -> None:
    with pytest.raises(MalformedInput) as caught:
        parse_json(body)
    (fault,) = caught.value.faults
    assert fault.pointer == ""
    assert fault.code == code
    assert message in fault.message


def test_nan_and_infinity_are_refused_where_they_stand() -> None:
    with pytest.raises(MalformedInput) as caught:
        parse_json(b'{"budget": NaN, "channels": [{"max_spend": -Infinity}, 1.5]}')
    assert [(f.pointer, f.code) for f in caught.value.faults] == [
        ("/budget", "not_finite"),
        ("/channels/0/max_spend", "not_finite"),
    ]
    assert "budget must be a finite number" in caught.value.faults[0].message


def test_a_number_beyond_floating_point_is_well_formed_but_refused() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_json(b'{"budget": 1e999, "more": ' + b"9" * 400 + b"}")
    assert not isinstance(caught.value, MalformedInput)
    assert [f.pointer for f in caught.value.faults] == ["/budget", "/more"]


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1000, 100_000])
def test_depth_is_bounded(depth: int) -> None:
    with pytest.raises(InputTooLarge, match="32 levels"):
        parse_json(b"[" * depth + b"]" * depth)


def test_reasonable_depth_is_read() -> None:
    assert parse_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)


def test_text_is_bounded_but_for_a_history() -> None:
    long = "x" * (MAX_TEXT + 1)
    with pytest.raises(InputTooLarge, match="/name"):
        parse_json(json.dumps({"name": long}).encode())
    with pytest.raises(InputTooLarge):
        parse_json(json.dumps({long: 1}).encode())
    assert parse_json(json.dumps({"history_csv": long}).encode()) == {"history_csv": long}


def test_a_byte_order_mark_is_no_fault() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.text(max_size=20)
    # Half surrogates cannot be sent as UTF-8.
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=20,
)


@given(JSON)
def test_what_is_written_is_read_again(value: object) -> None:
    assert parse_json(dump_json(value)) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, [1.0, -math.inf]])
def test_an_answer_is_never_nan(value: object) -> None:
    with pytest.raises(ValueError, match="Out of range"):
        dump_json(value)
