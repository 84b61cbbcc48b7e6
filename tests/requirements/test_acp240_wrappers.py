"""ACP-240 §1, KAS-REQ-024 and 113: a request inside a signed token, and material sealed to EC keys, on ``/rewrap``."""

from __future__ import annotations

import json
import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local.client import new_proof_key
from local.client.encoding import b64
from tests.attacks.rewrap_answers import codes, faults, kao_refused, released
from tests.key_folders import CURVES, write_key_folder
from tests.kit import policy, refused, running_kit
from tests.wrappers import published_ec_key, request_token, seal, seal_all, send_in_token

ALGORITHMS = ["ES256", "ES384", "ES512", "EdDSA", "Ed25519", "RS256", "PS256"]
UNWRAP = {name: (name, "active", ["acp240"]) for name in ("RSA-2048", "RSA-3072", "P-256", "P-384", "P-521")}


def new_attempt(kit, client="usa-secret", **options):
    good = kit.attempt(client, **options)
    good.nonce = None
    return good


@pytest.fixture
def attempt(kit_without_nonces):
    return new_attempt(kit_without_nonces)


def token_refused(attempt):
    """Refused as a whole, with one line in the record and no result."""
    body = refused(attempt.send(), 400, "invalid_request", "signed_request_token_invalid")
    assert "responses" not in body
    assert [event["code"] for event in attempt.kit.events(body["requestId"])] == ["signed_request_token_invalid"]


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_kas_req_024_a_request_inside_a_token_is_answered_like_any_other(kit_without_nonces, alg):
    attempt = new_attempt(kit_without_nonces, key=new_proof_key(alg), policies=[policy(), policy()], kaos=2)
    released(send_in_token(attempt, request_token(attempt)))


def test_kas_req_024_the_nonce_challenge_is_the_same(kit):
    attempt = kit.attempt()
    send_in_token(attempt, request_token(attempt)).nonce = None
    refused(attempt.send(), 401, "use_dpop_nonce", "nonce_required")
    attempt.proof, attempt.nonce = None, "fresh"
    released(attempt)


def test_kas_req_024_the_proof_is_demanded_beside_the_token(attempt):
    """A signed body proves nothing about this request: the DPoP header does."""
    send_in_token(attempt, request_token(attempt))
    answer = attempt.kit.http(
        "POST",
        attempt.kit.url,
        [("Authorization", f"DPoP {attempt.token}"), ("Content-Type", "application/json")],
        attempt.body,
    )
    refused(answer, 401, "invalid_dpop_proof", "proof_missing")
    attempt.proof_key = new_proof_key()
    refused(attempt.send(), 401, "invalid_dpop_proof", "proof_key_mismatch")


def test_kas_req_024_a_proof_is_used_once_with_a_token_too(attempt):
    released(send_in_token(attempt, request_token(attempt)))
    refused(attempt.send(), 401, "invalid_dpop_proof", "proof_replayed")


def test_kas_req_024_the_access_token_must_be_bound(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces)
    attempt.token = kit_without_nonces.access_token("usa-secret")
    attempt.scheme = "Bearer"
    send_in_token(attempt, request_token(attempt))
    refused(attempt.send(), 401, "invalid_token", "token_unbound")


def test_kas_req_024_each_kao_inside_is_still_signed(attempt):
    """The token's signature does not stand in for the KAO's."""
    attempt.resign(new_proof_key(attempt.key.alg))
    kao_refused(send_in_token(attempt, request_token(attempt)), "kao_signature_invalid")


def test_kas_req_024_each_policy_inside_is_still_bound(attempt):
    attempt.policy["dissem"]["COI"] = []
    kao_refused(send_in_token(attempt, request_token(attempt)), "key_material_rejected")


def test_kas_req_024_the_policy_inside_is_still_judged(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, "usa-unclassified")
    kao_refused(send_in_token(attempt, request_token(attempt)), "clearance_insufficient", 403)


def test_kas_req_024_a_token_of_another_key_is_refused(attempt):
    token_refused(send_in_token(attempt, request_token(attempt, new_proof_key())))


NOW = int(time.time())
BAD_CLAIMS = {
    "too-long": {"iat": NOW, "exp": NOW + 600},
    "expired": {"iat": NOW - 200, "exp": NOW - 60},
    "not-yet": {"iat": NOW + 3600, "exp": NOW + 3660},
    "ends-before-it-begins": {"iat": NOW, "exp": NOW - 1},
    "no-iat": {"iat": None},
    "no-exp": {"exp": None},
    "times-as-text": {"iat": str(NOW), "exp": str(NOW + 60)},
    "no-body": {"requestBody": None},
    "body-as-object": {"requestBody": {}},
}


@pytest.mark.parametrize("claims", BAD_CLAIMS.values(), ids=BAD_CLAIMS)
def test_kas_req_024_a_token_with_a_bad_claim_is_refused(attempt, claims):
    token_refused(send_in_token(attempt, request_token(attempt, None, None, **claims)))


@pytest.mark.parametrize(
    "header", [{"alg": "none"}, {"alg": "HS256"}, {"alg": "ES384"}, {"crit": ["exp"]}, {"b64": False}]
)
def test_kas_req_024_a_token_with_a_bad_header_is_refused(attempt, header):
    token_refused(send_in_token(attempt, request_token(attempt, None, header)))


