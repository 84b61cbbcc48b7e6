"""The memory of used proofs with assertions and key access objects in it: kinds apart, shares kept, all or none."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from kas.errors import ForwardingReplayed, KasError, ProofReplayed, ReplayShareExhausted, ReplayStoreFull, RewrapLimit
from kas.state.own_replay import MemoryReplayStore
from tests.federation.forwarded import Time

TTL = 80.0


def store(capacity: int = 800) -> tuple[MemoryReplayStore, Time]:
    clock = Time()
    return MemoryReplayStore(capacity=capacity, ttl_seconds=TTL, clock=clock), clock


def outcome(claim: Callable[..., None], *args: object, **named: object) -> type[KasError] | None:
    try:
        claim(*args, **named)
    except KasError as refusal:
        return type(refusal)
    return None


def kaos(memory: MemoryReplayStore, *kao_ids: str, **changes: str) -> type[KasError] | None:
    return outcome(memory.claim_kaos, **({"jkt": "k", "jti": "j", "caller": "c"} | changes), kao_ids=kao_ids)


def test_claims_of_one_kind_are_none_of_another() -> None:
    """Whatever the texts, however they are cut."""
    memory, _ = store()
    for jkt, jti in (("k", "j"), ("kj", ""), ("", "kj"), ("key access object", "k"), ("assertion", "k")):
        assert outcome(memory.claim, jkt=jkt, jti=jti, caller="c") is None
        assert outcome(memory.claim_assertion, forwarder=jkt, jti=jti) is None
        assert kaos(memory, "", "j", jkt=jkt, jti=jti) is None
    assert len(memory._claimed) == 5 * 4


@pytest.mark.parametrize(("jti", "kao_id"), [("j", "ab"), ("ja", "b"), ("jab", ""), ("j\0a", "b"), ("j", "a\0b")])
def test_parts_of_a_claim_do_not_run_into_each_other(jti: str, kao_id: str) -> None:
    """A proof's id that goes on as an object's does is another."""
    memory, _ = store()
    cuts = {("j", "ab"), ("ja", "b"), ("jab", ""), ("j\0a", "b"), ("j", "a\0b")}
    for other in cuts - {(jti, kao_id)}:
        assert kaos(memory, other[1], jti=other[0]) is None
    assert [kaos(memory, kao_id, jti=jti) for _ in range(2)] == [None, ProofReplayed]


@pytest.mark.parametrize("kao_id", ["", "\ud800", "\x00", "é" * 256])
def test_any_text_can_be_remembered(kao_id: str) -> None:
    """Whatever a client calls it."""
    memory, _ = store()
    assert [kaos(memory, kao_id) for _ in range(2)] == [None, ProofReplayed]


def test_kaos_are_claimed_all_or_none() -> None:
    """One that was used spoils the request, and the others stay unused."""
    memory, _ = store()
    assert kaos(memory, "a", "b") is None
    assert kaos(memory, "c", "d", "a") is ProofReplayed
    assert kaos(memory, "c", "d") is None


def test_kao_that_is_named_twice() -> None:
    """Its second is a replay of its first, and nothing of the request is recorded."""
    memory, _ = store()
    assert kaos(memory, "a", "b", "a") is ProofReplayed
    assert kaos(memory, "a", "b") is None


def test_no_kaos_take_no_room() -> None:
    """There is nothing to release."""
    memory, _ = store()
    assert kaos(memory) is None
    assert (len(memory._queue), len(memory._held)) == (0, 0)


def test_claims_are_remembered_for_their_whole_life() -> None:
    """To the last moment; then nothing is left of them, of their holders neither."""
    memory, clock = store()
    assert kaos(memory, "a", "b") is None
    assert outcome(memory.claim_assertion, forwarder="f", jti="j") is None
    clock.now += TTL
    assert kaos(memory, "b") is ProofReplayed
    assert outcome(memory.claim_assertion, forwarder="f", jti="j") is ForwardingReplayed
    clock.now += 0.001
    assert memory.has_room()
    assert (len(memory._queue), len(memory._claimed), len(memory._held)) == (0, 0, 0)


@pytest.mark.parametrize("fixed", ["jkt", "caller"])
def test_share_is_of_key_and_caller_for_kaos_and_proofs_together(fixed: str) -> None:
    """To the last place; of several at once none when not all fit."""
    memory, _ = store(80)
    others = {"jkt": "k2", "caller": "c2"} | {fixed: {"jkt": "k", "caller": "c"}[fixed]}
    assert outcome(memory.claim, jkt="k", jti="j", caller="c") is None
    assert kaos(memory, *map(str, range(7))) is None
    assert kaos(memory, "x", "y", "z", **others) is ReplayShareExhausted
    assert kaos(memory, "x", "y", **others) is None
    assert outcome(memory.claim, jti="j2", **others) is ReplayShareExhausted


def test_forwarder_that_has_used_its_share_locks_out_nobody_else() -> None:
    """Neither another service, nor whoever asks here himself, be he called like it."""
    memory, _ = store(80)
    ends = [outcome(memory.claim_assertion, forwarder="f", jti=str(number)) for number in range(11)]
    assert ends == [None] * 10 + [ReplayShareExhausted]
    assert outcome(memory.claim_assertion, forwarder="g", jti="1") is None
    assert outcome(memory.claim, jkt="f", jti="j", caller="f") is None
    assert kaos(memory, "a", jkt="f", caller="f") is None


def test_clients_take_nothing_from_their_forwarders_share() -> None:
    """An assertion is the forwarder's alone."""
    memory, _ = store(80)
    assert kaos(memory, *map(str, range(10))) is None
    assert [outcome(memory.claim_assertion, forwarder="f", jti=str(number)) for number in range(10)] == [None] * 10


