"""Faults 4 and 5 of earlier systems, by number in `docs/ACP-240-ALIGNMENT.md`: what remembers proofs, what htu is held against."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.client import Answer
from tests.attacks.proof_requests import raw_post, refused_proof, released
from tests.kit import Attempt, Kit, refused, running_kit

EVIL = "https://evil.example"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"htm": "GET"}, "proof_method_mismatch"),
        ({"htu": EVIL + "/rewrap"}, "proof_uri_mismatch"),
        ({"iat": 1}, "proof_time_invalid"),
        ({"ath": "x"}, "proof_token_mismatch"),
    ],
)
def test_fault_04_jti_is_recorded_after_every_other_check(kit: Kit, claims: dict[str, object], code: str) -> None:
    """An invalid proof leaves nothing behind: refused twice for its fault, and its id still serves."""
    attempt = kit.attempt()
    attempt.proof_claims = {"jti": "kept", **claims}
    refused_proof(attempt, code)
    refused_proof(attempt, code)
    attempt.proof, attempt.proof_claims = None, {"jti": "kept"}
    released(attempt)


def test_fault_04_full_store_is_503_and_never_forgets(tmp_path: Path) -> None:
    """The smallest store takes eight proofs; after that nobody gets in, and none of the eight is new again."""
    with running_kit(tmp_path, KAS_REPLAY_STORE_CLAIMS="8") as kit:
        callers = [kit.attempt(override={"claims": {"sub": f"caller-{number}"}}) for number in range(12)]
        for caller in callers[:8]:
            released(caller)
        for caller in callers[8:]:
            refused(caller.send(), 503, "unavailable", "replay_store_full")
        for caller in callers[:8]:
            refused_proof(caller, "proof_replayed")


FORWARDED = {
    "Host": [("Host", "evil.example")],
    "X-Forwarded-Host": [("X-Forwarded-Host", "evil.example")],
    "X-Forwarded-Proto": [("Host", "evil.example"), ("X-Forwarded-Proto", "https")],
    "Forwarded": [("Forwarded", "host=evil.example;proto=https")],
    "all": [
        ("Host", "evil.example"),
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("X-Forwarded-Port", "443"),
        ("X-Forwarded-Prefix", "/x"),
        ("X-Forwarded-Server", "evil.example"),
        ("X-Original-URL", "/rewrap"),
        ("Forwarded", "host=evil.example;proto=https"),
    ],
}


def _post(attempt: Attempt, headers: list[tuple[str, str]]) -> Answer:
    own = [("Authorization", f"DPoP {attempt.token}"), ("DPoP", attempt.make_proof())]
    return raw_post(attempt.kit, [*headers, *own])


@pytest.mark.parametrize("name", FORWARDED)
@pytest.mark.parametrize("htu", ["https://evil.example/rewrap", "http://evil.example/rewrap", "https://{here}/rewrap"])
def test_fault_05_htu_of_a_host_that_only_headers_name_is_refused(kit: Kit, name: str, htu: str) -> None:
    """Whoever can set a header cannot make a stranger's proof ours."""
    attempt = kit.attempt()
    attempt.proof_claims["htu"] = htu.replace("{here}", kit.base.partition("://")[2])
    refused(_post(attempt, FORWARDED[name]), 401, "invalid_dpop_proof", "proof_uri_mismatch")


@pytest.mark.parametrize("name", FORWARDED)
def test_fault_05_htu_of_the_public_base_passes_whatever_the_headers_say(kit: Kit, name: str) -> None:
    """Authenticated, so it is the empty body that is refused."""
    refused(_post(kit.attempt(), FORWARDED[name]), 400, "invalid_request", "invalid_structure")


def test_fault_05_proof_for_the_https_base_passes_behind_tls_termination(tmp_path: Path) -> None:
    """The process is called over http; the client called https, and signed that."""
    with running_kit(tmp_path, KAS_PUBLIC_BASES="https://kas.example") as kit:
        attempt = kit.attempt()
        attempt.kao["url"] = "https://kas.example/rewrap"
        attempt.resign()
        attempt.proof_claims["htu"] = "https://kas.example/rewrap"
        released(attempt)
        attempt.proof, attempt.proof_claims = None, {}
        refused_proof(attempt, "proof_uri_mismatch")
