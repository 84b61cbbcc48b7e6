"""Entry point of the development identity provider: one HTTP function that answers every path.

    PORT=8081 HOST=127.0.0.1 python -m functions_framework --source local/provider/main.py --target provider

from the root of the tree. It reads ``HOST`` and ``PORT`` as the host does, and ``IDP_KEYS_DIR``, the private folder of
its key. Used proofs are remembered in the memory of the one worker.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import flask
import functions_framework

from kas.auth.times import PROOF_MEMORY_SECONDS
from kas.errors import ConfigError, Internal
from kas.host_variables import refuse_other_servers
from kas.state.own_replay import MemoryReplayStore
from kas.uri import is_loopback
from kas.web.host import fit_into_host
from local.provider.pages import JWKS_PATH, TOKEN_PATH, client_page, discovery, key_set
from local.provider.refusal import Refusal
from local.provider.signing_key import load_signing_key
from local.provider.token_endpoint import TokenEndpoint, TokenRequest

MAX_BODY_BYTES: Final = 64 * 1024
_REPLAY_CLAIMS: Final = 100_000
_READ: Final = ("GET", "HEAD")
_WRITE: Final = ("POST",)
_NO_STORE: Final = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="development", charset="UTF-8"'}

View = Callable[[flask.Request], flask.Response]


def load_endpoint(environ: Mapping[str, str]) -> TokenEndpoint:
    """Checks that this is one machine, and loads the key. Raises ConfigError."""
    refuse_other_servers(environ)
    if "K_SERVICE" in environ:
        raise ConfigError("the development identity provider is refused on Cloud Run (K_SERVICE is set)")
    if not is_loopback(environ.get("HOST", "0.0.0.0")):  # noqa: S104 - the host's own default, refused here
        raise ConfigError("HOST: must be a loopback address")
    if environ.get("WORKERS", "1") != "1":
        raise ConfigError("WORKERS: must be 1: used proofs are remembered in the memory of one process")
    port = environ.get("PORT", "")
    if not port.isascii() or not port.isdigit():
        raise ConfigError("PORT: must be set: the issuer is named after it")
    key = load_signing_key(Path(environ.get("IDP_KEYS_DIR", ".local/provider")))
    replay = MemoryReplayStore(capacity=_REPLAY_CLAIMS, ttl_seconds=PROOF_MEMORY_SECONDS, clock=time.time)
    issuer = environ.get("IDP_ISSUER") or f"http://127.0.0.1:{int(port)}"  # another where it stands behind TLS
    return TokenEndpoint(issuer, key, replay, time.time)


def build_routes(endpoint: TokenEndpoint) -> Mapping[str, tuple[tuple[str, ...], View]]:
    """Exact path -> the methods that it takes, and its view."""

    def document(value: dict[str, Any]) -> tuple[tuple[str, ...], View]:
        return _READ, lambda _request: _json(200, value)

    def page(_request: flask.Request) -> flask.Response:
        return flask.Response(client_page(endpoint.issuer), content_type="text/html; charset=utf-8")

    def token(request: flask.Request) -> flask.Response:
        return _token(endpoint, request)

    return {
        "/": (_READ, page),
        "/.well-known/openid-configuration": document(discovery(endpoint.issuer)),
        "/.well-known/oauth-authorization-server": document(discovery(endpoint.issuer)),
        JWKS_PATH: document(key_set(endpoint.key)),
        TOKEN_PATH: (_WRITE, token),
        "/protocol/openid-connect/token": (_WRITE, token),
    }


def _token(endpoint: TokenEndpoint, request: flask.Request) -> flask.Response:
    body = request.stream.read(MAX_BODY_BYTES + 1)
    if len(body) > MAX_BODY_BYTES:
        return _error(413, "invalid_request", "the body is too large", _NO_STORE)
    asked = TokenRequest(
        path=request.path,
        query=request.query_string.decode("latin-1"),
        content_type=request.headers.get("Content-Type", ""),
        authorization=request.headers.get("Authorization"),
        proof=request.headers.get("DPoP"),
        body=body,
    )
    try:
        return _json(200, endpoint.answer(asked), _NO_STORE)
    except Refusal as refusal:
        challenge = _CHALLENGE if refusal.status == 401 else {}  # noqa: PLR2004 - RFC 6749 §5.2
        return _error(refusal.status, refusal.error, refusal.description, {**_NO_STORE, **challenge})


def _json(status: int, value: dict[str, Any], headers: Mapping[str, str] | None = None) -> flask.Response:
    return flask.Response(json.dumps(value), status, dict(headers or {}), content_type="application/json")


def _error(status: int, error: str, description: str, headers: Mapping[str, str] | None = None) -> flask.Response:
    return _json(status, {"error": error, "error_description": description}, headers)


def _fail(_request: flask.Request) -> flask.Response:
    return _error(Internal.status, Internal.error, Internal.message())


fit_into_host(_fail)
_ROUTES: Final = build_routes(load_endpoint(os.environ))


@functions_framework.http
def provider(request: flask.Request) -> flask.Response:
    """Answers every path and method that reaches the host."""
    path = request.environ["PATH_INFO"]  # request.path would make ``/token`` of ``//token``
    methods, view = _ROUTES.get(path, ((), None))
    if view is None:
        return _error(404, "not_found", "there is nothing at this path")
    if request.method not in methods:
        return _error(405, "method_not_allowed", "this path does not take this method", {"Allow": ", ".join(methods)})
    return view(request)