def test_full_store_forgets_nothing_and_takes_none_in_part() -> None:
    """Two do not fit where one place is left; one does."""
    memory, clock = store(100)
    for number in range(99):
        assert outcome(memory.claim, jkt=f"k{number}", jti="j", caller=f"c{number}") is None
    clock.now += 30
    with pytest.raises(ReplayStoreFull) as raised:
        memory.claim_kaos(jkt="k", jti="j", caller="c", kao_ids=["a", "b"])
    assert raised.value.retry_after == TTL - 30
    assert kaos(memory, "a") is None
    assert outcome(memory.claim_assertion, forwarder="f", jti="j") is ReplayStoreFull


def test_more_than_a_share_at_once() -> None:
    """Never fits: nobody can say when."""
    memory, _ = store(8)
    with pytest.raises(ReplayShareExhausted) as raised:
        memory.claim_kaos(jkt="k", jti="j", caller="c", kao_ids=["a", "b"])
    assert raised.value.retry_after is None


def test_limit_is_asked_about_a_new_assertion_before_it_takes_a_place() -> None:
    """And never about a used one."""
    memory, _ = store()
    asked: list[int] = []

    def refuse() -> None:
        raise RewrapLimit(1.0)

    assert outcome(memory.claim_assertion, forwarder="f", jti="j", admit=refuse) is RewrapLimit
    assert outcome(memory.claim_assertion, forwarder="f", jti="j", admit=lambda: asked.append(1)) is None
    assert outcome(memory.claim_assertion, forwarder="f", jti="j", admit=lambda: asked.append(2)) is ForwardingReplayed
    assert asked == [1]


def test_f10_claim_that_comes_while_another_is_admitted_waits_for_it() -> None:
    """What is looked at and what is recorded are one operation."""
    memory, _ = store()
    ends: list[type[KasError] | None] = []

    def claim(admit: Callable[[], None]) -> None:
        ends.append(outcome(memory.claim_assertion, forwarder="f", jti="j", admit=admit))

    second = threading.Thread(target=claim, args=(lambda: None,))

    def admit() -> None:
        second.start()
        second.join(0.2)  # it would have ended long before, if it did not have to wait

    claim(admit)
    second.join(20)
    assert ends == [None, ForwardingReplayed]
