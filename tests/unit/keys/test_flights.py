"""Key operations side by side: one for all who want the same, bounded in threads and time, each counted, none lost."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import SimpleQueue

import pytest

from kas.datakey import DataKey
from kas.errors import BudgetExhausted, KaoRefusal, KeyMaterialRejected, KeyUnavailable
from kas.keys.flights import MAX_AT_ONCE, MAX_OUTSTANDING, Errand, Flight, Flights
from kas.keys.side_by_side import MAX_FOLLOWED, SideBySide
from tests.key_operations import side_by_side

PATIENCE = 20.0  # seconds until a test that would hang fails
NAME = "key-operation"


def key_of(digest: bytes) -> bytes:
    return digest.ljust(32, b".")


def until(condition: Callable[[], bool]) -> None:
    """Waits for what another thread is about to do."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.001)


@dataclass
class Service:
    """Opens everything; what ``holds`` names waits until it is let go. Counts operations, at once and by digest."""

    holds: dict[bytes, threading.Event] = field(default_factory=dict)
    operations: Counter[bytes] = field(default_factory=Counter)
    given: list[DataKey] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    inside: int = 0
    peak: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hold(self, *digests: bytes) -> threading.Event:
        event = threading.Event()
        self.holds.update(dict.fromkeys(digests, event))
        return event

    def open(self, digest: bytes, pay: Callable[[], None]) -> DataKey:
        pay()
        with self.lock:
            self.operations[digest] += 1
            self.threads.add(threading.current_thread().name)
            self.inside += 1
            self.peak = max(self.peak, self.inside)
        try:
            if digest in self.holds:
                assert self.holds[digest].wait(PATIENCE)
            key = DataKey(key_of(digest))
            self.given.append(key)
            return key
        finally:
            with self.lock:
                self.inside -= 1


@dataclass
class Request:
    """One request's errands, run here or in a thread of its own; ``landed`` has outcome and operations by digest."""

    flying: SideBySide
    errands: list[Errand]
    landed: dict[bytes, tuple[object, int]] = field(default_factory=dict)
    order: list[bytes] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    on_land: Callable[[bytes], None] = lambda _digest: None
    thread: threading.Thread | None = None

    def run(self) -> Request:
        self.flying.run(self.errands, self.flying.deadline(), self.land)
        return self

    def land(self, digest, outcome, operations) -> None:
        shown = outcome.reveal() if isinstance(outcome, DataKey) else type(outcome)
        if isinstance(outcome, DataKey):
            outcome.wipe()
        assert digest not in self.landed
        self.landed[digest] = shown, operations
        self.threads.add(threading.current_thread().name)
        self.on_land(digest)

    def start(self) -> Request:
        self.thread = threading.Thread(target=self.run)
        self.thread.start()
        return self

    def join(self) -> Request:
        self.thread.join(PATIENCE)
        assert not self.thread.is_alive()
        return self


@dataclass
class World:
    """A service and what runs its operations; ``now`` is the time by which deadlines are kept where it is used."""

    service: Service = field(default_factory=Service)
    lines: list[dict[str, object]] = field(default_factory=list)
    now: float = 0.0
    flying: SideBySide = None

    def __post_init__(self):
        self.flying = side_by_side(8, warn=self.lines.append)

    @property
    def flights(self):
        return self.flying._flights

    def flight(self, digest):
        return self.flights._flights.get(digest)

    def errand(self, digest, *, is_remote=True, **changes):
        good = {
            "digest": digest,
            "caller": "alice",
            "is_remote": is_remote,
            "is_still_wanted": lambda: True,
            "spend": lambda: None,
            "unwrap": lambda pay: self.service.open(digest, pay),
        }
        return Errand(**good | changes)

    def request(self, *digests, flying=None, **changes):
        return Request(flying or self.flying, [self.errand(digest, **changes) for digest in digests])

    def sharing(self, **changes):
        """The same flights for another request with another deadline."""
        parts = {"deadline_seconds": 30.0, "timer": time.monotonic, "warn": self.lines.append} | changes
        return SideBySide(self.flights, **parts)

    def hasty(self, digest, when, **changes):
        """A request whose time is over once ``when`` holds; it lands a key of this process besides."""
        request = self.request(digest, flying=self.sharing(timer=lambda: self.now), **changes)
        request.errands.append(self.errand(b"near", is_remote=False))

        def pass_time(landed):
            if landed == b"near":
                until(when)
                self.now = 1000.0

        request.on_land = pass_time
        return request

    def is_empty(self):
        return not self.flights._flights


