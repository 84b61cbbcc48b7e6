"""F6: a service that asks in another's name, or with a key or token of its own in place of the client's. Real services."""

from __future__ import annotations

import time
from typing import Any

import pytest

from local.client import new_proof_key
from local.client.proofs import compact_jws, make_proof
from tests.federation.hostile_forwarder import (
    ABSENT,
    Forwarded,
    forward,
    kid_of,
    no_authentication,
    no_forwarding,
)
from tests.federation.nations import Nations
from tests.kit import Kit, refused


@pytest.fixture
def forwarded(nations: Nations) -> Forwarded:
    return forward(nations)


@pytest.mark.parametrize(
    "iss", ["kas-rou", "kas-fra", "kas", "kas-us", "kas-usa ", "KAS-USA", "kas-usa.evil.example", ["kas-usa"], "", None]
)
def test_attack_f06_an_issuer_that_is_no_partner(forwarded: Forwarded, iss: object) -> None:
    """Nor the receiver itself, nor (F4) one that is called nearly like a partner."""
    forwarded.claims["iss"] = iss
    no_forwarding(forwarded, "forwarder_unknown")


@pytest.mark.parametrize(("kid_from", "code"), [("usa", "forwarder_unknown"), ("gbr", "forwarding_signature_invalid")])
def test_attack_f06_another_partners_name_under_the_own_key(
    nations: Nations, forwarded: Forwarded, kid_from: str, code: str
) -> None:
    """Whichever key the header names: each partner's keys are its own."""
    forwarded.claims |= {"iss": "kas-gbr", "via": ["kas-gbr"]}
    forwarded.header["kid"] = kid_of(nations.places[kid_from])
    no_forwarding(forwarded, code)


def test_attack_f06_the_receivers_own_name_and_key(nations: Nations, forwarded: Forwarded) -> None:
    """Whoever had its signing key could sign results, and even he forwards nothing to it."""
    forwarded.handed_to(nations, "fra", ["fra"])
    no_forwarding(forwarded, "forwarder_unknown")


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
def test_attack_f06_a_key_that_the_assertion_brings_along(forwarded: Forwarded, member: str) -> None:
    forwarded.key = new_proof_key()
    forwarded.header[member] = forwarded.key.jwk if member == "jwk" else "https://127.0.0.1:1/keys"
    no_forwarding(forwarded, "forwarding_signature_invalid")


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ({"alg": "none"}, "forwarding_malformed"),
        ({"alg": "HS256"}, "forwarding_malformed"),
        ({"typ": "at+jwt"}, "forwarding_malformed"),
        ({"typ": "dpop+jwt"}, "forwarding_malformed"),
        ({"crit": ["x"], "x": 1}, "forwarding_malformed"),
        ({"kid": "another"}, "forwarder_unknown"),
        ({"kid": None}, "forwarder_unknown"),
    ],
)
def test_attack_f06_an_assertion_of_another_kind(forwarded: Forwarded, header: dict[str, Any], code: str) -> None:
    forwarded.header = header
    no_forwarding(forwarded, code)


def test_attack_f06_the_own_key_in_place_of_the_clients(nations: Nations, forwarded: Forwarded) -> None:
    """The assertion says so, the proof does, or both: the token names the client's (`cnf`)."""
    own = new_proof_key()
    of_own = make_proof(own, "POST", nations["usa"].url, time.time(), token=forwarded.token)
    by_assertion, by_proof, by_both = forwarded.again(), forwarded.again(), forwarded.again()
    by_assertion.claims = {"jkt": own.thumbprint}
    no_forwarding(by_assertion, "forwarding_token_mismatch")
    by_proof.proof = of_own
    no_authentication(by_proof, "invalid_dpop_proof", "proof_key_mismatch")
    by_both.claims, by_both.proof = {"jkt": own.thumbprint}, of_own
    no_authentication(by_both, "invalid_dpop_proof", "proof_key_mismatch")


