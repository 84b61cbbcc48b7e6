"""The edge with its defaults and a clock that stands still, and what it makes of requests to a few routes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import flask
from werkzeug.test import EnvironBuilder

from kas.cost.marginal import Tariff
from kas.journal import Journal
from kas.metrics import NoMetrics
from kas.web.answer import Answer
from kas.web.cors import Cors
from kas.web.edge import Edge
from kas.web.limits import edge_limits
from kas.web.replies import Reply, Route, Routes, json_reply
from tests.trails import audit_log, events_of
from tests.unit.windows import own_windows

LOOPBACK = "127.0.0.1"
OVER_TLS = {"X-Forwarded-Proto": "https"}


def good_edge(write: Callable[[bytes], int], **changes: Any) -> Edge:
    """An edge with its defaults, but ``changes``."""
    parts = {
        "local": True,
        "hops": 0,
        "audit": audit_log(write),
        "limits": edge_limits(network=600, everybody=1000, health=50, memory=100, new_window=own_windows(lambda: 0.0)),
        "cors": Cors(frozenset()),
        "meter": NoMetrics(),
        "tariff": Tariff(request=0.4, second=25.25, operations={}),
        "clock": lambda: 1_790_000_000.0,
        "timer": lambda: 0.0,
    }
    return Edge(**{**parts, **changes})


@dataclass
class MeterSpy:
    """A `Meter` that remembers what it is told of requests."""

    calls: list[tuple[str, str | None, int, float, str | None]] = field(default_factory=list)

    def answered(
        self, journal: Journal, route: str | None, status: int, seconds: float, code: str | None = None
    ) -> None:
        self.calls.append((journal.method, route, status, seconds, code))

    def kao(self, dialect: str, code: str | None) -> None:
        raise NotImplementedError


class EdgeFixture:
    """An edge over routes that answer, or raise ``failure``: ``POST /rewrap``, ``GET /keys``, ``GET /health`` and all
    below ``/service/``. ``events`` is what was recorded; ``write`` replaces the recording, ``note`` sees each journal.
    """

    def __init__(
        self,
        failure: Exception | None = None,
        *,
        local: bool = True,
        write: Callable[[bytes], int] | None = None,
        note: Callable[[Journal], None] = lambda _journal: None,
        **changes: Any,
    ) -> None:
        self.failure = failure
        self.note = note
        self.asked: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.edge = good_edge(write or self._write, local=local, **changes)
        self.routes = Routes(
            {
                "/rewrap": Route(("POST",), self.answer, partial(dict, {"DPoP-Nonce": "next"})),
                "/keys": Route(("GET",), self.answer),
                "/health": Route(("GET",), self.answer, is_health=True),
            },
            {"/service/": Route(("POST",), self.answer)},
        )

    def _write(self, line: bytes) -> int:
        self.events += events_of([line])
        return len(line)

    def answer(self, request: flask.Request, journal: Journal) -> Reply:
        self.asked.append(request.method)
        self.note(journal)
        if self.failure is not None:
            raise self.failure
        return json_reply(200, {"ok": True})

    def send(
        self,
        path: str = "/rewrap",
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        address: str = LOOPBACK,
    ) -> flask.Response:
        environ = EnvironBuilder("/", method=method, headers=dict(headers or {})).get_environ()
        request = flask.Request({**environ, "PATH_INFO": path, "REMOTE_ADDR": address})
        return sent(self.edge.handle(request, self.routes), request)


def sent(answer: Answer, request: flask.Request) -> flask.Response:
    """What the caller gets."""
    return flask.Response.from_app(answer, request.environ)


def body_of(answer: flask.Response) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(answer.get_data())
    return body