@pytest.fixture
def world():
    found = World()
    yield found
    for event in found.service.holds.values():
        event.set()


def refuse():
    raise BudgetExhausted


def opened(digest, operations=1):
    return key_of(digest), operations


def is_wiped(key):
    return key._material is None


# ---- One request


@pytest.mark.parametrize("is_remote", [True, False])
def test_each_errand_lands_once_with_its_own_key_and_operation(world, is_remote):
    digests = [b"%d" % number for number in range(20)]
    request = world.request(*digests, is_remote=is_remote).run()
    assert request.landed == {digest: opened(digest) for digest in digests}
    assert world.service.operations == Counter(digests)
    assert (world.lines, world.is_empty()) == ([], True)


def test_nothing_to_do_is_done(world):
    assert world.request().run().landed == {}


def test_everything_but_the_operation_happens_in_the_request_s_thread(world):
    here = threading.current_thread().name
    request = world.request(b"a", b"b").run()
    assert request.threads == {here}
    assert all(name.startswith(NAME) for name in world.service.threads)


def test_no_thread_is_made_before_the_first_remote_key(world):
    """Whoever builds the service may be forked; and where all keys are here, nobody needs threads."""
    here = threading.current_thread().name
    world.request(b"a", b"b", is_remote=False).run()
    assert world.service.threads == {here}
    assert world.flights._pool is None
    world.request(b"c").run()
    assert world.flights._pool is not None


@pytest.mark.parametrize(
    ("threads", "share"), [(1, 1), (2, 1), (8, 7), (16, 14), (64, MAX_AT_ONCE), (256, MAX_AT_ONCE)]
)
def test_one_request_has_so_many_threads_and_no_more(world, threads, share):
    """However many keys it wants; where there are few threads, an eighth is left to others."""
    world.flying = side_by_side(threads)
    digests = [b"%d" % number for number in range(share + 10)]
    release = world.service.hold(*digests)
    request = world.request(*digests).start()
    until(lambda: world.service.inside == share)
    for _ in range(20):  # time for one more, if one came
        time.sleep(0.001)
    assert world.service.inside == world.flights._outstanding == share
    release.set()
    request.join()
    assert world.service.peak == share
    assert len(request.landed) == share + 10


def test_all_requests_together_have_so_many_threads_and_no_more(world):
    digests = [b"%d" % number for number in range(40)]
    release = world.service.hold(*digests)
    requests = [
        world.request(*digests[start : start + 10], caller=f"caller-{start}").start() for start in range(0, 40, 10)
    ]
    until(lambda: world.flights._outstanding == 4 * 7)
    assert world.service.inside <= 8
    release.set()
    assert [len(request.join().landed) for request in requests] == [10] * 4
    assert world.service.peak <= 8
    assert sum(thread.name.startswith(NAME) for thread in world.flights._pool._threads) <= 8


def test_a_bulk_leaves_threads_to_others(world):
    bulk = [b"%d" % number for number in range(30)]
    release = world.service.hold(*bulk)
    request = world.request(*bulk).start()
    until(lambda: world.service.inside == 7)
    assert world.request(b"one", caller="bob").run().landed == {b"one": opened(b"one")}
    release.set()
    request.join()


