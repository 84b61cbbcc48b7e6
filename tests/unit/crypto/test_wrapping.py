"""Wrapping to the client: what its key opens, what no other opens, and nothing used twice."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kas.crypto.wrapping import OAEP_SHA1, OAEP_SHA256, oaep, unseal, wrap_to
from kas.datakey import DataKey

MATERIAL = bytes(range(32))
SALT = bytes.fromhex("aa17cf44585fe15fd634c27b9512d842b42af1bac6178d92161edb4e2abf8197")  # SHA-256("TDF")
CURVES = [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()]


@pytest.mark.parametrize(
    ("rsa_hash", "name", "same"),
    [(OAEP_SHA256, "RSA-OAEP-256", hashes.SHA256()), (OAEP_SHA1, "RSA-OAEP", hashes.SHA1())],
    ids=["acp240", "opentdf"],
)
def test_an_rsa_client_opens_with_oaep_and_the_hash_of_its_dialect_throughout(rsa_hash, name, same):
    key = rsa.generate_private_key(65537, 2048)
    wrapped = wrap_to(key.public_key(), rsa_hash)(DataKey(MATERIAL))
    assert (wrapped.algorithm, wrapped.ephemeral_key) == (name, None)
    assert key.decrypt(wrapped.ciphertext, padding.OAEP(padding.MGF1(same), same, None)) == MATERIAL


def test_oaep_uses_its_hash_for_mask_generation_too():
    key = rsa.generate_private_key(65537, 2048)
    sha1, sha256 = hashes.SHA1(), hashes.SHA256()
    mixed = key.public_key().encrypt(MATERIAL, padding.OAEP(padding.MGF1(sha1), sha256, None))
    with pytest.raises(ValueError, match="failed"):
        key.decrypt(mixed, oaep(sha256))


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_an_ec_client_opens_with_the_steps_of_the_specification(curve):
    key = ec.generate_private_key(curve)
    wrapped = wrap_to(key.public_key(), OAEP_SHA256)(DataKey(MATERIAL))
    assert wrapped.algorithm == "ECDH-HKDF-A256GCM"
    assert wrapped.ephemeral_key is not None
    assert wrapped.ephemeral_key.curve.name == curve.name
    shared = key.exchange(ec.ECDH(), wrapped.ephemeral_key)
    assert len(shared) == (curve.key_size + 7) // 8
    sealing = HKDF(hashes.SHA256(), 32, salt=SALT, info=b"").derive(shared)
    assert AESGCM(sealing).decrypt(wrapped.ciphertext[:12], wrapped.ciphertext[12:], None) == MATERIAL
    assert len(wrapped.ciphertext) == 12 + 32 + 16


def test_one_response_shares_its_ephemeral_key_but_never_a_nonce():
    wrap = wrap_to(ec.generate_private_key(ec.SECP256R1()).public_key(), OAEP_SHA256)
    wraps = [wrap(DataKey(MATERIAL)) for _ in range(50)]
    assert len({wrapped.ephemeral_key.public_numbers() for wrapped in wraps}) == 1
    assert len({wrapped.ciphertext[:12] for wrapped in wraps}) == 50


def test_the_next_response_has_another_ephemeral_key():
    client = ec.generate_private_key(ec.SECP256R1()).public_key()
    points = [wrap_to(client, OAEP_SHA256)(DataKey(MATERIAL)).ephemeral_key for _ in range(2)]
    assert points[0] != points[1]


def seal_by_hand(public_key, material):
    """The steps of the specification, written out: ephemeral key, and nonce with what is sealed."""
    ephemeral = ec.generate_private_key(public_key.curve)
    sealing = HKDF(hashes.SHA256(), 32, salt=SALT, info=b"").derive(ephemeral.exchange(ec.ECDH(), public_key))
    return ephemeral.public_key(), bytes(12) + AESGCM(sealing).encrypt(bytes(12), material, None)


@pytest.mark.parametrize("curve", CURVES, ids=lambda curve: curve.name)
def test_what_a_client_sealed_opens_with_the_steps_of_the_specification(curve):
    key = ec.generate_private_key(curve)
    assert unseal(key, *seal_by_hand(key.public_key(), MATERIAL)).reveal() == MATERIAL


def test_what_was_sealed_to_another_key_or_spoilt_does_not_open():
    key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ephemeral, text = seal_by_hand(key.public_key(), MATERIAL)
    for private_key, spoilt in [
        (other, text),
        *((key, text[:index] + bytes([text[index] ^ 1]) + text[index + 1 :]) for index in (0, 12, len(text) - 1)),
        *((key, text[:length]) for length in (0, 5, 12, 27, len(text) - 1)),
        (key, text + b"\0"),
    ]:
        with pytest.raises(ValueError, match=r"."):
            unseal(private_key, ephemeral, spoilt)


def test_an_ephemeral_key_on_another_curve_does_not_open():
    key = ec.generate_private_key(ec.SECP256R1())
    _, text = seal_by_hand(key.public_key(), MATERIAL)
    with pytest.raises(ValueError, match=r"."):
        unseal(key, ec.generate_private_key(ec.SECP384R1()).public_key(), text)
