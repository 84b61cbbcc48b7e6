"""What a test wants changed in its token: the form parameter ``override``, and signing with any key it brings.

``claims`` and ``header`` are merged shallowly over what the provider would have said, ``cnf`` included, and null
removes a member. ``key`` is a private JWK that signs instead. ``header.alg`` is written as given even when it does not
fit the key: then the key signs in its own way; ``none`` leaves the signature empty. ``raw`` replaces the payload's
text. The result may be as wrong as the test likes; only an override that cannot be read is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from jwt import PyJWTError
from jwt.algorithms import Algorithm, ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms

from kas.encoding import b64url_encode
from local.provider.refusal import invalid_request

_MEMBERS: Final = frozenset({"claims", "header", "key", "raw"})
_PRIVATE: Final = (
    rsa.RSAPrivateKey,
    ec.EllipticCurvePrivateKey,
    ed25519.Ed25519PrivateKey,
    ed448.Ed448PrivateKey,
    bytes,
)
_LIBRARY: Final[Mapping[str, Algorithm]] = get_default_algorithms()
# Kind of key -> its algorithms; the first one is what it signs with when the header names none of them.
_ALGORITHMS: Final[Mapping[str, tuple[str, ...]]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "oct": ("HS256", "HS384", "HS512"),
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "secp256k1": ("ES256K",),
    "Ed25519": ("EdDSA", "Ed25519"),
    "Ed448": ("EdDSA", "Ed448"),
}


@dataclass(frozen=True, slots=True)
class Signer:
    """A private or secret key and its kind: ``RSA``, ``oct`` or a curve."""

    kind: str
    private: Any = field(repr=False)

    @property
    def natural_alg(self) -> str:
        """What the header says when nobody says otherwise."""
        return _ALGORITHMS[self.kind][0]

    def sign(self, alg: object, message: bytes) -> bytes:
        """Signs under ``alg`` where it fits the key, else in the key's own way; nothing under ``none``."""
        if alg == "none":
            return b""
        name = str(alg) if alg in _ALGORITHMS[self.kind] else self.natural_alg
        return _LIBRARY["EdDSA" if self.kind.startswith("Ed") else name].sign(message, self.private)


@dataclass(frozen=True, slots=True)
class Override:
    """A parsed override; the empty one changes nothing."""

    claims: Mapping[str, Any] = field(default_factory=dict)
    header: Mapping[str, Any] = field(default_factory=dict)
    signer: Signer | None = None
    raw: str | None = None


def parse_override(text: str) -> Override:
    """Raises Refusal (invalid_request) unless it is a JSON object of the four known members."""
    try:
        members = json.loads(text, object_pairs_hook=_unique, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise invalid_request("override is not JSON") from error
    if not isinstance(members, dict) or not members.keys() <= _MEMBERS:
        raise invalid_request("override is not an object of claims, header, key and raw")
    claims, header, raw = members.get("claims", {}), members.get("header", {}), members.get("raw")
    if not isinstance(claims, dict) or not isinstance(header, dict) or not (raw is None or isinstance(raw, str)):
        raise invalid_request("claims and header of override must be objects, raw a text")
    return Override(claims, header, _parse_signer(members["key"]) if "key" in members else None, raw)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("duplicate member")
    return dict(pairs)


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _parse_signer(jwk: object) -> Signer:
    # Whatever is not text is no part of a key; the library would stumble over it.
    texts = {name: value for name, value in jwk.items() if isinstance(value, str)} if isinstance(jwk, dict) else {}
    kty = texts.get("kty", "")
    kind = texts.get("crv", "") if kty in {"EC", "OKP"} else kty
    try:
        private = _PARSERS[kty](texts)
    except (KeyError, ValueError, TypeError, PyJWTError) as error:
        raise invalid_request("key of override is not a JWK that can sign") from error
    if kind not in _ALGORITHMS or not isinstance(private, _PRIVATE):
        raise invalid_request("key of override is not a private JWK")
    return Signer(kind, private)


_PARSERS: Final[Mapping[str, Any]] = {
    "oct": HMACAlgorithm.from_jwk,
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}


def compact_jws(header: Mapping[str, Any], payload: str, signer: Signer) -> str:
    """A compact JWS. Raises Refusal when the payload is no text, or the key too small for the algorithm."""
    try:
        head = b64url_encode(json.dumps(header, allow_nan=False).encode("ascii"))
        signing_input = f"{head}.{b64url_encode(payload.encode('utf-8'))}"
        signature = signer.sign(header.get("alg"), signing_input.encode("ascii"))
    except (ValueError, RecursionError) as error:
        raise invalid_request("override cannot be written or signed") from error
    return f"{signing_input}.{b64url_encode(signature)}"
