"""The budget of key operations: by caller and minute, by caller and by process and day, and its alarm."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kas.errors import BudgetExhausted
from kas.keys.budget import REMEMBERED, SHARE, Day, KeyOperationBudget

DAY = 86_400.0


class World:
    """A budget, its clock, and the warnings it gave."""

    def __init__(self, per_minute=1000, per_day=20_000):
        self.now = 5000.0
        self.newcomers = map("newcomer {}".format, itertools.count())
        self.warnings = []
        self.budget = KeyOperationBudget(
            per_minute=per_minute, per_day=per_day, clock=lambda: self.now, warn=self.warnings.append
        )

    def spend(self, caller=None):
        """None when the operation may go on, else the seconds until one may. Without ``caller`` somebody new asks."""
        try:
            self.budget.spend(caller or next(self.newcomers))
        except BudgetExhausted as refusal:
            return refusal.retry_after
        return None


def test_attack_l07_caller_has_so_many_a_minute():
    """Beyond them his, and nobody else's, operations are refused until the oldest is a minute ago."""
    world = World(per_minute=3)
    assert [world.spend("a") for _ in range(4)] == [None, None, None, 60.0]
    assert world.spend("b") is None
    world.now += 60
    assert world.spend("a") is None


def test_attack_l07_process_has_so_many_a_day():
    """All callers together."""
    world = World(per_day=5)
    assert [world.spend(caller) for caller in "abcde"] == [None] * 5
    assert world.spend("f") == DAY
    world.now += DAY - 0.5
    assert world.spend("f") == 0.5
    world.now += 0.5
    assert world.spend("f") is None


@given(st.lists(st.sampled_from([0.0, 1.0, 59.0, 61.0, 3600.0, 40_000.0]), max_size=80))
def test_attack_l07_no_24_hours_have_more(steps):
    """Wherever they begin."""
    world = World(per_day=4)
    spent = []
    for step in steps:
        world.now += step
        if world.spend() is None:
            spent.append(world.now)
    assert all(later >= earlier + DAY for earlier, later in zip(spent, spent[4:], strict=False))


def test_attack_l07_refused_by_the_day_waits_as_long_as_it_is_told():
    """Operations within a minute are forgotten together, when the last of them may be."""
    world = World(per_day=3)
    for step in (0.0, 59.0, 1.0):
        world.now += step
        assert world.spend() is None
    wait = world.spend()
    assert wait == DAY - 1.0
    world.now += wait - 0.5
    assert world.spend() == 0.5
    world.now += 0.5
    assert [world.spend(), world.spend()] == [None, None]
    assert world.spend() == 1.0


def test_attack_l07_memory_of_a_day_is_small():
    """However many operations: a grain for each minute."""
    world = World(per_minute=1_000_000, per_day=10_000_000)
    for _ in range(30_000):
        world.now += 6
        assert world.spend("a") is None
    assert len(world.budget._day._grains) <= 24 * 60 + 1
    assert len(world.budget._shares._grains) <= 24 + 1
    assert len(world.budget._minute._hits) == 10


def test_attack_l07_many_callers_fill_a_bounded_memory_and_are_refused():
    """Beyond it nothing is forgotten early: each newcomer is refused, with the true time."""
    world = World(per_minute=1, per_day=10_000_000)
    for number in range(REMEMBERED):
        world.budget.spend(str(number))
    assert world.spend("newcomer") == 60.0
    assert len(world.budget._minute._hits) == REMEMBERED


def test_attack_l07_large_minute_can_be_used_up():
    """The memory is never smaller than what one caller may spend."""
    world = World(per_minute=REMEMBERED + 1, per_day=10_000_000)
    assert {world.spend("a") for _ in range(REMEMBERED + 1)} == {None}
    assert world.spend("a") == 60.0


def test_attack_l07_refusal_by_the_minute_costs_nothing_of_the_day():
    """A caller who goes on asking cannot use up what the others need."""
    world = World(per_minute=1, per_day=2 * SHARE)
    assert [world.spend("flood") for _ in range(100)] == [None] + [60.0] * 99
    assert world.budget.left() == 2 * SHARE - 1
    world.now += 60
    assert world.spend("flood") is None  # nor of his share


def test_attack_l07_refusal_by_the_day_costs_nothing_of_the_minute():
    """When there is something left again, the caller still has his own."""
    world = World(per_minute=2, per_day=2 * SHARE)
    for _ in range(2 * SHARE):
        world.spend()
    world.now += DAY - 1
    for _ in range(10):
        assert world.spend("a") == 1.0
    world.now += 1
    assert [world.spend("a"), world.spend("a")] == [None, None]


def test_attack_l07_clock_that_goes_back_gives_nothing_back():
    """Neither of the minute nor of the day, and what is told stays within a day."""
    world = World(per_minute=1, per_day=2 * SHARE)
    world.spend("a")
    world.now -= 10 * DAY
    assert world.spend("a") == 60.0
    assert [world.spend() for _ in range(2 * SHARE - 1)] == [None] * (2 * SHARE - 1)
    assert world.spend("c") == DAY
    world.now += 11 * DAY - 1
    assert world.spend("c") == 1.0


