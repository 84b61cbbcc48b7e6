"""Attacks on a proof's being used once, and on nonces, on each route of OpenTDF."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local.client import ProofKey, new_proof_key
from tests.attacks.proof_requests import kill_worker, restarted, second_process
from tests.kit import Kit, running_kit
from tests.opentdf.answers import offered_nonce, refused_call, refused_proof, released
from tests.opentdf.pieces import policy_text
from tests.opentdf.tdf_client import ROUTES, Route, TdfAttempt

# What usa-secret satisfies, so that the strict deployment releases it.
DEMANDING = policy_text(
    ["https://kas.example/attr/classification/value/secret", "https://kas.example/attr/releasability/value/usa"]
)


def test_attack_p10_opentdf_a_proof_sent_again(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    released(attempt)
    refused_proof(attempt, "proof_replayed")


def test_attack_p10b_opentdf_a_proof_of_one_connect_codec_under_the_other(tdf_kit: Kit) -> None:
    """One address, so one memory of proofs, whatever the body is written in."""
    attempt = TdfAttempt.good(tdf_kit, "connect-json")
    released(attempt)
    attempt.route = "connect-proto"
    refused_proof(attempt, "proof_replayed")


def test_attack_p10c_opentdf_the_same_jti_on_another_route(tdf_kit: Kit) -> None:
    """The memory is of keys and ids, not of routes."""
    attempt = TdfAttempt.good(tdf_kit, "rest")
    attempt.proof_claims = {"jti": "one and only"}
    released(attempt)
    attempt.route, attempt.proof = "connect-json", None
    refused_proof(attempt, "proof_replayed")


def test_attack_p10d_opentdf_a_proof_for_a_dead_worker_or_another_process(tmp_path: Path) -> None:
    """Where nonces are required, a proof made for one process is good for that one alone."""
    with running_kit(tmp_path, KAS_OPENTDF_DPOP_NONCE="require") as kit:
        attempts = []
        for route in ROUTES:
            attempt = TdfAttempt.good(kit, route)
            attempt.nonce = offered_nonce(attempt)
            released(attempt)
            attempts.append(attempt)
        with second_process(kit) as other:
            for attempt in attempts:
                attempt.kit = other
                refused_call(attempt, 401, "use_dpop_nonce", "nonce_invalid")
                attempt.kit = kit
        kill_worker(kit)
        for attempt in attempts:
            refused_call(attempt, 401, "use_dpop_nonce", "nonce_invalid")


def test_attack_p10e_opentdf_a_proof_after_a_restart(tmp_path: Path) -> None:
    with running_kit(tmp_path, KAS_OPENTDF_DPOP_NONCE="require") as kit:
        attempt = TdfAttempt.good(kit, "rest")
        attempt.nonce = offered_nonce(attempt)
        released(attempt)
        with restarted(kit) as again:
            attempt.kit = again
            refused_call(attempt, 401, "use_dpop_nonce", "nonce_invalid")


@pytest.fixture(scope="module")
def small_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A KAS that remembers 24 proofs, three of one caller or key; each test has callers of its own."""
    with running_kit(tmp_path_factory.mktemp("small"), KAS_REPLAY_STORE_CLAIMS="24") as kit:
        yield kit


def test_attack_p11_opentdf_a_flood_by_one_key_ends_at_its_share(small_memory: Kit) -> None:
    """The routes share the memory, and others are still served."""
    attempt = _caller(small_memory, "rest", "flood")
    for route in ROUTES:
        attempt.route, attempt.proof = route, None
        released(attempt)
    for route in ROUTES:
        attempt.route, attempt.proof = route, None
        refused_call(attempt, 429, "too_many_requests", "replay_share_exhausted")
    released(_caller(small_memory, "connect-proto", "another"))


def test_attack_p11b_opentdf_a_flood_by_one_caller_with_many_keys_ends_at_his_share(small_memory: Kit) -> None:
    """Keys are free, so the caller is counted too; another one goes on."""
    for route in ROUTES:
        released(TdfAttempt.good(small_memory, route))
    for route in ROUTES:
        attempt = TdfAttempt.good(small_memory, route)
        refused_call(attempt, 429, "too_many_requests", "replay_share_exhausted")
    released(TdfAttempt.good(small_memory, "rest", client="fra-secret"))


def test_attack_p11c_opentdf_a_flood_by_one_key_under_many_callers_ends_at_its_share(small_memory: Kit) -> None:
    """The key is counted, whatever name its tokens have."""
    key = new_proof_key()
    for number, route in enumerate(ROUTES):
        released(_caller(small_memory, route, f"name-{number}", key))
    for route in ROUTES:
        attempt = _caller(small_memory, route, f"another, by {route}", key)
        refused_call(attempt, 429, "too_many_requests", "replay_share_exhausted")


