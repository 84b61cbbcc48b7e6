"""The cache of issuers' keys, with a clock and a network in the test's hands."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from kas.auth import jwks as module
from kas.auth.issuers import Issuer
from kas.auth.jwks import (
    COOL_DOWN_SECONDS,
    FRESH_SECONDS,
    MAX_WAITING,
    MAX_WAITING_BRIEFLY,
    RETRY_SECONDS,
    STALE_SECONDS,
    JwksCache,
)
from kas.cache import Counts
from kas.errors import IssuerKeysUnavailable
from kas.fetch import FetchError
from local.client.keys import new_proof_key

KEY = new_proof_key()


def issuer(name="a"):
    url = f"https://{name}.example"
    return Issuer(url, f"{url}/jwks", "kas", frozenset({"at+jwt"}), {}, {}, frozenset())


def key_set(*kids, **members):
    return json.dumps({"keys": [{**KEY.jwk, "kid": kid, **members} for kid in kids]}).encode()


@dataclass
class Network:
    """Answers with ``reply`` (bytes, or an exception to raise) and counts; ``before`` runs first."""

    reply: bytes | Exception = field(default_factory=lambda: key_set("k1"))
    fetched: list[str] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def __call__(self, url):
        self.fetched.append(url)
        self.before()
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


@dataclass
class World:
    """A cache of two issuers at the time ``now``."""

    network: Network = field(default_factory=Network)
    now: float = 1_790_000_000.0
    fresh_seconds: float = FRESH_SECONDS
    cache: JwksCache = None

    def __post_init__(self):
        issuers = {one.issuer: one for one in (issuer("a"), issuer("b"))}
        self.cache = JwksCache(issuers, self.network, lambda: self.now, self.fresh_seconds)

    def find(self, kid="k1", name="a"):
        return self.cache.find(issuer(name), kid)

    def is_usable(self, name="a"):
        return self.cache.is_usable(issuer(name))

    @property
    def fetches(self):
        return len(self.network.fetched)


@pytest.fixture
def world():
    return World()


def test_keys_come_from_the_configured_address_of_that_issuer_alone(world):
    assert world.find().jwk.thumbprint == KEY.thumbprint
    assert world.network.fetched == ["https://a.example/jwks"]


def test_nothing_is_fetched_before_a_token_asks(world):
    assert world.fetches == 0


def test_a_fresh_set_serves_without_fetching_to_the_last_second(world):
    world.find()
    world.now += FRESH_SECONDS
    assert world.find() is not None
    assert world.fetches == 1
    world.now += 1
    assert world.find() is not None
    assert world.fetches == 2


def test_a_key_that_the_issuer_withdrew_is_gone_with_the_next_set(world):
    world.find()
    world.network.reply = key_set("k2")
    world.now += FRESH_SECONDS + 1
    assert world.find("k1") is None
    assert world.find("k2") is not None


def test_keys_are_found_by_issuer_and_kid(world):
    world.find(name="a")
    world.network.reply = key_set("other")
    assert world.find("k1", name="b") is None
    assert world.find("k1", name="a") is not None


def test_an_unknown_kid_refreshes_once_per_cool_down(world):
    world.find()
    for _ in range(20):
        assert world.find("unknown") is None
    assert world.fetches == 1
    world.now += COOL_DOWN_SECONDS - 0.5
    assert world.find("unknown") is None
    assert world.fetches == 1
    world.now += 0.5
    for number in range(20):
        assert world.find(f"unknown-{number}") is None
    assert world.fetches == 2


def test_a_new_key_is_found_after_the_cool_down(world):
    world.find()
    world.network.reply = key_set("k1", "k2")
    assert world.find("k2") is None
    world.now += COOL_DOWN_SECONDS
    assert world.find("k2") is not None


def test_the_cool_down_of_one_issuer_is_not_that_of_another(world):
    world.find("unknown", name="a")
    assert world.find("k1", name="b") is not None


@pytest.mark.parametrize("reply", [FetchError("away"), b"<html>", b"{}"], ids=repr)
def test_without_any_set_the_issuer_is_unavailable(world, reply):
    world.network.reply = reply
    with pytest.raises(IssuerKeysUnavailable):
        world.find()


def test_after_a_failure_the_next_attempt_waits(world):
    world.network.reply = FetchError("away")
    for _ in range(5):
        with pytest.raises(IssuerKeysUnavailable):
            world.find()
    assert world.fetches == 1
    world.network.reply = key_set("k1")
    world.now += RETRY_SECONDS
    assert world.find() is not None


def test_after_a_failure_it_is_told_when_the_next_attempt_is_due(world):
    """Also by a clock that was set back; while the first fetch is under way nobody can say."""
    world.network.reply = FetchError("away")
    for step, told in ((0.0, RETRY_SECONDS), (2.0, RETRY_SECONDS - 2.0), (-3600.0, COOL_DOWN_SECONDS)):
        world.now += step
        with pytest.raises(IssuerKeysUnavailable) as refusal:
            world.find()
        assert refusal.value.retry_after == told


def test_after_a_failure_that_took_its_time_the_next_attempt_waits_too(world):
    """Else each request of a slow issuer's callers would hold a thread for the whole deadline."""
    world.network.reply = FetchError("deadline")

    def take_long():
        world.now += module.DEADLINE_SECONDS

    world.network.before = take_long
    for _ in range(5):
        with pytest.raises(IssuerKeysUnavailable):
            world.find()
    assert world.fetches == 1


