"""Claims: one suite over every store, and what each bounds."""

from __future__ import annotations

import secrets
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from kas.errors import ForwardingReplayed, KasError, ProofReplayed, ReplayShareExhausted, ReplayStoreFull, RewrapLimit
from kas.state.claims import proof_claim
from kas.state.firestore import FirestoreStore
from kas.state.guard import StoreGuard
from kas.state.own_replay import MemoryReplayStore
from kas.state.shared import LimitWindow, StoreBusy
from kas.state.shared_replay import SharedReplayStore
from tests.state.servers import redis

TTL = 80.0
KAOS = "kao-1", "kao-2"


@dataclass
class Time:
    """A clock that a test moves."""

    now: float = 1_790_000_000.0

    def __call__(self):
        return self.now

    def milliseconds(self):
        return round(self.now * 1000)


def over(store, told=None):
    """A replay store over this shared one."""
    return SharedReplayStore(store, StoreGuard("test", time.monotonic, (told if told is not None else []).append))


@pytest.fixture(params=["memory", "redis", "firestore"])
def store(request):
    """An empty one."""
    if request.param == "memory":
        return MemoryReplayStore(capacity=800, ttl_seconds=TTL, clock=time.time)
    return over(request.getfixturevalue("redis_server" if request.param == "redis" else "firestore").store())


def outcome(store, jti="a", jkt="key", caller="me", **more):
    try:
        store.claim(jkt=jkt, jti=jti, caller=caller, **more)
    except KasError as refusal:
        return type(refusal)
    return None


def kaos(store, *kao_ids, jti="a"):
    try:
        store.claim_kaos(jkt="key", jti=jti, caller="me", kao_ids=kao_ids)
    except KasError as refusal:
        return type(refusal)
    return None


def refuse():
    raise RewrapLimit(1.0)


def test_proof_is_accepted_once(store):
    """By jti and key: another of either is another proof, whoever the caller is."""
    assert outcome(store) is None
    assert outcome(store) is ProofReplayed
    assert outcome(store, caller="another") is ProofReplayed
    assert outcome(store, jti="b") is None
    assert outcome(store, jkt="another") is None
    assert outcome(store, jti="\N{SNOWMAN}\ud800") is None


def test_assertion_is_accepted_once(store):
    """It is no proof of the same name."""
    assert outcome(store) is None
    store.claim_assertion(forwarder="key", jti="a")
    with pytest.raises(ForwardingReplayed):
        store.claim_assertion(forwarder="key", jti="a")


def test_use_for_key_access_objects_is_claimed_whole_or_not(store):
    """One that was used before refuses all, and the others stay free."""
    assert kaos(store, "kao-1") is None
    assert kaos(store, "kao-0", "kao-1", "kao-2") is ProofReplayed
    assert kaos(store, "kao-0", "kao-2") is None
    assert kaos(store, "kao-3", "kao-3") is ProofReplayed
    assert kaos(store, *(f"many-{number}" for number in range(90))) is None


def test_refused_caller_burns_no_jti(store):
    """What the limit refuses can be sent again."""
    assert outcome(store, admit=refuse) is RewrapLimit
    assert outcome(store) is None


def test_replayed_proof_uses_nothing_of_the_limit(store):
    """It is not even asked."""
    asked = []
    outcome(store)
    assert outcome(store, admit=lambda: asked.append(1)) is ProofReplayed
    assert asked == []


def test_of_one_proof_at_once_one_is_accepted_and_asked_about(store):
    """However many threads bring it."""
    asked, together = [], threading.Barrier(16)

    def bring(_number):
        together.wait()
        return outcome(store, jti="same", admit=lambda: asked.append(1))

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(bring, range(16)))
    assert sorted(outcomes, key=str) == sorted([None] + [ProofReplayed] * 15, key=str)
    assert asked == [1]


def test_room_is_told(store):
    """An empty one has some."""
    assert store.has_room()


