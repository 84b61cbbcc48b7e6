"""Signed request tokens: a JWS whose claim ``requestBody`` is the text of a request (ACP-240 §§329–332, OpenTDF SRT).

With a proven key the token must verify under that key. Without one, where a deployment takes unbound tokens, clients
sign with keys that they never show, so only form and times are checked: the token then proves nothing, and nothing
is built on it.
"""

from __future__ import annotations

from typing import Final

from kas.auth.times import LEEWAY_SECONDS, parse_time
from kas.errors import SignedRequestTokenInvalid
from kas.jose import ALGORITHMS, CompactJws, PublicJwk, is_valid_signature, parse_compact_jws

_OTHER_TYPES: Final = ("dpop+jwt", "at+jwt", "application/at+jwt")
ACP240_LIFETIME_SECONDS: Final = 300
OPENTDF_LIFETIME_SECONDS: Final = 7200  # some clients sign for so long


def open_request_token(unverified_token: object, *, key: PublicJwk | None, now: float, lifetime_seconds: int) -> bytes:
    """The request body inside.

    1. A strict compact JWS with an algorithm of the allow-list, and not of another kind of token.
    2. Signed by ``key``, if one is proven.
    3. ``iat`` and ``exp`` at most ``lifetime_seconds`` apart, and ``now`` between them, and not before ``nbf``.
    4. ``requestBody`` is a text.

    Raises SignedRequestTokenInvalid.
    """
    try:
        # 1.
        jws = parse_compact_jws(unverified_token if isinstance(unverified_token, str) else "")
        algorithm = jws.unverified_header.get("alg")
        if algorithm not in ALGORITHMS or jws.has_extensions or jws.unverified_header.get("typ") in _OTHER_TYPES:
            raise SignedRequestTokenInvalid
        # 2.
        if key is not None and not is_valid_signature(str(algorithm), key, jws.signing_input, jws.signature):
            raise SignedRequestTokenInvalid
        # 3.
        _check_times(jws, now, lifetime_seconds)
        # 4.
        body = jws.unverified_claims.get("requestBody")
        if not isinstance(body, str):
            raise SignedRequestTokenInvalid
        return body.encode("utf-8")
    except ValueError as error:
        raise SignedRequestTokenInvalid from error


def _check_times(jws: CompactJws, now: float, lifetime_seconds: int) -> None:
    issued, expires = (parse_time(jws.unverified_claims.get(name)) for name in ("iat", "exp"))
    if not 0 <= expires - issued <= lifetime_seconds:
        raise SignedRequestTokenInvalid
    if now < parse_time(jws.unverified_claims.get("nbf", issued)) - LEEWAY_SECONDS:
        raise SignedRequestTokenInvalid
    if not issued - LEEWAY_SECONDS <= now < expires + LEEWAY_SECONDS:
        raise SignedRequestTokenInvalid