@pytest.mark.parametrize(
    "spoil", [lambda text: text[:-4], lambda text: text + ".", lambda text: text.rpartition(".")[0] + "."]
)
def test_kas_req_024_a_token_that_is_cut_is_refused(attempt, spoil):
    token_refused(send_in_token(attempt, spoil(request_token(attempt))))


@pytest.mark.parametrize("member", ["clientPublicKey", "requests", "unknown"])
def test_kas_req_024_nothing_stands_beside_the_token(attempt, member):
    """What is not signed could say something else than what is."""
    beside = {member: attempt.request.get(member, 1)}
    token_refused(send_in_token(attempt, request_token(attempt), **beside))


def test_kas_req_024_faults_inside_are_named_like_any_others(attempt):
    del attempt.kao["kid"]
    assert faults(send_in_token(attempt, request_token(attempt))) == [
        ("requests[0].keyAccessObjects[0].kid", "missing")
    ]


@pytest.mark.parametrize(
    ("text", "code"),
    [("{", "invalid_json"), ('{"a":1,"a":1}', "not_canonical"), ('{"a":NaN}', "not_canonical"), ("", "invalid_json")],
)
def test_kas_req_024_json_inside_is_as_strict(attempt, text, code):
    send_in_token(attempt, request_token(attempt, None, None, requestBody=text))
    refused(attempt.send(), 400, "invalid_request", code)


def test_kas_req_113_the_key_set_has_rsa_and_ec_keys_to_wrap_to(kit_without_nonces):
    kit = kit_without_nonces
    listed = kit.http("GET", f"{kit.base}/.well-known/jwks.json").json()["keys"]
    assert [(key["kty"], key["alg"]) for key in listed if key["use"] == "enc"] == [
        ("RSA", "RSA-OAEP-256"),
        ("RSA", "RSA-OAEP"),
        ("EC", "ECDH-ES"),
    ]


@pytest.mark.parametrize("receiving", ["P-256", "P-384", "P-521", "RSA"])
def test_kas_req_113_material_sealed_to_the_ec_key_is_rewrapped_to_every_kind_of_client_key(
    kit_without_nonces, receiving
):
    attempt = new_attempt(kit_without_nonces, receiving=receiving, kaos=2)
    released(seal_all(attempt, *published_ec_key(kit_without_nonces)))


@pytest.mark.parametrize("length", [16, 24, 32])
def test_kas_req_113_sealed_material_may_have_each_length_of_an_aes_key(kit_without_nonces, length):
    attempt = new_attempt(kit_without_nonces, data_key=bytes(range(length)))
    released(seal_all(attempt, *published_ec_key(kit_without_nonces)))


def test_kas_req_113_the_ephemeral_key_may_come_as_pem(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces)
    kid, public_key = published_ec_key(kit_without_nonces)
    ephemeral = ec.generate_private_key(public_key.curve)
    attempt.kao.update(seal(public_key, attempt.data_keys["kao-0-0"], ephemeral), kid=kid)
    pem = ephemeral.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    attempt.kao["ephemeralPublicKey"] = pem
    attempt.resign()
    released(attempt)


def test_kas_req_113_one_request_may_mix_the_mechanisms(kit_without_nonces):
    """One KAO by RSA, one sealed, one sealed and spoilt: each for itself."""
    attempt = new_attempt(kit_without_nonces, kaos=3)
    kid, public_key = published_ec_key(kit_without_nonces)
    kaos = attempt.request["requests"][0]["keyAccessObjects"]
    kaos[1].update(seal(public_key, attempt.data_keys["kao-0-1"]), kid=kid)
    kaos[2].update(seal(public_key, bytes(32)), kid=kid)
    attempt.resign()
    assert codes(attempt, attempt.send()) == [None, None, "key_material_rejected"]


def test_kas_req_113_an_unentitled_caller_has_nothing_of_what_is_sealed(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces, "usa-unclassified")
    kao_refused(seal_all(attempt, *published_ec_key(kit_without_nonces)), "clearance_insufficient", 403)


@pytest.fixture(scope="module")
def every_algorithm(tmp_path_factory):
    """A pair whose KAS has an unwrap key of each algorithm; and the keys."""
    folder = tmp_path_factory.mktemp("keys")
    keys = write_key_folder(folder, UNWRAP, {"sig": "current"})
    settings = {"KAS_KEYS_DIR": str(folder), "KAS_REWRAP_DPOP_NONCE": "off"}
    with running_kit(tmp_path_factory.mktemp("pair"), **settings) as running:
        yield running, keys


@pytest.mark.parametrize("algorithm", UNWRAP)
def test_kas_req_113_a_kas_may_hold_a_key_of_each_algorithm(every_algorithm, algorithm):
    kit, keys = every_algorithm
    attempt = new_attempt(kit)
    public_key = keys[algorithm].public_key()
    if algorithm in CURVES:
        released(seal_all(attempt, algorithm, public_key))
        return
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    attempt.kao.update(kid=algorithm, wrappedKey=b64(public_key.encrypt(attempt.data_keys["kao-0-0"], oaep)))
    attempt.resign()
    released(attempt)


def test_kas_req_024_and_113_go_together(kit_without_nonces):
    attempt = new_attempt(kit_without_nonces)
    seal_all(attempt, *published_ec_key(kit_without_nonces))
    released(send_in_token(attempt, request_token(attempt)))
    assert json.loads(attempt.body).keys() == {"signedRequestToken"}
