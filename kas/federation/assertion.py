"""The ``Forwarded-KAS`` assertion, made and verified: which service forwards which body, for whom, along which way.

It is a JWT of the forwarder (RFC 7519) that ties its way, the body, the client's token and the client's key together,
so that none of them serves with another. About the client it proves nothing: his own token and proof do, and they are
verified with the assertion's use, once, in `kas.federation.receiving`.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kas.auth.dpop import MAX_JTI_CHARS
from kas.auth.jwks import MAX_KID_CHARS
from kas.auth.times import LEEWAY_SECONDS, parse_time
from kas.crypto.signatures import ResultSigner
from kas.dataclass import dataclass
from kas.encoding import b64url_encode, canonical_json, sha256_b64url
from kas.errors import (
    ForwarderUnknown,
    ForwardingAudienceMismatch,
    ForwardingBodyMismatch,
    ForwardingLoop,
    ForwardingMalformed,
    ForwardingSignatureInvalid,
    ForwardingTimeInvalid,
    ForwardingTokenMismatch,
    ForwardingTooDeep,
)
from kas.federation.registry import Agreement, Peer, Registry
from kas.jose import CompactJws, PublicJwk, is_valid_signature, parse_compact_jws
from kas.setting import identifier

TYPE: Final = "kas-forward+jwt"
ALGORITHM: Final = "ES256"
# Below the host's own limit on a header line; one with eight long names on its way needs 1,500.
MAX_ASSERTION_CHARS: Final = 4000
LIFETIME_SECONDS: Final = 20
# With the leeway at both ends less than used proofs are remembered for, and so are used assertions.
MAX_LIFETIME_SECONDS: Final = 30
_JTI_BYTES: Final = 16
_HASH_CHARS: Final = 43


# A service of the registry and a kid to its key.
FindPeerKey = Callable[[Peer, str], PublicJwk | None]


@dataclass(frozen=True, slots=True)
class VerifiedAssertion:
    """What a genuine, current assertion for us says. ``forwarder`` is who sent it, under ``agreement``; ``origin`` is where
    the client asked, the first of ``via``, and as good as the forwarder's word until the client's proof is found to be
    for its address. ``expires`` is in seconds since 1970.
    """

    forwarder: Peer
    agreement: Agreement
    origin: Peer
    via: tuple[str, ...]
    jti: str
    expires: float
    ath: str
    jkt: str
    body_sha256: str

    def check_time(self, now: float) -> None:
        """Raises ForwardingTimeInvalid when it has expired since it was verified."""
        if now >= self.expires + LEEWAY_SECONDS:
            raise ForwardingTimeInvalid

    def check_token(self, token_hash: str) -> None:
        """Raises ForwardingTokenMismatch unless it was made for this access token."""
        if not _is_equal(self.ath, token_hash):
            raise ForwardingTokenMismatch

    def check_key(self, jkt: str) -> None:
        """Raises ForwardingTokenMismatch unless it was made for the holder of this key."""
        if not _is_equal(self.jkt, jkt):
            raise ForwardingTokenMismatch

    def check_body(self, body: bytes) -> None:
        """Raises ForwardingBodyMismatch unless it was made for exactly these bytes."""
        if not _is_equal(self.body_sha256, sha256_b64url(body)):
            raise ForwardingBodyMismatch


def _is_equal(claimed: str, found: str) -> bool:
    return hmac.compare_digest(claimed.encode(), found.encode())


def make_assertion(
    signer: ResultSigner, *, receiver: str, body: bytes, token_hash: str, jkt: str, via: Sequence[str], now: float
) -> str:
    """An assertion of ours for the service ``receiver`` and this body, good for `LIFETIME_SECONDS` from ``now`` (since 1970).

    ``token_hash`` and ``jkt`` are of the client's token and key; ``via`` is the whole way: the ids of the services from
    the one that the client asked to ours, which is the last.
    """
    header = {"typ": TYPE, "alg": signer.algorithm, "kid": signer.kid}
    claims = {
        "iss": signer.kas,
        "aud": receiver,
        "iat": int(now),
        "exp": int(now) + LIFETIME_SECONDS,
        "jti": b64url_encode(secrets.token_bytes(_JTI_BYTES)),
        "body_sha256": sha256_b64url(body),
        "ath": token_hash,
        "jkt": jkt,
        "via": list(via),
    }
    signing_input = f"{b64url_encode(canonical_json(header))}.{b64url_encode(canonical_json(claims))}"
    return f"{signing_input}.{b64url_encode(signer.sign(signing_input.encode('ascii')))}"


def verify_assertion(
    unverified_header: str | None, *, registry: Registry, find_key: FindPeerKey, now: float
) -> VerifiedAssertion:
    """Verifies the assertion itself; ``now`` is in seconds since 1970.

    1. Exactly one header, bounded, strict compact JWS without extensions, of its type and under its one algorithm.
    2. The issuer is an active service, not ourselves, that we have an agreement with.
    3. That service's own registered key of that kid.
    4. The signature.
    5. It is meant for us alone.
    6. It is current, and not made to live long.
    7. The way ends with the issuer, passes nobody twice and us never, and is no longer than agreed.
    8. It begins at an active service of the registry.
    9. An id that can be remembered, and the hashes of token, key and body.

    Raises an InvalidForwarding leaf for each, and whatever ``find_key`` raises where keys cannot be had.
    """
    # 1.
    jws = _parse(unverified_header)
    claims = jws.unverified_claims
    # 2.
    forwarder, agreement = _find_forwarder(claims.get("iss"), registry)
    # 3.
    key = _find_key(forwarder, jws.unverified_header.get("kid"), find_key)
    # 4.
    if not is_valid_signature(ALGORITHM, key, jws.signing_input, jws.signature):
        raise ForwardingSignatureInvalid
    # 5. A list would be meant for others too.
    if claims.get("aud") != registry.kas_id:
        raise ForwardingAudienceMismatch
    # 6.
    expires = _verify_times(claims, now)
    # 7.
    via = _verify_way(claims.get("via"), forwarder.kas_id, registry.kas_id, agreement.max_depth)
    # 8.
    origin = registry.find(via[0])
    if origin is None or not origin.is_active:
        raise ForwarderUnknown
    # 9.
    jti = _read_text(claims, "jti", 1, MAX_JTI_CHARS)
    ath, jkt, body = (_read_text(claims, name, _HASH_CHARS, _HASH_CHARS) for name in ("ath", "jkt", "body_sha256"))
    return VerifiedAssertion(forwarder, agreement, origin, via, jti, expires, ath, jkt, body)


def _parse(unverified_header: str | None) -> CompactJws:
    if unverified_header is None or len(unverified_header) > MAX_ASSERTION_CHARS:
        raise ForwardingMalformed
    try:
        # The host joins repeated headers with a comma, which is in no base64url and so in no JWS.
        jws = parse_compact_jws(unverified_header)
    except ValueError as error:
        raise ForwardingMalformed from error
    header = jws.unverified_header
    if jws.has_extensions or header.get("typ") != TYPE or header.get("alg") != ALGORITHM:
        raise ForwardingMalformed
    return jws


def _find_forwarder(unverified_issuer: object, registry: Registry) -> tuple[Peer, Agreement]:
    """Our own entry, with our own keys, may stand in the registry as well: nobody forwards to himself."""
    if not isinstance(unverified_issuer, str) or unverified_issuer == registry.kas_id:
        raise ForwarderUnknown
    peer = registry.find(unverified_issuer)
    if peer is None or not peer.is_active or peer.agreement is None:
        raise ForwarderUnknown
    return peer, peer.agreement


def _find_key(forwarder: Peer, unverified_kid: object, find_key: FindPeerKey) -> PublicJwk:
    if not isinstance(unverified_kid, str) or not 0 < len(unverified_kid) <= MAX_KID_CHARS:
        raise ForwarderUnknown
    key = find_key(forwarder, unverified_kid)
    if key is None:
        raise ForwarderUnknown
    return key


def _verify_times(claims: Mapping[str, Any], now: float) -> float:
    """When it expires."""
    try:
        issued, expires = (parse_time(claims.get(name)) for name in ("iat", "exp"))
    except ValueError as error:
        raise ForwardingTimeInvalid from error
    is_current = issued - LEEWAY_SECONDS <= now < expires + LEEWAY_SECONDS
    if not is_current or not 0 < expires - issued <= MAX_LIFETIME_SECONDS:
        raise ForwardingTimeInvalid
    return expires


def _verify_way(via: object, forwarder: str, receiver: str, max_depth: int) -> tuple[str, ...]:
    if not isinstance(via, list) or not all(map(_is_kas_id, via)) or via[-1:] != [forwarder]:
        raise ForwardingMalformed
    if receiver in via or len(set(via)) != len(via):
        raise ForwardingLoop
    if len(via) > max_depth:
        raise ForwardingTooDeep
    return tuple(via)


def _is_kas_id(value: object) -> bool:
    """Services on the way need not be known here, and what they are called stands in the record."""
    try:
        return isinstance(value, str) and identifier(value) == value
    except ValueError:
        return False


def _read_text(claims: Mapping[str, Any], name: str, least: int, most: int) -> str:
    value = claims.get(name)
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise ForwardingMalformed
    return value
