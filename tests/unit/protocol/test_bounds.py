"""Bounds of a document: each holds to the unit, for members that nobody reads too, and says where it was crossed."""

from __future__ import annotations

import pytest

from kas.errors import InvalidStructure
from kas.protocol.bounds import MAX_PLACE_CHARS, JsonBounds, check_bounds

WIDE = JsonBounds(depth=100, values=1000, string_chars=1000)


def beyond(value, **bounds):
    with pytest.raises(InvalidStructure) as refused:
        check_bounds(value, JsonBounds(**({"depth": 100, "values": 1000, "string_chars": 1000} | bounds)))
    return [(fault.field, fault.code) for fault in refused.value.faults]


@pytest.mark.parametrize(
    ("value", "depth", "place"),
    [
        (1, 1, None),
        ({}, 1, None),
        ([1], 1, "[0]"),
        ([1], 2, None),
        ({"a": [0, [1]]}, 3, "a[1][0]"),
        ({"a": [0, [1]]}, 4, None),
        ({"a": 1, "b": {"c": {}}}, 2, "b.c"),
    ],
)
def test_depth_counts_the_outermost_value_as_one(value, depth, place):
    if place is None:
        assert check_bounds(value, JsonBounds(depth, 1000, 1000)) is None
    else:
        assert beyond(value, depth=depth) == [(place, "too_deep")]


@pytest.mark.parametrize(
    ("value", "size"), [(1, 1), ([1, 2, [3]], 5), ({"a": 1, "b": [2, 3]}, 5), ([[], {}, {"a": None}, True], 6)]
)
def test_attack_z01_values_are_counted_with_the_outermost(value, size):
    check_bounds(value, JsonBounds(100, size, 1000))
    assert beyond(value, values=size - 1)[0][1] == "too_many"


@pytest.mark.parametrize(
    ("value", "place"),
    [("12345", ""), ({"a": ["", "12345"]}, "a[1]"), ({"12345": 1}, "12345"), ([{"12345": 1}], "[0].12345")],
)
def test_attack_z01_texts_and_names_are_bounded(value, place):
    check_bounds(value, JsonBounds(100, 1000, 5))
    assert beyond(value, string_chars=4) == [(place, "too_long")]


def test_a_place_is_bounded():
    assert len(beyond({"x" * 900: {"y": []}}, depth=2)[0][0]) == MAX_PLACE_CHARS


def test_the_document_around_a_token_may_hold_one_long_text():
    check_bounds({"signedRequestToken": "x" * 5000}, WIDE.around_token(5000))
    with pytest.raises(InvalidStructure):
        check_bounds({"signedRequestToken": "x" * 5000}, WIDE.around_token(4999))
