"""The routes on health: whether the process answers, for anybody; whether it can do its work; and to whoever shows who
he is, what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import flask

from kas.auth.authenticator import Authenticator
from kas.errors import NotReady, error_members
from kas.health import Readiness
from kas.journal import Journal
from kas.web.caller import credentials_of, nonce_offer
from kas.web.replies import Reply, Route, json_reply

HEALTH: Final = "/health"
LIVE: Final = "/health/live"
READY: Final = "/health/ready"
HEALTHZ: Final = "/healthz"  # as OpenTDF's probes name it


def health_routes(readiness: Readiness, authenticator: Authenticator) -> Mapping[str, Route]:
    """The routes by path; ``authenticator`` is that of `READY`."""
    return {
        HEALTH: _alive_route("ok"),
        LIVE: _alive_route("ok"),
        READY: _ready_route(readiness, authenticator),
        HEALTHZ: _alive_route("SERVING"),
    }


def _alive_route(status: str) -> Route:
    """This process answers. It touches no key and no other service."""
    return Route(("GET",), lambda _request, _journal: json_reply(200, {"status": status}), is_health=True)


def _ready_route(readiness: Readiness, authenticator: Authenticator) -> Route:
    """``GET /health/ready``: 200, or 503 when something is missing that this process cannot do without.

    A 503 is not raised: nobody is refused anything, so a probe that comes every few seconds leaves no audit lines.
    """

    def answer(request: flask.Request, journal: Journal) -> Reply:
        # First: whoever is refused learns nothing and costs no check.
        is_known = _authenticate(request, authenticator, journal)
        report = readiness.report()
        details = {"checks": dict(report.checks)} if is_known else {}
        if report.is_ready:
            return json_reply(200, {"status": "ready", **details})
        return json_reply(NotReady.status, {**error_members(NotReady, journal.request_id), **details})

    return Route(("GET",), answer, nonce_offer(authenticator), is_health=True)


def _authenticate(request: flask.Request, authenticator: Authenticator, journal: Journal) -> bool:
    """Whether the caller has shown who he is; False when he did not try. Raises when he tried and failed."""
    if "Authorization" not in request.headers:
        return False
    authenticator.authenticate(credentials_of(request), journal)
    return True
