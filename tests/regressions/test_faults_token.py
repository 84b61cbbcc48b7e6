"""Faults 1, 2, 3, 8 and 21 of earlier systems: what they believed of a token, and what they did with a bad one."""

from __future__ import annotations

import json
import random
import string
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives import serialization
from jwt.algorithms import ECAlgorithm

from local.client.encoding import b64url
from local.client.keys import new_proof_key
from tests.attacks.token_refusals import admit, deny, refuse_override, refuse_token
from tests.fake_issuer import FakeIssuers, fake_issuers, trusting_kit
from tests.kit import policy, refused

JUNK = [
    True,
    False,
    0,
    -1,
    1.5,
    1e300,
    2**53 - 1,
    2**53,
    10**400,
    "",
    " ",
    "x",
    "\u0000",
    "\U0001f511",
    "é" * 300,
    "%s{0}${x}",
    [],
    [[]],
    [None],
    {},
    {"": {}},
    {"jkt": {}},
    [{"a": [1]}] * 20,
]
HEADER_MEMBERS = ["typ", "alg", "kid", "crit", "jwk", "x5c", "cty"]
CLAIMS = ["iss", "aud", "exp", "nbf", "iat", "sub", "cnf", "client_id", "uniqueID", "clearance", "countryOfAffiliation"]
CLAIMS += ["acpCOI", "organizationType", "acr", "amr", "jti", "typ", "nonce"]


@pytest.fixture(scope="module")
def attacker() -> Iterator[FakeIssuers]:
    """An attacker's issuer that no KAS trusts."""
    with fake_issuers("idp") as issuers:
        yield issuers


@pytest.fixture(scope="module")
def partners(tmp_path_factory):
    """Two trusted issuers that use the same kid, and the KAS that trusts them."""
    with fake_issuers("home", "partner") as issuers:
        for issuer in issuers.values():
            issuer.publish("k1", new_proof_key())
        with trusting_kit(tmp_path_factory.mktemp("partners"), issuers) as running:
            yield issuers, running


def provider_kid(kit):
    return kit.http("GET", f"{kit.world.provider.base}/jwks.json").json()["keys"][0]["kid"]


def test_fault_01_keys_of_an_attackers_issuer_are_neither_fetched_nor_cached(kit, attacker):
    """First a token of the attacker's own issuer, to have its key cached; then one in the real issuer's name."""
    issuer, kid = attacker["idp"], provider_kid(kit)
    issuer.publish(kid, new_proof_key())
    refuse_token(issuer.attempt(kit, kid), "issuer_unknown")
    refuse_token(issuer.attempt(kit, kid, iss=kit.world.provider.base), "token_signature_invalid")
    assert attacker.seen == []
    admit(kit.attempt())


def test_fault_01_a_trusted_issuers_key_is_not_anothers_though_the_kid_is_the_same(partners):
    issuers, kit = partners
    home, partner = issuers["home"], issuers["partner"]
    admit(partner.attempt(kit, "k1"))
    refuse_token(partner.attempt(kit, "k1", iss=home.issuer), "token_signature_invalid")
    admit(home.attempt(kit, "k1"))
    refuse_token(home.attempt(kit, "k1", iss=partner.issuer), "token_signature_invalid")


@pytest.mark.parametrize("scheme", ["DPoP", "Bearer"])
@pytest.mark.parametrize(
    "cnf",
    [
        None,
        {},
        [],
        "x",
        {"jkt": None},
        {"jkt": ""},
        {"jkt": 5},
        {"jkt": ["x"]},
        {"jkt": "x" * 42},
        {"x5t#S256": "x" * 43},
    ],
    ids=str,
)
def test_fault_02_a_token_without_a_bound_key_is_refused(kit, scheme, cnf):
    attempt = kit.attempt(override={"claims": {"cnf": cnf}})
    attempt.scheme = scheme
    refuse_token(attempt, "token_unbound")


def test_fault_02_a_token_bound_to_another_key_is_refused(kit):
    attempt = kit.attempt()
    attempt.proof_key = new_proof_key()
    refused(attempt.send(), 401, "invalid_dpop_proof", "proof_key_mismatch")


