"""Fitting into the functions host: what its Flask application does by itself that we must answer or bound.

The host makes the application, imports ``main`` within its context and then mounts one function on every path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import flask
from werkzeug.exceptions import HTTPException

from kas.errors import Internal, KasError, NotFound
from kas.web.body import BoundedRequest
from kas.web.worker import choose_bounded_worker

Refuse = Callable[[KasError, flask.Request], flask.Response]


def fit_into_host(
    refuse: Refuse,
    *,
    started: Callable[[int, int], None] | None = None,
    ended: Callable[[], None] = lambda: None,
) -> None:
    """Changes the application that is importing us, and the worker that will run it; outside one there is nothing to do.
    ``refuse`` answers in our form; ``started`` and ``ended`` are as `choose_bounded_worker` has them.
    """

    def refuse_unrouted() -> flask.Response | None:
        """Whatever the host finds no route for, its redirects included: those go past the error handlers, and to
        wherever the caller's Host header says.
        """
        return None if flask.request.routing_exception is None else refuse(NotFound(), flask.request)

    def not_found(_error: Exception) -> flask.Response:
        """What the host refuses by itself, ``/robots.txt`` for one."""
        return refuse(NotFound(), flask.request)

    def internal(_error: Exception) -> flask.Response:
        return refuse(Internal(), flask.request)

    if not flask.has_app_context():
        return
    app = flask.current_app
    app.request_class = BoundedRequest
    # The application takes the function's name for a package and would serve files from beside it.
    app.view_functions["static"] = _run
    for rule in app.url_map.iter_rules():
        rule.provide_automatic_options = False  # type: ignore[attr-defined]  # Flask's own, on what is Werkzeug's
    app.before_request(refuse_unrouted)
    app.register_error_handler(HTTPException, not_found)
    app.register_error_handler(500, internal)
    choose_bounded_worker(started, ended)


def _run(filename: str) -> flask.Response:
    view = cast("Callable[..., flask.Response]", flask.current_app.view_functions["run"])
    return view(path=filename)
