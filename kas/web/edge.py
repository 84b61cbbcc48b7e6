"""From HTTP to an answer and back: limits, routes, methods, errors in one form, headers.

Every path and method that reaches us is answered here, in JSON. A `KasError` becomes the answer that its class
states; anything else becomes 500 without a word of what happened, and a line in the log without a word of what was
sent. Every refusal is an audit line before it leaves.
"""

from __future__ import annotations

import re
import secrets
import traceback
from collections.abc import Callable, Mapping
from dataclasses import field
from functools import partial
from http import HTTPStatus
from typing import Final

import flask

from kas.audit.log import AuditLog
from kas.cost.marginal import Tariff
from kas.dataclass import dataclass
from kas.diagnostics import tell_operator
from kas.errors import (
    AuditUnavailable,
    GlobalLimit,
    HttpsRequired,
    Internal,
    KasError,
    LoopbackOnly,
    MethodNotAllowed,
    NetworkLimit,
    NotFound,
)
from kas.events import refusal_event
from kas.fetch import FetchError
from kas.journal import Journal
from kas.metrics import Meter
from kas.uri import is_loopback
from kas.web.answer import Answer
from kas.web.connection import DROPPED_BODIES, DROPPED_SHARE, drop_body, leave_body, limit_sending, settle_body
from kas.web.cors import Cors
from kas.web.limits import Limits, limit_headers, retry_headers
from kas.web.network import network_of
from kas.web.replies import Reply, Route, Routes, error_reply
from kas.web.slots import Slots
from kas.web.trace import read_trace

_CLIENT_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_MAX_CAUSE_CHARS: Final = 200
_REQUEST_ID_BYTES: Final = 16
# There is nothing here to render, frame or embed; whatever a browser makes of an answer, it must not run.
_SECURITY_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
# Their bodies hold no thread. A known caller's is taken off the connection, which he goes on using after a 429.
_UNREAD: Final = (LoopbackOnly, HttpsRequired, NetworkLimit, GlobalLimit)
_RETRIED: Final = frozenset({429, 503})
_HSTS: Final = "max-age=63072000"  # two years, this host alone


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """``local`` answers this machine only; otherwise whoever ends TLS must say that it did. ``hops`` is how many
    proxies stand in front of the platform's; ``timer`` gives seconds from an arbitrary start, ``clock`` since 1970.
    """

    local: bool
    hops: int
    audit: AuditLog
    limits: Limits
    cors: Cors
    meter: Meter
    tariff: Tariff
    clock: Callable[[], float]
    timer: Callable[[], float]
    dropped: Slots = field(default_factory=lambda: Slots(DROPPED_BODIES, DROPPED_SHARE))

    def handle(self, request: flask.Request, routes: Routes) -> Answer:
        """The answer to any request."""
        journal = self._open_journal(request)
        route = routes.find(journal.path)
        try:
            reply = self._dispatch(request, route, journal)
        except KasError as refusal:
            _log_cause(refusal, journal.request_id)
            if isinstance(refusal, _UNREAD):
                leave_body(request.environ)
            reply = self._refuse(refusal, route, journal)
        except Exception as error:  # noqa: BLE001 - where anything unexpected becomes an answer
            _log_unexpected(error, journal.request_id)
            reply = self._refuse(Internal(), route, journal)
        extra = route.extra_headers() if route else {}
        self.meter.answered(
            journal, routes.label(journal.path), reply.status, self.timer() - journal.started, journal.refusal
        )
        return self._respond(reply, request, journal, extra)

    def fail(self, request: flask.Request) -> Answer:
        """The answer where `handle` itself failed; it counts against the limits like any other."""
        journal = self._open_journal(request)
        refusal: KasError = Internal()
        leave_body(request.environ)
        try:
            self._admit(request, journal, is_health=False)
        except KasError as sooner:
            refusal = sooner
        reply = self._refuse(refusal, None, journal)
        self.meter.answered(journal, None, reply.status, 0.0, journal.refusal)
        return self._respond(reply, request, journal, {})

    def _dispatch(self, request: flask.Request, route: Route | None, journal: Journal) -> Reply:
        """1. The connection is one that we answer on.
        2. The network, and everybody together, are within their limits.
        3. There is such a route, and it takes the method.
        4. The route answers.
        """
        self._admit(request, journal, is_health=route is not None and route.is_health)
        if route is None:
            raise NotFound
        if request.method == "OPTIONS":
            headers = {"Allow": ", ".join(route.allowed), **self.cors.preflight(request, route.allowed)}
            return Reply(204, b"", headers)
        if request.method not in route.allowed:
            raise MethodNotAllowed(route.allowed)
        return route.answer(request, journal)

    def _admit(self, request: flask.Request, journal: Journal, *, is_health: bool) -> None:
        self._check_connection(request)
        journal.network = network_of(
            request.remote_addr or "", request.headers.get("X-Forwarded-For", ""), None if self.local else self.hops
        )
        self.limits.admit(journal.network, is_health=is_health, note=journal.quotas.append)

    def _check_connection(self, request: flask.Request) -> None:
        if self.local:
            if not is_loopback(request.remote_addr or ""):
                raise LoopbackOnly
        elif request.headers.get("X-Forwarded-Proto", "").rpartition(",")[2].strip() != "https":
            raise HttpsRequired

    def _open_journal(self, request: flask.Request) -> Journal:
        return Journal(
            request_id=secrets.token_hex(_REQUEST_ID_BYTES),
            method=request.method,
            path=_path(request),
            timer=self.timer,
            started=self.timer(),
            tariff=self.tariff,
            trace=read_trace(request),
        )

    def _refuse(self, refusal: KasError, route: Route | None, journal: Journal) -> Reply:
        """After one audit line; where that cannot be written, the answer is that.

        When to come again is what the refusal says, not what one of the key access objects was told before.
        """
        journal.retry_after = refusal.retry_after
        try:
            self.audit.record([refusal_event(journal, type(refusal), now=self.clock())], journal.trace)
        except KasError as unavailable:
            refusal, journal.retry_after = unavailable, unavailable.retry_after
        journal.refusal = refusal.code
        return (route.refuse if route else error_reply)(refusal, journal.request_id)

    def _respond(self, reply: Reply, request: flask.Request, journal: Journal, extra: Mapping[str, str]) -> Answer:
        headers = {
            **_SECURITY_HEADERS,
            **({} if self.local else {"Strict-Transport-Security": _HSTS}),
            **self.cors.headers(request),
            **({} if reply.is_public else _callers_headers(request, journal)),
            **(retry_headers(journal.retry_after, journal.quotas) if reply.status in _RETRIED else {}),
            **reply.headers,
            **extra,
            "X-Request-Id": journal.request_id,
        }
        settle_body(request.environ, self.dropped, journal.holder)
        limit_sending(request.environ)
        return Answer(
            status=reply.status,
            headers=headers,
            body=reply.body,
            content_type=reply.content_type,
            after=partial(drop_body, request.environ, self.dropped),
        )


