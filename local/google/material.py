"""The cryptography of key versions: RSA-OAEP to decrypt, AES-256-GCM for the symmetric purpose.

A symmetric ciphertext carries the number of its version, so that a key decrypts what any of its versions encrypted.
How Google frames its own is not public: this framing is the stand-in's.
"""

from __future__ import annotations

import base64
import binascii
import secrets
from collections.abc import Mapping
from functools import cache
from typing import Final

import google_crc32c
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from local.google.kinds import Algorithm
from local.google.status import invalid

Material = rsa.RSAPrivateKey | bytes

SYMMETRIC: Final = Algorithm.GOOGLE_SYMMETRIC_ENCRYPTION
# Algorithm -> bits of the modulus, hash of OAEP and its MGF1.
RSA_ALGORITHMS: Final[Mapping[Algorithm, tuple[int, hashes.HashAlgorithm]]] = {
    Algorithm.RSA_DECRYPT_OAEP_2048_SHA256: (2048, hashes.SHA256()),
    Algorithm.RSA_DECRYPT_OAEP_3072_SHA256: (3072, hashes.SHA256()),
    Algorithm.RSA_DECRYPT_OAEP_4096_SHA256: (4096, hashes.SHA256()),
    Algorithm.RSA_DECRYPT_OAEP_4096_SHA512: (4096, hashes.SHA512()),
    Algorithm.RSA_DECRYPT_OAEP_2048_SHA1: (2048, hashes.SHA1()),  # noqa: S303 - OAEP does not need its collisions
    Algorithm.RSA_DECRYPT_OAEP_3072_SHA1: (3072, hashes.SHA1()),  # noqa: S303 - as above
    Algorithm.RSA_DECRYPT_OAEP_4096_SHA1: (4096, hashes.SHA1()),  # noqa: S303 - as above
}
_AES_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_VERSION_BYTES: Final = 4


def crc32c(data: bytes) -> int:
    return int(google_crc32c.value(data))


def new_material(algorithm: Algorithm) -> Material:
    """A fresh key."""
    if algorithm == SYMMETRIC:
        return secrets.token_bytes(_AES_BYTES)
    return rsa.generate_private_key(public_exponent=65537, key_size=RSA_ALGORITHMS[algorithm][0])


def load_material(algorithm: Algorithm, text: str) -> Material:
    """A key from its text: PEM for RSA, base64 for a symmetric one. Raises ValueError."""
    if algorithm == SYMMETRIC:
        return _load_aes(text)
    private = _load_rsa(text)
    if private.key_size != RSA_ALGORITHMS[algorithm][0]:
        raise ValueError("not a key of the algorithm's size")
    return private


@cache  # checking a key takes up to a second, and setups give the same one to several versions
def _load_rsa(text: str) -> rsa.RSAPrivateKey:
    private = serialization.load_pem_private_key(text.encode("ascii"), password=None)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")  # noqa: TRY004 - the text is wrong, not its type
    return private


def _load_aes(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if len(key) != _AES_BYTES:
        raise ValueError("not 32 bytes")
    return key


def public_pem(private: rsa.RSAPrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private.public_key().public_bytes(serialization.Encoding.PEM, form).decode("ascii")


def decrypt_oaep(private: rsa.RSAPrivateKey, algorithm: Algorithm, ciphertext: bytes) -> bytes:
    """Raises GoogleError (INVALID_ARGUMENT), which does not say what is wrong with the ciphertext."""
    digest = RSA_ALGORITHMS[algorithm][1]
    try:
        return private.decrypt(ciphertext, padding.OAEP(padding.MGF1(digest), digest, label=None))
    except ValueError as error:
        raise invalid("Decryption failed.") from error


def encrypt(key: bytes, version: int, plaintext: bytes, additional: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return version.to_bytes(_VERSION_BYTES) + nonce + AESGCM(key).encrypt(nonce, plaintext, additional)


def version_of(ciphertext: bytes) -> int:
    """The version that a symmetric ciphertext says it is of."""
    return int.from_bytes(ciphertext[:_VERSION_BYTES])


def decrypt(key: bytes, ciphertext: bytes, additional: bytes) -> bytes | None:
    """None when it does not open."""
    nonce, sealed = ciphertext[_VERSION_BYTES:][:_NONCE_BYTES], ciphertext[_VERSION_BYTES + _NONCE_BYTES :]
    try:
        return AESGCM(key).decrypt(nonce, sealed, additional)
    except (InvalidTag, ValueError):
        return None
