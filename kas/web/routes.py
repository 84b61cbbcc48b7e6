"""The routes: which paths there are, with which methods, and what answers each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import flask

from kas.auth.authenticator import Authenticator
from kas.dataclass import dataclass
from kas.journal import Journal
from kas.rewrap import Exchange, Rewrap
from kas.web.body import Bounds, read_json_body
from kas.web.caller import credentials_of, nonce_offer
from kas.web.health import HEALTH, LIVE, READY
from kas.web.paths import EXPLAIN, JWKS, OPENAPI, REWRAP
from kas.web.replies import Reply, Route, Routes, json_reply

if TYPE_CHECKING:
    from kas.explain import Explain


def rewrap_route(rewrap: Rewrap, bounds: Bounds) -> Route:
    """``POST /rewrap`` (ACP-240). Every answer of the path offers the next DPoP nonce (RFC 9449 §8.2)."""

    def answer(request: flask.Request, journal: Journal) -> Reply:
        exchange = Exchange(credentials_of(request), lambda: read_json_body(request, bounds, journal), journal)
        result = rewrap.answer(exchange)
        return json_reply(result.status, result.body)

    return Route(("POST",), answer, nonce_offer(rewrap.authenticator))


def explain_route(explain: Callable[[], Explain], authenticator: Authenticator, bounds: Bounds) -> Route:
    """``POST /explain``, by what ``explain`` makes at the first request. Every answer of the path offers the next DPoP nonce."""

    def answer(request: flask.Request, journal: Journal) -> Reply:
        result = explain().answer(credentials_of(request), lambda: read_json_body(request, bounds, journal), journal)
        return json_reply(result.status, result.body)

    return Route(("POST",), answer, nonce_offer(authenticator))


@dataclass(frozen=True, slots=True)
class Mounts:
    """The routes of each entry point: all of them, or some that are also served from the root.

    ``cloudfunctions.net`` strips the function's name from the path, so a function alone sees ``/``.
    """

    everything: Routes
    rewrap: Routes
    explain: Routes
    public_keys: Routes
    health: Routes


def mounts(
    *,
    rewrap: Route,
    explain: Route,
    jwks: Route,
    health: Mapping[str, Route],
    opentdf: Routes,
    others: Mapping[str, Route],
    describe: Callable[[Callable[[], Routes]], Route],
) -> Mounts:
    """The table of routes; ``describe`` makes the one that tells of all, itself included."""
    openapi = describe(lambda: everything)
    everything = Routes(
        {REWRAP: rewrap, EXPLAIN: explain, JWKS: jwks, **health, **opentdf.exact, **others, OPENAPI: openapi},
        opentdf.prefixes,
    )
    return Mounts(
        everything=everything,
        rewrap=Routes({REWRAP: rewrap, "/": rewrap}),
        explain=Routes({EXPLAIN: explain, "/": explain}),
        public_keys=Routes({JWKS: jwks, "/": jwks}),
        health=Routes({**health, "/": health[HEALTH], "/live": health[LIVE], "/ready": health[READY]}),
    )