class AgainstMemory(RuleBasedStateMachine):
    """The store in Redis and the one in memory get the same claims at the same times."""

    server = None

    def __init__(self):
        super().__init__()
        self.clock = Time()
        self.memory = MemoryReplayStore(capacity=16, ttl_seconds=TTL, clock=self.clock)
        self.shared = over(self.server.store(capacity=16, ttl_seconds=TTL, now=self.clock.milliseconds))

    def both(self, ask):
        ends = []
        for store in (self.memory, self.shared):
            try:
                ask(store)
                ends.append(None)
            except KasError as refusal:
                ends.append((type(refusal), refusal.retry_after))
        assert ends[0] == ends[1]

    @rule(jkt=st.integers(0, 11), jti=st.sampled_from("ab"), caller=st.integers(0, 11), is_admitted=st.booleans())
    def claim(self, jkt, jti, caller, is_admitted):
        """The limit is asked in another order where there is no room."""
        if not is_admitted and self.memory.has_room() and not self.is_share_full(jkt, caller):
            self.both(lambda store: store.claim(jkt=f"k{jkt}", jti=jti, caller=f"c{caller}", admit=refuse))
        else:
            self.both(lambda store: store.claim(jkt=f"k{jkt}", jti=jti, caller=f"c{caller}"))

    def is_share_full(self, jkt, caller):
        return max(self.memory._held[f"key k{jkt}"], self.memory._held[f"caller c{caller}"]) >= 2

    @rule(jkt=st.integers(0, 11), caller=st.integers(0, 11), ids=st.lists(st.sampled_from("xyz"), max_size=3))
    def claim_kaos(self, jkt, caller, ids):
        if ids:
            self.both(lambda store: store.claim_kaos(jkt=f"k{jkt}", jti="a", caller=f"c{caller}", kao_ids=ids))

    @rule(jti=st.sampled_from("abc"), forwarder=st.sampled_from(["fra", "gbr"]))
    def claim_assertion(self, jti, forwarder):
        self.both(lambda store: store.claim_assertion(forwarder=forwarder, jti=jti))

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0, 10.0, TTL, TTL + 1]))
    def wait(self, seconds):
        self.clock.now += seconds


def test_redis_bounds_and_forgets_as_memory_does(redis_server):
    """Shares, capacity, expiry, waits and refusals taken back are the same, to the millisecond."""
    machine = type("Machine", (AgainstMemory,), {"server": redis_server})
    machine.TestCase.settings = settings(max_examples=25, stateful_step_count=40, deadline=None, database=None)
    case = machine.TestCase()
    case.runTest()


def test_redis_forgets_by_its_own_time(redis_server):
    """Without a clock of ours; what is forgotten can come again."""
    store = over(redis_server.store(ttl_seconds=0.2))
    assert [outcome(store), outcome(store)] == [None, ProofReplayed]
    time.sleep(0.3)
    assert outcome(store) is None


@pytest.fixture(params=["memory", "redis"])
def small(request):
    """Eight places, of which one holder may have one."""
    if request.param == "memory":
        return MemoryReplayStore(capacity=8, ttl_seconds=TTL, clock=time.time)
    return over(request.getfixturevalue("redis_server").store(capacity=8))


def test_full_store_refuses_whoever_comes(small):
    """And still knows what it holds."""
    assert [outcome(small, jkt=f"k{number}", caller=f"c{number}") for number in range(8)] == [None] * 8
    assert not small.has_room()
    assert outcome(small, jkt="new", caller="new") is ReplayStoreFull
    assert outcome(small, jkt="k0", caller="c0") is ProofReplayed


def test_what_others_forward_leaves_a_share_to_proofs_of_our_own(small):
    """However many callers come through them."""
    ends = []
    for number in range(8):
        try:
            small.claim_kaos(jkt=f"k{number}", jti="a", caller=f"c{number}", kao_ids=["one"])
        except KasError as refusal:
            ends.append(type(refusal))
    assert ends == [ReplayStoreFull]
    assert outcome(small) is None