def test_one_caller_s_bulks_together_leave_threads_to_others(world):
    """However many requests he makes; what is over his share comes when one of his is done, and none is lost."""
    bulks = [[b"%d-%d" % (bulk, number) for number in range(10)] for bulk in range(4)]
    release = world.service.hold(*(digest for bulk in bulks for digest in bulk))
    requests = [world.request(*bulk).start() for bulk in bulks]
    until(lambda: world.service.inside == 7 and world.flights._outstanding == 4 * 7)
    assert world.request(b"one", caller="bob").run().landed == {b"one": opened(b"one")}
    assert world.service.inside == 7
    release.set()
    for bulk, request in zip(bulks, requests, strict=True):
        assert request.join().landed == {digest: opened(digest) for digest in bulk}
    until(lambda: world.flights._outstanding == 0)
    assert (world.service.peak, world.flights._shares) == (8, {})


def test_a_bulk_of_fifty_is_opened_in_one_round_where_nobody_else_asks(world):
    world.flying = side_by_side(64)
    digests = [b"%d" % number for number in range(50)]
    release = world.service.hold(*digests)
    request = world.request(*digests).start()
    until(lambda: world.service.inside == 50)
    release.set()
    assert len(request.join().landed) == 50


def held_back(world, digest):
    """A caller whose share is taken, and another request of his for ``digest``, which waits for it."""
    stuck = [b"stuck-%d" % number for number in range(7)]
    release = world.service.hold(*stuck)
    bulk = world.request(*stuck).start()
    until(lambda: world.service.inside == 7)
    request = world.request(digest).start()
    until(lambda: world.flights._outstanding == 8)
    return release, bulk, request


def test_nobody_waits_for_another_caller_s_share(world):
    """Whoever wants the same opens it with his own, for others too; those of the same caller wait for one operation."""
    release, bulk, first = held_back(world, b"a")
    second = world.request(b"a").start()
    until(lambda: len(world.flight(b"a").followers) == 1)
    opening = world.service.hold(b"a")
    bob = world.request(b"a", caller="bob").start()
    until(lambda: world.service.inside == 8)
    carol = world.request(b"a", caller="carol").start()
    until(lambda: len(world.flight(b"a").followers) == 1)
    opening.set()
    assert bob.join().landed == {b"a": opened(b"a")}
    assert carol.join().landed == {b"a": opened(b"a", 0)}
    release.set()
    assert first.join().landed == {b"a": opened(b"a")}
    assert second.join().landed == {b"a": opened(b"a", 0)}
    assert len(bulk.join().landed) == 7
    assert world.service.operations[b"a"] == 2
    assert world.is_empty()


def test_what_waited_for_its_caller_s_share_is_followed_once_it_is_under_way(world):
    release, bulk, leader = held_back(world, b"a")
    opening = world.service.hold(b"a")
    release.set()
    bulk.join()
    until(lambda: world.service.operations[b"a"] == 1)
    bob = world.request(b"a", caller="bob").start()
    until(lambda: len(world.flight(b"a").followers) == 1)
    opening.set()
    assert leader.join().landed == {b"a": opened(b"a")}
    assert bob.join().landed == {b"a": opened(b"a", 0)}


def test_who_follows_one_that_must_wait_for_its_caller_s_share_is_told_at_once(world):
    """He came before it had to."""
    stuck = [b"stuck-%d" % number for number in range(7)]
    release = world.service.hold(*stuck)
    bulk = world.request(*stuck).start()
    until(lambda: world.service.inside == 7)
    followers = []

    def is_still_wanted():
        followers.append(world.request(b"a", caller="bob").start())
        until(lambda: len(world.flight(b"a").followers) == 1)
        return True

    leader = world.request(b"a", is_still_wanted=is_still_wanted).start()
    until(lambda: followers)
    assert followers[0].join().landed == {b"a": opened(b"a")}
    release.set()
    assert leader.join().landed == {b"a": opened(b"a")}
    bulk.join()


