"""Every power of ``override``: any token can be had, and only what cannot be read is refused."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from local.client.encoding import b64url
from local.client.keys import new_proof_key
from local.client.proofs import Credentials, make_proof, post_token

RSA_KEY = rsa.generate_private_key(65537, 2048)
KEYS = {
    "P-256": ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True),
    "P-384": ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()), as_dict=True),
    "P-521": ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP521R1()), as_dict=True),
    "RSA": RSAAlgorithm.to_jwk(RSA_KEY, as_dict=True),
    "Ed25519": OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate(), as_dict=True),
    "Ed448": OKPAlgorithm.to_jwk(ed448.Ed448PrivateKey.generate(), as_dict=True),
}
SECRET = b"a secret of thirty-two bytes ..."
OCT = {"kty": "oct", "k": b64url(SECRET)}


def ask(http, base, override, proof=None):
    text = override if isinstance(override, str) else json.dumps(override)
    return post_token(http, Credentials(f"{base}/token", "usa-secret", "dev"), proof, {"override": text})


def parts(http, base, override, proof=None):
    answer = ask(http, base, override, proof)
    assert answer.status == 200, answer.body
    return answer.json()["access_token"].split(".")


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def header_of(token_parts):
    return json.loads(decoded(token_parts[0]))


def claims_of(token_parts):
    return json.loads(decoded(token_parts[1]))


def verifies(alg, jwk, token_parts):
    algorithm = jwt.get_algorithm_by_name(alg)
    public = algorithm.from_jwk(
        {name: value for name, value in jwk.items() if name not in {"d", "p", "q", "dp", "dq", "qi"}}
    )
    return algorithm.verify(".".join(token_parts[:2]).encode(), public, decoded(token_parts[2]))


def provider_key(http, base):
    return http("GET", f"{base}/jwks.json").json()["keys"][0]


def test_an_empty_override_changes_nothing(http, provider):
    token = parts(http, provider, {})
    assert header_of(token).keys() == {"typ", "alg", "kid"}
    assert verifies("ES256", provider_key(http, provider), token)


def test_claims_are_added_replaced_and_removed_by_null(http, provider):
    token = parts(http, provider, {"claims": {"clearance": "TOP_SECRET", "acr": None, "x": [1.5, {"y": None}, "é"]}})
    claims = claims_of(token)
    assert (claims["clearance"], claims["x"]) == ("TOP_SECRET", [1.5, {"y": None}, "é"])
    assert "acr" not in claims
    assert claims["countryOfAffiliation"] == "USA"
    assert verifies("ES256", provider_key(http, provider), token)


def test_times_may_be_of_any_type_and_size(http, provider):
    override = {"claims": {"exp": 10**30, "iat": -0.5, "nbf": "soon"}}
    claims = claims_of(parts(http, provider, override))
    assert (claims["exp"], claims["iat"], claims["nbf"]) == (10**30, -0.5, "soon")


def test_the_merge_is_shallow_and_wins_over_the_binding(http, provider):
    proof = make_proof(new_proof_key(), "POST", f"{provider}/token", time.time())
    token = parts(http, provider, {"claims": {"cnf": {"x5t#S256": "other"}}}, proof)
    assert claims_of(token)["cnf"] == {"x5t#S256": "other"}


def test_the_binding_can_be_removed_and_forged(http, provider):
    proof = make_proof(new_proof_key(), "POST", f"{provider}/token", time.time())
    assert "cnf" not in claims_of(parts(http, provider, {"claims": {"cnf": None}}, proof))
    assert claims_of(parts(http, provider, {"claims": {"cnf": {"jkt": "mine"}}}))["cnf"] == {"jkt": "mine"}


def test_header_members_are_merged_and_removed(http, provider):
    token = parts(http, provider, {"header": {"typ": "JWT", "kid": None, "crit": ["x"], "jku": "https://evil.example"}})
    assert header_of(token) == {"typ": "JWT", "alg": "ES256", "crit": ["x"], "jku": "https://evil.example"}
    assert verifies("ES256", provider_key(http, provider), token)


def test_none_leaves_the_signature_empty(http, provider):
    token = parts(http, provider, {"header": {"alg": "none"}})
    assert (header_of(token)["alg"], token[2]) == ("none", "")


@pytest.mark.parametrize("alg", ["RS256", "ES384", "HS256", "None", 5])
def test_an_alg_that_misfits_is_written_and_the_key_signs_in_its_own_way(http, provider, alg):
    token = parts(http, provider, {"header": {"alg": alg}})
    assert header_of(token)["alg"] == alg
    assert verifies("ES256", provider_key(http, provider), token)


def test_an_alg_can_be_removed(http, provider):
    assert "alg" not in header_of(parts(http, provider, {"header": {"alg": None}}))


@pytest.mark.parametrize(
    ("kind", "natural"),
    [
        ("P-256", "ES256"),
        ("P-384", "ES384"),
        ("P-521", "ES512"),
        ("RSA", "RS256"),
        ("Ed25519", "EdDSA"),
        ("Ed448", "EdDSA"),
    ],
)
def test_another_key_signs_in_its_own_way_under_the_providers_kid(http, provider, kind, natural):
    token = parts(http, provider, {"key": KEYS[kind]})
    assert header_of(token)["alg"] == natural
    assert header_of(token)["kid"] == provider_key(http, provider)["kid"]
    assert verifies(natural, KEYS[kind], token)


@pytest.mark.parametrize("alg", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_an_alg_that_fits_the_key_is_the_one_that_signs(http, provider, alg):
    token = parts(http, provider, {"key": KEYS["RSA"], "header": {"alg": alg}})
    assert header_of(token)["alg"] == alg
    assert verifies(alg, KEYS["RSA"], token)


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
def test_a_secret_key_makes_a_mac(http, provider, alg):
    token = parts(http, provider, {"key": OCT, "header": {"alg": alg}})
    mac = hmac.new(SECRET, ".".join(token[:2]).encode(), f"sha{alg[2:]}").digest()
    assert (header_of(token)["alg"], decoded(token[2])) == (alg, mac)


def test_a_mac_can_be_made_with_the_public_key_as_secret(http, provider):
    public = json.dumps(provider_key(http, provider)).encode()
    token = parts(http, provider, {"key": {"kty": "oct", "k": b64url(public)}, "header": {"alg": "HS256"}})
    assert decoded(token[2]) == hmac.new(public, ".".join(token[:2]).encode(), hashlib.sha256).digest()


@pytest.mark.parametrize("raw", ['{"a":1,"a":2}', "not json", "", '{"exp":NaN}', '{"é":"\\ud800"}'])
def test_raw_replaces_the_payload_as_it_is(http, provider, raw):
    token = parts(http, provider, {"raw": raw, "claims": {"ignored": 1}})
    assert decoded(token[1]) == raw.encode()
    assert verifies("ES256", provider_key(http, provider), token)


@pytest.mark.parametrize(
    "override",
    [
        "{",
        "[]",
        '"x"',
        '{"claims":1}',
        '{"header":[]}',
        '{"raw":1}',
        '{"claim":{}}',
        '{"claims":{},"claims":{}}',
        '{"claims":{"exp":NaN}}',
        '{"raw":"x","claims":{"exp":NaN}}',
        '{"claims":{"exp":1e999}}',
        '{"raw":"\\ud800"}',
        "[" * 20_000,
    ],
)
def test_an_override_that_cannot_be_read_is_refused(http, provider, override):
    answer = ask(http, provider, override)
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")


BAD_KEYS = {
    "no object": "key",
    "empty": {},
    "null": None,
    "unknown type": {"kty": "XYZ"},
    "public": {name: value for name, value in KEYS["P-256"].items() if name != "d"},
    "public RSA": {name: KEYS["RSA"][name] for name in ("kty", "n", "e")},
    "no number": {**KEYS["P-256"], "d": 5},
    "unknown curve": {**KEYS["P-256"], "crv": "P-192"},
    "point off the curve": {**KEYS["P-256"], "x": KEYS["P-256"]["y"]},
    "secret without k": {"kty": "oct"},
}


@pytest.mark.parametrize("fault", BAD_KEYS)
def test_a_key_that_cannot_sign_is_refused(http, provider, fault):
    answer = ask(http, provider, {"key": BAD_KEYS[fault]})
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")


def test_a_key_too_small_for_the_algorithm_is_refused(http, provider):
    small = RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 1024), as_dict=True)
    answer = ask(http, provider, {"key": small, "header": {"alg": "PS512"}})
    assert (answer.status, answer.json()["error"]) == (400, "invalid_request")
    assert verifies("RS256", small, parts(http, provider, {"key": small}))