def test_attack_l07_one_caller_has_an_eighth_of_the_day():
    """Beyond it he is refused, with the true time and at no cost, and the others have theirs."""
    world = World(per_day=3 * SHARE)
    assert [world.spend("a") for _ in range(3)] == [None] * 3
    world.now += 7200
    assert [world.spend("a") for _ in range(100)] == [DAY - 7200] * 100
    assert world.budget.left() == 3 * SHARE - 3
    assert [world.spend("b") for _ in range(4)] == [None] * 3 + [DAY]
    world.now += DAY - 7200
    assert [world.spend("a") for _ in range(4)] == [None] * 3 + [DAY]


def test_attack_l07_operations_of_others_do_not_make_a_caller_wait_longer():
    """His own last operation decides when an hour of his is forgotten, and what he is told."""
    world = World(per_day=3 * SHARE)
    for step, caller in ((0.0, "b"), (10.0, "a"), (10.0, "a"), (10.0, "a"), (1800.0, "b")):
        world.now += step
        assert world.spend(caller) is None
    wait = world.spend("a")
    assert wait == DAY - 1800.0
    world.now += wait - 0.5
    assert world.spend("a") == 0.5
    world.now += 0.5
    assert [world.spend("a") for _ in range(4)] == [None] * 3 + [DAY]
    assert world.spend("b") is None


def test_attack_l07_what_one_caller_was_given_back_early_is_counted_once():
    """The hour goes in the end, and everything of it."""
    day = Day(3, grain_seconds=3600.0, capacity=4)
    for now, key in ((0.0, b"a"), (0.0, b"a"), (30.0, b"b"), (3599.0, b"c")):
        day.check(key, now)
        day.count(key)
    assert [day.left(b"a", DAY), day.left(b"b", DAY), day._counts] == [3, 2, 2]
    assert [day.left(b"a", DAY + 3599.0), day._counts, day._spent, len(day._grains)] == [3, 0, {}, 0]


def test_attack_l07_a_share_is_at_least_one():
    """Of a day with fewer operations than shares."""
    world = World(per_day=2)
    assert [world.spend("a"), world.spend("a"), world.spend("b")] == [None, DAY, None]


@given(st.lists(st.sampled_from([0.0, 1.0, 3599.0, 3601.0, 20_000.0, 40_000.0]), max_size=80))
def test_attack_l07_no_24_hours_of_one_caller_have_more(steps):
    """Wherever they begin; and whoever waits as long as he is told is admitted."""
    world = World(per_day=4 * SHARE)
    spent = []
    for step in steps:
        world.now += step
        wait = world.spend("a")
        if wait is not None:
            world.now += wait
            assert world.spend("a") is None
        spent.append(world.now)
    assert all(later >= earlier + DAY for earlier, later in zip(spent, spent[4:], strict=False))


def test_attack_l07_memory_of_shares_is_bounded_and_forgets_nothing_early():
    """While it is full, whoever comes is refused until the oldest hour goes; each hour of a caller is one count."""
    day = Day(3, grain_seconds=3600.0, capacity=2)
    for now, key in ((0.0, b"a"), (10.0, b"a"), (20.0, b"b")):
        day.check(key, now)
        day.count(key)
    with pytest.raises(BudgetExhausted) as refused:
        day.check(b"c", 7200.0)
    assert refused.value.retry_after == DAY + 20.0 - 7200.0
    day.check(b"c", DAY + 20.0)
    assert (day._counts, day._spent) == (0, {})


def test_attack_l07_threads_together_get_the_day_and_no_more():
    """Checking and counting are one operation."""

    def slow_clock():
        pause.wait(0.001)
        return 0.0

    pause = threading.Event()
    budget = KeyOperationBudget(per_minute=1000, per_day=20, clock=slow_clock, warn=lambda _line: None)

    def spend(number):
        try:
            budget.spend(str(number))
        except BudgetExhausted:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(spend, range(64))).count(True) == 20


def test_alarm_at_four_fifths_says_how_much_is_spent():
    """At the operation that reaches it, before anything is refused."""
    world = World(per_day=10)
    for _ in range(7):
        world.spend()
    assert world.warnings == []
    world.spend()
    assert world.warnings == [{"severity": "WARNING", "event": "key_budget_low", "operations": 8, "limit": 10}]


def test_alarm_rings_once_until_the_budget_has_recovered():
    """Not at each operation, nor while all is refused; again when it has been below."""
    world = World(per_day=10)
    for _ in range(30):
        world.spend()
    assert len(world.warnings) == 1
    world.now += DAY
    for _ in range(7):
        world.spend()
    assert len(world.warnings) == 1
    world.spend()
    assert len(world.warnings) == 2


def test_alarm_does_not_ring_again_while_the_budget_stays_low():
    """Old operations go, new ones come, and it never falls below."""
    world = World(per_day=25)
    for _ in range(100):  # 24 of 25 from the first day's end on
        assert world.spend() is None
        world.now += 3600
    assert len(world.warnings) == 1


def test_operation_whose_alarm_cannot_be_told_does_not_go_on():
    """It counts, and the failure reaches the caller of the budget."""

    def fail(_line):
        raise OSError

    budget = KeyOperationBudget(per_minute=10, per_day=1, clock=lambda: 0.0, warn=fail)
    with pytest.raises(OSError):
        budget.spend("a")
    with pytest.raises(BudgetExhausted):
        budget.spend("a")


def test_what_is_left_of_the_day_is_told_at_any_time():
    """Also when nothing has been spent for so long that old operations are forgotten; asking takes none."""
    world = World(per_day=3)
    world.spend()
    world.now += 3600
    world.spend()
    assert [world.budget.left(), world.budget.left()] == [1, 1]
    world.now += DAY - 3600
    assert world.budget.left() == 2
