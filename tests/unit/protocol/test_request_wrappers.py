"""The two further forms of a request: inside a signed token, and with material sealed to an EC key."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kas.errors import InvalidJson, InvalidStructure, NotCanonical, SignedRequestTokenInvalid
from kas.jose import to_jwk
from local.client import new_proof_key
from local.client.encoding import from_b64
from local.client.proofs import compact_jws
from tests.unit.good_rewrap import NOW
from tests.unit.protocol.parsing import KAO, PROOF_KEY, faults, first, good_request, parse


@pytest.fixture
def request_():
    return good_request()


def sign_request(request, key=PROOF_KEY, **claims):
    """The body with a signedRequestToken in place of ``request``; ``claims`` replace or, with None, remove."""
    text = request if isinstance(request, str) else json.dumps(request)
    made = {"requestBody": text, "iat": NOW, "exp": NOW + 60} | claims
    payload = {name: value for name, value in made.items() if value is not None}
    return {"signedRequestToken": compact_jws(key, {"alg": key.alg}, json.dumps(payload).encode())}


def test_the_body_inside_a_signed_request_token_is_parsed_like_any_other(request_):
    assert parse(sign_request(request_)) == parse(request_)


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW + 301},
        {"iat": NOW - 300, "exp": NOW - 10},
        {"iat": NOW + 11, "exp": NOW + 60},
        {"exp": NOW - 1},
        {"iat": None},
        {"exp": None},
        {"iat": str(NOW)},
        {"exp": True},
        {"requestBody": None},
        {"requestBody": {}},
        {"requestBody": 1},
    ],
)
def test_a_signed_request_token_out_of_its_time_or_without_a_body_is_refused(request_, claims):
    with pytest.raises(SignedRequestTokenInvalid):
        parse(sign_request(request_, **claims))


@pytest.mark.parametrize("claims", [{"exp": NOW + 300}, {"iat": NOW - 290, "exp": NOW - 9}, {"iat": NOW + 10}])
def test_a_signed_request_token_lives_five_minutes_within_the_leeway(request_, claims):
    assert parse(sign_request(request_, **claims))


@pytest.mark.parametrize("alg", ["ES256", "ES384", "EdDSA", "RS256"])
def test_a_signed_request_token_of_another_key_is_refused(request_, alg):
    with pytest.raises(SignedRequestTokenInvalid):
        parse(sign_request(request_, new_proof_key(alg)))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {},
        {"alg": 1},
        {"alg": []},
        {"alg": {}},
        {"alg": None},
        {"alg": "ES256", "crit": ["x"]},
    ],
)
def test_a_signed_request_token_has_an_algorithm_of_the_list_and_no_extension(request_, header):
    payload = json.dumps({"requestBody": json.dumps(request_), "iat": NOW, "exp": NOW + 60}).encode()
    with pytest.raises(SignedRequestTokenInvalid):
        parse({"signedRequestToken": compact_jws(PROOF_KEY, header, payload)})


@pytest.mark.parametrize("token", ["x", "", "a.b.c", None, 1, {}, []])
def test_what_is_no_signed_request_token_is_refused_as_one(token):
    with pytest.raises(SignedRequestTokenInvalid):
        parse({"signedRequestToken": token})


@pytest.mark.parametrize("member", ["clientPublicKey", "requests", "unknown"])
def test_nothing_stands_beside_a_signed_request_token(request_, member):
    with pytest.raises(SignedRequestTokenInvalid):
        parse(sign_request(request_) | {member: request_.get(member, 1)})


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", InvalidJson),
        ("{", InvalidJson),
        ('{"a": 1, "a": 1}', NotCanonical),
        ('{"a": 9007199254740992}', NotCanonical),
        ("[]", InvalidStructure),
    ],
)
def test_the_body_inside_is_refused_like_any_other(text, refusal):
    with pytest.raises(refusal):
        parse(sign_request(text))


def test_the_body_inside_is_bounded_like_any_other(request_):
    with pytest.raises(InvalidStructure):
        parse(sign_request(request_), kaos=1)


def test_a_signed_request_token_within_another_is_not_opened(request_):
    assert ("requests", "missing") in faults(sign_request(sign_request(request_)))


EPHEMERAL = ec.generate_private_key(ec.SECP384R1()).public_key()


def pem(key):
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.mark.parametrize("form", [to_jwk, pem], ids=["jwk", "pem"])
def test_sealed_material_comes_with_the_key_that_it_was_sealed_with(request_, form):
    first(request_).update(type="ec-wrapped", ephemeralPublicKey=form(EPHEMERAL))
    access = parse(request_).groups[0].key_accesses[0]
    assert access.is_supported
    assert access.wrapped.ciphertext == from_b64(first(request_)["wrappedKey"])
    assert access.wrapped.ephemeral_key.public_numbers() == EPHEMERAL.public_numbers()
    assert b'"ephemeralPublicKey"' in access.origin.message


def test_an_ephemeral_key_of_a_kao_that_is_not_sealed_means_nothing(request_):
    first(request_).update(ephemeralPublicKey="anything")
    assert parse(request_).groups[0].key_accesses[0].wrapped.ephemeral_key is None


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        1,
        {},
        to_jwk(rsa.generate_private_key(65537, 2048).public_key()),
        pem(rsa.generate_private_key(65537, 2048).public_key()),
        pem(ec.generate_private_key(ec.SECP256K1()).public_key()),
        to_jwk(EPHEMERAL) | {"d": "AAAA"},
        to_jwk(EPHEMERAL) | {"y": to_jwk(EPHEMERAL)["x"]},
    ],
    ids=["null", "empty", "number", "no-members", "rsa", "rsa-pem", "secp256k1", "private", "off-curve"],
)
def test_an_ephemeral_key_that_is_none_is_a_fault(request_, key):
    first(request_).update(type="ec-wrapped", ephemeralPublicKey=key)
    assert faults(request_) == [(f"{KAO}.ephemeralPublicKey", "bad_ephemeral_key")]


@pytest.mark.parametrize("form", [to_jwk, pem], ids=["jwk", "pem"])
def test_an_ephemeral_key_is_as_long_as_a_client_key_at_most(request_, form):
    key = form(EPHEMERAL)
    padded = key | {"more": "x" * 600} if isinstance(key, dict) else key + "\n" * 600
    first(request_).update(type="ec-wrapped", ephemeralPublicKey=padded)
    assert parse(request_, client_key_chars=8192)
    assert faults(request_, client_key_chars=512) == [(f"{KAO}.ephemeralPublicKey", "too_long")]


def test_sealed_material_without_ephemeral_key_is_a_fault(request_):
    first(request_).update(type="ec-wrapped")
    assert faults(request_) == [(f"{KAO}.ephemeralPublicKey", "missing")]


@pytest.mark.parametrize("kind", ["hybrid-wrapped", "mlkem-wrapped", "EC-WRAPPED", "remote", ""])
def test_another_type_is_not_supported(request_, kind):
    first(request_).update(type=kind, ephemeralPublicKey=to_jwk(EPHEMERAL))
    assert not parse(request_).groups[0].key_accesses[0].is_supported
