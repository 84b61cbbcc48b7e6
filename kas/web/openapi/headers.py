"""The headers of answers that clients read, by status."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from kas.web.openapi.pieces import Json, ref, text

NONCE: Final = "DPoP-Nonce"
_LIMITS: Final = ("RateLimit", "RateLimit-Policy")
_EVERYWHERE: Final = ("X-Request-Id", "X-Client-Request-Id")
_RETRIED: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})

# Name -> (whether it is always there, schema).
_DESCRIBED: Final[Mapping[str, tuple[bool, Json]]] = {
    "X-Request-Id": (True, text("Ours: quote it when you report something.", pattern="^[0-9a-f]{32}$")),
    "X-Client-Request-Id": (False, text("The caller's X-Request-Id.", pattern="^[A-Za-z0-9._:-]{1,128}$")),
    "RateLimit": (False, text("What is left of each limit, as draft-ietf-httpapi-ratelimit-headers has it.")),
    "RateLimit-Policy": (False, text("The limits.")),
    "Retry-After": (False, text("Seconds until the same request may succeed.", pattern="^[1-9][0-9]*$")),
    NONCE: (True, text("For the next DPoP proof (RFC 9449 §8.2).", minLength=1)),
    "WWW-Authenticate": (
        True,
        text("RFC 9449 §7.1: the class of the error, the accepted algorithms.", pattern="^DPoP "),
    ),
    "ETag": (True, text(pattern='^"[A-Za-z0-9_-]{43}"$')),
    "Cache-Control": (True, text()),
    "Allow": (True, text("The methods of the path.")),
}
HEADERS: Final[Mapping[str, Json]] = {
    name: {"required": is_required, "schema": schema} for name, (is_required, schema) in _DESCRIBED.items()
}


def success_headers(*, is_cacheable: bool, offers_nonce: bool) -> Json:
    """Of an answer that is no refusal."""
    if is_cacheable:  # others are given it too
        return _named("X-Request-Id", "Cache-Control", "ETag")
    return _named(*_EVERYWHERE, *_LIMITS, "Cache-Control", *((NONCE,) * offers_nonce))


def described_headers(status: int, *, offers_nonce: bool) -> Json:
    """Of a refusal."""
    extra = {HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",), HTTPStatus.METHOD_NOT_ALLOWED: ("Allow",)}
    retried = ("Retry-After",) * (status in _RETRIED)
    return _named(
        *_EVERYWHERE,
        *_LIMITS,
        "Cache-Control",
        *extra.get(HTTPStatus(status), ()),
        *retried,
        *((NONCE,) * offers_nonce),
    )


def _named(*names: str) -> Json:
    return {name: ref(name, "headers") for name in names}
