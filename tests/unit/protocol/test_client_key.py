"""A client's key: each kind that is taken, in both forms, and that nothing but ValueError leaves the parser."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from kas.jose import to_jwk
from kas.protocol.client_key import parse_client_key
from local.client.encoding import b64
from local.client.keys import public_jwk

CURVES = [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()]
KEYS = [*(ec.generate_private_key(curve).public_key() for curve in CURVES)]
KEYS.append(rsa.generate_private_key(65537, 2048).public_key())
EC_KEY, RSA_KEY = KEYS[0], KEYS[-1]
P256_KEY = ec.generate_private_key(ec.SECP256R1()).public_key()


def pem(key):
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.PEM, form).decode()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("form", [to_jwk, pem], ids=["jwk", "pem"])
def test_each_kind_is_taken_in_both_forms(key, form):
    assert parse_client_key(form(key)).public_numbers() == key.public_numbers()


@pytest.mark.parametrize(
    "key",
    [
        ed25519.Ed25519PrivateKey.generate().public_key(),
        ec.generate_private_key(ec.SECP256K1()).public_key(),
        ec.generate_private_key(ec.BrainpoolP256R1()).public_key(),
        rsa.generate_private_key(65537, 1024).public_key(),
        dsa.generate_private_key(2048).public_key(),
    ],
    ids=["ed25519", "secp256k1", "brainpool", "rsa-1024", "dsa"],
)
def test_a_pem_key_of_another_kind_is_refused(key):
    with pytest.raises(ValueError, match=r"."):
        parse_client_key(pem(key))


@pytest.mark.parametrize(
    "change",
    [
        {"use": "sig"},
        {"key_ops": ["sign"]},
        {"key_ops": "deriveKey"},
        {"key_ops": [["deriveKey"]]},
        {"alg": "ES256"},
        {"alg": None},
        {"d": "AAAA"},
    ],
)
def test_members_that_contradict_the_use_are_refused(change):
    parse_client_key(to_jwk(EC_KEY))
    with pytest.raises(ValueError, match=r"."):
        parse_client_key(to_jwk(EC_KEY) | change)


@pytest.mark.parametrize(
    ("key", "change"),
    [
        (RSA_KEY, {"alg": "RSA-OAEP-256", "key_ops": ["encrypt"], "use": "enc"}),
        (EC_KEY, {"alg": "ECDH-ES+A128KW", "key_ops": ["deriveBits"], "use": "enc"}),
        (EC_KEY, {"key_ops": []}),
    ],
)
def test_members_that_say_the_use_are_taken(key, change):
    assert parse_client_key(to_jwk(key) | change).public_numbers() == key.public_numbers()


@pytest.mark.parametrize(
    ("known", "odd"),
    [("2a8648ce3d0201", "2a8648ce3d0202"), ("2a8648ce3d030107", "2a8648ce3d030106")],
    ids=["key-type", "curve"],
)
def test_an_object_identifier_that_nobody_knows_is_a_value_error(known, odd):
    """The library has exceptions of its own for it, which do not pass."""
    der = EC_KEY.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    spoilt = der.replace(bytes.fromhex(known), bytes.fromhex(odd))
    assert spoilt != der
    with pytest.raises(ValueError, match=r"."):
        parse_client_key(f"-----BEGIN PUBLIC KEY-----\n{b64(spoilt)}\n-----END PUBLIC KEY-----")


@pytest.mark.parametrize("text", ["", pem(EC_KEY) * 2, "key: " + pem(EC_KEY), pem(EC_KEY) + "end"])
def test_a_text_is_one_pem_block_and_nothing_else(text):
    with pytest.raises(ValueError, match=r"."):
        parse_client_key(text)


def test_another_encoding_of_a_key_is_refused():
    """A key has one form here; other forms may say other things of it, such as that it is for signatures alone."""
    point = P256_KEY.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    der = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point
    assert serialization.load_der_public_key(der).public_numbers() == P256_KEY.public_numbers()
    with pytest.raises(ValueError, match="not the plain encoding"):
        parse_client_key(f"-----BEGIN PUBLIC KEY-----\n{b64(der)}\n-----END PUBLIC KEY-----")


def test_an_ed25519_jwk_is_no_key_to_wrap_to():
    jwk = public_jwk(ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(ValueError, match="neither RSA nor EC"):
        parse_client_key(jwk)


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_text_between_the_lines_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        parse_client_key(f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----")


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["kty", "crv", "x", "y", "n", "e", "use"]), st.text(max_size=6) | st.integers()))
def test_any_object_is_refused_or_a_key(jwk):
    with pytest.raises(ValueError, match=r"."):
        parse_client_key(jwk)
