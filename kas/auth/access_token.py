"""Access tokens (RFC 7519, RFC 8725, RFC 9068): a string becomes a `VerifiedToken` or a refusal.

Checked here: everything about the token itself. Not checked here: possession of its key (`kas.auth.dpop`), whether
the issuer may speak for the claimed country and whatever else the policy asks (`kas.policy`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from kas.auth.issuers import Issuer
from kas.auth.jwks import MAX_KID_CHARS, IssuerKey
from kas.auth.times import LEEWAY_SECONDS, parse_time
from kas.dataclass import dataclass
from kas.encoding import sha256_b64url
from kas.errors import (
    AudienceMismatch,
    IssuerUnknown,
    TokenAlgorithmRefused,
    TokenClaimsMalformed,
    TokenExpired,
    TokenHeaderUnsupported,
    TokenKeyUnfit,
    TokenKeyUnknown,
    TokenMalformed,
    TokenNotYetValid,
    TokenSignatureInvalid,
    TokenSubjectMissing,
    TokenTooLong,
    TokenTypeRefused,
)
from kas.jose import ALGORITHMS, CompactJws, is_valid_signature, parse_compact_jws

# Below the 8,190 bytes of the host's own limit on a header line, so that the answer is ours.
MAX_TOKEN_CHARS: Final = 8000
MAX_SUBJECT_CHARS: Final = 256
KNOWN_TOKENS: Final = 64  # 0.3 MB; 11 MB where a stranger sends nothing but brackets
_THUMBPRINT_CHARS: Final = 43

# A token of typ JWT could be anything that the issuer signs; these claims mark ID and logout tokens.
_FOREIGN_CLAIMS: Final = frozenset({"nonce", "at_hash", "c_hash", "events"})

FindKey = Callable[[Issuer, str], IssuerKey | None]


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a genuine, current token of a trusted issuer says. The caller is (``issuer``, ``subject``).

    ``jkt`` is the thumbprint of the key that the token is bound to, None when it is bound to none; ``hash`` is what
    a proof carries as ``ath`` (RFC 9449 §4.2).
    """

    issuer: Issuer
    subject: str
    claims: Mapping[str, Any]
    jkt: str | None
    hash: str


def verify_access_token(
    unverified_token: str,
    *,
    issuers: Mapping[str, Issuer],
    find_key: FindKey,
    now: float,
    audience: str | None = None,
) -> VerifiedToken:
    """Verifies a token; ``now`` is in seconds since 1970. ``audience`` takes the place of the issuer entry's, if given.

    1. Bounded, strict compact JWS without extensions.
    2. An algorithm of the allow-list.
    3. An issuer that is configured, before anything is fetched.
    4. The issuer's own key of that kid, which fits the algorithm.
    5. The signature.
    6. Times, audience, type, subject.

    Raises an InvalidToken leaf for each, IssuerKeysUnavailable when the issuer's keys cannot be had.
    """
    # 1.
    if len(unverified_token) > MAX_TOKEN_CHARS:
        raise TokenTooLong
    try:
        jws = _parse(unverified_token)
    except ValueError as error:
        raise TokenMalformed from error
    if jws.has_extensions:
        raise TokenHeaderUnsupported
    # 2. The header's jku, x5u, x5c and jwk are the sender's and never looked at.
    algorithm = jws.unverified_header.get("alg")
    if algorithm not in ALGORITHMS:
        raise TokenAlgorithmRefused
    # 3.
    unverified_issuer = jws.unverified_claims.get("iss")
    issuer = issuers.get(unverified_issuer) if isinstance(unverified_issuer, str) else None
    if issuer is None:
        raise IssuerUnknown
    # 4.
    key = _find_key(issuer, jws.unverified_header.get("kid"), find_key)
    if not key.fits(algorithm):
        raise TokenKeyUnfit
    # 5.
    if not is_valid_signature(str(algorithm), key.jwk, jws.signing_input, jws.signature):
        raise TokenSignatureInvalid
    # 6.
    claims = jws.unverified_claims
    _check_times(claims, now)
    _check_audience(claims.get("aud"), issuer.audience if audience is None else audience)
    _check_type(jws, issuer)
    return VerifiedToken(
        issuer, _subject(claims), claims, _bound_key(claims), sha256_b64url(unverified_token.encode("ascii"))
    )


@lru_cache(KNOWN_TOKENS)
def _parse(unverified_token: str) -> CompactJws:
    """What a token says, unverified: a client sends the same one for minutes. What is no token is not kept."""
    return parse_compact_jws(unverified_token)


def _find_key(issuer: Issuer, unverified_kid: object, find_key: FindKey) -> IssuerKey:
    if not isinstance(unverified_kid, str) or not 0 < len(unverified_kid) <= MAX_KID_CHARS:
        raise TokenKeyUnknown
    key = find_key(issuer, unverified_kid)
    if key is None:
        raise TokenKeyUnknown
    return key


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    try:
        expires = parse_time(claims.get("exp"))
        starts = [parse_time(claims[name]) for name in ("nbf", "iat") if name in claims]
    except ValueError as error:
        raise TokenClaimsMalformed from error
    if now >= expires + LEEWAY_SECONDS:
        raise TokenExpired
    if any(now < start - LEEWAY_SECONDS for start in starts):
        raise TokenNotYetValid


def _check_audience(audience: object, ours: str) -> None:
    audiences = audience if isinstance(audience, list) else [audience]
    if not all(isinstance(item, str) for item in audiences) or ours not in audiences:
        raise AudienceMismatch


def _check_type(jws: CompactJws, issuer: Issuer) -> None:
    typ = jws.unverified_header.get("typ", "none")
    if typ in ("at+jwt", "application/at+jwt"):  # a tuple: a stranger's typ may be unhashable
        accepted = "at+jwt" in issuer.accepted_types
    else:
        accepted = isinstance(typ, str) and typ in issuer.accepted_types and not _is_foreign(jws.unverified_claims)
    if not accepted:
        raise TokenTypeRefused


def _is_foreign(claims: Mapping[str, Any]) -> bool:
    return not _FOREIGN_CLAIMS.isdisjoint(claims) or claims.get("typ", "Bearer") not in ("Bearer", "DPoP")


def _subject(claims: Mapping[str, Any]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT_CHARS:
        raise TokenSubjectMissing
    return subject


def _bound_key(claims: Mapping[str, Any]) -> str | None:
    confirmation = claims.get("cnf")
    jkt = confirmation.get("jkt") if isinstance(confirmation, dict) else None
    return jkt if isinstance(jkt, str) and len(jkt) == _THUMBPRINT_CHARS else None
