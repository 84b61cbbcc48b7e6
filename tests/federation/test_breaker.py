"""The circuit breaker of a peer: when it opens, what it admits then, and what it counts."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from kas.errors import PeerUnavailable
from kas.federation.breaker import Breaker, BreakerStatus


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return Breaker(clock)


def fail(breaker, times=1):
    for _ in range(times):
        breaker.admit()
        breaker.failed()


def opened(breaker):
    fail(breaker, 5)
    return breaker


def refusal(breaker):
    """What is said when a call is not admitted."""
    with pytest.raises(PeerUnavailable) as caught:
        breaker.admit()
    assert (caught.value.code, caught.value.status) == ("peer_unavailable", 503)
    return caught.value


def test_a_new_breaker_is_closed_and_has_counted_nothing(breaker):
    assert breaker.status() == BreakerStatus("closed", 0, 0, 0, 0, None)


def test_fewer_failures_in_a_row_leave_it_closed(breaker):
    fail(breaker, 4)
    breaker.admit()
    assert breaker.status() == BreakerStatus("closed", 4, 0, 4, 0, None)


def test_so_many_failures_in_a_row_open_it(breaker):
    fail(breaker, 5)
    refusal(breaker)
    assert breaker.status() == BreakerStatus("open", 5, 0, 5, 1, 0.0)


def test_a_success_between_begins_the_row_anew(breaker):
    fail(breaker, 4)
    breaker.succeeded()
    fail(breaker, 4)
    breaker.admit()
    assert breaker.status() == BreakerStatus("closed", 4, 1, 8, 0, None)


def test_its_bounds_are_arguments(clock):
    breaker = Breaker(clock, failures=1, open_seconds=2)
    fail(breaker)
    assert refusal(breaker).retry_after == 2
    clock.now += 2
    breaker.admit()


def test_while_it_is_open_it_refuses_and_says_how_long(breaker, clock):
    opened(breaker)
    assert refusal(breaker).retry_after == 30
    clock.now += 12
    assert refusal(breaker).retry_after == 18
    clock.now += 17.5
    assert refusal(breaker).retry_after == 0.5
    assert breaker.status() == BreakerStatus("open", 5, 0, 5, 3, 29.5)


def test_after_a_while_it_admits_one_trial(breaker, clock):
    opened(breaker)
    clock.now += 30
    assert breaker.status().state == "half-open"
    breaker.admit()
    clock.now += 1
    assert refusal(breaker).retry_after == 29
    assert breaker.status() == BreakerStatus("half-open", 5, 0, 5, 1, 31.0)


def test_of_many_at_once_one_is_the_trial(breaker, clock):
    opened(breaker)
    clock.now += 30
    start = threading.Barrier(16)

    def attempt(_):
        start.wait(20)
        try:
            breaker.admit()
        except PeerUnavailable:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(attempt, range(16))) == 1
    assert breaker.status().refusals == 15


def test_a_trial_that_succeeds_closes_it(breaker, clock):
    opened(breaker)
    clock.now += 30
    breaker.admit()
    breaker.succeeded()
    assert breaker.status() == BreakerStatus("closed", 0, 1, 5, 0, None)
    fail(breaker, 4)
    breaker.admit()


def test_a_trial_that_fails_opens_it_for_as_long_again(breaker, clock):
    opened(breaker)
    clock.now += 30
    fail(breaker)
    assert breaker.status() == BreakerStatus("open", 6, 0, 6, 0, 0.0)
    assert refusal(breaker).retry_after == 30
    clock.now += 30
    breaker.admit()


def test_after_a_trial_that_never_ends_there_is_another(breaker, clock):
    """Whoever made it may be gone."""
    opened(breaker)
    clock.now += 30
    breaker.admit()
    clock.now += 29.9
    refusal(breaker)
    clock.now += 0.1
    breaker.admit()
    refusal(breaker)


def test_a_failure_of_a_call_from_before_does_not_keep_it_open(breaker, clock):
    breaker.admit()
    opened(breaker)
    clock.now += 20
    breaker.failed()
    assert breaker.status() == BreakerStatus("open", 6, 0, 6, 0, 20.0)
    clock.now += 10
    breaker.admit()


def test_a_success_of_a_call_from_before_closes_it(breaker):
    """The peer has just answered."""
    breaker.admit()
    opened(breaker)
    breaker.succeeded()
    breaker.admit()


def test_fault_16_every_outcome_is_counted_however_many_report(breaker):
    def report(number):
        breaker.succeeded() if number % 4 else breaker.failed()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(report, range(4000)))
    status = breaker.status()
    assert (status.successes, status.failures) == (3000, 1000)
