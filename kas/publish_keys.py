"""The public keys of this KAS as a JWK set (RFC 7517): unwrap keys to wrap to, signing keys to verify results with.

Published are active unwrap keys (not decrypt-only ones: old TDFs open, new ones should not be made) and all signing
keys, the current and previous ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import ec

from kas.encoding import sha256_b64url
from kas.jose import to_jwk
from kas.keys.registry import KeyRegistry, KeyService


@dataclass(frozen=True, slots=True)
class Publication:
    """A document and its strong entity tag (RFC 9110 §8.8.3), quotes included."""

    body: bytes
    etag: str


def publish_keys(
    registry: KeyRegistry, key_service: KeyService, signing_keys: Mapping[str, ec.EllipticCurvePublicKey]
) -> Publication:
    """The JWK set. Raises KeyUnavailable when a public key cannot be had."""
    unwrap = [
        {
            **to_jwk(key_service.public_key(record)),
            "kid": record.kid,
            "use": "enc",
            "alg": record.jwk_algorithm,
        }
        for record in registry.published()
    ]
    signing = [{**to_jwk(key), "kid": kid, "use": "sig", "alg": "ES256"} for kid, key in signing_keys.items()]
    body = json.dumps({"keys": unwrap + signing}, separators=(",", ":")).encode()
    return Publication(body, f'"{sha256_b64url(body)}"')
