"""The public keys of this KAS as a JWK set (RFC 7517): unwrap keys to wrap to, signing keys to verify results with.

Published are active unwrap keys (not decrypt-only ones: old TDFs open, new ones should not be made) and all signing
keys, the current and previous ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from kas.dataclass import dataclass
from kas.encoding import sha256_b64url
from kas.errors import KeyUnavailable
from kas.jose import to_jwk
from kas.keys.registry import KeyRecord, KeyRegistry, KeyService


@dataclass(frozen=True, slots=True)
class Publication:
    """A document and its strong entity tag (RFC 9110 §8.8.3), quotes included; ``is_whole`` unless a key is missing that
    should be in there.
    """

    body: bytes
    etag: str
    is_whole: bool = True


def publish_keys(
    registry: KeyRegistry, key_service: KeyService, signing_keys: Mapping[str, ec.EllipticCurvePublicKey]
) -> Publication:
    """The JWK set as it is now. A key that cannot be had is left out: clients can wrap to the others, and verify
    results. Raises KeyUnavailable when there is none to wrap to.
    """
    records = registry.published()
    unwrap = list(_unwrap_jwks(records, key_service))
    if not unwrap:
        raise KeyUnavailable
    signing = [{**to_jwk(key), "kid": kid, "use": "sig", "alg": "ES256"} for kid, key in signing_keys.items()]
    body = json.dumps({"keys": unwrap + signing}, separators=(",", ":")).encode()
    return Publication(body, f'"{sha256_b64url(body)}"', is_whole=len(unwrap) == len(records))


def _unwrap_jwks(records: Sequence[KeyRecord], key_service: KeyService) -> Iterator[dict[str, str]]:
    keys = key_service.public_keys(records)
    for record in records:
        if record.kid in keys:
            yield {**to_jwk(keys[record.kid]), "kid": record.kid, "use": "enc", "alg": record.jwk_algorithm}
