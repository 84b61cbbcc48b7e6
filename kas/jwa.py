"""The arithmetic of JWS signatures (RFC 7518 §3.3–3.5, RFC 8037 §3.1, RFC 9864) on keys of `cryptography`.

Which algorithms are allowed, and with which keys, is `jose`'s to decide before it asks here. PyJWT has the same
arithmetic, but any part of it imports X.509 and a client for key sets: a fifth of what an empty function needs to start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

# By the digits that an algorithm's name ends with.
_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_ECDSA: Final = {digits: ec.ECDSA(digest) for digits, digest in _HASHES.items()}


def is_signature(algorithm: str, key: PublicKey, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is one of ``key`` over ``message``; ``algorithm`` is one for keys of its kind and curve."""
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, _padding(algorithm), _hash(algorithm))
        else:
            key.verify(_to_der(signature, key.curve), message, _ECDSA[algorithm[-3:]])
    except InvalidSignature:
        return False
    return True


def sign(algorithm: str, private_key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """R‖S, each as long as a coordinate of the curve (RFC 7518 §3.4), not DER."""
    size = _coordinate_bytes(private_key.curve)
    pair = decode_dss_signature(private_key.sign(message, _ECDSA[algorithm[-3:]]))
    return b"".join(number.to_bytes(size, "big") for number in pair)


def _hash(algorithm: str) -> hashes.HashAlgorithm:
    return _HASHES[algorithm[-3:]]


def _padding(algorithm: str) -> padding.PSS | padding.PKCS1v15:
    if algorithm.startswith("RS"):
        return padding.PKCS1v15()
    digest = _hash(algorithm)
    return padding.PSS(padding.MGF1(digest), salt_length=digest.digest_size)  # RFC 7518 §3.5: no other length


def _to_der(signature: bytes, curve: ec.EllipticCurve) -> bytes:
    size = _coordinate_bytes(curve)
    if len(signature) != 2 * size:
        raise InvalidSignature
    return encode_dss_signature(int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))


def _coordinate_bytes(curve: ec.EllipticCurve) -> int:
    return (curve.key_size + 7) // 8
