"""The routes on the federation, for authenticated callers: the registry as far as it is theirs to see, and its state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import flask

from kas.auth.authenticator import Authenticator
from kas.journal import Journal
from kas.web.caller import credentials_of, nonce_offer
from kas.web.replies import Reply, Route, json_reply

REGISTRY: Final = "/federation/registry"
STATUS: Final = "/federation/status"

View = Callable[[], dict[str, Any]]


def federation_routes(views: Mapping[str, View], authenticator: Callable[[str], Authenticator]) -> Mapping[str, Route]:
    """The routes by path, each answering with its view; ``authenticator`` makes that of a path, which proofs name."""
    return {path: _route(view, authenticator(path)) for path, view in views.items()}


def _route(view: View, authenticator: Authenticator) -> Route:
    def answer(request: flask.Request, journal: Journal) -> Reply:
        with journal.stage("authenticate"):
            authenticator.authenticate(credentials_of(request), journal)
        return json_reply(200, view())

    return Route(("GET",), answer, nonce_offer(authenticator))
