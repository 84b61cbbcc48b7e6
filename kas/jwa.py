"""The arithmetic of JWS signatures (RFC 7518 §3.3–3.5, RFC 8037 §3.1, RFC 9864) on keys of `cryptography`.

Which algorithms are allowed, and with which keys, is `jose`'s to decide before it asks here. PyJWT has the same
arithmetic, but any part of it imports X.509 and a client for key sets: a fifth of what an empty function needs to start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_COORDINATE_BYTES: Final[Mapping[str, int]] = {"ES256": 32, "ES384": 48, "ES512": 66}
# What a key of `cryptography` is told beside message and signature.
_MECHANISMS: Final[Mapping[str, tuple[Any, ...]]] = {
    **{f"ES{digits}": (ec.ECDSA(digest),) for digits, digest in _HASHES.items()},
    **{f"RS{digits}": (padding.PKCS1v15(), digest) for digits, digest in _HASHES.items()},
    **{  # RFC 7518 §3.5: a salt of no other length
        f"PS{digits}": (padding.PSS(padding.MGF1(digest), salt_length=digest.digest_size), digest)
        for digits, digest in _HASHES.items()
    },
    "EdDSA": (),
    "Ed25519": (),
}


def is_signature(algorithm: str, key: PublicKey, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is one of ``key`` over ``message``; ``algorithm`` is one of the kind and curve of ``key``."""
    size = _COORDINATE_BYTES.get(algorithm)
    try:
        raw = signature if size is None else _to_der(signature, size)
        key.verify(raw, message, *_MECHANISMS[algorithm])
    except InvalidSignature:
        return False
    return True


def sign(algorithm: str, private_key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """R‖S, each as long as a coordinate of the curve (RFC 7518 §3.4), not DER; ``algorithm`` is that of the curve."""
    size = _COORDINATE_BYTES[algorithm]
    pair = decode_dss_signature(private_key.sign(message, *_MECHANISMS[algorithm]))
    return b"".join(number.to_bytes(size, "big") for number in pair)


def _to_der(signature: bytes, size: int) -> bytes:
    if len(signature) != 2 * size:
        raise InvalidSignature
    return encode_dss_signature(int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big"))
