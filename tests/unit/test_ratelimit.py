"""Sliding windows: against a naive one, at their limits, and under many threads."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kas.errors import NetworkLimit, RewrapLimit
from kas.ratelimit import Limit, Quota, SlidingWindow

WINDOW = 60.0


@dataclass
class Time:
    """A clock that a test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def window(quota: int = 3, capacity: int = 1000, clock: Time | None = None) -> tuple[SlidingWindow, Time]:
    clock = clock or Time()
    return SlidingWindow(Limit("test", quota, WINDOW), clock, capacity=capacity, refusal=NetworkLimit), clock


def wait_of(limiter: SlidingWindow, key: str = "a") -> float | None:
    """None for an admitted request, else the seconds that the refusal names."""
    try:
        limiter.admit(key)
    except NetworkLimit as refusal:
        return refusal.retry_after
    return None


@dataclass
class NaiveWindow:
    """The same rules without thought for speed: every admitted request, counted anew each time."""

    quota: int
    capacity: int
    clock: Time
    now: float = 0.0
    hits: list[tuple[float, str]] = field(default_factory=list)

    def wait(self, key: str) -> float | None:
        self.now = max(self.now, self.clock())
        live = [hit for hit in self.hits if hit[0] + WINDOW > self.now]
        own = [hit for hit in live if hit[1] == key]
        if len(own) >= self.quota:
            return own[0][0] + WINDOW - self.now
        if len(live) >= self.capacity:
            return live[0][0] + WINDOW - self.now
        self.hits.append((self.now, key))
        return None


