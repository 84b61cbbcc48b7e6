"""The memory of used proofs: against a naive one, at its limits, and under many threads."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kas.errors import KasError, ProofReplayed, ReplayShareExhausted, ReplayStoreFull, RewrapLimit
from kas.state.own_replay import MemoryReplayStore

TTL = 80.0


@dataclass
class Time:
    """A clock that a test moves."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class NaiveStore:
    """The same rules without thought for speed: a list of everything that was ever claimed."""

    capacity: int
    clock: Time
    claims: list[tuple[float, str, str, str]] = field(default_factory=list)

    def claim(self, *, jkt: str, jti: str, caller: str) -> None:
        live = [claim for claim in self.claims if claim[0] + TTL >= self.clock()]
        if any((jkt, jti) == claim[1:3] for claim in live):
            raise ProofReplayed
        share = max(1, self.capacity // 8)
        if len([claim for claim in live if claim[1] == jkt]) >= share:
            raise ReplayShareExhausted
        if len([claim for claim in live if claim[3] == caller]) >= share:
            raise ReplayShareExhausted
        if len(live) >= self.capacity:
            raise ReplayStoreFull
        self.claims.append((self.clock(), jkt, jti, caller))


def outcome(store: MemoryReplayStore | NaiveStore, **claim: str) -> type[KasError] | None:
    """How a claim ends."""
    try:
        store.claim(**claim)
    except KasError as refusal:
        return type(refusal)
    return None


class AgainstNaive(RuleBasedStateMachine):
    """Both stores get the same claims at the same times."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Time()
        self.store = MemoryReplayStore(capacity=16, ttl_seconds=TTL, clock=self.clock)
        self.naive = NaiveStore(16, self.clock)

    @rule(
        jkt=st.sampled_from([f"key-{number}" for number in range(12)]),
        jti=st.sampled_from(["a", "b", "c"]),
        caller=st.sampled_from([f"caller-{number}" for number in range(12)]),
    )
    def claim(self, jkt: str, jti: str, caller: str) -> None:
        claim = {"jkt": jkt, "jti": jti, "caller": caller}
        assert outcome(self.store, **claim) == outcome(self.naive, **claim)

    @rule(seconds=st.sampled_from([0.5, 10.0, TTL, TTL + 1]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @invariant()
    def holds_no_more_than_it_may(self) -> None:
        assert len(self.store._queue) == len(self.store._claimed) <= 16
        assert sum(self.store._held.values()) == 2 * len(self.store._queue)


AgainstNaive.TestCase.settings = settings(max_examples=30, stateful_step_count=60, deadline=None)
TestAgainstNaive = AgainstNaive.TestCase


def store(capacity: int = 800) -> tuple[MemoryReplayStore, Time]:
    clock = Time()
    return MemoryReplayStore(capacity=capacity, ttl_seconds=TTL, clock=clock), clock


def test_attack_p10_claim_is_remembered_for_its_whole_life() -> None:
    """To the last moment; then there is room again."""
    memory, clock = store()
    claim = {"jkt": "k", "jti": "j", "caller": "c"}
    assert outcome(memory, **claim) is None
    clock.now += TTL
    assert outcome(memory, **claim) is ProofReplayed
    clock.now += 0.001
    assert outcome(memory, **claim) is None


def test_attack_p11_refused_claims_take_no_room() -> None:
    """Neither replays nor what is beyond a share make the store fuller or the memory longer."""
    memory, clock = store(capacity=16)
    for _ in range(50):
        outcome(memory, jkt="k", jti="same", caller="c")
        outcome(memory, jkt="k", jti=str(clock.now), caller="c")
    assert len(memory._queue) == 2
    clock.now += TTL + 1
    assert outcome(memory, jkt="k", jti="same", caller="c") is None


def test_attack_p11_share_is_an_eighth_for_key_and_caller() -> None:
    """The key's and the caller's are counted apart; a store of less than eight lets each have one."""
    for capacity, share in ((800, 100), (87, 10), (8, 1), (7, 1)):
        for fixed in ("jkt", "caller"):
            memory, _ = store(capacity)
            ends = [
                outcome(memory, **{"jti": f"j{number}", "jkt": f"k{number}", "caller": f"c{number}"} | {fixed: "one"})
                for number in range(share + 1)
            ]
            assert ends == [None] * share + [ReplayShareExhausted]


def test_attack_p11_key_and_caller_of_one_text_are_not_one_holder() -> None:
    """A caller named like a key takes nothing from it."""
    memory, _ = store(capacity=8)
    assert outcome(memory, jkt="same", jti="j", caller="c") is None
    assert outcome(memory, jkt="k", jti="j", caller="same") is None


def test_attack_p11_full_store_forgets_nothing_early() -> None:
    """All of it is still a replay, nothing new gets in, until the oldest has lived its life."""
    memory, clock = store(capacity=100)
    claims = [{"jkt": f"k{number}", "jti": "j", "caller": f"c{number}"} for number in range(100)]
    for claim in claims:
        assert outcome(memory, **claim) is None
        clock.now += 0.1
    new = {"jkt": "new", "jti": "j", "caller": "new"}
    assert outcome(memory, **new) is ReplayStoreFull
    assert {outcome(memory, **claim) for claim in claims} == {ProofReplayed}
    clock.now += TTL - 10 + 0.05
    assert outcome(memory, **new) is None
    assert {outcome(memory, **claim) for claim in claims[1:]} == {ProofReplayed}


def test_attack_p11_forwarded_kaos_leave_an_eighth_for_proofs_of_our_own() -> None:
    """Eight callers of other services with some thousand key access objects each do not lock out our own."""
    memory, clock = store(capacity=80)
    for number in range(7):
        memory.claim_kaos(jkt=f"k{number}", jti="j", caller=f"c{number}", kao_ids=[str(kao) for kao in range(10)])
    with pytest.raises(ReplayStoreFull):
        memory.claim_kaos(jkt="k", jti="j", caller="c", kao_ids=["1"])
    assert [outcome(memory, jkt=f"own{number}", jti="j", caller=f"o{number}") for number in range(10)] == [None] * 10
    assert outcome(memory, jkt="one", jti="more", caller="o") is ReplayStoreFull
    clock.now += TTL + 1
    memory.claim_kaos(jkt="k", jti="j", caller="c", kao_ids=["1"])


def test_attack_p11_memory_returns_to_nothing() -> None:
    """After many claims of many keys and callers have expired, nothing of them is left."""
    memory, clock = store(capacity=1000)
    for round_number in range(20):
        for number in range(1000):
            memory.claim(jkt=f"k{round_number}-{number}", jti="j" * 256, caller=f"c{round_number}-{number}")
        clock.now += TTL + 1
    memory._forget(clock.now)
    assert (len(memory._queue), len(memory._claimed), len(memory._held)) == (0, 0, 0)


def test_a_new_proof_is_put_to_the_limit_before_it_takes_a_place_and_a_used_one_never() -> None:
    """What the limit refuses leaves nothing behind; what has no place was counted all the same."""
    memory, _ = store(capacity=8)
    asked: list[int] = []

    def refuse() -> None:
        raise RewrapLimit(1.0)

    def admit() -> None:
        asked.append(len(memory._queue))

    with pytest.raises(RewrapLimit):
        memory.claim(jkt="k", jti="j", caller="c", admit=refuse)
    memory.claim(jkt="k", jti="j", caller="c", admit=admit)
    with pytest.raises(ProofReplayed):
        memory.claim(jkt="k", jti="j", caller="c", admit=admit)
    with pytest.raises(ReplayShareExhausted):
        memory.claim(jkt="k", jti="other", caller="c", admit=admit)
    assert asked == [0, 1]


@pytest.mark.parametrize("jti", ["\ud800", "\x00", "é" * 256])
def test_attack_p12_any_text_can_be_remembered(jti: str) -> None:
    """Whatever a client puts there is one id, claimed once."""
    memory, _ = store()
    claim = {"jkt": "k", "jti": jti, "caller": "c"}
    assert [outcome(memory, **claim) for _ in range(2)] == [None, ProofReplayed]


def test_attack_p17_one_of_fifty_threads_wins() -> None:
    """A claim is one operation, and the limit is asked about it once."""
    for _ in range(20):
        memory, _ = store()
        together = threading.Barrier(50)
        asked: list[None] = []
        admit = partial(asked.append, None)

        def claim(
            _number: int,
            memory: MemoryReplayStore = memory,
            together: threading.Barrier = together,
            admit: Callable[[], None] = admit,
        ) -> object:
            together.wait(timeout=20)
            try:
                memory.claim(jkt="k", jti="j", caller="c", admit=admit)
            except ProofReplayed:
                return ProofReplayed
            return None

        with ThreadPoolExecutor(50) as pool:
            ends = list(pool.map(claim, range(50)))
        assert (ends.count(None), ends.count(ProofReplayed), len(asked)) == (1, 49, 1)
