"""The routes on health: whether the process answers, for anybody; whether it can do its work; and to whoever shows who
he is, what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import flask

from kas.auth.authenticator import Authenticator, Credentials
from kas.errors import NotReady
from kas.health import Readiness
from kas.journal import Journal
from kas.web.replies import Reply, Route, json_reply

HEALTH: Final = "/health"
LIVE: Final = "/health/live"
READY: Final = "/health/ready"


def health_routes(readiness: Readiness, authenticator: Authenticator) -> Mapping[str, Route]:
    """The routes by path; ``authenticator`` is that of `READY`."""
    return {HEALTH: _alive_route(), LIVE: _alive_route(), READY: _ready_route(readiness, authenticator)}


def _alive_route() -> Route:
    """This process answers. It touches no key and no other service."""
    return Route(("GET", "HEAD"), lambda _request, _journal: json_reply(200, {"status": "ok"}))


def _ready_route(readiness: Readiness, authenticator: Authenticator) -> Route:
    """``GET /health/ready``: 200, or 503 when something is missing that this process cannot do without.

    A 503 is not raised: nobody is refused anything, so a probe that comes every few seconds leaves no audit lines.
    """

    def answer(request: flask.Request, journal: Journal) -> Reply:
        is_known = _authenticate(
            request, authenticator, journal
        )  # first: whoever is refused learns nothing and costs no check
        report = readiness.report()
        details = {"checks": dict(report.checks)} if is_known else {}
        if report.is_ready:
            return json_reply(200, {"status": "ready", **details})
        return json_reply(NotReady.status, {**_not_ready(journal.request_id), **details})

    def offer() -> Mapping[str, str]:
        next_nonce = authenticator.next_nonce()
        return {} if next_nonce is None else {"DPoP-Nonce": next_nonce}

    return Route(("GET", "HEAD"), answer, offer)


def _authenticate(request: flask.Request, authenticator: Authenticator, journal: Journal) -> bool:
    """Whether the caller has shown who he is; False when he did not try. Raises when he tried and failed."""
    authorization = request.headers.get("Authorization")
    if authorization is None:
        return False
    authenticator.authenticate(Credentials(authorization, request.headers.get("DPoP")), journal)
    return True


def _not_ready(request_id: str) -> dict[str, Any]:
    """The one form of errors."""
    return {
        "error": NotReady.error,
        "code": NotReady.code,
        "message": NotReady.message(),
        "requestId": request_id,
    }