class AgainstNaive(RuleBasedStateMachine):
    """Both windows get the same requests at the same times."""

    def __init__(self) -> None:
        super().__init__()
        self.limiter, self.clock = window(quota=3, capacity=8)
        self.naive = NaiveWindow(3, 8, self.clock)

    @rule(key=st.sampled_from("abcde"))
    def ask(self, key: str) -> None:
        assert wait_of(self.limiter, key) == self.naive.wait(key)

    @rule(seconds=st.sampled_from([0.5, 7.0, WINDOW / 2, WINDOW, WINDOW + 1, -20.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def holds_no_more_than_it_may(self) -> None:
        counts = [log.count for log in self.limiter._logs.values()]
        assert sum(counts) == len(self.limiter._hits) <= 8
        assert all(1 <= count <= 3 for count in counts)


AgainstNaive.TestCase.settings = settings(max_examples=30, stateful_step_count=60, deadline=None)
TestAgainstNaive = AgainstNaive.TestCase


@given(st.lists(st.floats(0, 40), max_size=60))
def test_no_stretch_of_a_window_admits_more_than_the_quota(steps):
    """Wherever the stretch begins: not only per minute of the clock."""
    limiter, clock = window(quota=4)
    admitted = []
    for step in steps:
        clock.now += step
        if wait_of(limiter) is None:
            admitted.append(clock.now)
    assert all(later >= earlier + WINDOW for earlier, later in zip(admitted, admitted[4:], strict=False))


def test_quota_is_admitted_and_the_next_is_not():
    """The quota itself, to the last place."""
    limiter, _ = window(quota=100)
    waits = [wait_of(limiter) for _ in range(101)]
    assert waits == [None] * 100 + [WINDOW]


def test_admitted_request_is_told_what_is_left():
    """One less each time; the next place is free when the oldest request leaves the window."""
    limiter, clock = window(quota=2)
    limit = Limit("test", 2, WINDOW)
    assert limiter.admit("a") == Quota(limit, 1, 60.0)
    clock.now += 20
    assert limiter.admit("a") == Quota(limit, 0, 40.0)


def test_note_is_told_whether_or_not_there_was_a_place():
    """A refused request's answer can say as much as an admitted one's."""
    limiter, clock = window(quota=1)
    noted = []
    quota = limiter.admit("a", noted.append)
    clock.now += 12
    with pytest.raises(NetworkLimit):
        limiter.admit("a", noted.append)
    assert noted == [quota, Quota(Limit("test", 1, WINDOW), 0, 48.0)]


def test_full_memory_leaves_nothing_to_promise():
    """What is left is no more than there is room for, and is free when the oldest of all is."""
    limiter, clock = window(quota=5, capacity=3)
    limiter.admit("a")
    clock.now += 10
    assert limiter.admit("b").remaining == 1
    clock.now += 10
    assert limiter.admit("b") == Quota(Limit("test", 5, WINDOW), 0, 40.0)


def test_refusal_is_the_one_that_was_asked_for():
    """Each limit has its own."""
    limiter = SlidingWindow(Limit("rewrap", 1, WINDOW), Time(), capacity=10, refusal=RewrapLimit)
    limiter.admit("a")
    with pytest.raises(RewrapLimit):
        limiter.admit("a")


def test_refused_requests_do_not_count():
    """Whoever goes on asking is admitted as soon as whoever waited."""
    limiter, clock = window(quota=2)
    for _ in range(2):
        limiter.admit("a")
    for _ in range(50):
        assert wait_of(limiter) is not None
        clock.now += 1
    clock.now += 10
    assert [wait_of(limiter) for _ in range(3)] == [None, None, WINDOW]


def test_keys_are_counted_apart():
    """One that is used up takes nothing from another."""
    limiter, _ = window(quota=1)
    assert [wait_of(limiter, key) for key in ("a", "b", "a", "", "b")] == [None, None, WINDOW, None, WINDOW]


def test_attack_l05_a_refused_request_passes_after_the_time_it_was_told():
    """Exactly then, and not a moment before."""
    limiter, clock = window(quota=3)
    for step in (0.0, 7.0, 11.0):
        clock.now += step
        limiter.admit("a")
    clock.now += 5
    wait = wait_of(limiter)
    assert wait == 60.0 - 23.0
    clock.now += wait - 0.25
    assert wait_of(limiter) == 0.25
    clock.now += 0.25
    assert wait_of(limiter) is None
    assert wait_of(limiter) == 7.0


def test_attack_l05_refused_by_full_memory_passes_after_the_time_it_was_told():
    """The oldest request of anybody makes room."""
    limiter, clock = window(quota=3, capacity=2)
    limiter.admit("a")
    clock.now += 10
    limiter.admit("b")
    assert wait_of(limiter, "c") == 50.0
    clock.now += 50
    assert wait_of(limiter, "c") is None


def test_attack_l02_flood_of_keys_stays_within_the_capacity():
    """However many keys come, so many hits and keys are remembered, and a refused key leaves nothing behind."""
    limiter, clock = window(quota=3, capacity=500)
    for number in range(20_000):
        wait_of(limiter, f"key {number}")
        clock.now += 0.001
    assert len(limiter._hits) == len(limiter._logs) == 500


def test_attack_l02_flood_of_keys_frees_nobody():
    """Full, the memory forgets nothing early: who was over his limit still is, to the second."""
    limiter, clock = window(quota=2, capacity=100)
    for _ in range(2):
        limiter.admit("attacker")
    for number in range(1000):
        wait_of(limiter, f"key {number}")
    clock.now += 59
    assert wait_of(limiter, "attacker") == 1.0
    assert wait_of(limiter, "newcomer") == 1.0


def test_attack_l02_memory_returns_to_nothing():
    """After floods have expired, one request remembers one hit."""
    limiter, clock = window(capacity=1000)
    for turn in range(10):
        for number in range(1000):
            limiter.admit(f"key {turn} {number}")
        clock.now += WINDOW
    limiter.admit("a")
    assert (len(limiter._hits), len(limiter._logs)) == (1, 1)


@pytest.mark.parametrize("key", ["", "x" * 1_000_000, "\ud800", "\x00", "é" * 50_000])
def test_attack_l02_any_text_is_a_key_of_one_size(key):
    """Long and odd ones too, and a long one is not taken for another."""
    limiter, _ = window(quota=1)
    assert [wait_of(limiter, key), wait_of(limiter, key), wait_of(limiter, key + "y")] == [None, WINDOW, None]
    assert {len(stored) for stored in limiter._logs} == {32}


def test_each_request_is_forgotten_once():
    """Nothing is looked through from end to end: with 100 000 remembered, one more request takes off what expired."""
    limiter, clock = window(capacity=100_000)
    for number in range(100_000):
        limiter.admit(str(number))
        clock.now += 0.0005
    clock.now += WINDOW - 50 + 0.00025  # the first is out, the second is not
    limiter.admit("a")
    assert len(limiter._hits) == 100_000


def test_clock_that_goes_back_frees_nothing():
    """Time stands still until it has caught up, and what is told stays within a window."""
    limiter, clock = window(quota=2)
    limiter.admit("a")
    clock.now += 30
    limiter.admit("a")
    clock.now -= 500
    assert wait_of(limiter) == 30.0
    assert wait_of(limiter, "b") is None
    clock.now += 500 + 30
    assert [wait_of(limiter), wait_of(limiter)] == [None, 30.0]


def test_threads_together_get_the_quota_and_no_more():
    """Counting is one operation."""
    for _ in range(10):
        limiter, _ = window(quota=20)
        together = threading.Barrier(32)

        def ask(_number: int, limiter: SlidingWindow = limiter, together: threading.Barrier = together) -> object:
            together.wait(timeout=20)
            return [wait_of(limiter) for _ in range(5)]

        with ThreadPoolExecutor(32) as pool:
            waits = list(itertools.chain.from_iterable(pool.map(ask, range(32))))
        assert (waits.count(None), len(waits), limiter._logs.popitem()[1].count) == (20, 160, 20)


def test_threads_enter_one_at_a_time():
    """A clock that lets the others run between reading and counting changes nothing."""

    class Yielding(Time):
        def __call__(self) -> float:
            inside.append(threading.get_ident())
            pause.wait(0.002)
            overlaps.append(len(inside) > 1)
            inside.pop()
            return self.now

    inside: list[int] = []
    overlaps: list[bool] = []
    pause = threading.Event()
    limiter, _ = window(quota=20, clock=Yielding())
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _number: wait_of(limiter), range(24)))
    assert overlaps == [False] * 24
