"""Attacks on who asks, on this route too: the checks are those of every route, and each is shown to be made here.

What each check holds against is attacked at length on ``/rewrap`` (`tests/attacks`); here it is one of each kind.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from local.client import Answer, new_proof_key
from local.client.keys import public_jwk
from tests.explain.asking import Question, explained_one
from tests.kit import Kit, refused


def refuse(question: Question, error: str, code: str) -> Answer:
    """Sends, and asserts a 401 with its challenge and one audit line, and that nothing is explained."""
    answer = question.send()
    body = refused(answer, 401, error, code)
    assert answer.headers["WWW-Authenticate"].startswith(f'DPoP error="{error}", ')
    assert "explanations" not in body
    (event,) = question.kit.events(body["requestId"])
    assert (event["event"], event["code"], event["path"]) == ("refusal", code, "/explain")
    return answer


def refuse_token(kit: Kit, code: str, **override: Any) -> None:
    refuse(Question.of(kit, override=override), "invalid_token", code)


@pytest.mark.parametrize("alg", ["none", "HS256"])
def test_attack_t01_explain_alg_none_or_symmetric(kit: Kit, alg: str) -> None:
    refuse_token(kit, "token_alg_not_allowed", header={"alg": alg})


def test_attack_t06_explain_a_token_of_another_type(kit: Kit) -> None:
    refuse_token(kit, "token_type_not_accepted", header={"typ": "dpop+jwt"})


def test_attack_t07_explain_an_audience_that_is_not_us(kit: Kit) -> None:
    refuse_token(kit, "token_audience_mismatch", claims={"aud": "other"})


def test_attack_t08_explain_another_issuer(kit: Kit) -> None:
    refuse_token(kit, "issuer_unknown", claims={"iss": "http://127.0.0.1:1/idp"})


def test_attack_t09_explain_a_token_out_of_its_time(kit: Kit) -> None:
    refuse_token(kit, "token_expired", claims={"exp": int(time.time()) - 11})


@pytest.mark.parametrize("body", [b"", b"{", b"x" * 2_000_000], ids=["none", "half", "large"])
def test_nothing_of_a_strangers_body_is_read(kit: Kit, body: bytes) -> None:
    """Of another media type, broken, too large: he hears that he is a stranger."""
    answer = kit.http("POST", f"{kit.base}/explain", [("Content-Type", "text/plain")], body)
    refused(answer, 401, "unauthorized", "credentials_missing")
    assert answer.headers["WWW-Authenticate"].startswith('DPoP algs="')


def test_attack_t17_explain_two_authorization_headers(kit: Kit) -> None:
    question = Question.of(kit)
    question.headers = [("Authorization", f"DPoP {kit.access_token()}")]
    refuse(question, "invalid_token", "authorization_malformed")


@pytest.mark.parametrize("scheme", ["DPoP", "Bearer"])
def test_a_token_that_is_bound_to_no_key_is_refused(kit: Kit, scheme: str) -> None:
    """Also where OpenTDF's routes take one."""
    question = Question.of(kit)
    question.token, question.scheme, question.proof = kit.access_token(), scheme, ""
    refuse(question, "invalid_token", "token_unbound")


def test_attack_p01_explain_no_proof(kit: Kit) -> None:
    question = Question.of(kit)
    question.proof = ""
    refuse(question, "invalid_dpop_proof", "proof_missing")


def test_attack_p02_explain_two_proofs(kit: Kit) -> None:
    question = Question.of(kit)
    question.headers = [("DPoP", question.make_proof())]
    refuse(question, "invalid_dpop_proof", "proof_multiple")


def test_attack_p03_explain_a_stolen_token_with_the_thiefs_key(kit: Kit) -> None:
    """Nobody is told about another's attributes."""
    question = Question.of(kit)
    question.proof_key = new_proof_key()
    refuse(question, "invalid_dpop_proof", "proof_key_mismatch")


def test_attack_p03b_explain_the_victims_jwk_over_the_thiefs_signature(kit: Kit) -> None:
    question = Question.of(kit)
    question.proof_key, question.proof_header = new_proof_key(), {"jwk": question.key.jwk}
    refuse(question, "invalid_dpop_proof", "proof_signature_invalid")