def test_fault_03_the_header_does_not_choose_the_algorithm(kit):
    jwk = kit.http("GET", f"{kit.world.provider.base}/jwks.json").json()["keys"][0]
    pem = ECAlgorithm.from_jwk(jwk).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    secret = {"kty": "oct", "k": b64url(pem)}
    refuse_override(kit, "token_alg_not_allowed", header={"alg": "HS256"}, key=secret)
    refuse_override(kit, "token_alg_not_allowed", header={"alg": "none"})
    refuse_override(kit, "token_key_unfit", header={"alg": "RS256"})


def test_fault_03_the_header_of_a_proof_does_not_choose_it_either(kit):
    attempt = kit.attempt()
    attempt.proof_header = {"alg": "none"}
    refused(attempt.send(), 401, "invalid_dpop_proof", "proof_alg_not_allowed")


@pytest.mark.parametrize(
    "country", [None, "", " ", "US", "usa", "USA ", "XXX", ["USA"], {"USA": 1}, 840, True], ids=repr
)
def test_fault_08_a_missing_or_odd_country_is_not_usa(kit, country):
    attempt = kit.attempt(
        override={"claims": {"countryOfAffiliation": country}}, policies=[policy(releasabilityTo=["USA"])]
    )
    deny(attempt, "subject_incomplete")


@pytest.mark.parametrize("organisation", [None, "", "GOVERNMENT", "gov", "NGO", ["GOV"], True, 1], ids=repr)
def test_fault_08_an_unknown_organisation_is_not_government(kit, organisation):
    deny(kit.attempt(override={"claims": {"organizationType": organisation}}), "industry_not_releasable")


@pytest.mark.parametrize("issuer", [None, "", "local", "null", "http://127.0.0.1", "urn:local"], ids=repr)
def test_fault_08_a_token_without_known_issuer_is_not_local(kit, issuer):
    refuse_override(kit, "issuer_unknown", claims={"iss": issuer})


@pytest.mark.parametrize(
    ("claim", "code"),
    [("clearance", "subject_incomplete"), ("acpCOI", "coi_not_satisfied"), ("acr", "authentication_too_weak")],
)
def test_fault_08_what_else_is_missing_permits_nothing(kit, claim, code):
    deny(kit.attempt(override={"claims": {claim: None, "amr": None}}), code)


def unharmed(kit, answer):
    """The answer is one of ours and no 500; nothing unexpected was logged."""
    assert answer.status in {200, 401, 403}, answer.body
    if answer.status != 200:
        assert b"kasWrappedKey" not in answer.body
        assert answer.json()["code"] != "internal"
    assert all(event["event"] in {"rewrap", "refusal"} for event in kit.events(answer.headers["X-Request-Id"]))


@pytest.mark.parametrize("member", HEADER_MEMBERS)
def test_fault_21_no_header_member_causes_a_500(kit, member):
    for junk in JUNK:
        unharmed(kit, kit.attempt(override={"header": {member: junk}}).send())


@pytest.mark.parametrize("claim", CLAIMS)
def test_fault_21_no_claim_causes_a_500(kit, claim):
    for junk in JUNK:
        unharmed(kit, kit.attempt(override={"claims": {claim: junk}}).send())


def test_fault_21_no_text_in_place_of_a_token_causes_a_500(kit):
    source, attempt = random.Random(21), kit.attempt()
    attempt.proof = attempt.make_proof()
    characters = string.ascii_letters + string.digits + "-_.=+/!\"'{}\u00e9\u00ff"
    for length in (*range(1, 20), *range(20, 120, 7)):
        attempt.token = "".join(source.choices(characters, k=length))
        answer = attempt.send()
        assert answer.status == 401
        unharmed(kit, answer)


def test_fault_21_no_damage_to_a_token_causes_a_500(kit):
    source, attempt = random.Random(21), kit.attempt()
    attempt.proof, good = attempt.make_proof(), attempt.token
    for position in range(0, len(good), 11):
        attempt.token = (
            good[:position]
            + source.choice(string.ascii_letters.replace(good[position], "") + ".")
            + good[position + 1 :]
        )
        answer = attempt.send()
        assert answer.status == 401
        unharmed(kit, answer)


@pytest.mark.parametrize(
    "payload",
    ["0", '"x"', "[]", "null", "{", "", "NaN", '{"iss":', "[" * 900, '{"a":' * 900, "\ud7ff", json.dumps({"a": 1}) * 2],
)
def test_fault_21_no_payload_causes_a_500(kit, payload):
    refuse_override(kit, "token_malformed", raw=payload)
