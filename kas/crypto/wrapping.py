"""Wrapping key material: RSA-OAEP, and sealing over ECDH (ACP-240 §2 *Wrapping*, OpenTDF `ec-wrapped`).

RSA clients of ACP-240 get ``RSA-OAEP-256`` (SHA-256 for digest and MGF1, empty label), those of OpenTDF OAEP with
SHA-1. EC clients get ``ECDH-HKDF-A256GCM``: one fresh ephemeral key per response on the client's curve, HKDF-SHA256
over the X coordinate, AES-256-GCM. `unseal` is the other direction, for material that a client sealed to an EC key.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kas.dataclass import dataclass
from kas.datakey import DataKey

ClientKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

OAEP_SHA1: Final = hashes.SHA1()  # noqa: S303 - OpenTDF's; collision resistance plays no part in OAEP
OAEP_SHA256: Final = hashes.SHA256()

_SALT: Final = hashlib.sha256(b"TDF").digest()
_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """Material encrypted to the client. ``ephemeral_key`` is there for EC clients only."""

    algorithm: str
    ciphertext: bytes
    ephemeral_key: ec.EllipticCurvePublicKey | None = None


Wrap = Callable[[DataKey], WrappedKey]


def oaep(digest: hashes.HashAlgorithm) -> padding.OAEP:
    """OAEP with one hash for digest and MGF1, and the empty label (RFC 8017 §7.1)."""
    return padding.OAEP(mgf=padding.MGF1(digest), algorithm=digest, label=None)


def wrap_to(client_key: ClientKey, rsa_hash: hashes.HashAlgorithm) -> Wrap:
    """How to wrap for this client in one response: all of its keys share one ephemeral key.

    ``rsa_hash`` is the OAEP hash of the dialect; the mechanism for EC clients has none.
    """
    return _wrap_to_rsa(client_key, rsa_hash) if isinstance(client_key, rsa.RSAPublicKey) else _wrap_to_ec(client_key)


def _wrap_to_rsa(client_key: rsa.RSAPublicKey, rsa_hash: hashes.HashAlgorithm) -> Wrap:
    name = "RSA-OAEP-256" if rsa_hash is OAEP_SHA256 else "RSA-OAEP"

    def wrap(data_key: DataKey) -> WrappedKey:
        return WrappedKey(name, client_key.encrypt(data_key.reveal(), oaep(rsa_hash)))

    return wrap


def _wrap_to_ec(client_key: ec.EllipticCurvePublicKey) -> Wrap:
    ephemeral = ec.generate_private_key(client_key.curve)
    sealer = _sealer(ephemeral, client_key)
    public = ephemeral.public_key()

    def wrap(data_key: DataKey) -> WrappedKey:
        nonce = secrets.token_bytes(_NONCE_BYTES)  # fresh for each key: they share the sealing key
        return WrappedKey("ECDH-HKDF-A256GCM", nonce + sealer.encrypt(nonce, data_key.reveal(), None), public)

    return wrap


def unseal(private_key: ec.EllipticCurvePrivateKey, ephemeral_key: ec.EllipticCurvePublicKey, sealed: bytes) -> DataKey:
    """Opens nonce(12) ‖ ciphertext ‖ tag(16). Raises ValueError for another curve, a short text or a wrong tag."""
    nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return DataKey(_sealer(private_key, ephemeral_key).decrypt(nonce, ciphertext, None))
    except InvalidTag as error:
        raise ValueError("does not open") from error


def _sealer(private_key: ec.EllipticCurvePrivateKey, public_key: ec.EllipticCurvePublicKey) -> AESGCM:
    shared = private_key.exchange(ec.ECDH(), public_key)
    return AESGCM(HKDF(hashes.SHA256(), _KEY_BYTES, salt=_SALT, info=b"").derive(shared))