def test_attack_p04_explain_a_private_jwk(kit: Kit) -> None:
    question = Question.of(kit)
    question.proof_header = {"jwk": {**public_jwk(question.key.private), "d": "AAAA"}}
    refuse(question, "invalid_dpop_proof", "proof_key_invalid")


def test_attack_p05_explain_a_symmetric_proof(kit: Kit) -> None:
    question = Question.of(kit)
    question.proof_header = {"alg": "HS256"}
    refuse(question, "invalid_dpop_proof", "proof_alg_not_allowed")


def test_attack_p06_explain_a_proof_for_another_method(kit: Kit) -> None:
    question = Question.of(kit)
    question.proof_claims = {"htm": "GET"}
    refuse(question, "invalid_dpop_proof", "proof_method_mismatch")


@pytest.mark.parametrize("path", ["/rewrap", "/kas/v2/rewrap", "/", "/explain/", "/EXPLAIN"])
def test_attack_p07_explain_a_proof_for_another_route(kit: Kit, path: str) -> None:
    question = Question.of(kit)
    question.proof_claims = {"htu": kit.base + path}
    refuse(question, "invalid_dpop_proof", "proof_uri_mismatch")


def test_attack_p07b_explain_a_proof_of_this_route_opens_no_key(kit: Kit) -> None:
    """A recorded question is no rewrap."""
    attempt = kit.attempt()
    attempt.proof_claims = {"htu": f"{kit.base}/explain"}
    refused(attempt.send(), 401, "invalid_dpop_proof", "proof_uri_mismatch")


def test_attack_p08_explain_a_proof_for_another_token(kit: Kit) -> None:
    question = Question.of(kit)
    question.proof_claims = {"ath": "A" * 43}
    refuse(question, "invalid_dpop_proof", "proof_token_mismatch")


@pytest.mark.parametrize("seconds", [-65, 15])
def test_attack_p09_explain_a_proof_out_of_its_time(kit: Kit, seconds: int) -> None:
    question = Question.of(kit)
    question.proof_claims = {"iat": int(time.time()) + seconds}
    refuse(question, "invalid_dpop_proof", "proof_time_invalid")


def test_attack_p10_explain_a_proof_that_is_sent_again(kit: Kit) -> None:
    question = Question.of(kit)
    explained_one(question)
    refuse(question, "invalid_dpop_proof", "proof_replayed")
    question.proof = None
    explained_one(question)


def test_attack_p13_explain_a_refused_proof_burns_no_id(kit: Kit) -> None:
    question = Question.of(kit)
    question.proof_claims = {"jti": "one-of-its-own", "htm": "GET"}
    refuse(question, "invalid_dpop_proof", "proof_method_mismatch")
    question.proof, question.proof_claims = None, {"jti": "one-of-its-own"}
    explained_one(question)


@pytest.mark.parametrize(("nonce", "code"), [(None, "nonce_required"), ("forged", "nonce_invalid")])
def test_attack_p14_explain_a_proof_without_a_nonce_of_ours(kit: Kit, nonce: str | None, code: str) -> None:
    """As on `/rewrap`; the answer offers one that is good here."""
    question = Question.of(kit)
    question.nonce = nonce
    answer = refuse(question, "use_dpop_nonce", code)
    question.proof, question.nonce = None, answer.headers["DPoP-Nonce"]
    explained_one(question)


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
@pytest.mark.parametrize("proof", [None, ""], ids=["with-proof", "without"])
def test_attack_p16_explain_a_bound_token_under_bearer(kit: Kit, scheme: str, proof: str | None) -> None:
    """`/rewrap` alone takes that, with its proof."""
    question = Question.of(kit)
    question.scheme, question.proof = scheme, proof
    refuse(question, "invalid_token", "token_scheme_not_accepted")


def test_attack_p17_explain_a_proof_that_is_sent_twenty_times_at_once(kit: Kit) -> None:
    question = Question.of(kit)
    question.proof = question.make_proof()
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: question.send(), range(20)))
    assert sorted(answer.status for answer in answers) == [200] + [401] * 19
    assert {answer.json()["code"] for answer in answers if answer.status == 401} == {"proof_replayed"}


def test_nobody_forwards_a_question(kit: Kit) -> None:
    """One service may hand another's clients on for keys, not for what would be decided about them."""
    question = Question.of(kit)
    question.headers = [("Forwarded-KAS", "a.b.c")]
    refuse(question, "invalid_forwarding", "forwarder_unknown")