def test_what_waits_for_its_caller_s_share_when_the_time_is_over_is_never_begun(world):
    release, bulk, waiting = held_back(world, b"a")
    asked = []
    late = world.request(b"late", flying=world.sharing(deadline_seconds=0.05), unwrap=asked.append).run()
    assert late.landed == {b"late": (KeyUnavailable, 0)}
    release.set()
    assert waiting.join().landed == {b"a": opened(b"a")}
    bulk.join()
    until(lambda: world.flights._outstanding == 0)
    assert (asked, world.flights._shares) == ([], {})


def test_keys_of_this_process_do_not_wait_for_those_elsewhere(world):
    release = world.service.hold(b"far")
    request = world.request(b"far")
    request.errands.append(world.errand(b"near", is_remote=False))
    request.on_land = lambda digest: release.set() if digest == b"near" else None
    assert list(request.run().landed) == [b"near", b"far"]


def test_keys_of_this_process_do_not_wait_for_one_that_another_request_is_opening(world):
    release = world.service.hold(b"a")
    leader = world.request(b"a", is_remote=False).start()
    until(lambda: world.service.inside == 1)
    request = world.request(b"a", b"b", b"c", is_remote=False)
    request.on_land = lambda digest: release.set() if digest == b"c" else None
    assert list(request.run().landed) == [b"b", b"c", b"a"]
    assert leader.join().landed == {b"a": opened(b"a")}


def test_one_that_fails_changes_nothing_for_the_others(world):
    def fail(pay):
        pay()
        raise KeyUnavailable

    request = world.request(b"a", b"c")
    request.errands.insert(1, world.errand(b"b", unwrap=fail))
    assert request.run().landed == {b"a": opened(b"a"), b"b": (KeyUnavailable, 1), b"c": opened(b"c")}


@pytest.mark.parametrize("is_remote", [True, False])
def test_without_budget_nothing_is_begun(world, is_remote):
    request = world.request(b"a", is_remote=is_remote, spend=refuse).run()
    assert request.landed == {b"a": (BudgetExhausted, 0)}
    assert not world.service.operations


def test_each_attempt_is_paid_and_counted(world):
    """Two passed, for the third there was no budget."""
    purse = iter([None, None])

    def spend():
        try:
            next(purse)
        except StopIteration:
            raise BudgetExhausted from None

    def unwrap(pay):
        for _ in range(3):
            world.service.open(b"a", pay)

    assert world.request(b"a", spend=spend, unwrap=unwrap).run().landed == {b"a": (BudgetExhausted, 2)}
    assert world.service.operations == {b"a": 2}


def test_what_is_no_longer_wanted_is_not_begun_and_lands_nowhere(world):
    request = world.request(b"a", is_still_wanted=lambda: False)
    request.errands.append(world.errand(b"b"))
    assert request.run().landed == {b"b": opened(b"b")}
    assert (world.service.operations, world.is_empty()) == ({b"b": 1}, True)


@pytest.mark.parametrize("is_remote", [True, False])
def test_what_nobody_expects_of_one_is_unavailable_and_the_others_keep_what_they_have(world, is_remote):
    """Its operation counts, and the operator reads once of what type it is, and never its text."""

    def fail(pay):
        pay()
        raise ZeroDivisionError("secret")

    digests = [b"%d" % number for number in range(5)]
    request = world.request(*digests)
    request.errands[2:2] = [world.errand(name, is_remote=is_remote, unwrap=fail) for name in (b"bad", b"worse")]
    unavailable = dict.fromkeys((b"bad", b"worse"), (KeyUnavailable, 1))
    assert request.run().landed == {digest: opened(digest) for digest in digests} | unavailable
    line = {"severity": "ERROR", "event": "unexpected", "type": "ZeroDivisionError", "operations": 2}
    assert world.lines == [line]
    until(lambda: world.service.inside == world.flights._outstanding == 0)
    assert all(is_wiped(key) for key in world.service.given)
    assert world.is_empty()


