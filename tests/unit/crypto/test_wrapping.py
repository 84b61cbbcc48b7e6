"""Wrapping to the client: what its key opens, what no other opens, and nothing used twice."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kas.crypto.wrapping import oaep, wrap_to
from kas.datakey import DataKey

MATERIAL = bytes(range(32))
SALT = bytes.fromhex("aa17cf44585fe15fd634c27b9512d842b42af1bac6178d92161edb4e2abf8197")  # SHA-256("TDF")
CURVES = [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()]


def test_an_rsa_client_opens_with_oaep_and_sha256_throughout():
    key = rsa.generate_private_key(65537, 2048)
    wrapped = wrap_to(key.public_key())(DataKey(MATERIAL))
    sha256 = hashes.SHA256()
    assert (wrapped.algorithm, wrapped.ephemeral_key) == ("RSA-OAEP-256", None)
    assert key.decrypt(wrapped.ciphertext, padding.OAEP(padding.MGF1(sha256), sha256, None)) == MATERIAL


def test_oaep_uses_its_hash_for_mask_generation_too():
    key = rsa.generate_private_key(65537, 2048)
    sha1, sha256 = hashes.SHA1(), hashes.SHA256()
    mixed = key.public_key().encrypt(MATERIAL, padding.OAEP(padding.MGF1(sha1), sha256, None))
    with pytest.raises(ValueError, match="failed"):
        key.decrypt(mixed, oaep(sha256))


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_an_ec_client_opens_with_the_steps_of_the_specification(curve):
    key = ec.generate_private_key(curve)
    wrapped = wrap_to(key.public_key())(DataKey(MATERIAL))
    assert wrapped.algorithm == "ECDH-HKDF-A256GCM"
    assert wrapped.ephemeral_key is not None
    assert wrapped.ephemeral_key.curve.name == curve.name
    shared = key.exchange(ec.ECDH(), wrapped.ephemeral_key)
    assert len(shared) == (curve.key_size + 7) // 8
    sealing = HKDF(hashes.SHA256(), 32, salt=SALT, info=b"").derive(shared)
    assert AESGCM(sealing).decrypt(wrapped.ciphertext[:12], wrapped.ciphertext[12:], None) == MATERIAL
    assert len(wrapped.ciphertext) == 12 + 32 + 16


def test_one_response_shares_its_ephemeral_key_but_never_a_nonce():
    wrap = wrap_to(ec.generate_private_key(ec.SECP256R1()).public_key())
    wraps = [wrap(DataKey(MATERIAL)) for _ in range(50)]
    assert len({wrapped.ephemeral_key.public_numbers() for wrapped in wraps}) == 1
    assert len({wrapped.ciphertext[:12] for wrapped in wraps}) == 50


def test_the_next_response_has_another_ephemeral_key():
    client = ec.generate_private_key(ec.SECP256R1()).public_key()
    points = [wrap_to(client)(DataKey(MATERIAL)).ephemeral_key for _ in range(2)]
    assert points[0] != points[1]
