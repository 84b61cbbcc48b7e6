"""Attack P14 on nonces, in each mode, and which answers offer the next one (RFC 9449 §8, §9)."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.client.encoding import b64url
from tests.attacks.proof_requests import flip, proof_parts, released, rewritten
from tests.kit import Attempt, Kit, refused, running_kit


@pytest.fixture(scope="module")
def offering(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A KAS that offers nonces and demands none."""
    with running_kit(tmp_path_factory.mktemp("offering"), KAS_REWRAP_DPOP_NONCE="offer") as kit:
        yield kit


def _challenged(attempt: Attempt, code: str) -> None:
    """A challenge, whose nonce then serves the same client."""
    answer = attempt.send()
    body = refused(answer, 401, "use_dpop_nonce", code)
    assert answer.headers["WWW-Authenticate"].startswith('DPoP error="use_dpop_nonce", ')
    assert [event["code"] for event in attempt.kit.events(body["requestId"])] == [code]
    attempt.proof, attempt.proof_claims, attempt.nonce = None, {}, answer.headers["DPoP-Nonce"]
    released(attempt)


@pytest.mark.parametrize("form", ["absent", "null"])
def test_attack_p14_missing_nonce_is_challenged(kit: Kit, form: str) -> None:
    """Not there, or there and null."""
    attempt = kit.attempt()
    attempt.nonce = None
    if form == "null":
        claims = json.dumps({**proof_parts(attempt.make_proof())[1], "nonce": None})
        attempt.proof = rewritten(attempt, claims=claims)
    _challenged(attempt, "nonce_required")


BAD_NONCES = {
    "empty": lambda _: "",
    "text": lambda _: "nonce",
    "random of its length": lambda _: b64url(secrets.token_bytes(56)),
    "no MAC": lambda good: good[:32],
    "truncated": lambda good: good[:-1],
    "truncated to a shorter encoding": lambda good: good[:-3],
    "longer": lambda good: good + "AAAA",
    "twice": lambda good: good + good,
    "padded": lambda good: good + "=",
    "time altered": lambda good: flip(good, 9),
    "random altered": lambda good: flip(good, 20),
    "MAC altered": lambda good: flip(good, 60),
    "number": lambda _: 1,
    "true": lambda _: True,
    "list": lambda good: [good],
    "object": lambda good: {"nonce": good},
    "not ASCII": lambda good: good[:-1] + "é",
}


@pytest.mark.parametrize("kind", BAD_NONCES)
def test_attack_p14_forged_nonce_is_challenged(kit: Kit, kind: str) -> None:
    """Every part is under the MAC, and only the exact text is it."""
    attempt = kit.attempt()
    attempt.proof_claims["nonce"] = BAD_NONCES[kind](str(kit.fresh_nonce()))
    _challenged(attempt, "nonce_invalid")


def test_attack_p14_nonce_of_another_process_is_challenged(kit: Kit, offering: Kit) -> None:
    """Both are genuine, each where it was made, and nowhere else."""
    attempt = kit.attempt()
    attempt.nonce = offering.fresh_nonce()
    _challenged(attempt, "nonce_invalid")
    attempt = offering.attempt()
    attempt.nonce = kit.fresh_nonce()
    _challenged(attempt, "nonce_invalid")


@pytest.mark.parametrize("kind", BAD_NONCES)
def test_attack_p14_offered_nonce_that_is_forged_is_challenged(offering: Kit, kind: str) -> None:
    """Where a nonce is only offered, one that comes must still be good."""
    attempt = offering.attempt()
    attempt.proof_claims["nonce"] = BAD_NONCES[kind](str(offering.fresh_nonce()))
    _challenged(attempt, "nonce_invalid")


def test_nonce_is_not_needed_where_it_is_offered(offering: Kit) -> None:
    """Without passes, with passes, and the answer has the next one."""
    attempt = offering.attempt()
    attempt.nonce = None
    answer = released(attempt)
    attempt.proof, attempt.nonce = None, answer.headers["DPoP-Nonce"]
    released(attempt)