@pytest.mark.parametrize("reply", [FetchError("away"), b"<html>"], ids=repr)
def test_an_old_set_serves_for_a_bounded_time_while_the_issuer_is_away(world, reply):
    world.find()
    world.network.reply = reply
    world.now += FRESH_SECONDS + STALE_SECONDS
    assert world.find() is not None
    assert world.fetches == 2
    world.now += 0.5
    with pytest.raises(IssuerKeysUnavailable):
        world.find()


def test_an_unknown_kid_at_a_stale_set_stays_unknown(world):
    world.find()
    world.network.reply = FetchError("away")
    world.now += FRESH_SECONDS + 1
    assert world.find("unknown") is None


def test_a_set_that_serves_stale_is_replaced_when_the_issuer_is_back(world):
    world.find()
    world.network.reply = FetchError("away")
    world.now += FRESH_SECONDS + 1
    world.find()
    world.network.reply = key_set("k2")
    world.now += RETRY_SECONDS
    assert world.find("k2") is not None


def test_a_few_at_once_fetch_once_and_all_get_the_key(world):
    """Where no set serves: one fetches, the others wait for its result."""
    world.network.before = lambda: time.sleep(0.2)
    with ThreadPoolExecutor(1 + MAX_WAITING_BRIEFLY) as pool:
        found = list(pool.map(lambda _: world.find(), range(1 + MAX_WAITING_BRIEFLY)))
    assert all(found)
    assert world.fetches == 1


def test_who_waits_too_long_for_anothers_fetch_is_told_that_the_keys_are_unavailable(world, mocker):
    """The fetcher has a deadline of its own; this holds even if it does not keep it."""
    mocker.patch.object(module, "DEADLINE_SECONDS", 0.01)
    started, release = threading.Event(), threading.Event()

    def block():
        started.set()
        release.wait(10)

    world.network.before = block
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(world.find)
        started.wait(10)
        with pytest.raises(IssuerKeysUnavailable) as refusal:
            world.find()
        release.set()
        assert first.result() is not None
    assert refusal.value.retry_after is None  # nobody knew
    assert world.fetches == 1


def find_while_another_fetches(world, others):
    """How many of ``others`` got the key; the issuer answers when all beyond the few who may wait were refused."""
    refused, started = threading.Semaphore(0), threading.Event()

    def block():
        started.set()
        for _ in range(others - MAX_WAITING):
            refused.acquire(timeout=10)

    def find():
        try:
            return world.find() is not None
        except IssuerKeysUnavailable:
            refused.release()
            return False

    world.network.before = block
    with ThreadPoolExecutor(1 + others) as pool:
        first = pool.submit(find)
        started.wait(10)
        waiting = [pool.submit(find) for _ in range(others)]
    assert first.result() == isinstance(world.network.reply, bytes)
    return sum(one.result() for one in waiting)


def test_while_an_issuer_stalls_only_a_few_wait_for_its_first_set(world):
    """The rest are refused soon, so that forged tokens in its name cannot hold all threads; the next time too."""
    world.network.reply = FetchError("deadline")
    assert find_while_another_fetches(world, 20) == 0
    world.network.reply = key_set("k1")
    world.now += RETRY_SECONDS
    assert find_while_another_fetches(world, 20) == MAX_WAITING
    assert world.fetches == 2


@pytest.mark.parametrize("kid", ["k1", "unknown"])
def test_nobody_waits_for_a_fetch_while_a_set_serves(world, kid):
    """The answer is that of the old set: what the new one says is known to later requests."""
    world.find()
    world.network.reply = key_set("unknown")
    world.now += FRESH_SECONDS + 1
    started, answered = threading.Event(), threading.Event()

    def block():
        started.set()
        answered.wait(5)

    world.network.before = block
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(world.find, "unknown")
        started.wait(10)
        found = world.find(kid)
        answered.set()
        assert first.result() is not None
    assert (found is not None) == (kid == "k1")
    assert world.fetches == 2


