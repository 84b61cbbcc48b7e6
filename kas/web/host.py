"""Fitting into the functions host: what its Flask application does by itself that we must answer, bound or spare.

The host makes the application, imports ``main`` within its context and then mounts one function on every path.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

import flask

from kas.web.worker import choose_bounded_worker

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

    Function = Callable[[flask.Request], WSGIApplication]


def fit_into_host(
    fail: Function,
    *,
    started: Callable[[int, int], None] | None = None,
    ended: Callable[[], None] = lambda: None,
) -> None:
    """Changes the application that is importing us, and the worker that will run it; outside one there is nothing to do.
    ``fail`` answers where the function itself fails; ``started`` and ``ended`` are as `choose_bounded_worker` has them.
    """
    if not flask.has_app_context():
        return
    # The application is behind a name that stands for whichever is current.
    app: flask.Flask = flask.current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    app.wsgi_app = FunctionAlone(app, fail)  # type: ignore[method-assign]  # as Flask has it replaced
    choose_bounded_worker(started, ended)


class FunctionAlone:
    """The function that the host has mounted, on every path, and nothing around it.

    The host's application would look for a route on every request and answer some by itself: redirects to wherever the
    caller's Host header says, files beside the function, methods that it does not know. Its contexts, session and
    execution id, which nothing here reads, take as long as the decision about a policy. Where the function fails,
    ``fail`` answers.
    """

    def __init__(self, app: flask.Flask, fail: Function) -> None:
        self._app = app
        self._fail = fail

    @cached_property
    def _function(self) -> Function:
        """As ``main`` defines it: the framework keeps it, wrapped, under the name ``run`` once ``main`` is imported."""
        function: Function = inspect.unwrap(self._app.view_functions["run"])
        return function

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        request = flask.Request(environ)
        try:
            response = self._function(request)
        except Exception:  # noqa: BLE001 - the edge answers for everything; this is for itself
            response = self._fail(request)
        return response(environ, start_response)
