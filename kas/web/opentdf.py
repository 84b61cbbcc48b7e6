"""The REST routes of OpenTDF's older clients, and the table of all its routes: both kinds ask the same use case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import flask

from kas.errors import error_members
from kas.journal import Journal
from kas.platform import Platform
from kas.protocol.opentdf.response import error_text
from kas.rewrap import Exchange, Rewrap
from kas.web.body import Bounds, read_json_body
from kas.web.caller import credentials_of, nonce_offer
from kas.web.connect import connect_routes, unknown_procedures
from kas.web.replies import Reply, Route, Routes, json_reply, recorded

REST_REWRAP: Final = "/kas/v2/rewrap"


def opentdf_routes(
    rest: Rewrap, connect: Rewrap, platform: Platform, bounds: Bounds, record_public_key: Callable[[Journal], None]
) -> Routes:
    """``rest`` and ``connect`` differ in the address that proofs name; ``record_public_key`` is told when a public key
    is handed out.
    """
    public_key = recorded(_public_key_route(platform), record_public_key)
    well_known = _well_known_route(platform)
    if platform.base_key is not None:  # it holds that key
        well_known = recorded(well_known, record_public_key)
    procedures = connect_routes(connect, platform, bounds, record_public_key)
    exact = {
        REST_REWRAP: _rewrap_route(rest, bounds),
        "/kas/v2/kas_public_key": public_key,
        "/kas/kas_public_key": public_key,
        "/.well-known/opentdf-configuration": well_known,
        **procedures,
    }
    return Routes(exact, unknown_procedures(procedures))


def _rewrap_route(rewrap: Rewrap, bounds: Bounds) -> Route:
    def answer(request: flask.Request, journal: Journal) -> Reply:
        exchange = Exchange(credentials_of(request), lambda: read_json_body(request, bounds, journal), journal)
        result = rewrap.answer(exchange)
        if result.refusal is None:
            return json_reply(result.status, result.body)
        return json_reply(result.status, error_members(result.refusal, journal.request_id, error_text(result.refusal)))

    return Route(("POST",), answer, nonce_offer(rewrap.authenticator))


def _public_key_route(platform: Platform) -> Route:
    def answer(request: flask.Request, _journal: Journal) -> Reply:
        algorithm, fmt, version = (request.args.get(name, "") for name in ("algorithm", "fmt", "v"))
        return json_reply(200, platform.public_key(algorithm, fmt, version))

    return Route(("GET",), answer)


def _well_known_route(platform: Platform) -> Route:
    return Route(("GET",), lambda _request, _journal: json_reply(200, platform.well_known()))
