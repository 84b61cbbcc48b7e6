"""T1–T5, T12: what the header of an access token may say, and what of it is believed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from local.client.encoding import b64url
from local.client.keys import new_proof_key
from tests.attacks.token_forms import (
    EXTENSIONS,
    ODD_KIDS,
    SECRET_FORMS,
    embedded,
    issuer_key,
    private_jwk,
    public_secrets,
)
from tests.attacks.token_refusals import admit, refuse_override, refuse_token
from tests.fake_issuer import FakeIssuers, fake_issuers, sign_token

OTHERS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES384", "ES512", "EdDSA", "Ed25519"]


@pytest.fixture(scope="module")
def attacker() -> Iterator[FakeIssuers]:
    """Where an attacker publishes keys that nobody should fetch."""
    with fake_issuers("keys") as issuers:
        issuers["keys"].publish("own", new_proof_key())
        yield issuers


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "nOnE", "", "null", None, 0, False, [], ["ES256"], {"ES256": 1}]
)
def test_attack_t01_no_algorithm_means_no_token(kit, alg):
    refuse_override(kit, "token_alg_not_allowed", header={"alg": alg})


def test_attack_t01_none_over_a_genuine_signature_is_refused(kit):
    attempt = kit.attempt()
    header = json.dumps({"typ": "at+jwt", "alg": "none", "kid": issuer_key(kit)["kid"]})
    _, payload, signature = attempt.token.split(".")
    attempt.token = f"{b64url(header.encode())}.{payload}.{signature}"
    refuse_token(attempt, "token_alg_not_allowed")


@pytest.mark.parametrize("alg", ["es256", "ES256 ", "ES256K", "RSA1_5", "ES-256", "A128KW", "RS1"])
def test_attack_t01_an_algorithm_is_on_the_list_or_refused(kit, alg):
    refuse_override(kit, "token_alg_not_allowed", header={"alg": alg})


@pytest.mark.parametrize("alg", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("form", SECRET_FORMS)
def test_attack_t02_the_public_key_is_no_hmac_secret(kit, alg, form):
    key = {"kty": "oct", "k": b64url(public_secrets(issuer_key(kit))[form])}
    refuse_override(kit, "token_alg_not_allowed", header={"alg": alg}, key=key)


@pytest.mark.parametrize("alg", OTHERS)
def test_attack_t03_the_issuers_key_serves_its_own_algorithm_alone(kit, alg):
    refuse_override(kit, "token_key_unfit", header={"alg": alg})


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES384"])
def test_attack_t03_a_token_of_another_family_under_the_issuers_kid_is_refused(kit, alg):
    refuse_override(kit, "token_key_unfit", header={"alg": alg}, key=private_jwk(new_proof_key(alg)))


@pytest.mark.parametrize("kid", [None, *ODD_KIDS], ids=lambda kid: repr(kid)[:24])
def test_attack_t04_a_kid_only_names_a_key_of_the_issuer(kit, kid):
    refuse_override(kit, "token_key_unknown", header={"kid": kid})


def test_attack_t04_a_kid_of_the_issuer_written_otherwise_names_nothing(kit):
    kid = issuer_key(kit)["kid"]
    for other in (kid.swapcase(), kid[:-1], f"{kid} ", f" {kid}", f"./{kid}"):
        refuse_override(kit, "token_key_unknown", header={"kid": other})


@pytest.mark.parametrize("member", ["jwk", "jku", "x5u", "x5c"])
def test_attack_t05_an_embedded_key_does_not_verify_the_token(kit, attacker, member):
    key = private_jwk(attacker["keys"].signers["own"])
    header = {member: embedded(attacker["keys"])[member]}
    refuse_override(kit, "token_signature_invalid", header=header, key=key)
    refuse_override(kit, "token_key_unknown", header=header | {"kid": "own"}, key=key)
    refuse_override(kit, "token_key_unknown", header=header | {"kid": None}, key=key)
    assert attacker.seen == []


def test_attack_t05_embedded_keys_are_ignored_and_never_fetched(kit, attacker):
    admit(kit.attempt(override={"header": embedded(attacker["keys"])}))
    assert attacker.seen == []


def test_attack_t05_an_attackers_key_under_the_issuers_kid_is_refused(kit):
    attempt, key = kit.attempt(), new_proof_key()
    header = {"typ": "at+jwt", "alg": "ES256", "kid": issuer_key(kit)["kid"]}
    claims = {
        "iss": kit.world.provider.base,
        "aud": "kas",
        "sub": "x",
        "exp": 4e9,
        "cnf": {"jkt": attempt.key.thumbprint},
    }
    attempt.token = sign_token(key, header, claims)
    refuse_token(attempt, "token_signature_invalid")


@pytest.mark.parametrize("private", [ec.generate_private_key(ec.SECP256K1())], ids=["secp256k1"])
def test_attack_t05_a_key_of_a_curve_outside_the_list_signs_nothing(kit, private):
    key = ECAlgorithm.to_jwk(private, as_dict=True)
    refuse_override(kit, "token_signature_invalid", header={"alg": "ES256"}, key=key)
    refuse_override(kit, "token_alg_not_allowed", header={"alg": "ES256K"}, key=key)


@pytest.mark.parametrize("header", EXTENSIONS, ids=str)
def test_attack_t12_a_header_that_asks_for_extensions_is_refused(kit, header):
    refuse_override(kit, "token_header_unsupported", header=header)
