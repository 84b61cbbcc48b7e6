"""The function stands in the place of the host's application: it is asked alone, and its own failure is answered in our form."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import flask
from werkzeug.test import Client

from kas.web.host import FunctionAlone

View = Callable[..., Any]


def wrapped(function: View) -> View:
    """As the framework wraps what it mounts, twice."""
    for _ in range(2):

        @functools.wraps(function)
        def wrapper(*_arguments: object) -> Any:
            raise AssertionError("the framework's own part is not asked")

        function = wrapper
    return function


def asked(function: View, path: str = "/rewrap") -> Any:
    app = flask.Flask("kas")
    app.view_functions["run"] = wrapped(function)

    def fail(request: flask.Request) -> flask.Response:
        return flask.Response(f"failed at {request.path}", 500)

    return Client(FunctionAlone(app, fail)).open(path, method="BREW")


def test_the_function_itself_is_asked_whatever_the_path_and_method() -> None:
    answer = asked(lambda request: flask.Response(request.method + request.path), "/static/../any")
    assert (answer.status_code, answer.text) == (200, "BREW/static/../any")


def test_where_the_function_fails_the_other_answers() -> None:
    def fail(_request: flask.Request) -> flask.Response:
        raise RuntimeError("a secret")

    answer = asked(fail)
    assert (answer.status_code, answer.text) == (500, "failed at /rewrap")
