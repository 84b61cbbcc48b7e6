"""``GET /metrics``, for whoever asks: mounted only where the operator has switched it on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import flask

from kas.journal import Journal
from kas.metrics import CONTENT_TYPE
from kas.web.replies import Reply, Route

METRICS: Final = "/metrics"


def metrics_route(text: Callable[[], bytes]) -> Route:
    """Prometheus' text as ``text`` makes it, made anew for each scrape."""

    def answer(_request: flask.Request, _journal: Journal) -> Reply:
        return Reply(200, text(), {"Cache-Control": "no-store"}, CONTENT_TYPE)

    return Route(("GET",), answer)
