"""ACP-240 §1, KAS-REQ-021 and 030 to 033, 041, 101, 111: nobody is served who does not prove who asks."""

from __future__ import annotations

import pytest

from kas.config import Settings
from kas.errors import ConfigError
from local.client import Http
from local.client.keys import new_proof_key
from tests.attacks.rewrap_answers import codes, kao_refused, released
from tests.kit import policy, refused
from tests.requirements.production import production_kas

TLS = ("X-Forwarded-Proto", "https")


def new_attempt(kit, **options):
    good = kit.attempt(**options)
    good.nonce = None
    return good


@pytest.fixture
def attempt(kit_without_nonces):
    return new_attempt(kit_without_nonces)


@pytest.fixture(scope="module")
def production(tmp_path_factory):
    with production_kas(tmp_path_factory.mktemp("production")) as service:
        yield service


@pytest.mark.parametrize("forwarded", [[], [("X-Forwarded-Proto", "http")], [("X-Forwarded-Proto", "https, http")]])
@pytest.mark.parametrize("path", ["/rewrap", "/.well-known/jwks.json", "/health"])
def test_kas_req_021_nothing_is_answered_that_did_not_come_over_https(production, path, forwarded):
    answer = Http()("POST" if path == "/rewrap" else "GET", production.base + path, forwarded)
    refused(answer, 403, "forbidden", "https_required")


def test_kas_req_021_over_https_the_service_answers(production):
    http = Http()
    assert http("GET", f"{production.base}/health", [TLS]).status == 200
    refused(http("POST", f"{production.base}/rewrap", [TLS]), 401, "unauthorized", "credentials_missing")


@pytest.mark.parametrize(
    "base", ["http://kas.example", "http://127.0.0.1:8080", "https://kas.example,http://localhost"]
)
def test_kas_req_021_a_public_address_without_tls_stops_the_start(base):
    with pytest.raises(ConfigError, match="KAS_PUBLIC_BASES"):
        Settings.from_environ({"KAS_ID": "kas-usa", "KAS_PUBLIC_BASES": base})


@pytest.mark.parametrize("scheme", ["Bearer", "DPoP", "bearer", "dpop", "BEARER"])
def test_kas_req_030_the_token_is_taken_under_both_schemes(attempt, scheme):
    attempt.scheme = scheme
    released(attempt)


def test_kas_req_030_without_a_token_nothing_is_read(attempt):
    answer = attempt.kit.http("POST", attempt.kit.url, [("DPoP", attempt.make_proof())], b"")
    refused(answer, 401, "unauthorized", "credentials_missing")
    assert "error=" not in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("scheme", ["Basic", "Token", "JWT"])
def test_kas_req_030_another_scheme_is_no_credentials(attempt, scheme):
    attempt.scheme = scheme
    refused(attempt.send(), 401, "unauthorized", "credentials_missing")


@pytest.mark.parametrize("scheme", ["Bearer", "DPoP"])
def test_kas_req_031_a_proof_is_demanded_under_both_schemes(attempt, scheme):
    headers = [("Authorization", f"{scheme} {attempt.token}"), ("Content-Type", "application/json")]
    answer = attempt.kit.http("POST", attempt.kit.url, headers, b"{}")
    refused(answer, 401, "invalid_dpop_proof", "proof_missing")


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"htm": "GET"}, "proof_method_mismatch"),
        ({"htu": "https://kas.example/rewrap"}, "proof_uri_mismatch"),
        ({"ath": "A" * 43}, "proof_token_mismatch"),
        ({"ath": None}, "proof_token_mismatch"),
    ],
)
def test_kas_req_032_the_proof_is_for_this_token_method_and_address(attempt, claims, code):
    attempt.proof_claims.update(claims)
    refused(attempt.send(), 401, "invalid_dpop_proof", code)


def test_kas_req_032_the_proof_is_of_the_trusted_key(attempt):
    attempt.proof_key = new_proof_key()
    refused(attempt.send(), 401, "invalid_dpop_proof", "proof_key_mismatch")


def test_kas_req_033_the_trusted_key_is_the_one_that_the_issuer_put_into_the_token(kit_without_nonces):
    """With another ``cnf`` the same proof is worth nothing; with its own it is."""
    key, other = new_proof_key(), new_proof_key()
    attempt = new_attempt(kit_without_nonces, key=key, override={"claims": {"cnf": {"jkt": other.thumbprint}}})
    refused(attempt.send(), 401, "invalid_dpop_proof", "proof_key_mismatch")
    attempt = new_attempt(kit_without_nonces, key=key, override={"claims": {"cnf": {"jkt": key.thumbprint}}})
    released(attempt)


def test_kas_req_041_a_bad_kao_signature_is_400(attempt):
    attempt.resign(new_proof_key())
    kao_refused(attempt, "kao_signature_invalid", 400)


def test_kas_req_041_a_bad_kao_signature_among_good_ones_fails_alone(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, policies=[policy()], kaos=3)
    attempt.request["requests"][0]["keyAccessObjects"][1]["sid"] = "s-9"
    answer = attempt.send()
    assert (answer.status, codes(attempt, answer)) == (200, [None, "kao_signature_invalid", None])


@pytest.mark.parametrize(
    ("change", "error", "code"),
    [
        (lambda attempt: setattr(attempt, "token", attempt.token[:-6] + "AAAAAA"), "invalid_token", None),
        (lambda attempt: attempt.proof_claims.update(iat=1), "invalid_dpop_proof", "proof_time_invalid"),
    ],
    ids=["token", "proof"],
)
def test_kas_req_101_failed_authentication_is_401_with_a_challenge(attempt, change, error, code):
    change(attempt)
    answer = attempt.send()
    body = refused(answer, 401, error, code or "token_signature_invalid")
    assert f'error="{error}"' in answer.headers["WWW-Authenticate"]
    assert "responses" not in body


def test_kas_req_111_neither_token_nor_proof_is_enough_alone(attempt):
    proof, kit = ("DPoP", attempt.make_proof()), attempt.kit
    token = ("Authorization", f"DPoP {attempt.token}")
    json_type = ("Content-Type", "application/json")
    refused(kit.http("POST", kit.url, [proof, json_type], b"{}"), 401, "unauthorized", "credentials_missing")
    refused(kit.http("POST", kit.url, [token, json_type], b"{}"), 401, "invalid_dpop_proof", "proof_missing")


def test_kas_req_111_an_unbound_token_is_refused_whatever_comes_with_it(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, override={"claims": {"cnf": None}})
    refused(attempt.send(), 401, "invalid_token", "token_unbound")


def test_kas_req_111_a_proof_is_taken_once(attempt):
    released(attempt)
    refused(attempt.send(), 401, "invalid_dpop_proof", "proof_replayed")