def test_redis_takes_a_claim_of_many_at_once(redis_server):
    """As many key access objects as a request may be allowed to have."""
    store = over(redis_server.store(capacity=100_000))
    many = [str(number) for number in range(10_000)]
    assert [kaos(store, *many), kaos(store, "new", many[-1])] == [None, ProofReplayed]


def test_redis_keeps_nothing_without_a_life(redis_server):
    """Of whatever kind it is, but the one value that says since when it remembers."""
    name = secrets.token_hex(4)
    raw = redis_server.store(name=name)
    store, client = over(raw), redis_server.client()
    store.claim(jkt="k", jti="j", caller="c")
    store.claim_kaos(jkt="k", jti="j", caller="c", kao_ids=KAOS)
    store.has_room()
    raw.keep({b"n": b"v"}, 60.0)
    raw.take(LimitWindow("test", 3, 60.0, 10), b"k" * 32)
    assert raw.era() == raw.era()
    keys = client.call("KEYS", f"*{name}*")
    assert len(keys) == 9
    lives = {key: client.call("PTTL", key) for key in keys if not key.endswith(b":era")}
    assert len(lives) == 8
    assert all(0 < life <= 90_000 for life in lives.values())


def test_redis_frees_the_places_of_claims_that_are_over(redis_server):
    """With the next claim, also of holders that stay."""
    name, clock = secrets.token_hex(4), Time()
    store, client = over(redis_server.store(name=name, now=clock.milliseconds)), redis_server.shared_client
    assert [outcome(store, jti=jti) for jti in "abc"] == [None] * 3
    clock.now += TTL + 1
    assert outcome(store, jti="d") is None
    keys = [key for key in client.call("KEYS", f"*{name}*") if client.call("TYPE", key) == b"zset"]
    assert [client.call("ZCARD", key) for key in keys] == [1] * 3


def test_redis_that_has_forgotten_its_scripts_is_told_them_again(redis_server):
    """As after its restart."""
    store = over(redis_server.store())
    outcome(store)
    redis_server.client().call("SCRIPT", "FLUSH")
    assert outcome(store) is ProofReplayed


def test_firestore_is_not_asked_for_longer_than_the_time_out():
    """Where others always write the same."""

    class Contended:
        root, asked = "projects/p/databases/d/documents", 0

        def write(self, _writes):
            self.asked += 1
            now.now += 0.1
            raise StoreBusy("others wrote the same")

    now, documents = Time(0.0), Contended()
    clocks = {"clock": now, "timer": now, "sleep": now, "random": now}
    store = FirestoreStore(documents, name="kas-usa", ttl_seconds=100.0, timeout_seconds=0.5, **clocks)
    with pytest.raises(StoreBusy):
        store.claim(proof_claim(jkt="k", jti="a", caller="c"))
    assert documents.asked == 5


def test_firestore_keeps_a_claim_for_longer_than_it_must(firestore):
    """A document that is over, and not yet deleted, counts as used: nobody honest sends a jti twice."""
    clock = Time()
    store = over(firestore.store(clock=clock))
    outcome(store)
    clock.now += 10 * TTL
    assert outcome(store) is ProofReplayed


def test_attack_p11_full_redis_refuses(tmp_path):
    """It forgets nothing for it, is told once, and what was claimed stays claimed."""
    told = []
    with redis(tmp_path) as server:
        store = over(server.store(), told)
        outcome(store, jti="first")
        assert store.has_room()
        server.set_memory("1")
        assert [outcome(store, jti=jti) for jti in "bc"] == [ReplayStoreFull] * 2
        assert outcome(store, jti="first") is ProofReplayed
        with pytest.raises(ReplayStoreFull):
            store.has_room()
        server.set_memory("0")
        assert outcome(store, jti="b") is None
    assert [(line["event"], line["use"]) for line in told] == [("state_full", "replay")]


def test_share_says_when_to_come_again(redis_server):
    """When the oldest claim of all ends."""
    store = over(redis_server.store(capacity=8))
    outcome(store)
    with pytest.raises(ReplayShareExhausted) as caught:
        store.claim(jkt="key", jti="b", caller="me")
    assert 79.0 < caught.value.retry_after <= TTL
