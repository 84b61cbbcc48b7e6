"""A cache with a clock in the test's hands: bounded in number and time, and what it drops is wiped once."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kas.cache import Counts, TtlCache

TTL = 60.0
CAPACITY = 3


@dataclass
class World:
    """A cache of lists at the time ``now``; ``wiped`` are those that it dropped, as they were."""

    now: float = 1_790_000_000.0
    wiped: list[list[int]] = field(default_factory=list)
    cache: TtlCache[list[int]] = None

    def __post_init__(self):
        self.cache = TtlCache(
            capacity=CAPACITY, ttl_seconds=TTL, clock=lambda: self.now, copy=list.copy, wipe=self._wipe
        )

    def _wipe(self, value):
        self.wiped.append(value.copy())
        value.clear()

    def expire(self):
        """All that is kept."""
        self.now += TTL
        self.cache.counts()


@pytest.fixture
def world():
    return World()


def test_what_was_put_is_found_under_its_key_alone(world):
    world.cache.put("a", [1])
    assert world.cache.find("a") == [1]
    assert world.cache.find("b") is None


def test_it_lives_until_its_time_is_over_and_not_a_moment_longer(world):
    world.cache.put("a", [1])
    world.now += TTL - 0.5
    assert world.cache.find("a") == [1]
    world.now += 0.5
    assert world.cache.find("a") is None


def test_asking_for_it_does_not_prolong_its_life(world):
    world.cache.put("a", [1])
    for _ in range(int(TTL) - 1):
        world.now += 1
        assert world.cache.find("a") == [1]
    world.now += 1
    assert world.cache.find("a") is None


@pytest.mark.parametrize(
    "call",
    [
        lambda cache: cache.find("other"),
        lambda cache: cache.put("other", [9]),
        lambda cache: cache.counts(),
    ],
    ids=["find", "put", "counts"],
)
def test_every_call_drops_all_that_has_expired_and_nothing_else(world, call):
    world.cache.put("a", [1])
    world.cache.put("b", [2])
    world.now += TTL / 2
    world.cache.put("c", [3])
    world.now += TTL / 2
    call(world.cache)
    assert world.wiped == [[1], [2]]
    assert world.cache.find("c") == [3]


def test_when_it_is_full_the_oldest_goes_however_often_it_is_asked_for(world):
    for number, key in enumerate("abc"):
        world.cache.put(key, [number])
    world.cache.find("a")
    world.cache.put("d", [3])
    assert world.wiped == [[0]]
    assert [world.cache.find(key) for key in "abcd"] == [None, [1], [2], [3]]


def test_a_new_value_replaces_the_old_lives_anew_and_displaces_no_other(world):
    for number, key in enumerate("abc"):
        world.cache.put(key, [number])
    world.now += TTL - 1
    world.cache.put("a", [7])
    assert world.wiped == [[0]]
    assert world.cache.find("b") == [1]
    world.now += 1
    assert world.cache.find("a") == [7]
    assert world.wiped == [[0], [1], [2]]


def test_what_is_kept_is_in_nobody_s_hands(world):
    """Neither who put it nor who found it can change it, and wiping it changes nothing for them."""
    mine = [1]
    world.cache.put("a", mine)
    mine.append(2)
    found = world.cache.find("a")
    found.append(3)
    assert world.cache.find("a") == [1]
    world.expire()
    assert (mine, found) == ([1, 2], [1, 3])


def test_hits_and_misses_are_counted_an_expired_value_is_a_miss(world):
    assert world.cache.counts() == Counts(0, 0)
    world.cache.find("a")
    world.cache.put("a", [1])
    world.cache.find("a")
    world.cache.find("a")
    world.now += TTL
    world.cache.find("a")
    assert world.cache.counts() == Counts(hits=2, misses=2)


def test_after_the_clock_is_set_back_nothing_of_unknown_age_is_found_or_kept(world):
    world.cache.put("a", [1])
    world.now -= 3600
    assert world.cache.find("a") is None
    assert world.wiped == [[1]]


def test_what_hides_behind_an_older_entry_when_the_clock_is_set_back_is_not_found(world):
    world.cache.put("a", [1])
    world.now += 50
    world.cache.put("b", [2])
    world.now -= 10
    assert world.cache.find("b") is None
    assert world.cache.find("a") == [1]


@pytest.mark.parametrize(("capacity", "ttl_seconds"), [(0, 1), (-1, 1), (1, 0), (1, -1)])
def test_without_room_or_time_there_is_no_cache(capacity, ttl_seconds):
    with pytest.raises(ValueError, match="room and time"):
        TtlCache(capacity=capacity, ttl_seconds=ttl_seconds, clock=float)


def test_without_hooks_the_value_itself_is_kept():
    cache = TtlCache(capacity=1, ttl_seconds=1, clock=lambda: 0.0)
    value = object()
    cache.put("a", value)
    assert cache.find("a") is value
    cache.put("b", value)
    assert cache.find("a") is None


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abcde")),
        st.tuples(st.just("find"), st.sampled_from("abcde")),
        st.tuples(st.just("wait"), st.sampled_from([1, 20, 59, 60])),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(STEPS)
def test_it_answers_as_a_naive_one_and_wipes_each_value_once(steps):
    """Against a list of all that was ever put: the newest of a key counts while it is young and among the youngest."""
    world, kept, put = World(), [], []
    for number, (what, argument) in enumerate(steps):
        if what == "wait":
            world.now += argument
        elif what == "put":
            world.cache.put(argument, [number])
            kept = [entry for entry in kept if entry[0] != argument][-CAPACITY:]
            kept = [entry for entry in kept if world.now - entry[2] < TTL]
            kept = [*kept, (argument, number, world.now)][-CAPACITY:]
            put.append(number)
        else:
            expected = [[value] for key, value, at in kept if key == argument and world.now - at < TTL]
            assert world.cache.find(argument) == (expected[0] if expected else None)
    world.expire()
    assert sorted(world.wiped) == [[number] for number in put]


def test_under_many_threads_no_value_is_found_wiped_and_each_is_wiped_once():
    """Eight threads over three places; a value that was wiped would be empty."""
    world = World()
    start = threading.Barrier(8)

    def work(thread):
        start.wait(10)
        found = []
        for number in range(500):
            world.cache.put(number % 5, [thread, number])
            found.append(world.cache.find((number + thread) % 5))
        return found

    with ThreadPoolExecutor(8) as pool:
        found = [value for values in pool.map(work, range(8)) for value in values]
    assert all(value is None or len(value) == 2 for value in found)
    counts = world.cache.counts()
    assert counts.hits + counts.misses == len(found)
    assert counts.hits == sum(value is not None for value in found)
    world.expire()
    assert Counter(map(tuple, world.wiped)) == Counter((thread, number) for thread in range(8) for number in range(500))


WIPING = {
    "put": lambda world: world.cache.put("a", [2]),
    "find-expired": lambda world: world.cache.find("b"),
    "counts-expired": lambda world: world.cache.counts(),
}


@pytest.mark.parametrize("name", WIPING)
def test_nothing_is_wiped_while_it_is_copied_for_somebody(world, name):
    """The copy takes its time, in which another thread wants to drop the original."""
    world.cache.put("a", [1])
    copying, wiped, found_unwiped = threading.Event(), threading.Event(), []

    def copy_slowly(value):
        copying.set()
        found_unwiped.append(not wiped.wait(0.3))
        world.cache._copy = list.copy
        return value.copy()

    def wipe(value):
        value.clear()
        wiped.set()

    def drop():
        copying.wait(10)
        world.now += TTL if "expired" in name else 0
        WIPING[name](world)

    world.cache._copy, world.cache._wipe = copy_slowly, wipe
    with ThreadPoolExecutor(1) as pool:
        dropping = pool.submit(drop)
        assert world.cache.find("a") == [1]
        dropping.result(10)
    assert found_unwiped == [True]
    assert wiped.is_set()
