"""Rate limits over shared stores: against the windows in memory, several instances, and without the store."""

from __future__ import annotations

import random
import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from kas.errors import RateLimited, RewrapLimit
from kas.ratelimit import Limit, SlidingWindow
from kas.state.firestore_documents import Conflict, Document
from kas.state.firestore_windows import FirestoreWindows, _Turns
from kas.state.guard import StoreGuard
from kas.state.shared import LimitWindow, StoreBusy, StoreFull, StoreUnavailable
from kas.state.windows import SharedWindow
from tests.state.test_claims import Time

WINDOW = 60.0


def own(clock=time.monotonic, quota=3, capacity=1000):
    return SlidingWindow(Limit("test", quota, WINDOW), clock, capacity=capacity, refusal=RewrapLimit)


def over(store, told=None, timer=time.monotonic, **options):
    """A window over this shared store."""
    guard = StoreGuard("test", timer, (told if told is not None else []).append)
    return SharedWindow(store, guard, own(timer, **options))


def ask(window, key="a"):
    """What is left, or how long to wait."""
    noted = []
    try:
        quota = window.admit(key, noted.append)
    except RateLimited as refusal:
        (quota,) = noted
        return "refused", quota.remaining, round(refusal.retry_after, 3)
    assert noted == [quota]
    return "admitted", quota.remaining, round(quota.reset_seconds, 3)


class AgainstMemory(RuleBasedStateMachine):
    """The window in the store and the one in memory are asked the same at the same times."""

    make_store = None
    capacity = 7

    def __init__(self):
        super().__init__()
        self.clock = Time()
        self.memory = own(self.clock, capacity=self.capacity)
        self.shared = over(self.make_store(self.clock), timer=self.clock, capacity=self.capacity)

    @rule(key=st.sampled_from("abcd"))
    def ask(self, key):
        assert ask(self.shared, key) == ask(self.memory, key)

    @rule(seconds=st.sampled_from([0.5, 10.0, WINDOW - 0.5, WINDOW]))
    def wait(self, seconds):
        self.clock.now += seconds


def run(make_store, examples, steps, capacity):
    members = {"make_store": staticmethod(make_store), "capacity": capacity}
    machine = type("Machine", (AgainstMemory,), members)
    machine.TestCase.settings = settings(max_examples=examples, stateful_step_count=steps, deadline=None, database=None)
    machine.TestCase().runTest()


def test_redis_counts_as_memory_does(redis_server):
    """Exactly: what is left, when the next is free, and the bound over all keys."""
    run(lambda clock: redis_server.store(now=clock.milliseconds), examples=40, steps=40, capacity=7)


def test_firestore_counts_as_memory_does(firestore):
    """Exactly, where the quota is below two hundred; it bounds no memory over all keys."""
    run(lambda clock: firestore.store(clock=clock), examples=8, steps=20, capacity=1000)


def test_time_that_goes_back_stands_still(redis_server):
    """A server whose clock is set back frees nothing early, and refuses nobody for longer than the window."""
    clock = Time()
    window = over(redis_server.store(now=clock.milliseconds), quota=1)
    assert ask(window) == ("admitted", 0, 60.0)
    clock.now -= 30
    assert ask(window) == ("refused", 0, 60.0)
    assert ask(window, "b") == ("admitted", 0, 60.0)


def test_limit_holds_for_several_instances_at_once(shared):
    """Of many that ask at the same time the quota is admitted, and not one more."""
    name = secrets.token_hex(4)
    windows = [over(shared.store(name=name), quota=20) for _ in range(3)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda number: ask(windows[number % 3])[0], range(60)))
    assert answers.count("admitted") == 20


def test_large_quotas_are_leased_and_never_exceeded(firestore):
    """Two instances take a hundredth at a time: few writes, and what one left unused is the only error."""
    name, clock, written = secrets.token_hex(4), Time(), []
    stores = [firestore.store(name=name, clock=clock) for _ in range(2)]
    for store in stores:
        write = store._documents.write
        store._documents.write = lambda writes, write=write: written.append(1) or write(writes)
    windows = [over(store, quota=400) for store in stores]
    admitted = sum(ask(window)[0] == "admitted" for _ in range(210) for window in windows)
    assert admitted == 400
    assert len(written) == 100


def test_lease_is_good_for_a_second_and_what_is_left_of_it_is_given_back(firestore):
    """Used places are free a second after the window."""
    clock = Time()
    window = over(firestore.store(clock=clock), quota=200)
    assert ask(window) == ("admitted", 199, 61.0)
    clock.now += 1
    assert ask(window) == ("admitted", 198, 60.0)
    clock.now += 59.5
    assert ask(window)[1] == 197
    clock.now += 0.5
    assert ask(window)[1] == 196
    clock.now += 1
    assert ask(window)[1] == 197


def test_steady_caller_has_his_whole_limit_of_several_instances(firestore):
    """Each is asked for less than it takes in a second; nobody is admitted beyond."""
    name, clock = secrets.token_hex(4), Time()
    windows = [over(firestore.store(name=name, clock=clock), quota=400) for _ in range(3)]
    admitted = 0
    for _ in range(55):
        admitted += [ask(window)[0] for window in windows for _ in range(3)].count("admitted")
        clock.now += 1
    assert admitted == 400


