"""Cross-origin requests: a listed origin may call and read, exactly as listed; to any other nothing is said."""

from __future__ import annotations

import flask
import pytest
from werkzeug.test import EnvironBuilder

from kas.web.cors import Cors

ORIGIN, OTHER = "https://app.example", "https://other.example:8443"
CORS = Cors(frozenset({ORIGIN, OTHER}))
STRANGERS = [
    "",
    "null",
    "*",
    "https://app.example/",
    "https://app.example:443",
    "http://app.example",
    "https://APP.example",
    "https://app.example.evil.example",
    "https://evil.example/https://app.example",
    "https://x.app.example",
    "https://other.example",
    f"{ORIGIN}, {OTHER}",
    f"{ORIGIN} ",
]


def request(origin: str | None = ORIGIN, method: str | None = None) -> flask.Request:
    """A request of a page of ``origin``; with ``method`` it asks whether it may send one."""
    sent = {"Origin": origin, "Access-Control-Request-Method": method}
    headers = {name: value for name, value in sent.items() if value is not None}
    return flask.Request(EnvironBuilder("/rewrap", method="OPTIONS", headers=headers).get_environ())


@pytest.mark.parametrize("origin", [ORIGIN, OTHER])
def test_listed_origin_may_read_the_answer(origin: str) -> None:
    """Itself is named, never ``*``, and caches keep its answer from others."""
    headers = CORS.headers(request(origin))
    assert (headers["Access-Control-Allow-Origin"], headers["Vary"]) == (origin, "Origin")


def test_page_may_read_what_it_needs_to_go_on() -> None:
    """The next nonce, why it was refused, which request it was, and when to come again."""
    exposed = set(CORS.headers(request())["Access-Control-Expose-Headers"].split(", "))
    assert exposed >= {"DPoP-Nonce", "WWW-Authenticate", "X-Request-Id", "Retry-After", "RateLimit"}


@pytest.mark.parametrize("origin", [None, *STRANGERS])
def test_nothing_is_said_to_an_origin_that_is_not_listed(origin: str | None) -> None:
    """But to caches; neither in an answer nor before a request."""
    assert CORS.headers(request(origin)) == {"Vary": "Origin"}
    assert CORS.preflight(request(origin, "POST"), ("POST",)) == {}


@pytest.mark.parametrize("origin", [None, "", "null", "*", ORIGIN])
def test_without_a_list_nothing_is_said_at_all(origin: str | None) -> None:
    """No header names an origin, not even one that is empty."""
    assert Cors(frozenset()).headers(request(origin)) == {}
    assert Cors(frozenset()).preflight(request(origin, "POST"), ("POST",)) == {}


def test_preflight_says_what_the_path_takes() -> None:
    """The methods that it is told, and the headers that carry credentials and a body's type."""
    headers = CORS.preflight(request(method="POST"), ("GET", "HEAD", "OPTIONS"))
    assert headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS"
    assert set(headers["Access-Control-Allow-Headers"].split(", ")) >= {"Authorization", "Content-Type", "DPoP"}
    assert headers["Access-Control-Max-Age"] == "600"


def test_options_of_no_preflight_says_nothing_of_origins() -> None:
    """A page that names no method does not ask whether it may."""
    assert CORS.preflight(request(), ("POST",)) == {}


def test_credentials_of_the_browser_are_never_allowed() -> None:
    """Cookies and the like play no part."""
    names = {**CORS.headers(request()), **CORS.preflight(request(method="POST"), ("POST",))}
    assert "Access-Control-Allow-Credentials" not in names
    assert "*" not in names.values()