def test_a_receiver_that_fails_leaves_nothing_behind(world, mocker):
    """What had come for him meanwhile is overwritten too."""
    copied = mocker.spy(DataKey, "copy")

    def fail(_digest):
        until(lambda: world.flights._outstanding == 0)
        raise MemoryError

    request = world.request(b"a", b"b", b"c")
    request.on_land = fail
    with pytest.raises(MemoryError):
        request.run()
    assert world.is_empty()
    assert len(world.service.given) == len(copied.spy_return_list) == 3
    assert all(is_wiped(key) for key in [*world.service.given, *copied.spy_return_list])


def test_what_the_service_gave_is_overwritten_when_it_has_landed(world):
    world.request(b"a", b"b").run()
    world.request(b"c", is_remote=False).run()
    assert [is_wiped(key) for key in world.service.given] == [True] * 3


# ---- The deadline


def test_whatever_a_thread_does_a_request_waits_no_longer_than_its_deadline(world):
    """The operator is told how many did not come."""
    world.service.hold(b"stuck")
    flying = world.sharing(deadline_seconds=0.1)
    ((shown, _),) = world.request(b"stuck", flying=flying).run().landed.values()
    assert shown is KeyUnavailable
    assert world.lines == [{"severity": "ERROR", "event": "key_operations_unfinished", "late": 1, "unstarted": 0}]


def test_those_done_by_the_deadline_succeed_and_what_goes_on_is_counted(world):
    world.service.hold(b"stuck")
    request = world.hasty(b"stuck", lambda: world.service.inside == 1).run()
    assert request.landed == {b"near": opened(b"near"), b"stuck": (KeyUnavailable, 1)}


def test_what_came_while_another_was_landed_counts_though_the_time_is_over(world):
    flying = world.sharing(timer=lambda: world.now)
    request = world.request(b"a", b"b", flying=flying)

    def pass_time(_digest):
        until(lambda: world.flights._outstanding == 0)
        world.now = 1000.0

    request.on_land = pass_time
    assert request.run().landed == {b"a": opened(b"a"), b"b": opened(b"b")}
    assert world.lines == []


@pytest.mark.parametrize("is_remote", [True, False])
def test_past_the_deadline_nothing_is_begun(world, is_remote):
    """Neither here nor in a thread; there is no thread for the last four before the time is over."""
    world.flying = side_by_side(1, timer=lambda: world.now)
    request = world.request(*(b"%d" % number for number in range(5)), is_remote=is_remote)

    def pass_time(_digest):
        world.now = 1000.0

    request.on_land = pass_time
    assert request.run().landed == {b"0": opened(b"0")} | {b"%d" % one: (KeyUnavailable, 0) for one in range(1, 5)}
    assert world.service.operations == {b"0": 1}


def test_what_waits_for_a_thread_when_the_time_is_over_is_never_begun(world):
    """All threads hang; when they are free again, nobody waits."""
    world.flying = side_by_side(1)
    release = world.service.hold(b"stuck")
    first = world.request(b"stuck").start()
    until(lambda: world.service.inside == 1)
    asked = []
    flying = world.sharing(deadline_seconds=0.05)
    late = world.request(b"late", flying=flying, unwrap=asked.append).run()
    assert late.landed == {b"late": (KeyUnavailable, 0)}
    release.set()
    first.join()
    until(lambda: world.flights._outstanding == 0)
    assert asked == []


def test_once_the_time_is_over_no_other_attempt_is_begun_and_none_goes_uncounted(world):
    """The service would try again, and is not let: what was counted is what was done."""
    release = world.service.hold(b"a")
    refusals = []

    def unwrap(pay):
        world.service.open(b"a", pay)
        try:
            world.service.open(b"a", pay)
        except KaoRefusal as refusal:
            refusals.append(type(refusal))
            raise

    spent = []
    request = world.hasty(b"a", lambda: world.service.inside == 1, unwrap=unwrap, spend=lambda: spent.append(1)).run()
    release.set()
    until(lambda: world.flights._outstanding == 0)
    assert refusals == [KeyUnavailable]
    assert request.landed[b"a"] == (KeyUnavailable, 1)
    assert world.service.operations[b"a"] == len(spent) == 1


