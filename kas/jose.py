"""JOSE for everything signed here: access tokens, DPoP proofs, KAO and result signatures.

One allow-list of asymmetric algorithms (RFC 7518, RFC 8037, RFC 9864), strict public JWKs (RFC 7517), thumbprints
(RFC 7638) and strict compact JWS (RFC 7515 §3.1). The arithmetic is cryptography's, by `jwa`; refused before it is asked
are non-canonical base64url, duplicate header members, a key of another family or curve than the algorithm names, weak
RSA keys, Ed448 under ``EdDSA``.

Functions raise ValueError; the caller knows whose fault it is and which answer that gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kas import jwa
from kas.dataclass import dataclass
from kas.encoding import b64url_decode, b64url_encode, canonical_json, parse_json, sha256_b64url
from kas.errors import InvalidRequest
from kas.jwa import PublicKey

MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 4096
_MIN_RSA_EXPONENT: Final = 65537
_MAX_RSA_EXPONENT_BITS: Final = 64  # OpenSSL encrypts to no longer one where the modulus has over 3072 bits

CURVES: Final[Mapping[str, ec.EllipticCurve]] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}

_CURVE_NAMES: Final = {curve.name: name for name, curve in CURVES.items()}
_UNCOMPRESSED: Final = b"\x04"  # before both coordinates of a point (SEC 1 §2.3.3)

# Algorithm -> what the key must be: "RSA" or a curve. Nothing symmetric and no "none": not even as an entry.
_KEY_OF_ALGORITHM: Final[Mapping[str, str]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    "EdDSA": "Ed25519",
    "Ed25519": "Ed25519",
}
ALGORITHMS: Final = tuple(_KEY_OF_ALGORITHM)

# RFC 8032 §5.1: the y coordinates of the eight points whose order divides the cofactor.
_ED25519_PRIME: Final = 2**255 - 19
_ED25519_Y_BITS: Final = 2**255 - 1
_ED25519_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_ED25519_SMALL_ORDER: Final = frozenset({0, 1, _ED25519_PRIME - 1, _ED25519_ORDER_8, _ED25519_PRIME - _ED25519_ORDER_8})

_THUMBPRINT_MEMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "RSA": ("e", "kty", "n"),
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
}
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

# Algorithm, key, message, signature → whether it is one.
Verify = Callable[[str, PublicKey, bytes, bytes], bool]


@dataclass(frozen=True, slots=True)
class PublicJwk:
    """A sound public key: RSA of 2048 to 4096 bits, a point on P-256, P-384 or P-521, or Ed25519.

    ``family`` is ``RSA`` or the curve's name; ``thumbprint`` is RFC 7638's, SHA-256, base64url. ``verify`` is
    `jwa.is_signature`, or answers as that does; it is asked by `is_valid_signature`, which looks at the algorithm first.
    """

    key: PublicKey
    family: str
    thumbprint: str
    verify: Verify = field(default=jwa.is_signature, repr=False, compare=False)

    def fits(self, algorithm: object) -> bool:
        """Whether ``algorithm`` is on the allow-list and this key is of its kind and curve."""
        return isinstance(algorithm, str) and _KEY_OF_ALGORITHM.get(algorithm) == self.family


def parse_public_jwk(unverified_jwk: object) -> PublicJwk:
    """Parses a public JWK; members that it does not use (``kid``, ``use``, …) are the caller's to judge.

    Raises ValueError for private or symmetric keys, other types and curves, weak or odd RSA keys, points off the
    curve, and numbers that are not encoded as RFC 7518 §6 says.
    """
    members, family, key = _parse(unverified_jwk)
    return PublicJwk(key, family, sha256_b64url(canonical_json(members)))


def parse_public_key(unverified_jwk: object) -> PublicKey:
    """The key of a public JWK. Raises ValueError as `parse_public_jwk` does."""
    return _parse(unverified_jwk)[2]


def _parse(unverified_jwk: object) -> tuple[Mapping[str, Any], str, PublicKey]:
    """The members that make the thumbprint, and what they say."""
    if not isinstance(unverified_jwk, dict):
        raise ValueError("a JWK must be an object")  # noqa: TRY004 - one error for every fault of a stranger's key
    if _PRIVATE_MEMBERS & unverified_jwk.keys():
        raise ValueError("private or symmetric key")
    kty = unverified_jwk.get("kty")
    members = _THUMBPRINT_MEMBERS.get(kty) if isinstance(kty, str) else None
    if members is None:
        raise ValueError("unknown key type")
    required = {name: unverified_jwk.get(name) for name in members}
    if not all(isinstance(value, str) for value in required.values()):
        raise ValueError("missing or malformed member")
    return required, *_PARSERS[str(kty)](required)


def is_for_signatures(jwk: Mapping[str, Any], algorithm: object) -> bool:
    """Whether the members ``use``, ``key_ops`` and ``alg`` of a JWK, where it has them, admit verifying ``algorithm``.

    RFC 7517 §4.2–4.4.
    """
    operations = jwk.get("key_ops", ["verify"])
    return (
        jwk.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and jwk.get("alg", algorithm) == algorithm
    )


def check_rsa(key: rsa.RSAPublicKey) -> None:
    """Raises ValueError unless the key has 2048 to 4096 bits, an odd modulus and an odd exponent of 65537 or more."""
    numbers = key.public_numbers()
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise ValueError("RSA key size")
    if not numbers.n & 1 or not numbers.e & 1 or numbers.e < _MIN_RSA_EXPONENT:
        raise ValueError("RSA modulus or exponent")
    if numbers.e.bit_length() > _MAX_RSA_EXPONENT_BITS:
        raise ValueError("RSA exponent too long")


def _parse_rsa(members: Mapping[str, Any]) -> tuple[str, PublicKey]:
    n, e = (b64url_decode(members[name]) for name in ("n", "e"))
    if n[:1] in {b"", b"\0"} or e[:1] in {b"", b"\0"} or len(n) > MAX_RSA_BITS // 8:
        raise ValueError("RSA number encoding")
    key = rsa.RSAPublicNumbers(int.from_bytes(e, "big"), int.from_bytes(n, "big")).public_key()
    check_rsa(key)
    return "RSA", key


def _parse_ec(members: Mapping[str, Any]) -> tuple[str, PublicKey]:
    curve = CURVES.get(members["crv"])
    if curve is None:
        raise ValueError("unknown curve")
    x, y = (b64url_decode(members[name]) for name in ("x", "y"))
    if not len(x) == len(y) == (curve.key_size + 7) // 8:
        raise ValueError("coordinate length")
    # Refused is a point that is not on the curve, and a coordinate beyond the field's prime, which would give one key
    # several thumbprints.
    return members["crv"], ec.EllipticCurvePublicKey.from_encoded_point(curve, _UNCOMPRESSED + x + y)


def _parse_okp(members: Mapping[str, Any]) -> tuple[str, PublicKey]:
    if members["crv"] != "Ed25519":
        raise ValueError("unknown curve")
    point = b64url_decode(members["x"])
    y = int.from_bytes(point, "little") & _ED25519_Y_BITS
    # Under a point of small order there are signatures that anybody can write down, over any message.
    if y >= _ED25519_PRIME or y in _ED25519_SMALL_ORDER:
        raise ValueError("not reduced, or of small order")
    return "Ed25519", ed25519.Ed25519PublicKey.from_public_bytes(point)


_PARSERS: Final = {"RSA": _parse_rsa, "EC": _parse_ec, "OKP": _parse_okp}


def to_jwk(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> dict[str, str]:
    """The required JWK members of an RSA or EC public key, encoded as RFC 7518 §6 says."""
    if isinstance(key, rsa.RSAPublicKey):
        rsa_numbers = key.public_numbers()
        return {"kty": "RSA", "n": _minimal(rsa_numbers.n), "e": _minimal(rsa_numbers.e)}
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint).removeprefix(_UNCOMPRESSED)
    size = len(point) // 2
    x, y = b64url_encode(point[:size]), b64url_encode(point[size:])
    return {"kty": "EC", "crv": _CURVE_NAMES[key.curve.name], "x": x, "y": y}


def _minimal(number: int) -> str:
    return b64url_encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def is_valid_signature(algorithm: str, jwk: PublicJwk, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is one of ``jwk`` over ``message``; False when the key does not fit ``algorithm``."""
    return jwk.fits(algorithm) and jwk.verify(algorithm, jwk.key, message, signature)


