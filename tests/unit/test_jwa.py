"""The arithmetic alone, against signatures that `cryptography` makes with other parameters than RFC 7518 names."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kas.jwa import is_signature, sign

MESSAGE = b"message"
RSA = rsa.generate_private_key(65537, 2048)
EC = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
}
HASH = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}


def pss(digest: hashes.HashAlgorithm, mgf: hashes.HashAlgorithm, salt_length: int) -> bytes:
    return RSA.sign(MESSAGE, padding.PSS(padding.MGF1(mgf), salt_length), digest)


@pytest.mark.parametrize("size", HASH)
def test_a_pss_salt_is_as_long_as_the_hash_and_its_mask_of_the_same_hash(size):
    digest = HASH[size]
    good = pss(digest, digest, digest.digest_size)
    assert is_signature(f"PS{size}", RSA.public_key(), MESSAGE, good)
    for bad in (
        pss(digest, digest, 0),
        pss(digest, digest, digest.digest_size - 1),
        pss(digest, digest, padding.PSS.MAX_LENGTH),
        pss(digest, hashes.SHA1(), digest.digest_size),
    ):
        assert not is_signature(f"PS{size}", RSA.public_key(), MESSAGE, bad)


@pytest.mark.parametrize("size", HASH)
def test_pkcs1_is_not_pss_and_a_hash_is_not_another(size):
    signature = RSA.sign(MESSAGE, padding.PKCS1v15(), HASH[size])
    assert is_signature(f"RS{size}", RSA.public_key(), MESSAGE, signature)
    others = {f"{kind}{other}" for kind in ("RS", "PS") for other in HASH} - {f"RS{size}"}
    assert not any(is_signature(other, RSA.public_key(), MESSAGE, signature) for other in others)


@pytest.mark.parametrize("algorithm", EC)
def test_an_ecdsa_signature_is_two_numbers_of_full_length(algorithm):
    """Neither DER, nor with zeros left out or added, nor with a number outside the group."""
    private = EC[algorithm]
    size = (private.key_size + 7) // 8
    signature = sign(algorithm, private, MESSAGE)
    r, s = (int.from_bytes(half, "big") for half in (signature[:size], signature[size:]))
    assert len(signature) == 2 * size
    assert is_signature(algorithm, private.public_key(), MESSAGE, signature)
    for bad in (
        encode_dss_signature(r, s),
        b"\0" + signature,
        signature[:size] + b"\0" + signature[size:],
        bytes(1) + signature[:size] + bytes(1) + signature[size:],
        bytes(2 * size),
        b"\xff" * (2 * size),
        signature[size:] + signature[:size],
    ):
        assert not is_signature(algorithm, private.public_key(), MESSAGE, bad)


def test_an_algorithm_that_has_no_hash_is_an_error_not_an_answer():
    """Whoever asks has looked at the allow-list: this is never reached by a caller's text."""
    with pytest.raises(KeyError):
        is_signature("none", RSA.public_key(), MESSAGE, b"")
