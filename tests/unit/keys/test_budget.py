"""The budget of key operations: by caller and minute, by process and day, and its alarm."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kas.errors import BudgetExhausted
from kas.keys.budget import REMEMBERED, KeyOperationBudget

DAY = 86_400.0


class World:
    """A budget, its clock, and the warnings it gave."""

    def __init__(self, per_minute=1000, per_day=20_000):
        self.now = 5000.0
        self.warnings = []
        self.budget = KeyOperationBudget(
            per_minute=per_minute, per_day=per_day, clock=lambda: self.now, warn=self.warnings.append
        )

    def spend(self, caller="a"):
        """None when the operation may go on, else the seconds until one may."""
        try:
            self.budget.spend(caller)
        except BudgetExhausted as refusal:
            return refusal.retry_after
        return None


def test_attack_l07_caller_has_so_many_a_minute():
    """Beyond them his, and nobody else's, operations are refused until the oldest is a minute ago."""
    world = World(per_minute=3)
    assert [world.spend() for _ in range(4)] == [None, None, None, 60.0]
    assert world.spend("b") is None
    world.now += 60
    assert world.spend() is None


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
        world.spend()
    assert len(world.budget._day._grains) <= 24 * 60 + 1
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
    assert {world.spend() for _ in range(REMEMBERED + 1)} == {None}
    assert world.spend() == 60.0


def test_attack_l07_refusal_by_the_minute_costs_nothing_of_the_day():
    """A caller who goes on asking cannot use up what the others need."""
    world = World(per_minute=1, per_day=3)
    for _ in range(100):
        world.spend("flood")
    assert [world.spend(caller) for caller in "ab"] == [None, None]


def test_attack_l07_refusal_by_the_day_costs_nothing_of_the_minute():
    """When there is something left again, the caller still has his own."""
    world = World(per_minute=2, per_day=2)
    world.spend("b")
    world.spend("b")
    world.now += DAY - 1
    for _ in range(10):
        assert world.spend("a") == 1.0
    world.now += 1
    assert [world.spend("a"), world.spend("a")] == [None, None]


def test_attack_l07_clock_that_goes_back_gives_nothing_back():
    """Neither of the minute nor of the day, and what is told stays within a day."""
    world = World(per_minute=1, per_day=2)
    world.spend("a")
    world.now -= 10 * DAY
    assert world.spend("a") == 60.0
    assert world.spend("b") is None
    assert world.spend("c") == DAY
    world.now += 11 * DAY - 1
    assert world.spend("c") == 1.0


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