def test_what_is_about_to_begin_when_the_time_is_over_does_not(world):
    """Not even while the request is told of it."""
    asked, go = threading.Event(), threading.Event()

    def spend():
        asked.set()
        assert go.wait(PATIENCE)

    request = world.hasty(b"a", asked.is_set, spend=spend)
    pass_time = request.on_land

    def on_land(digest):
        pass_time(digest)
        if digest == b"a":
            go.set()
            until(lambda: world.flights._outstanding == 0)

    request.on_land = on_land
    assert request.run().landed[b"a"] == (KeyUnavailable, 0)
    assert world.service.operations[b"a"] == 0


def test_a_key_that_comes_when_nobody_waits_is_overwritten(world):
    release = world.service.hold(b"a")
    world.hasty(b"a", lambda: world.service.inside == 1).run()
    release.set()
    until(lambda: world.flights._outstanding == 0)
    assert [is_wiped(key) for key in world.service.given] == [True] * 2
    assert world.is_empty()


# ---- Bounds of what waits


def test_where_too_much_waits_for_threads_a_key_is_unavailable_at_once(world):
    world.flights._outstanding = MAX_OUTSTANDING
    request = world.request(b"a", b"b").run()
    assert request.landed == {b"a": (KeyUnavailable, 0), b"b": (KeyUnavailable, 0)}
    assert not world.service.operations
    assert world.lines == [{"severity": "ERROR", "event": "key_operations_unfinished", "late": 0, "unstarted": 2}]


def test_where_no_thread_can_be_had_a_key_is_unavailable_and_never_begun(world):
    """What is queued all the same runs when there is a thread again: too late."""
    queued = []

    class Pool:
        def submit(self, run, flight):
            queued.append((run, flight))
            raise RuntimeError("can't start new thread")

    world.flights._pool = Pool()
    assert world.request(b"a").run().landed == {b"a": (KeyUnavailable, 0)}
    for run, flight in queued:
        run(flight)
    assert not world.service.operations
    assert world.flights._outstanding == 0


# ---- One for all


def gather(world, digest, number, **changes):
    """So many requests, all of which wait for one operation that is under way."""
    leader = world.request(digest, **changes).start()
    until(lambda: world.service.inside == 1)
    followers = [world.request(digest, **changes).start() for _ in range(number)]
    until(lambda: len(world.flight(digest).followers) == number)
    return leader, followers


@pytest.mark.parametrize("is_remote", [True, False])
def test_many_requests_for_one_key_are_one_operation(world, is_remote):
    """The first counts it. Each has a key of its own, to be overwritten without harm to others."""
    release = world.service.hold(b"a")
    leader, followers = gather(world, b"a", 31, is_remote=is_remote)
    release.set()
    assert leader.join().landed == {b"a": opened(b"a")}
    assert [one.join().landed for one in followers] == [{b"a": opened(b"a", 0)}] * 31
    assert world.service.operations == {b"a": 1}
    assert world.is_empty()
    assert [is_wiped(key) for key in world.service.given] == [True]


def test_whoever_comes_between_arrival_and_landing_has_the_key_too(world):
    """The leader has not kept it yet, so it is nowhere else."""
    second = world.request(b"a")
    first = world.request(b"a")
    first.on_land = lambda _digest: second.run()
    first.run()
    assert (first.landed, second.landed) == ({b"a": opened(b"a")}, {b"a": opened(b"a", 0)})
    assert world.service.operations == {b"a": 1}


@pytest.mark.parametrize("refusal", [KeyUnavailable, KeyMaterialRejected])
def test_a_failure_is_of_all_who_wait_and_of_nobody_after_them(world, refusal):
    release = world.service.hold(b"a")

    def fail(pay):
        world.service.open(b"a", pay)
        raise refusal

    leader, followers = gather(world, b"a", 3, unwrap=fail)
    release.set()
    assert leader.join().landed == {b"a": (refusal, 1)}
    assert [one.join().landed for one in followers] == [{b"a": (refusal, 0)}] * 3
    assert world.request(b"a").run().landed == {b"a": opened(b"a")}
    assert world.service.operations == {b"a": 2}


