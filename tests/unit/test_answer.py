"""An answer is sent as it was made, and tells when that is over."""

from __future__ import annotations

from typing import Any

import flask
import pytest

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
