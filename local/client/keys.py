"""The two key pairs of a client: one proves possession of the token, one receives the data key.

A `ProofKey` signs DPoP proofs and key access objects; the token is bound to its thumbprint (RFC 7638). A
`ReceivingKey` is made fresh for each request and forgotten: whoever records the answer cannot open it later.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt import PyJWTError
from jwt.algorithms import Algorithm, ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms

from local.client.encoding import canonical, sha256_b64url
from local.client.errors import AnswerInvalid

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
OAEP_SHA256: Final = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)

_CURVES: Final = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
_RECEIVING_CURVES: Final = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
_LIBRARY: Final = get_default_algorithms()
_THUMBPRINT_MEMBERS: Final = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}
_HKDF_SALT: Final = hashlib.sha256(b"TDF").digest()
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


def arithmetic(alg: str) -> Algorithm:
    """Signing and verifying under one JOSE algorithm (RFC 7518: R‖S for ES, PSS for PS)."""
    return _LIBRARY["EdDSA" if alg == "Ed25519" else alg]


@dataclass(frozen=True, slots=True)
class ProofKey:
    """A proof-of-possession key and the algorithm it is used with."""

    alg: str
    private: PrivateKey = field(repr=False)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key, required members only."""
        return public_jwk(self.private)

    @property
    def thumbprint(self) -> str:
        """RFC 7638: what a token bound to this key carries as ``cnf.jkt``."""
        return thumbprint(self.jwk)

    def sign(self, message: bytes) -> bytes:
        return arithmetic(self.alg).sign(message, self.private)


def new_proof_key(alg: str = "ES256") -> ProofKey:
    """A fresh key for ``alg``: ES256, ES384, ES512, EdDSA, Ed25519, or an RS or PS algorithm (RSA-2048)."""
    if alg in _CURVES:
        return ProofKey(alg, ec.generate_private_key(_CURVES[alg]))
    if alg in {"EdDSA", "Ed25519"}:
        return ProofKey(alg, ed25519.Ed25519PrivateKey.generate())
    return ProofKey(alg, rsa.generate_private_key(65537, 2048))


def public_jwk(private: PrivateKey) -> dict[str, Any]:
    public = private.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        jwk = RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        jwk = ECAlgorithm.to_jwk(public, as_dict=True)
    else:
        jwk = OKPAlgorithm.to_jwk(public, as_dict=True)
    return {name: jwk[name] for name in _THUMBPRINT_MEMBERS[jwk["kty"]]}


def thumbprint(jwk: dict[str, Any]) -> str:
    """RFC 7638, SHA-256, base64url."""
    return sha256_b64url(canonical({name: jwk[name] for name in _THUMBPRINT_MEMBERS[jwk["kty"]]}))


@dataclass(frozen=True, slots=True)
class ReceivingKey:
    """The key pair that one answer is encrypted to."""

    private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = field(repr=False)

    @property
    def jwk(self) -> dict[str, Any]:
        """What goes into a request as ``clientPublicKey``."""
        return public_jwk(self.private)

    def open(self, wrap_alg: object, wrapped: bytes, ephemeral_jwk: object = None) -> bytes:
        """The data key of a success. Raises AnswerInvalid when it was not made for this key."""
        try:
            if wrap_alg == "RSA-OAEP-256" and isinstance(self.private, rsa.RSAPrivateKey):
                return self.private.decrypt(wrapped, OAEP_SHA256)
            if wrap_alg == "ECDH-HKDF-A256GCM" and isinstance(self.private, ec.EllipticCurvePrivateKey):
                return _open_ecdh(self.private, wrapped, ephemeral_jwk)
        except (ValueError, TypeError, InvalidTag, PyJWTError) as error:
            raise AnswerInvalid("the wrapped key does not open") from error
        raise AnswerInvalid("the wrapped key is for another kind of key")


def new_receiving_key(kind: str = "P-256") -> ReceivingKey:
    """A fresh key: ``P-256``, ``P-384``, ``P-521`` or ``RSA`` (2048 bits)."""
    if kind == "RSA":
        return ReceivingKey(rsa.generate_private_key(65537, 2048))
    return ReceivingKey(ec.generate_private_key(_RECEIVING_CURVES[kind]))


def _open_ecdh(private: ec.EllipticCurvePrivateKey, wrapped: bytes, ephemeral_jwk: object) -> bytes:
    ephemeral = ECAlgorithm.from_jwk(ephemeral_jwk) if isinstance(ephemeral_jwk, dict) else None
    if not isinstance(ephemeral, ec.EllipticCurvePublicKey) or len(wrapped) < _NONCE_BYTES + _TAG_BYTES:
        raise ValueError("no ephemeral key, or too short")
    shared = private.exchange(ec.ECDH(), ephemeral)  # raises ValueError on another curve
    key = HKDF(hashes.SHA256(), 32, salt=_HKDF_SALT, info=b"").derive(shared)
    return AESGCM(key).decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], None)
