"""Results are signed as JOSE says: R‖S, 64 bytes."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from kas.crypto.signatures import ResultSigner

KEY = ec.generate_private_key(ec.SECP256R1())


def test_a_signature_is_the_two_numbers_of_ecdsa_with_sha256_side_by_side():
    signer = ResultSigner("kas-usa", "sig-1", KEY)
    for _ in range(20):  # short numbers keep their leading zeros
        signature = signer.sign(b"message")
        assert len(signature) == 64
        numbers = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        KEY.public_key().verify(encode_dss_signature(*numbers), b"message", ec.ECDSA(hashes.SHA256()))


def test_a_signer_says_who_it_is():
    signer = ResultSigner("kas-usa", "sig-1", KEY)
    assert (signer.algorithm, signer.kas, signer.kid) == ("ES256", "kas-usa", "sig-1")