def test_a_failed_fetch_leaves_the_lock_free(world):
    world.network.reply = RuntimeError("a fault of ours")
    with pytest.raises(RuntimeError):
        world.find()
    world.now += RETRY_SECONDS
    world.network.reply = key_set("k1")
    assert world.find() is not None


@pytest.mark.parametrize("fresh_seconds", [1, 59, 60, 61, 7200])
def test_a_set_is_fresh_and_stale_for_as_long_as_the_setting_says(fresh_seconds):
    world = World(fresh_seconds=fresh_seconds)
    world.find()
    world.now += fresh_seconds
    assert world.find() is not None
    assert world.fetches == 1
    world.network.reply = FetchError("away")
    world.now += 1
    assert world.find() is not None
    assert world.fetches == 2
    world.now += STALE_SECONDS
    with pytest.raises(IssuerKeysUnavailable):
        world.find()


def test_attack_c05_a_short_freshness_does_not_shorten_the_cool_down_below_itself():
    """Each second at most one fetch, which would be due anyway."""
    world = World(fresh_seconds=1)
    for number in range(20):
        assert world.find(f"unknown-{number}") is None
    assert world.fetches == 1


def test_an_hour_is_the_default(world):
    cache = JwksCache({issuer().issuer: issuer()}, world.network, lambda: world.now)
    cache.find(issuer(), "k1")
    world.now += 3600
    cache.find(issuer(), "k1")
    assert world.fetches == 1
    world.now += 1
    cache.find(issuer(), "k1")
    assert world.fetches == 2


def test_a_hit_is_what_is_answered_without_a_fetch(world):
    world.find()
    assert world.cache.counts() == Counts(hits=0, misses=1)
    world.find()
    world.find("unknown")
    assert world.cache.counts() == Counts(hits=2, misses=1)
    world.now += COOL_DOWN_SECONDS
    world.find("unknown")
    assert world.cache.counts() == Counts(hits=2, misses=2)


def test_a_fetch_that_failed_is_a_miss_and_a_refusal_without_one_is_neither(world):
    world.network.reply = FetchError("away")
    for _ in range(3):
        with pytest.raises(IssuerKeysUnavailable):
            world.find()
    assert world.cache.counts() == Counts(hits=0, misses=1)


def test_an_issuer_is_usable_when_its_keys_can_be_fetched_and_then_without_fetching(world):
    assert world.is_usable()
    assert world.is_usable()
    assert world.network.fetched == ["https://a.example/jwks"]
    assert world.find() is not None
    assert world.fetches == 1


def test_an_issuer_is_usable_while_its_old_set_serves_and_no_longer(world):
    world.find()
    world.network.reply = FetchError("away")
    world.now += FRESH_SECONDS + STALE_SECONDS
    assert world.is_usable()
    assert world.fetches == 1
    world.now += 0.5
    assert not world.is_usable()
    assert world.fetches == 2


@pytest.mark.parametrize("reply", [FetchError("away"), b"<html>", b'{"keys":[]}', key_set("k1", use="enc")], ids=repr)
def test_an_issuer_without_a_usable_key_is_not_usable_until_it_has_one(world, reply):
    world.network.reply = reply
    assert not world.is_usable()
    world.network.reply = key_set("k1")
    world.now += COOL_DOWN_SECONDS
    assert world.is_usable()


def test_attack_c05_asking_whether_an_issuer_is_usable_causes_no_flood_of_fetches(world):
    world.network.reply = FetchError("away")
    for _ in range(20):
        assert not world.is_usable()
    assert world.fetches == 1
    world.now += RETRY_SECONDS
    assert not world.is_usable()
    assert world.fetches == 2


def test_asking_whether_an_issuer_is_usable_is_not_counted_as_a_look_up(world):
    world.is_usable()
    world.is_usable()
    assert world.cache.counts() == Counts(0, 0)


POISON = {
    "empty": b'{"keys":[]}',
    "html": b"<html>",
    "not-a-set": b'[{"kid":"k1"}]',
    "kid-twice": key_set("k1", "k1"),
    "symmetric": json.dumps({"keys": [{"kty": "oct", "k": "AAAA", "kid": "k1", "alg": "HS256"}]}).encode(),
    "for-encryption": key_set("k1", use="enc"),
    "other-issuer-s-kid": key_set("k2"),
}


@pytest.mark.parametrize("name", POISON)
def test_attack_c05_a_poisoned_set_of_one_issuer_reaches_no_other(world, name):
    good = world.find(name="b")
    world.network.reply = POISON[name]
    try:
        assert world.find(name="a") is None
    except IssuerKeysUnavailable:
        assert name in {"html", "not-a-set"}
    assert world.find(name="b") is good
    assert world.network.fetched == ["https://b.example/jwks", "https://a.example/jwks"]
