"""The client's public key, to which results are wrapped (ACP-240 §2 *Client key*, KAS-REQ-053).

JWK or SPKI PEM; RSA of 2048 to 4096 bits or P-256, P-384, P-521. A key that says it is for something else is refused:
whoever wrapped to it would help its owner break his own rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kas.crypto.wrapping import ClientKey
from kas.encoding import b64_decode
from kas.jose import CURVES, check_rsa, parse_public_key

_CURVES: Final = frozenset(curve.name for curve in CURVES.values())
_RSA_ALGORITHMS: Final = ("RSA-OAEP-256",)
_EC_ALGORITHMS: Final = ("ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A192KW", "ECDH-ES+A256KW")  # RFC 7518 §4.6
_PEM_BEGIN: Final = "-----BEGIN PUBLIC KEY-----"
_PEM_END: Final = "-----END PUBLIC KEY-----"


def parse_client_key(unverified_key: object) -> ClientKey:
    """Parses a JWK object or an SPKI PEM text. Raises ValueError for anything else, weaker or for another use."""
    key = _parse_key(unverified_key)
    if isinstance(unverified_key, dict):
        _check_use(unverified_key, is_rsa=isinstance(key, rsa.RSAPublicKey))
    return key


def parse_ephemeral_key(unverified_key: object) -> ec.EllipticCurvePublicKey:
    """The key that a client sealed with: JWK or SPKI PEM, EC. Raises ValueError."""
    key = _parse_key(unverified_key)
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("an ephemeral key is EC")  # noqa: TRY004 - one error for every fault of a client's key
    return key


def _parse_key(unverified_key: object) -> ClientKey:
    """A sound RSA or EC public key from a JWK object or an SPKI PEM text. Raises ValueError."""
    if isinstance(unverified_key, str):
        return _parse_pem(unverified_key)
    key = parse_public_key(unverified_key)
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise ValueError("neither RSA nor EC")  # noqa: TRY004 - one error for every fault of a client's key
    return key


def _parse_pem(text: str) -> ClientKey:
    block = text.strip(" \t\r\n")
    if not (block.isascii() and block.startswith(_PEM_BEGIN) and block.endswith(_PEM_END)):
        raise ValueError("not one SPKI PEM block")
    der = b64_decode("".join(block.removeprefix(_PEM_BEGIN).removesuffix(_PEM_END).split()))
    try:
        key = serialization.load_der_public_key(der)
    except UnsupportedAlgorithm as error:
        raise ValueError("unsupported key") from error
    if not isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey):
        raise ValueError("neither RSA nor EC")  # noqa: TRY004 - one error for every fault of a client's key
    # Another encoding of the same key may say something else of it: only for signatures, on a curve of its own.
    if key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo) != der:
        raise ValueError("not the plain encoding")
    if isinstance(key, rsa.RSAPublicKey):
        check_rsa(key)
    elif key.curve.name not in _CURVES:
        raise ValueError("a client key is on a NIST curve")
    return key


def _check_use(jwk: Mapping[str, Any], *, is_rsa: bool) -> None:
    if jwk.get("use", "enc") != "enc":
        raise ValueError("use")
    operations = jwk.get("key_ops", [])
    wanted = {"encrypt", "wrapKey"} if is_rsa else {"deriveKey", "deriveBits"}
    if not isinstance(operations, list) or not all(isinstance(item, str) for item in operations):
        raise ValueError("key_ops")
    if operations and wanted.isdisjoint(operations):
        raise ValueError("key_ops")
    if "alg" in jwk and jwk["alg"] not in (_RSA_ALGORITHMS if is_rsa else _EC_ALGORITHMS):
        raise ValueError("alg")
