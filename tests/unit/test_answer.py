"""An answer is sent as it was made, and tells when that is over."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import flask
import pytest
from gunicorn.config import Config
from gunicorn.http.wsgi import Response as HostResponse

from kas.web.answer import Answer

HEADERS = {"X-Request-Id": "1"}
BODY = {"Content-Type": "application/json", "Content-Length": "4"}


def sent(status: int, method: str) -> tuple[str, dict[str, str], bytes, list[str]]:
    """Status line, headers and body, and what was called in the end."""
    started: list[Any] = []
    ended: list[str] = []
    answer = Answer(status, HEADERS, b"null", "application/json", lambda: ended.append("after"))
    pieces = answer({"REQUEST_METHOD": method}, lambda *line: started.append(line))  # type: ignore[arg-type,return-value]
    body = b"".join(pieces)
    assert not ended
    pieces.close()  # type: ignore[attr-defined]
    ((line, headers),) = started
    return line, dict(headers), body, ended


@pytest.mark.parametrize(("status", "line"), [(200, "200 OK"), (404, "404 Not Found"), (429, "429 Too Many Requests")])
def test_headers_and_body_are_sent_and_the_end_is_told(status, line):
    assert sent(status, "POST") == (line, {**HEADERS, **BODY}, b"null", ["after"])


def test_head_gets_the_headers_of_the_body_alone():
    assert sent(200, "HEAD") == ("200 OK", {**HEADERS, **BODY}, b"", ["after"])


@pytest.mark.parametrize(("status", "line"), [(204, "204 No Content"), (304, "304 Not Modified")])
def test_an_answer_without_a_body_says_nothing_of_one(status, line):
    assert sent(status, "GET") == (line, HEADERS, b"", ["after"])


def test_the_end_is_told_where_the_host_takes_no_answer():
    ended = []
    answer = Answer(200, HEADERS, b"null", "application/json", lambda: ended.append("after"))

    def refuse(*_line):
        raise ValueError("a header that it does not send")

    with pytest.raises(ValueError, match="a header"):
        answer({"REQUEST_METHOD": "GET"}, refuse)
    assert ended == ["after"]


def test_a_host_that_has_its_own_response_can_take_it():
    """As Flask does with what a view gives it."""
    app = flask.Flask("host")
    app.add_url_rule("/", "view", lambda: Answer(200, HEADERS, b"null", "application/json", list))
    answer = app.test_client().get("/")
    assert (answer.status_code, answer.data, answer.headers["X-Request-Id"]) == (200, b"null", "1")


def pieces_of(method: str, body: bytes) -> list[bytes]:
    """What the host sends, as it does it."""
    pieces: list[bytes] = []
    request = SimpleNamespace(method=method, version=(1, 1), should_close=lambda: False)
    response = HostResponse(request, SimpleNamespace(sendall=pieces.append), Config())
    for piece in Answer(200, HEADERS, body, "text/plain", list)({"REQUEST_METHOD": method}, response.start_response):
        response.write(piece)
    response.close()
    return pieces


def test_head_and_body_go_out_as_one():
    ((head, body),) = (piece.split(b"\r\n\r\n") for piece in pieces_of("GET", b"body"))
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert body == b"body"


@pytest.mark.parametrize(("method", "body"), [("HEAD", b"body"), ("GET", b"")])
def test_the_head_goes_out_alone_where_there_is_no_body(method, body):
    (head,) = pieces_of(method, body)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert f"\r\nContent-Length: {len(body)}\r\n".encode() in head
    assert head.endswith(b"\r\n\r\n")
