"""R6, R13: the key that results are encrypted to: weak, odd, for something else, or swapped on the way."""

from __future__ import annotations

import datetime as dt
import json
import secrets

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from local.client import new_receiving_key
from local.client.encoding import b64url
from local.client.keys import ReceivingKey, public_jwk
from local.client.rewrap import client_key_hash
from tests.attacks.rewrap_answers import faults, kao_refused, released, with_client_key
from tests.kit import running_kit

PEM = serialization.Encoding.PEM
EC_KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_JWK, RSA_JWK = public_jwk(EC_KEY), public_jwk(RSA_KEY)


def number(value):
    return b64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def modulus(bits):
    """An odd number that is as good as a modulus for whoever cannot factor it."""
    return number(secrets.randbits(bits) | 1 << (bits - 1) | 1)


def spki(key):
    return key.public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def certificate():
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, EC_KEY.public_key(), 1, now, now + dt.timedelta(days=1))
    return builder.sign(EC_KEY, hashes.SHA256()).public_bytes(PEM).decode()


PRIVATE_PEM = EC_KEY.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
PKCS1_PEM = RSA_KEY.public_key().public_bytes(PEM, serialization.PublicFormat.PKCS1).decode()
EC_PEM = spki(EC_KEY.public_key())
ED25519 = ed25519.Ed25519PrivateKey.generate()
SECP256K1 = ec.generate_private_key(ec.SECP256K1())
K1_NUMBERS = SECP256K1.public_key().public_numbers()
WEAK_RSA = rsa.generate_private_key(65537, 1024)

REFUSED = {
    "rsa-1024": public_jwk(WEAK_RSA),
    "rsa-2040": RSA_JWK | {"n": modulus(2040)},
    "rsa-4104": RSA_JWK | {"n": modulus(4104)},
    "rsa-8192": RSA_JWK | {"n": modulus(8192)},
    "rsa-e-1": RSA_JWK | {"e": number(1)},
    "rsa-e-3": RSA_JWK | {"e": number(3)},
    "rsa-e-65535": RSA_JWK | {"e": number(65535)},
    "rsa-e-even": RSA_JWK | {"e": number(65538)},
    "rsa-e-long": RSA_JWK | {"e": number(2**256 + 1)},
    "rsa-e-empty": RSA_JWK | {"e": ""},
    "rsa-n-even": RSA_JWK | {"n": number(2**2047)},
    "rsa-n-leading-zero": RSA_JWK | {"n": "AAAA" + RSA_JWK["n"]},
    "rsa-n-number": RSA_JWK | {"n": 7},
    "rsa-n-absent": {"kty": "RSA", "e": "AQAB"},
    "rsa-private-d": RSA_JWK | {"d": "AQAB"},
    "rsa-private-p": RSA_JWK | {"p": "AQAB"},
    "ec-private": EC_JWK | {"d": b64url(bytes(32))},
    "ec-private-null": EC_JWK | {"d": None},
    "symmetric-member": EC_JWK | {"k": "AAAA"},
    "use-sig": EC_JWK | {"use": "sig"},
    "use-null": EC_JWK | {"use": None},
    "use-list": EC_JWK | {"use": ["enc"]},
    "rsa-alg-sha1": RSA_JWK | {"alg": "RSA-OAEP"},
    "rsa-alg-sig": RSA_JWK | {"alg": "RS256"},
    "rsa-alg-of-ec": RSA_JWK | {"alg": "ECDH-ES"},
    "ec-alg-sig": EC_JWK | {"alg": "ES256"},
    "ec-alg-of-rsa": EC_JWK | {"alg": "RSA-OAEP-256"},
    "alg-null": EC_JWK | {"alg": None},
    "alg-list": EC_JWK | {"alg": ["ECDH-ES"]},
    "ec-ops-verify": EC_JWK | {"key_ops": ["verify"]},
    "ec-ops-of-rsa": EC_JWK | {"key_ops": ["encrypt", "wrapKey"]},
    "rsa-ops-of-ec": RSA_JWK | {"key_ops": ["deriveKey", "deriveBits"]},
    "ops-text": EC_JWK | {"key_ops": "deriveKey"},
    "ops-null": EC_JWK | {"key_ops": None},
    "ops-numbers": EC_JWK | {"key_ops": ["deriveKey", 1]},
    "off-curve": EC_JWK | {"y": EC_JWK["x"]},
    "origin": EC_JWK | {"x": b64url(bytes(32)), "y": b64url(bytes(32))},
    "wrong-curve": EC_JWK | {"crv": "P-384"},
    "short-coordinate": EC_JWK | {"x": b64url(bytes(31))},
    "padded-coordinate": EC_JWK | {"x": EC_JWK["x"] + "="},
    "secp256k1": {"kty": "EC", "crv": "P-256K", "x": number(K1_NUMBERS.x), "y": number(K1_NUMBERS.y)},
    "secp256k1-name": {"kty": "EC", "crv": "secp256k1", "x": number(K1_NUMBERS.x), "y": number(K1_NUMBERS.y)},
    "secp256k1-as-p256": {"kty": "EC", "crv": "P-256", "x": number(K1_NUMBERS.x), "y": number(K1_NUMBERS.y)},
    "ed25519": public_jwk(ED25519),
    "x25519": {"kty": "OKP", "crv": "X25519", "x": b64url(bytes(32))},
    "oct": {"kty": "oct", "k": b64url(bytes(32))},
    "no-kty": {name: value for name, value in EC_JWK.items() if name != "kty"},
    "kty-list": EC_JWK | {"kty": ["EC"]},
    "empty-object": {},
    "empty-text": "",
    "text": "a key",
    "not-ascii": EC_PEM.replace("\n", "ü\n", 1),
    "pem-private": PRIVATE_PEM,
    "pem-certificate": certificate(),
    "pem-two-blocks": EC_PEM + EC_PEM,
    "pem-public-then-private": EC_PEM + PRIVATE_PEM,
    "pem-pkcs1": PKCS1_PEM,
    "pem-text-before": "key:\n" + EC_PEM,
    "pem-text-after": EC_PEM + "end",
    "pem-cut": EC_PEM.replace("\n", "", 2)[:80] + "\n-----END PUBLIC KEY-----\n",
    "pem-empty": "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
    "pem-rsa-1024": spki(WEAK_RSA.public_key()),
    "pem-rsa-e-3": spki(rsa.RSAPublicNumbers(3, RSA_KEY.public_key().public_numbers().n).public_key()),
    "pem-secp256k1": spki(SECP256K1.public_key()),
    "pem-ed25519": spki(ED25519.public_key()),
}


