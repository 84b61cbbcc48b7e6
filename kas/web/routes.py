"""The routes: which paths there are, with which methods, and what answers each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import flask

from kas.auth.authenticator import Credentials
from kas.publish_keys import CACHE_SECONDS, Publication
from kas.rewrap import Exchange, Rewrap
from kas.web.body import Bounds, read_json_body
from kas.web.replies import Reply, Route, Routes, json_reply

REWRAP: Final = "/rewrap"
JWKS: Final = "/.well-known/jwks.json"
HEALTH: Final = "/health"


def rewrap_route(rewrap: Rewrap, bounds: Bounds) -> Route:
    """``POST /rewrap`` (ACP-240). Every answer of the path offers the next DPoP nonce (RFC 9449 §8.2)."""

    def answer(request: flask.Request, request_id: str) -> Reply:
        exchange = Exchange(
            credentials=Credentials(request.headers.get("Authorization"), request.headers.get("DPoP")),
            method=request.method,
            read_body=lambda: read_json_body(request, bounds),
            request_id=request_id,
        )
        result = rewrap.answer(exchange)
        return json_reply(result.status, result.body)

    return Route(("POST",), answer, nonce_offer(rewrap))


def nonce_offer(rewrap: Rewrap) -> Callable[[], Mapping[str, str]]:
    """The header that offers the next nonce, where nonces are on."""

    def offer() -> Mapping[str, str]:
        next_nonce = rewrap.authenticator.next_nonce()
        return {} if next_nonce is None else {"DPoP-Nonce": next_nonce}

    return offer


def jwks_route(publish: Callable[[], Publication]) -> Route:
    """``GET /.well-known/jwks.json``, cacheable, with an entity tag (RFC 9110 §13.1.2)."""

    def answer(request: flask.Request, _request_id: str) -> Reply:
        publication = publish()
        headers = {"ETag": publication.etag, "Cache-Control": f"public, max-age={CACHE_SECONDS}"}
        if request.if_none_match.contains_weak(publication.etag.strip('"')):
            return Reply(304, b"", headers)
        return Reply(200, publication.body, headers)

    return Route(("GET", "HEAD"), answer)


def health_route() -> Route:
    """``GET /health``: this process answers. It touches no key and no other service."""
    return Route(("GET", "HEAD"), lambda _request, _request_id: json_reply(200, {"status": "ok"}))


@dataclass(frozen=True, slots=True)
class Mounts:
    """The routes of each entry point: all of them, or one that is also served at the root.

    ``cloudfunctions.net`` strips the function's name from the path, so a function alone sees ``/``.
    """

    everything: Routes
    rewrap: Routes
    public_keys: Routes
    health: Routes


def mounts(*, rewrap: Route, jwks: Route, health: Route, opentdf: Routes) -> Mounts:
    """The table of routes."""
    return Mounts(
        everything=Routes({REWRAP: rewrap, JWKS: jwks, HEALTH: health, **opentdf.exact}, opentdf.prefixes),
        rewrap=Routes({REWRAP: rewrap, "/": rewrap}),
        public_keys=Routes({JWKS: jwks, "/": jwks}),
        health=Routes({HEALTH: health, "/": health}),
    )
