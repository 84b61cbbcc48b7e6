"""Attack P13: what burns a proof's id and what does not. Only a proof that authenticated somebody is used up."""

from __future__ import annotations

import json

import pytest

from local.client.encoding import b64url
from tests.attacks.proof_requests import flip, proof_parts, refused_proof, released, sign_text
from tests.kit import Attempt, Kit, refused

INVALID = {
    "htm": ({"htm": "GET"}, "proof_method_mismatch"),
    "htu": ({"htu": "https://evil.example/rewrap"}, "proof_uri_mismatch"),
    "iat": ({"iat": 1}, "proof_time_invalid"),
    "ath": ({"ath": "x"}, "proof_token_mismatch"),
}


@pytest.mark.parametrize("kind", INVALID)
def test_attack_p13_invalid_claim_burns_no_jti(kit: Kit, kind: str) -> None:
    """The good proof with the same id passes afterwards."""
    attempt, (change, code) = kit.attempt(), INVALID[kind]
    attempt.proof_claims = {"jti": "the-one", **change}
    refused_proof(attempt, code)
    _good_with_same_id(attempt)


def _good_with_same_id(attempt: Attempt) -> None:
    attempt.proof_claims, attempt.proof_header = {"jti": "the-one"}, {}
    attempt.proof, attempt.nonce = None, "fresh"
    released(attempt)


def test_attack_p13_invalid_signature_burns_no_jti(kit: Kit) -> None:
    """Otherwise a stranger who saw an id could lock its owner out."""
    attempt = kit.attempt()
    attempt.proof_claims = {"jti": "the-one"}
    attempt.proof = flip(attempt.make_proof(), -20)
    refused_proof(attempt, "proof_signature_invalid")
    _good_with_same_id(attempt)


def test_attack_p13_invalid_header_burns_no_jti(kit: Kit) -> None:
    """A proof of another type with the same id."""
    attempt = kit.attempt()
    attempt.proof_claims, attempt.proof_header = {"jti": "the-one"}, {"typ": "JWT"}
    refused_proof(attempt, "proof_type_invalid")
    _good_with_same_id(attempt)


@pytest.mark.parametrize(("nonce", "code"), [(None, "nonce_required"), ("x", "nonce_invalid")])
def test_attack_p13_missing_or_bad_nonce_burns_no_jti(kit: Kit, nonce: str | None, code: str) -> None:
    """The challenge comes before the claim, so the client may keep its id in the answer to it."""
    attempt = kit.attempt()
    attempt.proof_claims, attempt.nonce = {"jti": "the-one"}, nonce
    refused(attempt.send(), 401, "use_dpop_nonce", code)
    _good_with_same_id(attempt)


def test_attack_p13_bad_token_burns_no_jti(kit: Kit) -> None:
    """A good proof beside a token that is refused."""
    attempt = kit.attempt()
    attempt.proof_claims, good = {"jti": "the-one"}, attempt.token
    attempt.token = flip(good, -20)
    refused(attempt.send(), 401, "invalid_token", "token_signature_invalid")
    attempt.token = good
    _good_with_same_id(attempt)


def test_attack_p13_ids_of_two_keys_are_two_ids(kit: Kit) -> None:
    """One key's ids mean nothing for another's: nobody can burn a stranger's."""
    for _ in range(2):
        attempt = kit.attempt()
        attempt.proof_claims["jti"] = "the-one"
        released(attempt)


@pytest.mark.parametrize(
    ("headers", "body", "status", "error", "code"),
    [
        ([("Content-Encoding", "gzip")], None, 415, "unsupported_media_type", "unsupported_media_type"),
        ([("Accept", "text/html")], None, 406, "not_acceptable", "not_acceptable"),
        ([], b"{", 400, "invalid_request", "invalid_json"),
        ([], b"{}", 400, "invalid_request", "invalid_structure"),
        ([], b" " * (2**20 + 1), 413, "content_too_large", "content_too_large"),
    ],
    ids=["415", "406", "bad JSON", "bad structure", "413"],
)
def test_attack_p13_refusal_after_the_proof_has_burned_it(
    kit: Kit, headers: list[tuple[str, str]], body: bytes | None, status: int, error: str, code: str
) -> None:
    """A proof that authenticated somebody is used up, whatever came of the request."""
    attempt = kit.attempt()
    good_headers, good_body = attempt.headers, attempt.body
    attempt.headers, attempt.body = headers, body
    refused(attempt.send(), status, error, code)
    kit.http.close()  # the server closes a connection with a body on it that it has not read
    attempt.headers, attempt.body = good_headers, good_body
    refused_proof(attempt, "proof_replayed")
    attempt.proof = None
    released(attempt)


def test_attack_p13_second_spelling_of_a_used_proof_is_a_replay(kit: Kit) -> None:
    """Another signature over the same claims is the same proof: the id is remembered, not the text."""
    attempt = kit.attempt()
    released(attempt)
    header, claims, _ = proof_parts(str(attempt.proof))
    attempt.proof = sign_text(attempt.key, json.dumps({**header, "x": b64url(b"y")}), json.dumps(claims))
    refused_proof(attempt, "proof_replayed")