def test_attack_p11d_opentdf_a_full_store_refuses_and_forgets_nothing(tmp_path: Path) -> None:
    """Eight callers fill a memory of eight; a ninth gets 503, an unbound one needs none, what was used stays used."""
    with running_kit(tmp_path, KAS_REPLAY_STORE_CLAIMS="8") as kit:
        used = [_caller(kit, ROUTES[number % 3], f"caller-{number}") for number in range(8)]
        for attempt in used:
            released(attempt)
        for route in ROUTES:
            newcomer = _caller(kit, route, "newcomer")
            for _ in range(2):
                newcomer.proof = None
                refused_call(newcomer, 503, "unavailable", "replay_store_full")
            released(TdfAttempt.good(kit, route, bound=False))
        for attempt in used:
            refused_proof(attempt, "proof_replayed")


def _caller(kit: Kit, route: Route, subject: str, key: ProofKey | None = None) -> TdfAttempt:
    return TdfAttempt.good(kit, route, override={"claims": {"sub": subject}}, key=key)


@pytest.mark.parametrize("jti", ["", None, 7, "j" * 257])
def test_attack_p12_opentdf_a_jti_that_is_none_or_huge(tdf_kit: Kit, route: Route, jti: object) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.proof_claims = {"jti": jti}
    refused_proof(attempt, "proof_id_invalid")


def test_attack_p13_opentdf_an_invalid_proof_burns_no_jti(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.proof_claims = {"jti": "burn me", "ath": "A" * 43}
    refused_proof(attempt, "proof_token_mismatch")
    attempt.proof, attempt.proof_claims = None, {"jti": "burn me"}
    released(attempt)


def test_attack_p13b_opentdf_a_bad_nonce_burns_no_jti(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.proof_claims, attempt.nonce = {"jti": "burn me"}, "forged"
    refused_call(attempt, 401, "use_dpop_nonce", "nonce_invalid")
    attempt.proof, attempt.nonce = None, None
    released(attempt)


# ---- Nonces


@pytest.mark.parametrize("nonce", ["", "forged", "A" * 64])
def test_attack_p14_opentdf_a_nonce_that_is_present_is_ours_even_where_none_is_asked_for(
    tdf_kit: Kit, route: Route, nonce: str
) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.nonce = nonce
    answer = refused_call(attempt, 401, "use_dpop_nonce", "nonce_invalid")
    attempt.proof, attempt.nonce = None, answer.headers["DPoP-Nonce"]
    released(attempt)


def test_attack_p14b_opentdf_no_nonce_where_one_is_required(strict_kit: Kit, route: Route) -> None:
    """The answer offers the one that the next proof may carry; then the policy is looked at."""
    attempt = TdfAttempt.good(strict_kit, route, policies=[DEMANDING])
    answer = refused_call(attempt, 401, "use_dpop_nonce", "nonce_required")
    attempt.proof, attempt.nonce = None, answer.headers["DPoP-Nonce"]
    released(attempt)


def test_attack_p14c_opentdf_another_process_nonce(tdf_kit: Kit, strict_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    foreign = TdfAttempt.good(strict_kit, route)
    attempt.nonce = offered_nonce(foreign)
    refused_call(attempt, 401, "use_dpop_nonce", "nonce_invalid")


def test_a_nonce_is_offered_by_every_answer(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    assert attempt.send().headers["DPoP-Nonce"] != offered_nonce(attempt)


def test_no_nonce_is_offered_or_looked_at_where_they_are_off(tmp_path: Path) -> None:
    with running_kit(tmp_path, KAS_OPENTDF_DPOP_NONCE="off") as kit:
        for route in ROUTES:
            attempt = TdfAttempt.good(kit, route)
            attempt.nonce = "anything"
            assert "DPoP-Nonce" not in attempt.send().headers
            attempt.proof = None
            released(attempt)


def test_attack_p17_opentdf_a_proof_sent_fifty_times_at_once_passes_once(tdf_kit: Kit, route: Route) -> None:
    released(TdfAttempt.good(tdf_kit, route))  # the issuer's keys are there: few may wait for the first fetch
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.proof, attempt.body = attempt.make_proof(), attempt.make_body()
    together = threading.Barrier(25)

    def send(_number: int) -> int:
        together.wait(timeout=20)
        return attempt.send().status

    with ThreadPoolExecutor(25) as pool:
        statuses = list(pool.map(send, range(50)))
    assert sorted(statuses) == [200] + [401] * 49