def test_nothing_is_remembered_of_a_key_that_landed(world):
    for _ in range(2):
        assert world.request(b"a").run().landed == {b"a": opened(b"a")}
    assert world.service.operations == {b"a": 2}


def test_a_follower_waits_no_longer_than_his_own_deadline_and_hurts_nobody(world):
    release = world.service.hold(b"a")
    leader, (other,) = gather(world, b"a", 1)
    hasty = world.request(b"a", flying=world.sharing(deadline_seconds=0.05)).run()
    assert hasty.landed == {b"a": (KeyUnavailable, 0)}
    assert len(world.flight(b"a").followers) == 1
    release.set()
    assert (leader.join().landed, other.join().landed) == ({b"a": opened(b"a")}, {b"a": opened(b"a", 0)})
    assert hasty.landed == {b"a": (KeyUnavailable, 0)}


def followed(world, followers):
    """Whether the operation is under way and another request, started here, waits for it too."""

    def check():
        if world.service.inside != 1:
            return False
        if not followers:
            followers.append(world.request(b"a").start())
        return len(world.flight(b"a").followers) == 1

    return check


def test_a_leader_whose_time_is_over_leaves_the_operation_that_is_under_way_to_those_who_follow(world):
    """He counts it. Whoever comes later does not wait for it."""
    release, followers, flights = world.service.hold(b"a"), [], []
    is_followed = followed(world, followers)
    leader = world.hasty(b"a", lambda: is_followed() and not flights.append(world.flight(b"a"))).run()
    assert leader.landed[b"a"] == (KeyUnavailable, 1)
    assert len(flights[0].followers) == 1
    assert world.is_empty()
    later = world.request(b"a").start()
    until(lambda: world.service.operations[b"a"] == 2)
    release.set()
    assert followers[0].join().landed == {b"a": opened(b"a", 0)}
    assert later.join().landed == {b"a": opened(b"a")}


def test_a_follower_of_one_whose_time_is_over_between_two_attempts_leads_anew(world):
    release, followers = world.service.hold(b"a"), []

    def unwrap(pay):
        world.service.open(b"a", pay).wipe()
        return world.service.open(b"a", pay)

    leader = world.hasty(b"a", followed(world, followers), unwrap=unwrap).run()
    assert leader.landed[b"a"] == (KeyUnavailable, 1)
    release.set()
    assert followers[0].join().landed == {b"a": opened(b"a")}
    assert world.service.operations[b"a"] == 2


def test_a_leader_whose_time_is_over_before_he_began_holds_nobody_up(world):
    """The only thread hangs. Whoever followed him leads, and has his turn."""
    world.flying = side_by_side(1)
    release, followers = world.service.hold(b"stuck"), []
    stuck = world.request(b"stuck").start()
    leader = world.hasty(b"a", followed(world, followers)).run()
    assert leader.landed[b"a"] == (KeyUnavailable, 0)
    until(lambda: world.flight(b"a") is not None)
    release.set()
    assert followers[0].join().landed == {b"a": opened(b"a")}
    assert stuck.join().landed == {b"stuck": opened(b"stuck")}
    assert world.service.operations == {b"stuck": 1, b"a": 1, b"near": 1}


@dataclass
class Poor:
    """A caller without budget, whose request is refused when ``release`` is set."""

    release: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)

    def spend(self):
        self.asked.set()
        assert self.release.wait(PATIENCE)
        raise BudgetExhausted


def poor_leader(world):
    poor = Poor()
    request = world.request(b"a", spend=poor.spend).start()
    assert poor.asked.wait(PATIENCE)
    return poor, request


