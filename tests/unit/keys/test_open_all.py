"""Many keys of one request, and of several at once: each by itself, what is the same once, and every call counted."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kas.datakey import DataKey
from kas.errors import BudgetExhausted, KaoRefusal, KeyMaterialRejected, KeyUnavailable, UnknownKey
from kas.keys.dek_cache import dek_digest, new_dek_cache
from kas.keys.opener import KeyOpener
from kas.keys.registry import KeyRecord, KeyRegistry, WrappedMaterial
from tests.key_operations import side_by_side

POLICY = b"policy"
ACP240, OPENTDF = frozenset({"acp240"}), frozenset({"opentdf"})
VERSION = "projects/p/…/cryptoKeyVersions/1"
RECORDS = (
    KeyRecord("far", "RSA-2048", "active", ACP240, kms_version=VERSION),
    KeyRecord("near", "RSA-2048", "active", ACP240),
    KeyRecord("old-1", "RSA-2048", "active", OPENTDF, is_legacy=True, kms_version=VERSION),
    KeyRecord("old-2", "RSA-2048", "active", OPENTDF, is_legacy=True),
)
PATIENCE = 20.0


@dataclass(frozen=True)
class Kao:
    """The parts of a key access object that opening it takes."""

    kid: str | None
    wrapped: WrappedMaterial
    policy_binding: bytes
    binding_message: bytes = POLICY


def key_of(name):
    return hashlib.sha256(name.encode()).digest()


def kao(name, kid="far", *, wrapped_for=None, is_bound=True):
    """The key ``name`` as `Service` wraps it."""
    wrapped = WrappedMaterial(f"{wrapped_for or kid}:{name}".encode())
    return Kao(kid, wrapped, hmac.digest(key_of(name), POLICY, hashlib.sha256) if is_bound else bytes(32))


@dataclass
class Service:
    """Opens what names its kid, after as many failed attempts as ``failures`` says; keeps what it gave."""

    failures: dict[bytes, int] = field(default_factory=dict)
    calls: Counter[tuple[str, bytes]] = field(default_factory=Counter)
    given: list[DataKey] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def unwrap(self, record, wrapped, pay):
        for _ in range(self.failures.get(wrapped.ciphertext, 0)):
            self.attempt(record, wrapped, pay)
        self.attempt(record, wrapped, pay)
        kid, _, name = wrapped.ciphertext.decode().partition(":")
        if name == "down":
            raise KeyUnavailable
        if name == "broken":
            raise ZeroDivisionError
        if kid != record.kid:
            raise KeyMaterialRejected
        with self.lock:
            self.given.append(DataKey(key_of(name)))
            return self.given[-1]

    def attempt(self, record, wrapped, pay):
        pay()
        with self.lock:
            self.calls[record.kid, wrapped.ciphertext] += 1


@dataclass
class Purse:
    """A budget of so many operations for each caller."""

    left: dict[str, int]
    lock: threading.Lock = field(default_factory=threading.Lock)

    def spend(self, caller):
        with self.lock:
            if not self.left[caller]:
                raise BudgetExhausted
            self.left[caller] -= 1


@dataclass
class World:
    """An opener and its parts."""

    service: Service = field(default_factory=Service)
    budget: Purse | None = None
    budget_all: bool = False
    cache: object = field(default_factory=lambda: new_dek_cache(capacity=1000, ttl_seconds=60, clock=lambda: 0.0))
    flying: object = field(default_factory=lambda: side_by_side(8))

    def opener(self):
        return KeyOpener(
            registry=KeyRegistry(RECORDS),
            key_service=self.service,
            cache=self.cache,
            budget=self.budget,
            budget_all=self.budget_all,
            side_by_side=self.flying,
        )

    def open(self, *kaos, dialect="acp240", caller="alice"):
        return self.opener().open_all(kaos, dialect=dialect, caller=caller)


@pytest.fixture
def world():
    return World()


def shown(opened):
    """Keys as their bytes and refusals as their class."""
    return [one.outcome.reveal() if isinstance(one.outcome, DataKey) else type(one.outcome) for one in opened]


def operations(opened):
    return [one.operations for one in opened]


def is_wiped(key):
    return key._material is None


def test_nothing_is_opened_of_nothing(world):
    assert world.open() == ()


def test_results_keep_the_request_s_order_whatever_becomes_of_each(world):
    opened = world.open(
        kao("a"),
        kao("b", "near"),
        kao("c", "unknown"),
        kao("d", is_bound=False),
        kao("down"),
        kao("e", "near", wrapped_for="far"),
        kao("f"),
    )
    refusals = [UnknownKey, KeyMaterialRejected, KeyUnavailable, KeyMaterialRejected]
    assert shown(opened) == [key_of("a"), key_of("b"), *refusals, key_of("f")]
    assert operations(opened) == [1, 1, 0, 1, 1, 1, 1]
    assert [one.kid for one in opened] == ["far", "near", None, None, None, None, "far"]
    assert [(one.is_hit, one.is_miss) for one in opened] == [(False, number != 2) for number in range(7)]


def test_a_bulk_larger_than_its_share_of_threads_is_opened_whole(world):
    names = [str(number) for number in range(200)]
    opened = world.open(*(kao(name) for name in names))
    assert shown(opened) == [key_of(name) for name in names]
    assert sum(world.service.calls.values()) == sum(operations(opened)) == 200


@pytest.mark.parametrize("kid", ["far", "near"])
@pytest.mark.parametrize("keeps", [True, False])
def test_the_same_wrapped_key_twice_is_one_operation(world, kid, keeps):
    """Whether keys are kept or not. The first counts it, and the others are no hits."""
    world.cache = world.cache if keeps else None
    opened = world.open(*[kao("a", kid)] * 3)
    assert shown(opened) == [key_of("a")] * 3
    assert operations(opened) == [1, 0, 0]
    assert [(one.is_hit, one.is_miss, one.kid) for one in opened] == [(False, keeps, kid)] * 3
    assert sum(world.service.calls.values()) == 1


def test_each_has_a_key_of_its_own(world):
    first, *others = world.open(*[kao("a")] * 3)
    first.outcome.wipe()
    assert shown(others) == [key_of("a")] * 2


@pytest.mark.parametrize("is_bound", list(itertools.product([True, False], repeat=3)))
def test_of_the_same_wrapped_key_each_has_its_own_binding_checked(world, mocker, is_bound):
    """One HMAC each, one operation together; and it is kept if one of them held."""
    made = mocker.spy(DataKey, "hmac_sha256")
    opened = world.open(*(kao("a", is_bound=one) for one in is_bound))
    assert shown(opened) == [key_of("a") if one else KeyMaterialRejected for one in is_bound]
    assert (operations(opened), made.call_count) == ([1, 0, 0], 3)
    assert len(world.cache._entries) == any(is_bound)


def test_attack_r10_of_the_same_wrapped_key_a_bad_wrap_costs_what_a_bad_binding_does(world, mocker):
    made = mocker.spy(DataKey, "hmac_sha256")
    bad_wrap = world.open(*[replace(kao("a", "near", wrapped_for="far"), kid="near")] * 2)
    bad_binding = world.open(*[kao("b", "near", is_bound=False)] * 2)
    for opened in (bad_wrap, bad_binding):
        assert shown(opened) == [KeyMaterialRejected] * 2
        assert operations(opened) == [1, 0]
    assert made.call_count == 4


def test_a_kept_key_opens_those_that_were_bound_and_costs_the_others_one_operation(world):
    world.open(kao("a"))
    opened = world.open(kao("a"), kao("a", is_bound=False), kao("a"), kao("a", is_bound=False))
    assert shown(opened) == [key_of("a"), KeyMaterialRejected] * 2
    assert operations(opened) == [0, 1, 0, 0]
    assert [one.is_hit for one in opened] == [True, False, True, False]


def test_without_kid_two_keys_are_tried_for_each(world):
    opened = world.open(
        kao("a", None, wrapped_for="old-1"),
        kao("b", None, wrapped_for="old-2"),
        kao("c", None, wrapped_for="nobody"),
        kao("down", None),
        dialect="opentdf",
    )
    assert shown(opened) == [key_of("a"), key_of("b"), KeyMaterialRejected, KeyUnavailable]
    assert operations(opened) == [1, 2, 2, 1]
    assert [one.kid for one in opened] == ["old-1", "old-2", None, None]


@pytest.mark.parametrize("keeps", [True, False])
def test_without_kid_and_with_it_the_same_wrapped_key_is_one_operation_of_each_key(world, keeps):
    """Also where the first try of one is the second of another."""
    world.cache = world.cache if keeps else None
    wrapped_for = "old-2"
    opened = world.open(
        kao("a", None, wrapped_for=wrapped_for),
        kao("a", "old-2", wrapped_for=wrapped_for),
        kao("a", None, wrapped_for=wrapped_for),
        kao("a", "old-1", wrapped_for=wrapped_for),
        dialect="opentdf",
    )
    assert shown(opened) == [key_of("a")] * 3 + [KeyMaterialRejected]
    assert operations(opened) == [1, 1, 0, 0]
    assert world.service.calls == {("old-1", b"old-2:a"): 1, ("old-2", b"old-2:a"): 1}


def test_operations_are_those_really_made(world):
    """With every attempt that the service makes again."""
    world.service.failures = {b"far:a": 2, b"near:b": 1}
    opened = world.open(kao("a"), kao("a"), kao("b", "near"), kao("c"))
    assert operations(opened) == [3, 0, 2, 1]
    assert sum(world.service.calls.values()) == 6


def test_metered_are_the_keys_that_cost_money(world):
    world.budget = Purse({"alice": 5})
    world.service.failures = {b"far:a": 1}
    world.open(kao("a"), kao("b"), kao("c", "near"))
    assert world.budget.left == {"alice": 2}


def test_where_all_are_metered_the_keys_of_this_process_are_too(world):
    world.budget, world.budget_all = Purse({"alice": 5}), True
    world.open(kao("a"), kao("c", "near"))
    assert world.budget.left == {"alice": 3}


def test_attack_l07_a_budget_that_ends_in_a_bulk_ends_for_the_keys_it_was_for(world):
    """So many are opened as there was budget for, and no more called; others have their own."""
    world.budget = Purse({"alice": 3, "bob": 10})
    opened = world.open(*(kao(str(number)) for number in range(5)), kao("n", "near"))
    assert Counter(operations(opened)) == {1: 4, 0: 2}
    assert shown(opened).count(BudgetExhausted) == 2
    assert shown(opened)[-1] == key_of("n")
    assert sum(world.service.calls.values()) == 4
    again = world.open(*(kao(str(number)) for number in range(5)), caller="bob")
    assert shown(again) == [key_of(str(number)) for number in range(5)]
    assert sum(one.is_hit for one in again) == 3


def test_every_copy_is_overwritten_but_those_of_the_receiver_and_the_cache(world, mocker):
    """Whether it was unwrapped or kept, opened or refused."""
    world.open(kao("kept"))
    copied = mocker.spy(DataKey, "copy")
    opened = world.open(kao("a"), kao("a"), kao("b", is_bound=False), kao("kept"), kao("kept", is_bound=False))
    assert shown(opened)[:2] == [key_of("a")] * 2
    receivers = [one.outcome for one in opened if isinstance(one.outcome, DataKey)]
    kept = [key for _, key in world.cache._entries.values()]
    assert (len(receivers), len(kept)) == (3, 2)
    owners = {id(key) for key in receivers + kept}
    assert {id(key) for key in copied.spy_return_list if not is_wiped(key)} < owners
    assert [is_wiped(key) for key in world.service.given] == [True] * 4


def test_what_nobody_expected_of_one_key_is_unavailable_and_every_operation_is_counted(world):
    opened = world.open(kao("a"), kao("broken"), kao("b", "near"), kao("broken", "near"))
    assert shown(opened) == [key_of("a"), KeyUnavailable, key_of("b"), KeyUnavailable]
    assert operations(opened) == [1] * 4


def test_no_key_outlives_what_nobody_expected(world):
    """Neither those that were kept, nor unwrapped before."""
    world.open(kao("a"))
    found = []
    find = world.cache.find

    def fail(*_):
        raise ZeroDivisionError

    world.cache.find = lambda digest: found.append(find(digest)) or found[-1]
    world.cache.put = fail
    with pytest.raises(ZeroDivisionError):
        world.open(kao("a"), kao("b", "near"), kao("c"))
    (kept,) = [key for key in found if key]
    assert is_wiped(kept)
    assert all(is_wiped(key) for key in world.service.given)


def test_an_opened_key_is_kept_though_others_take_longer(world):
    """Its time begins when it came, and not when the slowest did."""
    digest = dek_digest("acp240", "far", kao("a").wrapped)
    unwrap, seen = world.service.unwrap, []

    def slow(record, wrapped, pay):
        if wrapped == kao("slow").wrapped:
            end = time.monotonic() + PATIENCE
            while digest not in world.cache._entries and time.monotonic() < end:
                time.sleep(0.001)
            seen.append(digest in world.cache._entries)
        return unwrap(record, wrapped, pay)

    world.service.unwrap = slow
    assert shown(world.open(kao("slow"), kao("a"))) == [key_of("slow"), key_of("a")]
    assert seen == [True]


class Overtaken:
    """Just before operations are run, another request keeps the key ``a``."""

    def __init__(self, world):
        self._world, self._flying = world, world.flying

    def deadline(self):
        return self._flying.deadline()

    def run(self, errands, until, land):
        self._world.cache.put(dek_digest("acp240", "far", kao("a").wrapped), DataKey(key_of("a")))
        self._flying.run(errands, until, land)


def test_a_key_that_was_kept_since_we_looked_is_a_hit(world):
    world.flying = Overtaken(world)
    opened = world.open(kao("a"), kao("b"), kao("a"))
    assert shown(opened) == [key_of("a"), key_of("b"), key_of("a")]
    assert [(one.operations, one.is_hit, one.is_miss) for one in opened] == [
        (0, True, False),
        (1, False, True),
        (0, True, False),
    ]


def test_attack_r10_a_bad_binding_on_a_key_that_was_kept_since_costs_its_operation(world):
    """It is the first of those that are not open yet, and counts it."""
    world.flying = Overtaken(world)
    opened = world.open(kao("a"), kao("a", is_bound=False), kao("a", is_bound=False))
    assert shown(opened) == [key_of("a"), KeyMaterialRejected, KeyMaterialRejected]
    assert operations(opened) == [0, 1, 0]


def at_once(number, run):
    """What ``run`` returns in so many threads that start together."""
    barrier, results = threading.Barrier(number), [None] * number

    def one(index):
        barrier.wait(PATIENCE)
        results[index] = run(index)

    threads = [threading.Thread(target=one, args=(index,)) for index in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    return results


@pytest.mark.parametrize("kid", ["far", "near"])
def test_many_requests_at_once_for_one_key_are_one_operation(world, kid):
    """Without fail: whoever misses it among the kept keys meets it under way, or finds it when he is about to lead."""
    for number in range(40):
        found = at_once(12, lambda _index, number=number: world.open(kao(str(number), kid)))
        assert [shown(opened) for opened in found] == [[key_of(str(number))]] * 12
        assert sum(opened[0].operations for opened in found) == 1
        assert sum(opened[0].is_hit + opened[0].is_miss for opened in found) == 12
    assert set(world.service.calls.values()) == {1}


def test_attack_l07_who_has_no_budget_is_refused_alone_or_has_what_others_paid(world):
    world.budget = Purse({"poor": 0, "rich": 10_000})
    for number in range(20):
        callers = ["poor", "rich"] * 6
        found = at_once(
            12, lambda index, number=number: world.open(kao(str(number)), caller=("poor", "rich")[index % 2])
        )
        for caller, (opened,) in zip(callers, found, strict=True):
            if caller == "rich":
                assert shown([opened]) == [key_of(str(number))]
            else:
                assert opened.operations == 0
                assert shown([opened])[0] in {BudgetExhausted, key_of(str(number))}
    assert sum(world.service.calls.values()) == 10_000 - world.budget.left["rich"]


NAMES = st.sampled_from(["a", "b", "c", "down"])
KAOS = st.builds(
    lambda name, kid, other, is_bound: kao(name, kid, wrapped_for=other or kid, is_bound=is_bound),
    NAMES,
    st.sampled_from(["far", "near", "unknown"]),
    st.sampled_from([None, "far"]),
    st.booleans(),
)


def oracle(one):
    """What becomes of it alone."""
    if one.kid == "unknown":
        return UnknownKey
    kid, _, name = one.wrapped.ciphertext.decode().partition(":")
    if name == "down":
        return KeyUnavailable
    is_good = kid == one.kid and one.policy_binding != bytes(32)
    return key_of(name) if is_good else KeyMaterialRejected


@given(st.lists(st.lists(KAOS, max_size=12), max_size=4), st.booleans())
@settings(max_examples=60, deadline=None)
def test_whatever_is_asked_together_each_has_what_it_would_have_alone(requests, keeps):
    """And what is counted is what was called: once for the same at once, and not at all for what is kept."""
    world = World()
    world.cache = world.cache if keeps else None
    counted = 0
    for kaos in requests:
        before = sum(world.service.calls.values())
        opened = world.open(*kaos)
        assert shown(opened) == [oracle(one) for one in kaos]
        counted += sum(operations(opened))
        wrapped = {(one.kid, one.wrapped.ciphertext) for one in kaos if one.kid != "unknown"}
        assert sum(world.service.calls.values()) - before <= len(wrapped)
    assert counted == sum(world.service.calls.values())
    assert all(is_wiped(key) for key in world.service.given)


def test_a_refusal_is_a_value_and_nothing_is_raised(world):
    (opened,) = world.open(kao("a", "unknown"))
    assert isinstance(opened.outcome, KaoRefusal)
    assert (opened.kid, opened.operations, opened.is_hit, opened.is_miss) == (None, 0, False, False)
