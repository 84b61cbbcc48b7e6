"""What counts as a time in tokens and proofs."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kas.auth.times import LEEWAY_SECONDS, PROOF_MEMORY_SECONDS, PROOF_WINDOW_SECONDS, parse_time

YEAR_10000 = 253_402_300_800


@pytest.mark.parametrize("value", [0, 0.0, 1, 1_790_000_000, 1_790_000_000.25, YEAR_10000 - 1, YEAR_10000 - 0.5])
def test_a_number_from_1970_to_9999_is_a_time(value):
    time = parse_time(value)
    assert time == value
    assert isinstance(time, float)


@pytest.mark.parametrize(
    "value",
    [-1, -0.001, YEAR_10000, 2**53, 10**400, 1e300, math.inf, -math.inf, math.nan],
    ids=lambda value: str(value)[:20],
)
def test_a_number_outside_is_none(value):
    with pytest.raises(ValueError, match="between 1970 and 9999"):
        parse_time(value)


@pytest.mark.parametrize("value", [None, True, False, "", "5", "soon", b"5", [], [5], {}, 5j], ids=repr)
def test_what_is_no_number_is_no_time(value):
    with pytest.raises(ValueError, match="must be a number"):
        parse_time(value)


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none()))
def test_a_time_is_finite_and_plausible_or_refused(value):
    try:
        time = parse_time(value)
    except ValueError:
        return
    assert 0 <= time < YEAR_10000


def test_a_used_proof_is_remembered_as_long_as_it_could_be_accepted():
    """It may come the leeway early, is good for the window, and the memory's clock is the same one."""
    assert PROOF_MEMORY_SECONDS >= PROOF_WINDOW_SECONDS + LEEWAY_SECONDS