def test_attack_f06_the_own_name_in_cnf_of_an_assertion_binds_nothing(nations: Nations, forwarded: Forwarded) -> None:
    """An assertion is no token: ``cnf`` and ``sub`` in it change nobody's key or name."""
    own = new_proof_key()
    forwarded.claims |= {"cnf": {"jkt": own.thumbprint}, "sub": "gbr-topsecret"}
    with_own_proof = forwarded.again()
    with_own_proof.proof = make_proof(own, "POST", nations["usa"].url, time.time(), token=forwarded.token)
    no_authentication(with_own_proof, "invalid_dpop_proof", "proof_key_mismatch")
    answer = forwarded.send()
    assert set(forwarded.codes(answer).values()) == {None}
    assert {event["subject"] for event in forwarded.kit.events(answer.headers["X-Request-Id"])} == {"fra-secret"}


def test_attack_f06_a_token_of_its_own_client(nations: Nations, forwarded: Forwarded) -> None:
    """With the client's proof it does not go together; with a proof of its own it is somebody else, whose signature the
    key access objects do not bear.
    """
    own = new_proof_key()
    forwarded.token = nations["usa"].access_token("usa-secret", own)
    no_authentication(forwarded, "invalid_dpop_proof", "proof_key_mismatch")
    forwarded.proof = make_proof(own, "POST", nations["usa"].url, time.time(), token=forwarded.token)
    no_forwarding(forwarded, "forwarding_token_mismatch")
    forwarded.claims["jkt"] = own.thumbprint
    answer = forwarded.send()
    refused(answer, 400, "invalid_request", "kao_signature_invalid")
    assert set(forwarded.codes(answer).values()) == {"kao_signature_invalid"}


def test_attack_f06_a_token_of_the_clients_name_by_another_issuer(nations: Nations, forwarded: Forwarded) -> None:
    """The forwarder's own issuer says that its key is the client's: it speaks for its own country alone, so nothing opens."""
    own = new_proof_key()
    attempt = nations.attempt("fra-secret", at="usa", holders=("fra",), home="usa")
    token = nations["usa"].access_token("fra-secret", own)
    attempt.key, attempt.token = own, token
    attempt.resign()
    mine = forward(nations, holders=("fra",))
    mine.attempt, mine.token, mine.body = attempt, token, attempt.request
    mine.proof = make_proof(own, "POST", nations["usa"].url, time.time(), token=token)
    answer = mine.send()
    assert mine.codes(answer) == {"kao-fra-0": "issuer_not_for_country"}


@pytest.mark.parametrize("name", ["ath", "jkt"])
def test_attack_f06_an_assertion_about_another_token_or_key(forwarded: Forwarded, name: str) -> None:
    forwarded.claims[name] = "A" * 43
    no_forwarding(forwarded, "forwarding_token_mismatch")


# ---- a forwarded request without, or with more than, its one assertion


def test_attack_f06_clients_credentials_without_an_assertion(forwarded: Forwarded) -> None:
    """What the client gave to one service does not serve at another: the proof names the first."""
    forwarded.told = ABSENT
    no_authentication(forwarded, "invalid_dpop_proof", "proof_uri_mismatch")


def test_attack_f06_an_assertion_beside_a_proof_for_the_receiver(nations: Nations) -> None:
    """Direct or forwarded, not both: the proof of a forwarded request names where the client asked."""
    attempt = nations.attempt("fra-secret", at="fra", holders=("fra",))
    direct = forward(nations, holders=("fra",))
    direct.attempt, direct.token, direct.body, direct.proof = (
        attempt,
        attempt.token,
        attempt.request,
        attempt.make_proof(),
    )
    no_authentication(direct, "invalid_dpop_proof", "proof_uri_mismatch")
    direct.told = ABSENT
    assert set(direct.codes(direct.send()).values()) == {None}