def test_what_is_given_back_is_given_once(firestore):
    """Where the write that gives it back brings no answer, it is nobody's: it may have been done."""
    clock = Time()
    store = firestore.store(clock=clock)
    window, write = LimitWindow("w", 400, 60.0, 1000), store._documents.write
    assert [store.take(window, b"key").free for _ in range(2)] == [400, 399]
    clock.now += 1

    def lose_the_answer(writes):
        write(writes)
        raise StoreUnavailable("no answer in time")

    store._documents.write = lose_the_answer
    with pytest.raises(StoreUnavailable):
        store.take(window, b"key")
    store._documents.write = write
    assert store.take(window, b"key").free == 394  # two were used, and four were taken by nobody knows whom
    clock.now += 1
    assert store.take(window, b"key").free == 393


class Broken:
    """A store that fails so long as it is told to; ``asked`` counts."""

    def __init__(self, failure):
        self.failure = failure
        self.asked = 0

    def take(self, _window, _key):
        self.asked += 1
        raise self.failure


@pytest.mark.parametrize("failure", [StoreUnavailable("no answer in time"), StoreFull("no memory left")])
def test_without_the_store_each_instance_counts_by_itself(failure):
    """The operator is told once, and it is counted."""
    told, clock = [], Time()
    window = over(Broken(failure), told, clock, quota=2)
    assert [ask(window)[0] for _ in range(4)] == ["admitted", "admitted", "refused", "refused"]
    trouble = "full" if isinstance(failure, StoreFull) else "unavailable"
    status = {"severity": "ERROR", "backend": "test", "use": "limits", "status": str(failure)}
    assert told == [{"event": f"state_{trouble}", **status}]
    assert window._guard.counts() == {("limits", trouble): 4}


def test_who_keeps_his_own_window_busy_is_refused_and_not_counted_by_each_instance():
    """He could pass his limit by asking much at once: as many times as there are instances, and once more."""
    told, store = [], Broken(StoreBusy("others count for the same"))
    window = over(store, told, quota=100)
    assert {ask(window) for _ in range(10)} == {("refused", 0, 1.0)}
    assert store.asked == 10
    assert [line["event"] for line in told] == ["state_busy"]


def test_many_at_once_are_no_more_than_the_limit_where_few_are_taken_in_time():
    """A store that takes 20 ms, of which each has 50 ms."""
    windows = FirestoreWindows(
        SlowDocuments(0.02),
        "windows",
        clock=time.time,
        timer=time.monotonic,
        timeout_seconds=0.05,
        sleep=time.sleep,
        random=random.random,
    )
    window = over(windows, quota=20)
    with ThreadPoolExecutor(32) as pool:
        outcomes = [outcome for outcome, *_ in pool.map(lambda _number: ask(window), range(200))]
    assert 0 < outcomes.count("admitted") <= 20
    assert windows._turns._turns == {}


class SlowDocuments:
    """One document in memory, replaced on condition of its version."""

    def __init__(self, seconds):
        self.seconds, self.lock, self.held = seconds, threading.Lock(), None

    def read(self, _paths):
        time.sleep(self.seconds)
        return [self.held]

    def write(self, writes):
        time.sleep(self.seconds)
        with self.lock:
            if writes[0].demands != ("" if self.held is None else self.held.version):
                raise Conflict
            self.held = Document(writes[0].value, secrets.token_hex(4))


def test_nobody_waits_for_anothers_turn():
    turns, other = _Turns(), _Turns()
    with turns.of("a", 0.01):
        with turns.of("b", 0.01), other.of("a", 0.01):
            assert set(turns._turns) == {"a", "b"}
        with pytest.raises(StoreBusy), turns.of("a", 0.01):
            pytest.fail("it is somebody else's turn")
    assert turns._turns == {}


def test_dead_store_is_left_alone_for_a_second():
    """It is asked three times, then by one a second."""
    clock, store = Time(), Broken(StoreUnavailable("no answer in time"))
    window = over(store, timer=clock, quota=100)
    for _ in range(10):
        ask(window)
    assert store.asked == 3
    clock.now += 1
    for _ in range(10):
        ask(window)
    assert store.asked == 4


def test_full_store_is_asked_each_time():
    """It answers, and quickly."""
    store = Broken(StoreFull("no memory left"))
    window = over(store, quota=100)
    for _ in range(10):
        ask(window)
    assert store.asked == 10


def test_store_that_is_back_is_used_again():
    """The operator is told, and again a minute later where it fails again."""
    told, clock = [], Time()
    guard = StoreGuard("test", clock, told.append)

    def fail():
        raise StoreUnavailable("gone")

    def episode():
        for _ in range(5):
            with pytest.raises(StoreUnavailable):
                guard.ask("limits", fail)
        clock.now += 1
        assert guard.ask("limits", lambda: 7) == 7
        assert guard.ask("limits", lambda: 8) == 8

    episode()
    episode()
    assert [entry["event"] for entry in told] == ["state_unavailable", "state_available"]
    clock.now += 61
    episode()
    assert [entry["event"] for entry in told] == ["state_unavailable", "state_available"] * 2


def test_instance_takes_turns_with_itself(firestore):
    """Threads that count for one caller wait for each other in place of contending in the store."""
    store = firestore.store()
    window, together = over(store, quota=50), threading.Barrier(8)

    def bring(_number):
        together.wait()
        return ask(window)[0]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(bring, range(8))) == ["admitted"] * 8
    assert window._guard.counts() == {}