@pytest.fixture
def attempt(kit_without_nonces):
    good = kit_without_nonces.attempt()
    good.nonce = None
    return good


@pytest.mark.parametrize("client_key", REFUSED.values(), ids=REFUSED)
def test_attack_r06_a_client_key_that_is_weak_odd_or_for_something_else_is_a_structural_fault(attempt, client_key):
    with_client_key(attempt, client_key)
    assert faults(attempt) == [("clientPublicKey", "bad_client_key")]


@pytest.mark.parametrize("client_key", [None, 1, True, [EC_JWK]])
def test_attack_r06_a_client_key_of_another_type_is_a_structural_fault(attempt, client_key):
    with_client_key(attempt, client_key)
    assert faults(attempt) == [("clientPublicKey", "wrong_type")]


def test_attack_r06_an_absent_client_key_is_a_structural_fault(attempt):
    del attempt.request["clientPublicKey"]
    assert faults(attempt) == [("clientPublicKey", "missing")]


@pytest.mark.parametrize(
    ("key", "members"),
    [
        (EC_KEY, {"use": "enc"}),
        (EC_KEY, {"key_ops": []}),
        (EC_KEY, {"key_ops": ["deriveBits"]}),
        (EC_KEY, {"key_ops": ["verify", "deriveKey"]}),
        (EC_KEY, {"alg": "ECDH-ES"}),
        (EC_KEY, {"alg": "ECDH-ES+A256KW", "kid": "mine", "unknown": [1]}),
        (RSA_KEY, {"use": "enc", "key_ops": ["wrapKey"], "alg": "RSA-OAEP-256"}),
        (RSA_KEY, {"key_ops": ["encrypt"]}),
        (RSA_KEY, {"key_ops": []}),
    ],
)
def test_attack_r06_a_client_key_that_says_it_is_for_this_is_taken(attempt, key, members):
    attempt.receiving = ReceivingKey(key)
    released(with_client_key(attempt, public_jwk(key) | members))


