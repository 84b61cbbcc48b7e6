"""Trying again: only what may pass by itself, a few times, after a random wait, never past the deadline."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from kas.errors import BudgetExhausted
from kas.google.status import GoogleError
from kas.keys.kms_answers import AnswerDamaged, KeyUnfit
from kas.keys.retry import BASE_SECONDS, CAP_SECONDS, MAX_ATTEMPTS, Retry

DOWN = GoogleError("UNAVAILABLE", "away")
DAMAGED = AnswerDamaged("changed on the way")


@dataclass
class World:
    """Attempts that fail with ``errors`` in turn and then succeed; each takes ``seconds``."""

    errors: list[Exception] = field(default_factory=list)
    seconds: float = 0.0
    chance: float = 0.5
    now: float = 100.0
    slept: list[float] = field(default_factory=list)
    allowed: list[float] = field(default_factory=list)

    def run(self, seconds=8.0, **options):
        retry = Retry(timeout_seconds=3.0, timer=lambda: self.now, sleep=self._sleep, random=lambda: self.chance)
        return retry.run(self._attempt, deadline=self.now + seconds, **options)

    def _attempt(self, seconds):
        self.allowed.append(seconds)
        self.now += min(self.seconds, seconds)
        if self.errors:
            raise self.errors.pop(0)
        return "answer"

    def _sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def test_what_succeeds_is_done_once():
    world = World()
    assert world.run() == "answer"
    assert (world.allowed, world.slept) == ([3.0], [])


@pytest.mark.parametrize(
    "error",
    [*(GoogleError(status, "") for status in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED")), DAMAGED],
    ids=str,
)
def test_what_may_pass_by_itself_is_tried_again(error):
    world = World([error, error])
    assert world.run() == "answer"
    assert len(world.allowed) == 3


@pytest.mark.parametrize(
    "error",
    [
        *(
            GoogleError(status, "")
            for status in (
                "INVALID_ARGUMENT", "FAILED_PRECONDITION", "PERMISSION_DENIED", "UNAUTHENTICATED", "NOT_FOUND",
                "INTERNAL", "UNKNOWN", "ABORTED", "CANCELLED", "UNIMPLEMENTED", "",
            )
        ),
        KeyUnfit("another key"),
        BudgetExhausted(),
        RuntimeError("a fault of ours"),
    ],
    ids=repr,
)  # fmt: skip
def test_whatever_else_is_not(error):
    world = World([error])
    with pytest.raises(type(error)) as caught:
        world.run()
    assert caught.value is error
    assert (len(world.allowed), world.slept) == (1, [])


def test_after_three_attempts_it_ends_with_what_the_last_one_met():
    last = GoogleError("RESOURCE_EXHAUSTED", "quota")
    world = World([DOWN, DOWN, last, DOWN])
    with pytest.raises(GoogleError) as caught:
        world.run()
    assert caught.value is last
    assert (len(world.allowed), len(world.slept), MAX_ATTEMPTS) == (3, 2, 3)


def test_where_one_attempt_is_asked_for_there_is_one():
    world = World([DOWN])
    with pytest.raises(GoogleError):
        world.run(attempts=1)
    assert (len(world.allowed), world.slept) == (1, [])


@pytest.mark.parametrize("chance", [0.0, 0.25, 0.999])
def test_a_wait_is_a_random_part_of_one_that_doubles_up_to_a_cap(chance):
    world = World([DOWN] * 7, chance=chance)
    world.run(60.0, attempts=8)
    longest = [0.05, 0.1, 0.2, 0.4, 0.5, 0.5, 0.5]
    assert world.slept == pytest.approx([chance * seconds for seconds in longest])
    assert (BASE_SECONDS, CAP_SECONDS) == (0.05, 0.5)


def test_an_attempt_may_take_no_longer_than_is_left():
    world = World([DOWN, DOWN], seconds=3.0, chance=0.0)
    assert world.run(8.0) == "answer"
    assert world.allowed == [3.0, 3.0, 2.0]


def test_no_wait_ends_past_the_deadline():
    """What was met is told at once; nobody sleeps first."""
    world = World([DOWN, DOWN], seconds=3.0, chance=1.0)
    with pytest.raises(GoogleError) as caught:
        world.run(3.05)
    assert caught.value is DOWN
    assert (world.slept, len(world.allowed)) == ([], 1)


@pytest.mark.parametrize("left", [0.0, -1.0])
def test_without_time_there_is_no_attempt(left):
    world = World()
    with pytest.raises(GoogleError, match="DEADLINE_EXCEEDED"):
        world.run(left)
    assert world.allowed == []


def test_a_sleep_that_takes_too_long_is_not_followed_by_an_attempt():
    world = World([DOWN])
    world._sleep = lambda _seconds: setattr(world, "now", world.now + 60)
    with pytest.raises(GoogleError, match="DEADLINE_EXCEEDED"):
        world.run()
    assert len(world.allowed) == 1