def test_nonce_is_ignored_where_nonces_are_off(kit_without_nonces: Kit) -> None:
    """What the client puts there means nothing, and none is offered."""
    attempt = kit_without_nonces.attempt()
    attempt.proof_claims["nonce"] = "of another server"
    assert "DPoP-Nonce" not in released(attempt).headers


def test_nonce_of_a_success_serves_the_next_request(kit: Kit) -> None:
    """A client is challenged once, not every time; every nonce is another."""
    attempt, seen = kit.attempt(), []
    for _ in range(3):
        answer = released(attempt)
        attempt.proof, attempt.nonce = None, answer.headers["DPoP-Nonce"]
        seen.append(attempt.nonce)
    assert len(set(seen)) == 3


# ---- Which answers carry one


def _without_credentials(kit: Kit) -> tuple[int, str | None]:
    answer = kit.http("POST", kit.url)
    return answer.status, answer.headers.get("DPoP-Nonce")


def _sent(kit: Kit, client: str = "usa-secret", **changes: object) -> tuple[int, str | None]:
    attempt = kit.attempt(client)
    for name, value in changes.items():
        setattr(attempt, name, value)
    answer = attempt.send()
    return answer.status, answer.headers.get("DPoP-Nonce")


ANSWERS = {
    "success": (200, _sent),
    "bad JSON": (400, lambda kit: _sent(kit, body=b"{")),
    "no credentials": (401, _without_credentials),
    "bad token": (401, lambda kit: _sent(kit, token="x")),
    "bad proof": (401, lambda kit: _sent(kit, proof="x")),
    "bad nonce": (401, lambda kit: _sent(kit, nonce="x")),
    "denied": (403, lambda kit: _sent(kit, "usa-unclassified")),
    "not acceptable": (406, lambda kit: _sent(kit, headers=[("Accept", "text/html")])),
    "compressed": (415, lambda kit: _sent(kit, headers=[("Content-Encoding", "gzip")])),
    "too large": (413, lambda kit: _sent(kit, body=b" " * (2**20 + 1))),
    "wrong method": (405, lambda kit: _method(kit, "GET")),
    "HEAD": (405, lambda kit: _method(kit, "HEAD")),
}


def _method(kit: Kit, method: str) -> tuple[int, str | None]:
    answer = kit.http(method, kit.url)
    return answer.status, answer.headers.get("DPoP-Nonce")


@pytest.mark.parametrize("name", ANSWERS)
def test_attack_p14_every_answer_of_the_route_offers_a_nonce_that_works(kit: Kit, name: str) -> None:
    """Whatever the status, the next proof can carry what came with it."""
    expected, ask = ANSWERS[name]
    status, nonce = ask(kit)
    kit.http.close()
    assert (status, bool(nonce)) == (expected, True)
    attempt = kit.attempt()
    attempt.nonce = nonce
    released(attempt)


@pytest.mark.parametrize("name", [name for name in ANSWERS if name != "bad nonce"])
def test_no_answer_offers_a_nonce_where_nonces_are_off(kit_without_nonces: Kit, name: str) -> None:
    """A client that saw one would wait for it to be demanded."""
    expected, ask = ANSWERS[name]
    assert ask(kit_without_nonces) == (expected, None)
    kit_without_nonces.http.close()


@pytest.mark.parametrize("path", ["/health", "/.well-known/jwks.json", "/nowhere"])
def test_no_other_path_offers_a_nonce(kit: Kit, path: str) -> None:
    """Public answers are cached; a nonce in one would be everybody's."""
    assert "DPoP-Nonce" not in kit.http("GET", kit.base + path).headers


def test_attack_p14_overloaded_answers_offer_a_nonce_too(tmp_path: Path) -> None:
    """429 and 503: the client comes back later without another round trip."""
    with running_kit(tmp_path, KAS_REPLAY_STORE_CLAIMS="8") as kit:
        callers = [kit.attempt(override={"claims": {"sub": f"caller-{number}"}}) for number in range(9)]
        for caller in callers[:8]:
            released(caller)
        callers[0].proof = None
        for caller, status in ((callers[0], 429), (callers[8], 503)):
            answer = caller.send()
            assert answer.status == status
            caller.proof, caller.nonce = None, answer.headers["DPoP-Nonce"]
            assert caller.send().status == status
