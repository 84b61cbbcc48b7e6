"""Rewrapping to the client's key (ACP-240 §2 *Wrapping*, KAS-REQ-052, 113).

RSA clients get ``RSA-OAEP-256`` (SHA-256 for digest and MGF1, empty label). EC clients get ``ECDH-HKDF-A256GCM``:
one fresh ephemeral key per response on the client's curve, HKDF-SHA256 over the X coordinate, AES-256-GCM.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kas.datakey import DataKey

ClientKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

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


def wrap_to(client_key: ClientKey) -> Wrap:
    """How to wrap for this client in one response: all of its keys share one ephemeral key."""
    return _wrap_to_rsa(client_key) if isinstance(client_key, rsa.RSAPublicKey) else _wrap_to_ec(client_key)


def _wrap_to_rsa(client_key: rsa.RSAPublicKey) -> Wrap:
    def wrap(data_key: DataKey) -> WrappedKey:
        return WrappedKey("RSA-OAEP-256", client_key.encrypt(data_key.reveal(), oaep(hashes.SHA256())))

    return wrap


def _wrap_to_ec(client_key: ec.EllipticCurvePublicKey) -> Wrap:
    ephemeral = ec.generate_private_key(client_key.curve)
    shared = ephemeral.exchange(ec.ECDH(), client_key)
    sealer = AESGCM(HKDF(hashes.SHA256(), _KEY_BYTES, salt=_SALT, info=b"").derive(shared))
    public = ephemeral.public_key()

    def wrap(data_key: DataKey) -> WrappedKey:
        nonce = secrets.token_bytes(_NONCE_BYTES)  # fresh for each key: they share the sealing key
        return WrappedKey("ECDH-HKDF-A256GCM", nonce + sealer.encrypt(nonce, data_key.reveal(), None), public)

    return wrap
