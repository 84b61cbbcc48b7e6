"""Cross-origin requests (Fetch standard): which web pages may call this service, and what they may read of its answers.

An origin is compared as a whole and exactly; there is no pattern, no ``*`` and no ``null``. Cookies play no part here,
so credentials are never allowed. An origin that is not on the list gets no headers, and its browser keeps the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import flask

from kas.dataclass import dataclass

_EXPOSED: Final = (
    "DPoP-Nonce",
    "WWW-Authenticate",
    "X-Request-Id",
    "X-Client-Request-Id",
    "Retry-After",
    "RateLimit",
    "RateLimit-Policy",
)
_REQUEST_HEADERS: Final = (
    "Authorization",
    "Connect-Protocol-Version",
    "Connect-Timeout-Ms",
    "Content-Type",
    "DPoP",
    "X-Request-Id",
    "X-Rewrap-Additional-Context",
)
_MAX_AGE_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class Cors:
    """The list of origins; empty for none."""

    origins: frozenset[str]

    def headers(self, request: flask.Request) -> dict[str, str]:
        """What every answer to ``request`` says; caches must keep the answers to different origins apart."""
        if not self.origins:
            return {}
        if not self._is_allowed(request):
            return {"Vary": "Origin"}
        return {
            "Vary": "Origin",
            "Access-Control-Allow-Origin": request.headers["Origin"],
            "Access-Control-Expose-Headers": ", ".join(_EXPOSED),
        }

    def preflight(self, request: flask.Request, methods: Iterable[str]) -> Mapping[str, str]:
        """What an answer to OPTIONS says besides, to a browser that asks before it sends."""
        if "Access-Control-Request-Method" not in request.headers or not self._is_allowed(request):
            return {}
        return {
            "Access-Control-Allow-Methods": ", ".join(methods),
            "Access-Control-Allow-Headers": ", ".join(_REQUEST_HEADERS),
            "Access-Control-Max-Age": str(_MAX_AGE_SECONDS),
        }

    def _is_allowed(self, request: flask.Request) -> bool:
        return request.headers.get("Origin") in self.origins
