"""Fetching over real sockets: what is not a whole, small, timely 200 from the right host is an error."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from kas.fetch import MAX_BYTES, FetchError, HttpFetcher
from local.ports import free_port
from tests.fake_issuer import replying, send, serving

BODY = b'{"keys":[]}'


def address(server, path="/jwks", scheme="http", host="127.0.0.1"):
    return f"{scheme}://{host}:{server.server_port}{path}"


def fetch(url, *, deadline=5.0, local=True):
    return HttpFetcher(time.perf_counter, allow_loopback_http=local, deadline_seconds=deadline)(url)


def test_the_body_of_a_200_is_returned():
    with serving(replying(200, BODY)) as server:
        assert fetch(address(server)) == BODY


@pytest.mark.parametrize(
    ("path", "seen"), [("/jwks", "/jwks"), ("/a/b?x=1&y=%20", "/a/b?x=1&y=%20"), ("", "/"), ("?x", "/?x")]
)
def test_the_configured_path_and_query_are_asked_for(path, seen):
    asked = []

    def answer(handler):
        asked.append((handler.path, handler.headers["Accept"], handler.headers.get("Authorization")))
        send(handler, 200, BODY)

    with serving(answer) as server:
        fetch(address(server, path))
    assert asked == [(seen, "application/json", None)]


@pytest.mark.parametrize("status", [201, 204, 206, 300, 304, 400, 401, 404, 429, 500, 503])
def test_another_status_is_an_error(status):
    with serving(replying(status, BODY if status not in {204, 304} else b"")) as server, pytest.raises(FetchError):
        fetch(address(server))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_attack_f01_a_redirect_is_not_followed(status):
    asked = []

    def answer(handler):
        asked.append(handler.path)
        send(handler, status, BODY, Location="/elsewhere")

    with serving(answer) as server, pytest.raises(FetchError, match=f"status {status}"):
        fetch(address(server))
    assert asked == ["/jwks"]


@pytest.mark.parametrize("length", ["declared", "open"])
def test_attack_z05_a_body_beyond_the_cap_is_an_error(length):
    def answer(size):
        def reply(handler):
            if length == "declared":
                return send(handler, 200, b"x" * size)
            handler.send_response(200)
            handler.end_headers()
            handler.wfile.write(b"x" * size)
            return None

        return reply

    with serving(answer(MAX_BYTES)) as server:
        assert len(fetch(address(server))) == MAX_BYTES
    with serving(answer(MAX_BYTES + 1)) as server, pytest.raises(FetchError, match="too large"):
        fetch(address(server))


def test_a_body_that_is_cut_short_is_an_error():
    with serving(replying(200, BODY, Content_Length="500")) as server, pytest.raises(FetchError):
        fetch(address(server))


def raw(*pieces, pause=0.0):
    """Writes these bytes and nothing else; the server's ``sent`` counts the pieces that somebody took."""

    def answer(handler):
        for piece in pieces:
            handler.wfile.write(piece)
            handler.server.sent += 1
            time.sleep(pause)

    return answer


@contextlib.contextmanager
def telling(answer):
    with serving(answer) as server:
        server.sent = 0
        yield server


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"hello\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 300 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
    ids=lambda answer: answer[:45].decode(),
)
def test_what_is_no_http_answer_is_an_error(answer):
    with telling(raw(answer)) as server, pytest.raises(FetchError):
        fetch(address(server))


SLOW = {
    "headers": [b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 40, b"Content-Length: 2\r\n\r\n{}"],
    "one-header": [b"HTTP/1.1 200 OK\r\nX: ", *[b"y"] * 40, b"\r\nContent-Length: 2\r\n\r\n{}"],
    "continue": [*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 40, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"],
    "body": [b"HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n{", *[b" "] * 40, b"}"],
    "chunked": [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        *[b"1\r\n \r\n"] * 40,
        b"2\r\n{}\r\n0\r\n\r\n",
    ],
    "closing": [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 42\r\n\r\n{", *[b" "] * 40, b"}"],
    "open-ended": [b"HTTP/1.1 200 OK\r\n\r\n{", *[b" "] * 40, b"}"],
    "old": [b"HTTP/1.0 200 OK\r\n\r\n{", *[b" "] * 40, b"}"],
}


@pytest.mark.parametrize("name", SLOW)
def test_an_answer_that_drips_is_cut_at_the_deadline(name):
    """Each byte comes in time, all of them together do not: the whole answer would be sound four seconds later."""
    with telling(raw(*SLOW[name], pause=0.1)) as server:
        with pytest.raises(FetchError):
            fetch(address(server), deadline=0.5)
        assert server.sent < len(SLOW[name])


def test_a_server_that_says_nothing_is_left_at_the_deadline():
    released = threading.Event()
    with serving(lambda _handler: released.wait(10) and None) as server:
        with pytest.raises(FetchError):
            fetch(address(server), deadline=0.3)
        released.set()


def test_a_port_that_nobody_listens_on_is_an_error():
    with pytest.raises(FetchError, match="ConnectionRefusedError"):
        fetch(f"http://127.0.0.1:{free_port()}/")


def test_a_host_that_does_not_exist_is_an_error():
    with pytest.raises(FetchError):
        fetch("https://host.invalid/")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "https://user:password@127.0.0.1/",
        "https://127.0.0.1/#x",
        "https:///jwks",
        "https://127.0.0.1:99999/",
        "https://127.0.0.1/a b",
        "https://127.0.0.1/\r\nX: y",
        "//127.0.0.1/",
        "",
    ],
)
def test_attack_f01_an_address_that_is_not_https_is_not_contacted(url):
    with pytest.raises(FetchError, match="address not allowed"):
        fetch(url, local=False)


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "http://10.0.0.1/", "http://127.0.0.1.example/", "http://0.0.0.0/"]
)
def test_attack_f01_plain_http_is_for_loopback_alone(url):
    with pytest.raises(FetchError, match="address not allowed"):
        fetch(url, local=True)


def test_a_proxy_of_the_environment_is_not_used(monkeypatch):
    asked = []

    def answer(handler):
        asked.append(handler.path)
        send(handler, 200, b"proxy")

    with serving(answer) as proxy, serving(replying(200, BODY)) as server:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, address(proxy, ""))
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert fetch(address(server)) == BODY
    assert asked == []