@pytest.mark.parametrize(("bits", "exponent"), [(3072, 65537), (4096, 65537), (2048, 65539)])
def test_attack_r06_strong_rsa_keys_are_taken(attempt, bits, exponent):
    if exponent == 65537:
        attempt.receiving = ReceivingKey(rsa.generate_private_key(exponent, bits))
        released(with_client_key(attempt, attempt.receiving.jwk))
    else:  # no library makes one: that nobody opens the result proves the exponent is allowed
        answer = with_client_key(attempt, RSA_JWK | {"e": number(exponent)}).send()
        assert (answer.status, attempt.result(answer)["status"]) == (200, "success")


@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521", "RSA"])
@pytest.mark.parametrize("spaced", [False, True])
def test_attack_r06_a_pem_key_of_each_kind_is_taken_also_with_white_space_around(attempt, kind, spaced):
    attempt.receiving = new_receiving_key(kind)
    pem = spki(attempt.receiving.private.public_key())
    released(with_client_key(attempt, f"\n  {pem}\n" if spaced else pem))


@pytest.mark.parametrize("kind", ["P-256", "P-384", "P-521", "RSA"])
def test_attack_r13_a_swapped_client_key_gets_nothing(attempt, kind):
    """Whoever ends TLS puts in his own key; the client's signature covers the hash of the client's."""
    thief = new_receiving_key(kind)
    attempt.request["clientPublicKey"] = thief.jwk
    kao_refused(attempt, "client_key_unbound")


@pytest.mark.parametrize("change", [{"kid": "x"}, {"use": "enc"}])
def test_attack_r13_the_hash_covers_the_key_as_sent_not_as_understood(attempt, change):
    attempt.request["clientPublicKey"] = attempt.request["clientPublicKey"] | change
    kao_refused(attempt, "client_key_unbound")


def test_attack_r13_the_same_key_as_pem_is_another_key_as_sent(attempt):
    attempt.request["clientPublicKey"] = spki(attempt.receiving.private.public_key())
    kao_refused(attempt, "client_key_unbound")
    assert attempt.kao["clientKeyHash"] == client_key_hash(attempt.receiving.jwk)


def test_attack_r13_a_hash_that_is_swapped_too_breaks_the_signature(attempt):
    thief = new_receiving_key()
    attempt.request["clientPublicKey"] = thief.jwk
    attempt.kao["clientKeyHash"] = client_key_hash(thief.jwk)
    kao_refused(attempt, "kao_signature_invalid")


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("", "bad_hash"),
        ("A" * 42, "bad_hash"),
        ("A" * 43 + "=", "bad_hash"),
        ("A" * 42 + "B", "bad_hash"),  # trailing bits
        ("+" * 43, "bad_hash"),
        (None, "wrong_type"),
        (7, "wrong_type"),
    ],
)
def test_attack_r13_a_malformed_hash_is_a_structural_fault(attempt, value, code):
    attempt.kao["clientKeyHash"] = value
    attempt.resign()
    assert faults(attempt) == [("requests[0].keyAccessObjects[0].clientKeyHash", code)]


@pytest.fixture(scope="module")
def strict_kit(tmp_path_factory):
    """A pair that demands the hash of everyone."""
    settings = {"KAS_REQUIRE_CLIENT_KEY_HASH": "true", "KAS_REWRAP_DPOP_NONCE": "off"}
    with running_kit(tmp_path_factory.mktemp("strict"), **settings) as running:
        yield running


def unhashed(kit):
    attempt = kit.attempt()
    attempt.nonce = None
    del attempt.kao["clientKeyHash"]
    attempt.resign()
    return attempt


def test_attack_r13_without_the_setting_a_client_may_leave_the_hash_out(kit_without_nonces):
    released(unhashed(kit_without_nonces))


def test_attack_r13_with_the_setting_a_missing_hash_is_refused(strict_kit):
    kao_refused(unhashed(strict_kit), "client_key_unbound")


def test_attack_r13_a_hash_that_is_stripped_on_the_way_breaks_the_signature(attempt):
    attempt.request["clientPublicKey"] = new_receiving_key().jwk
    del attempt.kao["clientKeyHash"]
    kao_refused(attempt, "kao_signature_invalid")


def test_attack_r13_with_the_setting_a_hash_that_matches_is_enough(strict_kit):
    attempt = strict_kit.attempt()
    attempt.nonce = None
    released(attempt)
    assert json.dumps(attempt.request).count("clientKeyHash") == 1
