"""From HTTP to an answer and back: routes, methods, errors in one form, headers.

Every path and method that reaches us is answered here, in JSON. A `KasError` becomes the answer that its class
states; anything else becomes 500 without a word of what happened, and a line in the log without a word of what was
sent.
"""

from __future__ import annotations

import json
import os
import re
import sys
import traceback
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, Final

import flask

from kas.audit import AuditLog
from kas.errors import (
    HttpsRequired,
    Internal,
    KasError,
    LoopbackOnly,
    MethodNotAllowed,
    NotFound,
)
from kas.fetch import FetchError
from kas.uri import is_loopback
from kas.web.body import drop_body, limit_sending
from kas.web.replies import Reply, Route, Routes, error_reply

_CLIENT_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_STDERR: Final = 2
_MAX_CAUSE_CHARS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """``local`` answers this machine only; otherwise whoever ends TLS must say that it did."""

    local: bool
    audit: AuditLog

    def handle(self, request: flask.Request, routes: Routes) -> flask.Response:
        """The answer to any request."""
        request_id = _new_request_id()
        route = routes.find(_path(request))
        refuse = route.refuse if route else error_reply
        try:
            reply = self._dispatch(request, route, request_id)
        except KasError as refusal:
            _log_cause(refusal, request_id)
            reply = refuse(self._record(refusal, request, request_id), request_id)
        except Exception as error:  # noqa: BLE001 - the one place where anything unexpected becomes an answer
            _log_unexpected(error, request_id)
            reply = refuse(Internal(), request_id)
        extra = route.extra_headers() if route else {}
        return _respond(reply, request, request_id, extra)

    def _dispatch(self, request: flask.Request, route: Route | None, request_id: str) -> Reply:
        self._check_connection(request)
        if route is None:
            raise NotFound
        if request.method not in route.methods:
            raise MethodNotAllowed(route.methods)
        return route.answer(request, request_id)

    def _check_connection(self, request: flask.Request) -> None:
        if self.local:
            if not is_loopback(request.remote_addr or ""):
                raise LoopbackOnly
        elif request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip() != "https":
            raise HttpsRequired

    def _record(self, refusal: KasError, request: flask.Request, request_id: str) -> KasError:
        """One audit line; the refusal itself, or, where the line cannot be written, that."""
        event = {
            "event": "refusal",
            "code": refusal.code,
            "status": refusal.status,
            "method": request.method,
            "path": _path(request),
            "requestId": request_id,
        }
        try:
            self.audit.record(event)
        except KasError as unavailable:
            return unavailable
        return refusal


def refuse_alone(refusal: KasError, request: flask.Request) -> flask.Response:
    """The answer where no route is at hand."""
    request_id = _new_request_id()
    return _respond(error_reply(refusal, request_id), request, request_id, {})


def _path(request: flask.Request) -> str:
    """The path as sent, percent-decoded once. ``request.path`` would fold ``//rewrap`` into ``/rewrap``."""
    raw: str = request.environ.get("PATH_INFO", "")
    return raw.encode("latin-1").decode("utf-8", "replace") or "/"


def _new_request_id() -> str:
    return uuid.uuid4().hex


def _respond(reply: Reply, request: flask.Request, request_id: str, extra: Mapping[str, str]) -> flask.Response:
    headers = {**reply.headers, **extra, "X-Request-Id": request_id, "X-Content-Type-Options": "nosniff"}
    theirs = request.headers.get("X-Request-Id", "")
    if _CLIENT_REQUEST_ID.fullmatch(theirs):
        headers["X-Client-Request-Id"] = theirs
    response = flask.Response(reply.body, reply.status, headers, content_type=reply.content_type)
    limit_sending(request.environ)
    response.call_on_close(partial(drop_body, request.environ))
    return response


def _log_cause(refusal: KasError, request_id: str) -> None:
    """Why the service cannot answer, for its operator: the text of a failed fetch or of the system, no caller's."""
    cause = refusal.__cause__
    if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE and isinstance(cause, FetchError | OSError | ValueError):
        line = {"severity": "WARNING", "event": "unavailable", "code": refusal.code, "requestId": request_id}
        _write_stderr({**line, "cause": f"{type(cause).__name__}: {cause}"[:_MAX_CAUSE_CHARS]})


def _log_unexpected(error: Exception, request_id: str) -> None:
    """Where it happened and of what type; never its text, which may hold what was sent."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    line = {"severity": "ERROR", "event": "unexpected", "type": type(error).__name__, "requestId": request_id}
    _write_stderr({**line, "frames": frames[-10:]})


def _write_stderr(line: Mapping[str, Any]) -> None:
    sys.stderr.flush()
    os.write(_STDERR, json.dumps(line).encode() + b"\n")
