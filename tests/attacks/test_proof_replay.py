"""Attacks P10, P11 and P17: a proof that was accepted once is never accepted again, and nobody can make us forget."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from local.client import Answer, Http, ProofKey, new_proof_key
from tests.attacks.proof_requests import (
    kill_worker,
    refused_proof,
    released,
    restarted,
    second_process,
    send_again,
    worker_of,
)
from tests.kit import Attempt, Kit, refused, running_kit

CAPACITY = 80
SHARE = 10


@pytest.fixture
def mortal(tmp_path: Path) -> Iterator[Kit]:
    """A pair of the test's own, nonces required, whose KAS it may kill."""
    with running_kit(tmp_path) as kit:
        yield kit


def refused_nonce(attempt: Attempt) -> None:
    """The very proof as sent before is answered with a challenge."""
    answer = attempt.send()
    body = refused(answer, 401, "use_dpop_nonce", "nonce_invalid")
    assert [event["code"] for event in attempt.kit.events(body["requestId"])] == ["nonce_invalid"]


@pytest.mark.parametrize("pair", ["kit", "kit_without_nonces"])
def test_attack_p10_proof_replayed_at_once_is_refused(pair: str, request: pytest.FixtureRequest) -> None:
    """With and without nonces; a new proof of the same client passes."""
    attempt = request.getfixturevalue(pair).attempt()
    released(attempt)
    refused_proof(attempt, "proof_replayed")
    refused_proof(attempt, "proof_replayed")
    send_again(attempt)


def test_attack_p10b_proof_replayed_after_a_restart_is_refused(mortal: Kit) -> None:
    """The memory is gone with the process; so is every nonce it made."""
    attempt = mortal.attempt()
    released(attempt)
    unused = mortal.attempt()
    unused.proof = unused.make_proof()
    with restarted(mortal) as again:
        assert again.url == mortal.url
        for old in (attempt, unused):
            old.kit = again
            refused_nonce(old)
            send_again(old)


def test_attack_p10c_proof_replayed_after_the_worker_was_killed_is_refused(mortal: Kit) -> None:
    """The same parent forks the next worker: nothing that nonces rest on may have been made in the parent."""
    attempt = mortal.attempt()
    for _ in range(2):
        send_again(attempt)
        old, parent = worker_of(mortal.world.kas), mortal.world.kas.process.pid
        kill_worker(mortal)
        assert worker_of(mortal.world.kas) != old
        assert mortal.world.kas.process.pid == parent
        assert mortal.world.kas.process.poll() is None
        refused_nonce(attempt)
    send_again(attempt)


def test_attack_p10d_proof_replayed_at_a_second_process_is_refused(mortal: Kit) -> None:
    """Same keys, same public bases, at the same time: an instance too many does not accept the other's proofs."""
    attempt = mortal.attempt()
    released(attempt)
    with second_process(mortal) as second:
        attempt.kit = second
        refused_nonce(attempt)
        attempt.proof_claims["htu"] = mortal.url
        send_again(attempt)
        attempt.kit = mortal
        refused_nonce(attempt)


def test_attack_p17_replay_sent_fifty_times_at_once_passes_once(kit: Kit) -> None:
    """Exactly one of fifty is released, the others are told why not."""
    assert kit.attempt().send().status == 200  # the issuer's keys are there: few may wait for the first fetch
    attempt = kit.attempt()
    attempt.proof = attempt.make_proof()
    together = threading.Barrier(50)

    def send(_number: int) -> Answer:
        # A connection of its own: one that another has used may end while this waits for its turn of the processor.
        with contextlib.closing(Http(timeout_seconds=20)) as http:
            one = replace(attempt, kit=Kit(kit.world, kit.log, http))
            together.wait(timeout=20)
            return one.send()

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(send, range(50)))
    winners = [answer for answer in answers if answer.status == 200]
    assert [attempt.open(answer) for answer in winners] == [attempt.data_keys]
    for answer in answers:
        if answer is not winners[0]:
            refused(answer, 401, "invalid_dpop_proof", "proof_replayed")


# ---- P11: a store of 80 claims, of which one caller and one key may hold 10


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A KAS that remembers 80 proofs; the tests that share it use 30 of them."""
    folder = tmp_path_factory.mktemp("small")
    with running_kit(folder, KAS_REPLAY_STORE_CLAIMS=str(CAPACITY), KAS_REWRAP_DPOP_NONCE="off") as kit:
        yield kit


def _attempt(kit: Kit, subject: str, key: ProofKey | None = None) -> Attempt:
    """A caller of this subject whose requests end after authentication, unless the body is put back."""
    attempt = kit.attempt(override={"claims": {"sub": subject}}, key=key)
    attempt.body = b"{}"
    attempt.nonce = None
    return attempt


def _use(attempt: Attempt, times: int = 1) -> None:
    for _ in range(times):
        attempt.proof = None
        refused(attempt.send(), 400, "invalid_request", "invalid_structure")


def _refused_share(attempt: Attempt) -> None:
    attempt.proof = attempt.body = None
    body = refused(attempt.send(), 429, "too_many_requests", "replay_share_exhausted")
    assert [event["code"] for event in attempt.kit.events(body["requestId"])] == ["replay_share_exhausted"]


def test_attack_p11_flood_by_one_key_and_caller_ends_at_its_share(small: Kit) -> None:
    """The eleventh proof is refused, the first is still known, and others go on."""
    attempt = _attempt(small, "flooder")
    _use(attempt)
    first = attempt.proof
    _use(attempt, SHARE - 1)
    _refused_share(attempt)
    attempt.proof = first
    refused_proof(attempt, "proof_replayed")
    _use(_attempt(small, "bystander"))


def test_attack_p11_flood_by_one_caller_with_many_keys_ends_at_its_share(small: Kit) -> None:
    """Keys are free, so the caller is counted too."""
    for _ in range(SHARE):
        _use(_attempt(small, "key-maker"))
    _refused_share(_attempt(small, "key-maker"))


def test_attack_p11_flood_by_one_key_under_many_callers_ends_at_its_share(small: Kit) -> None:
    """The key is counted, whatever name its tokens have."""
    key = new_proof_key()
    for number in range(SHARE):
        _use(_attempt(small, f"name-{number}", key))
    _refused_share(_attempt(small, "name-more", key))


def test_attack_p11_full_store_refuses_and_forgets_nothing(tmp_path: Path) -> None:
    """Eight callers fill it; a ninth gets 503, and every proof used before is still a replay."""
    with running_kit(tmp_path, KAS_REPLAY_STORE_CLAIMS=str(CAPACITY), KAS_REWRAP_DPOP_NONCE="off") as kit:
        callers = [_attempt(kit, f"caller-{number}") for number in range(CAPACITY // SHARE)]
        for caller in callers:
            _use(caller, SHARE)
        newcomer = _attempt(kit, "newcomer")
        for _ in range(2):
            newcomer.proof = newcomer.body = None
            body = refused(newcomer.send(), 503, "unavailable", "replay_store_full")
            assert [event["code"] for event in kit.events(body["requestId"])] == ["replay_store_full"]
        for caller in callers:
            refused_proof(caller, "proof_replayed")
