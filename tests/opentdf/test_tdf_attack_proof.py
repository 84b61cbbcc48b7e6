"""Attacks on the DPoP proof, on each route of OpenTDF: a bound token is worth nothing without its key."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from local.client import new_proof_key
from local.client.keys import public_jwk
from local.client.proofs import make_proof
from tests.kit import Kit
from tests.opentdf.answers import offered_nonce, refused_call, refused_proof, released
from tests.opentdf.tdf_client import Route, TdfAttempt

pytestmark = pytest.mark.routes_in_turn

OTHER_PATHS = {
    "rest": ["/kas.AccessService/Rewrap", "/rewrap", "/kas/v2/kas_public_key"],
    "connect-json": ["/kas/v2/rewrap", "/rewrap", "/kas.AccessService/PublicKey"],
    "connect-proto": ["/kas/v2/rewrap", "/rewrap", "/kas.AccessService/PublicKey"],
}


def test_attack_p01_opentdf_no_proof(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.proof = ""
    refused_proof(attempt, "proof_missing")


def test_attack_p02_opentdf_two_proofs(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.headers = [("DPoP", attempt.make_proof())]
    refused_proof(attempt, "proof_multiple")


def test_attack_p03_opentdf_a_stolen_token_with_the_thiefs_key(tdf_kit: Kit, route: Route) -> None:
    """Proof and request token both by the thief."""
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.proof_key = attempt.srt_key = new_proof_key()
    refused_proof(attempt, "proof_key_mismatch")


def test_attack_p03b_opentdf_the_victims_jwk_over_the_thiefs_signature(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    assert attempt.key is not None
    attempt.proof_key, attempt.proof_header = new_proof_key(), {"jwk": attempt.key.jwk}
    refused_proof(attempt, "proof_signature_invalid")


def test_attack_p04_opentdf_a_private_jwk(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    assert attempt.key is not None
    attempt.proof_header = {"jwk": {**public_jwk(attempt.key.private), "d": "AAAA"}}
    refused_proof(attempt, "proof_key_invalid")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"alg": "HS256"}, "proof_alg_not_allowed"),
        ({"alg": "none"}, "proof_alg_not_allowed"),
        ({"jwk": {"kty": "oct", "k": "AAAA"}}, "proof_key_invalid"),
    ],
    ids=str,
)
def test_attack_p05_opentdf_a_symmetric_proof(tdf_kit: Kit, route: Route, header: dict[str, object], code: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.proof_header = header
    refused_proof(attempt, code)


@pytest.mark.parametrize("method", ["GET", "post", "", None])
def test_attack_p06_opentdf_another_method(tdf_kit: Kit, route: Route, method: str | None) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.proof_claims = {"htm": method}
    refused_proof(attempt, "proof_method_mismatch")


def test_attack_p07_opentdf_a_proof_for_another_route(tdf_kit: Kit, route: Route) -> None:
    """REST, Connect and ACP-240 have an address each."""
    for path in OTHER_PATHS[route]:
        attempt = TdfAttempt.good(tdf_kit, route)
        attempt.proof_claims = {"htu": tdf_kit.base + path}
        refused_proof(attempt, "proof_uri_mismatch")


URIS: dict[str, Callable[[str, str], str | None]] = {
    "origin": lambda base, _path: base,
    "slash": lambda base, path: f"{base}{path}/",
    "case": lambda base, path: base + path.upper(),
    "other port": lambda _base, path: f"http://127.0.0.1:1{path}",
    "no port": lambda _base, path: f"http://127.0.0.1{path}",
    "https": lambda base, path: base.replace("http:", "https:") + path,
    "other host": lambda _base, path: f"https://kas.example{path}",
    "user": lambda base, path: base.replace("//", "//kas@") + path,
    "path alone": lambda _base, path: path,
    "double slash": lambda base, path: f"{base}/{path}",
    "missing": lambda _base, _path: None,
}


@pytest.mark.parametrize("case", URIS)
def test_attack_p07b_opentdf_another_address(tdf_kit: Kit, route: Route, case: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.proof_claims = {"htu": URIS[case](tdf_kit.base, attempt.path)}
    refused_proof(attempt, "proof_uri_mismatch")


@pytest.mark.parametrize("tail", ["?a=b", "#a", "?"])
def test_a_query_or_fragment_in_the_address_is_dropped(tdf_kit: Kit, route: Route, tail: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.proof_claims = {"htu": attempt.url + tail}
    released(attempt)


def test_attack_p07c_opentdf_the_host_header_does_not_say_who_we_are(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.proof_claims = {"htu": f"http://kas.evil.example{attempt.path}"}
    attempt.headers = [("Host", "kas.evil.example"), ("X-Forwarded-Host", "kas.evil.example")]
    refused_proof(attempt, "proof_uri_mismatch")


@pytest.mark.parametrize("token_hash", [None, "", "A" * 43, 1])
def test_attack_p08_opentdf_a_proof_for_another_token(tdf_kit: Kit, route: Route, token_hash: object) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.proof_claims = {"ath": token_hash}
    refused_proof(attempt, "proof_token_mismatch")


def test_attack_p08b_opentdf_a_proof_made_for_the_callers_other_token(tdf_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    other = tdf_kit.access_token("usa-secret", attempt.key, {"claims": {"later": 1}})
    assert attempt.key is not None
    attempt.proof = make_proof(attempt.key, "POST", attempt.url, time.time(), token=other)
    refused_proof(attempt, "proof_token_mismatch")


@pytest.mark.parametrize("seconds", [-65, 15, 86400])
def test_attack_p09_opentdf_a_proof_out_of_its_time(tdf_kit: Kit, route: Route, seconds: int) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.proof_claims = {"iat": int(time.time()) + seconds}
    refused_proof(attempt, "proof_time_invalid")


@pytest.mark.parametrize("seconds", [-50, 8])
def test_a_proof_a_little_off_passes(tdf_kit: Kit, route: Route, seconds: int) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.proof_claims = {"iat": int(time.time()) + seconds}
    released(attempt)


# ---- Schemes


@pytest.mark.parametrize("scheme", ["dpop", "DPOP", "dPoP"])
def test_attack_p15_opentdf_the_schemes_case_does_not_matter(tdf_kit: Kit, route: Route, scheme: str) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.scheme = scheme
    released(attempt)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_attack_p16_opentdf_a_bound_token_under_bearer_without_its_proof(
    tdf_kit: Kit, route: Route, scheme: str
) -> None:
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.scheme, attempt.proof = scheme, ""
    refused_call(attempt, 401, "invalid_token", "token_scheme_not_accepted")


def test_attack_p16b_opentdf_a_bound_token_under_bearer_with_its_proof(tdf_kit: Kit, route: Route) -> None:
    """ACP-240's own route takes that form; here it would be a downgrade."""
    attempt = TdfAttempt.good(tdf_kit, route)
    attempt.scheme = "Bearer"
    refused_call(attempt, 401, "invalid_token", "token_scheme_not_accepted")


def test_attack_p16c_opentdf_the_settings_of_production_refuse_it_as_well(strict_kit: Kit, route: Route) -> None:
    attempt = TdfAttempt.good(strict_kit, route)
    attempt.nonce = offered_nonce(attempt)
    attempt.scheme = "Bearer"
    refused_call(attempt, 401, "invalid_token", "token_scheme_not_accepted")