def _path(request: flask.Request) -> str:
    """The path as sent, percent-decoded once. ``request.path`` would fold ``//rewrap`` into ``/rewrap``."""
    raw: str = request.environ.get("PATH_INFO", "")
    return raw.encode("latin-1").decode("utf-8", "replace") or "/"


def _callers_headers(request: flask.Request, journal: Journal) -> dict[str, str]:
    """What concerns this caller alone."""
    theirs = request.headers.get("X-Request-Id", "")
    is_id = _CLIENT_REQUEST_ID.fullmatch(theirs) is not None
    return {**limit_headers(journal.quotas), **({"X-Client-Request-Id": theirs} if is_id else {})}


def _log_cause(refusal: KasError, request_id: str) -> None:
    """Why the service cannot answer, for its operator: the text of a failed fetch or of the system, no caller's.

    Not why the audit cannot be written: often one reader has both, and whoever waited for him would wait again.
    """
    cause = None if isinstance(refusal, AuditUnavailable) else refusal.__cause__
    if refusal.status == HTTPStatus.SERVICE_UNAVAILABLE and isinstance(cause, FetchError | OSError | ValueError):
        line = {"severity": "WARNING", "event": "unavailable", "code": refusal.code, "requestId": request_id}
        tell_operator({**line, "cause": f"{type(cause).__name__}: {cause}"[:_MAX_CAUSE_CHARS]})


def _log_unexpected(error: Exception, request_id: str) -> None:
    """Where it happened and of what type; never its text, which may hold what was sent."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    line = {"severity": "ERROR", "event": "unexpected", "type": type(error).__name__, "requestId": request_id}
    tell_operator({**line, "frames": frames[-10:]})