def test_attack_f06_an_assertion_beside_a_proof_for_a_third_service(nations: Nations) -> None:
    """The client asked Britain; the US says that he asked the US."""
    elsewhere = forward(nations, by="gbr")
    elsewhere.handed_to(nations, "usa", ["usa"])
    no_authentication(elsewhere, "invalid_dpop_proof", "proof_uri_mismatch")


@pytest.mark.parametrize("told", ["", " ", "x", "a.b.c", "..", ","])
def test_attack_f06_a_header_that_is_no_assertion(forwarded: Forwarded, told: str) -> None:
    """An empty one is not an absent one."""
    forwarded.told = told
    no_forwarding(forwarded, "forwarding_malformed")


@pytest.mark.parametrize("beside", ["the same", "another", ""])
def test_attack_f06_two_assertions(forwarded: Forwarded, beside: str) -> None:
    """As two lines of the head."""
    body = forwarded.bytes()
    forwarded.told = forwarded.assertion(body)
    second = {"the same": forwarded.told, "another": forwarded.assertion(body)}.get(beside, beside)
    forwarded.headers.append(("Forwarded-KAS", second))
    no_forwarding(forwarded, "forwarding_malformed")


def test_attack_f06_a_long_assertion(forwarded: Forwarded) -> None:
    """Up to what the host takes of one header, it is ours to refuse; a longer one is the host's."""
    forwarded.claims["padding"] = "x" * 4000
    no_forwarding(forwarded, "forwarding_malformed")
    forwarded.claims["padding"] = "x" * 8192
    answer = forwarded.send()
    assert answer.status == 431
    assert b"kasWrappedKey" not in answer.body


def test_attack_f06_under_the_scheme_bearer(forwarded: Forwarded) -> None:
    """Where a client may use it, a service does not."""
    forwarded.scheme = "Bearer"
    no_authentication(forwarded, "invalid_token", "token_scheme_not_accepted")


# ---- where nobody may forward


@pytest.mark.parametrize("told", [None, "", "x"])
def test_attack_f06_a_kas_without_federation(kit: Kit, nations: Nations, told: str | None) -> None:
    """The header is not passed over there, though token and proof are a client's own and good."""
    attempt = kit.attempt()
    value = forward(nations).assertion(b"") if told is None else told
    attempt.headers = [("Forwarded-KAS", value)]
    refused(attempt.send(), 401, "invalid_forwarding", "forwarder_unknown")


@pytest.mark.parametrize("path", ["/kas/v2/rewrap", "/kas.AccessService/Rewrap"])
def test_attack_f06_the_routes_of_opentdf(nations: Nations, path: str) -> None:
    """Nobody forwards there, in a federation or not."""
    fra, key = nations["fra"], new_proof_key()
    token, url = fra.access_token("fra-secret", key), fra.base + path
    for told in ("", forward(nations).assertion(b"{}")):
        proof = make_proof(key, "POST", url, time.time(), token=token, nonce=fra.fresh_nonce())
        headers = [
            ("Authorization", f"DPoP {token}"),
            ("DPoP", proof),
            ("Content-Type", "application/json"),
            ("Forwarded-KAS", told),
        ]
        answer = fra.http("POST", url, headers, b"{}")
        assert answer.status == 401, answer.body
        events = fra.events(answer.headers["X-Request-Id"])
        assert [(event["event"], event["code"]) for event in events] == [("refusal", "forwarder_unknown")]


def test_attack_f06_an_assertion_in_place_of_the_token_or_proof(forwarded: Forwarded) -> None:
    """Each of the three has a type of its own."""
    assertion = forwarded.assertion(forwarded.bytes())
    as_token, as_proof = forwarded.again(), forwarded.again()
    as_token.token = assertion
    no_authentication(as_token, "invalid_token", "issuer_unknown")
    as_proof.proof = assertion
    no_authentication(as_proof, "invalid_dpop_proof", "proof_type_invalid")
    for told in (forwarded.token, forwarded.proof, compact_jws(forwarded.key, {"alg": "ES256"}, b"{}")):
        forwarded.told = told
        no_forwarding(forwarded, "forwarding_malformed")