def sign(algorithm: str, private_key: ec.EllipticCurvePrivateKey, message: bytes) -> bytes:
    """A signature in JOSE form (RFC 7518 §3.4: R‖S, not DER)."""
    return jwa.sign(algorithm, private_key, message)


@dataclass(frozen=True, slots=True)
class CompactJws:
    """A well-formed JWS of which nothing is verified yet."""

    unverified_header: Mapping[str, Any]
    unverified_claims: Mapping[str, Any]
    signing_input: bytes
    signature: bytes

    @property
    def has_extensions(self) -> bool:
        """Whether the header asks for processing that is not done here (RFC 7515 §4.1.11, RFC 7797, ``zip``)."""
        return not {"crit", "b64", "zip"}.isdisjoint(self.unverified_header)


def parse_compact_jws(text: str) -> CompactJws:
    """Splits and decodes a compact JWS whose payload is a JSON object. The caller bounds its length first.

    Raises ValueError unless there are three canonical base64url parts, the first two I-JSON objects.
    """
    parts = text.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, payload, signature
        raise ValueError("a compact JWS has three parts")
    header, payload, signature = (b64url_decode(part) for part in parts)
    return CompactJws(_json_object(header), _json_object(payload), text.rpartition(".")[0].encode("ascii"), signature)


def _json_object(data: bytes) -> Mapping[str, Any]:
    try:
        value = parse_json(data)
    except InvalidRequest as error:
        raise ValueError("not I-JSON") from error
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - as above
    return value