def test_attack_l07_a_leader_without_budget_is_refused_alone(world):
    """Those who follow him have their own: one of them leads, and it is one operation."""
    poor, leader = poor_leader(world)
    followers = [world.request(b"a").start() for _ in range(5)]
    until(lambda: len(world.flight(b"a").followers) == 5)
    release = world.service.hold(b"a")
    poor.release.set()
    assert leader.join().landed == {b"a": (BudgetExhausted, 0)}
    until(lambda: world.service.inside == 1 and len(world.flight(b"a").followers) == 4)
    release.set()
    landed = [one.join().landed[b"a"] for one in followers]
    assert sorted(landed) == sorted([opened(b"a"), *[opened(b"a", 0)] * 4])
    assert world.service.operations == {b"a": 1}


class Crowded(Flights):
    """Whoever does not fly alone always follows somebody whose flight ends without an answer."""

    followed = 0

    def board(self, errand, arrivals, *, alone=False):
        if alone:
            return super().board(errand, arrivals, alone=alone)
        self.followed += 1
        flight = Flight(errand, SimpleQueue())
        arrivals.put((flight, None))
        return flight


def test_attack_l07_however_many_without_budget_are_first_nobody_else_is_refused():
    """After so many flights without an answer he flies alone, whoever else leads."""
    world = World()
    flights = Crowded(8)
    world.flying = SideBySide(flights, deadline_seconds=30.0, timer=time.monotonic, warn=world.lines.append)
    request = world.request(b"a", b"b").run()
    assert request.landed == {b"a": opened(b"a"), b"b": opened(b"b")}
    assert flights.followed == 2 * MAX_FOLLOWED


def test_one_who_flies_alone_takes_nobody_s_place(world):
    """Others go on to follow who led before, and neither has anything to do with the other."""
    errand = world.errand(b"a", is_remote=False)
    first, second = SimpleQueue(), SimpleQueue()
    leading = world.flights.board(errand, first)
    alone = world.flights.board(errand, second, alone=True)
    assert alone is not leading
    world.flights.start(alone)
    world.flights.close(alone)
    assert world.flight(b"a") is leading
    assert (first.qsize(), second.qsize()) == (0, 1)


def test_what_nobody_expects_of_a_leader_is_nothing_to_those_who_follow(world):
    release = threading.Event()

    def fail(pay):
        pay()
        assert release.wait(PATIENCE)
        raise RuntimeError

    leader = world.request(b"a", unwrap=fail).start()
    until(lambda: world.flight(b"a") is not None and world.flight(b"a").operations == 1)
    follower = world.request(b"a").start()
    until(lambda: len(world.flight(b"a").followers) == 1)
    release.set()
    assert leader.join().landed == {b"a": (KeyUnavailable, 1)}
    assert follower.join().landed == {b"a": opened(b"a")}


def test_two_requests_that_lead_what_the_other_follows_do_not_wait_for_each_other(world):
    """Keys of this process, in the opposite order: whoever leads is at work."""
    digests = [b"%d" % number for number in range(200)]
    for _ in range(5):
        one, other = world.request(*digests, is_remote=False), world.request(*reversed(digests), is_remote=False)
        for request in (one.start(), other.start()):
            assert {shown for shown, _ in request.join().landed.values()} == {key_of(digest) for digest in digests}


def test_every_operation_is_counted_once_whoever_has_the_key(world):
    """Many requests for few keys, again and again, here and elsewhere."""
    digests = [b"%d" % number for number in range(6)]

    def burst():
        requests = []
        for number in range(16):
            wanted = digests[number % 6 :] + digests[: number % 6]
            requests.append(Request(world.flying, [world.errand(d, is_remote=d < b"3") for d in wanted]).start())
        return requests

    counted = Counter()
    for _ in range(10):
        for request in burst():
            landed = request.join().landed
            assert {digest: shown for digest, (shown, _) in landed.items()} == {d: key_of(d) for d in digests}
            counted.update({digest: operations for digest, (_, operations) in landed.items()})
    assert counted == world.service.operations
    assert world.is_empty()
    assert all(is_wiped(key) for key in world.service.given)
