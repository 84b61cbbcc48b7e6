"""The line to one service: what counts as its failure, and what one caller must not be able to bring about for all."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from kas.errors import KasError, PeerRefused, PeerUnavailable
from kas.federation.breaker import FAILURES, Breaker
from kas.federation.calls import SideBySideCalls
from kas.federation.line import Line
from kas.federation.registry_file import load_federation
from kas.policy.rules import load_rules
from kas.protocol.bounds import JsonBounds

ROOT = Path(__file__).resolve().parents[2]
RULES = load_rules(ROOT / "config")
PEER = load_federation(
    ROOT / "config" / "federation.example.json",
    kas_id="kas-usa",
    public_bases=("https://kas.usa.example",),
    countries=RULES.countries,
    levels=RULES.levels,
    allow_loopback_http=False,
).peers["kas-fra"]
CLEAN = json.dumps({"responses": []}).encode()
SECONDS = 10.0

Post = Callable[..., tuple[int, bytes]]


class Peer:
    """A client that answers as it is told; ``time`` is the timer's."""

    def __init__(self, answer: Post | tuple[int, bytes]) -> None:
        self.answer = answer
        self.time = 0.0
        self.told: list[Mapping[str, Any]] = []
        self.calls = SideBySideCalls(2)
        self.breaker = Breaker(lambda: self.time)
        self.line = Line(PEER, self, self.breaker, self.calls, JsonBounds(32, 1000, 1000), self.told.append)

    def post(self, *_: Any) -> tuple[int, bytes]:
        return self.answer() if callable(self.answer) else self.answer

    def ask(self, *, is_clean: bool = True) -> type[KasError] | None:
        """How one call ends."""
        try:
            self.line.start(b"{}", {}, SECONDS, lambda _answered: ({}, is_clean)).call.result(SECONDS)
        except KasError as refusal:
            return type(refusal)
        return None

    def words(self) -> set[str]:
        return {line["status"] for line in self.told if line["event"] == "peer_failed"}

    def states(self) -> list[tuple[str, str]]:
        """Of the breaker, as the operator was told of them."""
        return [(line["severity"], line["state"]) for line in self.told if line["event"] == "peer_breaker"]


@pytest.mark.parametrize(
    ("status", "refusal"), [(429, PeerUnavailable), (503, PeerUnavailable), (400, PeerRefused), (401, PeerRefused)]
)
def test_who_is_busy_or_refuses_is_left_alone_for_nobody(status: int, refusal: type[KasError]) -> None:
    """One caller can reach a limit of his own there as often as he likes."""
    peer = Peer((status, b"{}"))
    assert {peer.ask() for _ in range(2 * FAILURES)} == {refusal}
    assert peer.breaker.status().state == "closed"
    assert peer.words() == {f"status {status}"}


@pytest.mark.parametrize("status", [200, 204, 302, 408, 500, 502, 504])
def test_an_answer_that_is_none_counts_as_a_failure(status: int) -> None:
    peer = Peer((status, b"{}"))
    assert {peer.ask() for _ in range(FAILURES)} == {PeerUnavailable}
    assert peer.breaker.status().state == "open"
    assert peer.words() == {f"status {status} without results"}


def test_the_operator_is_told_each_time_that_a_service_is_left_alone_and_when_no_longer() -> None:
    peer = Peer((500, b""))
    for _ in range(FAILURES - 1):
        peer.ask()
    assert peer.states() == []
    peer.ask()
    assert peer.states() == [("WARNING", "open")]
    for _ in range(2):
        peer.time += 31.0
        peer.ask()
    assert peer.states() == [("WARNING", "open")] * 3
    peer.time, peer.answer = peer.time + 31.0, (429, b"{}")
    for _ in range(2):
        peer.ask()
    assert peer.states() == [("WARNING", "open")] * 3 + [("NOTICE", "closed")]
    assert {line["peer"] for line in peer.told} == {"kas-fra"}


def test_a_success_is_told_where_it_closes_the_breaker_alone() -> None:
    peer = Peer((200, CLEAN))
    peer.ask()
    assert peer.told == []


def test_results_that_are_not_as_agreed_count_as_a_failure() -> None:
    peer = Peer((200, CLEAN))
    assert [peer.ask(is_clean=False) for _ in range(FAILURES)] == [None] * FAILURES
    assert peer.breaker.status().state == "open"


def test_what_nobody_expected_is_the_peers_failure_and_told_by_its_type_alone() -> None:
    def fail() -> tuple[int, bytes]:
        raise RuntimeError("canary")

    peer = Peer(fail)
    assert peer.ask() is PeerUnavailable
    assert peer.words() == {"unexpected: RuntimeError"}
    assert peer.breaker.status().failures == 1


def test_a_trial_that_has_no_thread_leaves_it_to_the_next() -> None:
    """Else a service that is well again would be left alone for as long once more."""
    peer = Peer((500, b""))
    for _ in range(FAILURES):
        peer.ask()
    peer.time, peer.answer = 31.0, (200, CLEAN)
    peer.line = Line(PEER, peer, peer.breaker, _without_threads(), JsonBounds(32, 1000, 1000), peer.told.append)
    assert peer.ask() is PeerUnavailable
    peer.line = Line(PEER, peer, peer.breaker, peer.calls, JsonBounds(32, 1000, 1000), peer.told.append)
    assert peer.ask() is None
    assert peer.breaker.status().state == "closed"


def _without_threads() -> SideBySideCalls:
    calls = SideBySideCalls(1)
    calls._room.acquire()
    return calls
