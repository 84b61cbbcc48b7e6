"""A body that has arrived is read without anybody who watches; one that has not, with somebody, as before."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import flask
import pytest
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.unreader import SocketUnreader

from kas.errors import InvalidJson, RequestTimeout
from kas.protocol.bounds import JsonBounds
from kas.web.body import Bounds, read_body
from kas.web.slots import Slots
from tests.unit.journals import journal

LENGTH = 50_000


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def watchers(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """Every thread that is started."""
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noted)
    return started


def request(ours: socket.socket, held: bytes = b"", length: int = LENGTH) -> flask.Request:
    """As the host makes one that has read ``held`` of its body with the headers."""
    unreader = SocketUnreader(ours)
    unreader.unread(held)
    environ = {
        "REQUEST_METHOD": "POST",
        "gunicorn.socket": ours,
        "wsgi.input": Body(LengthReader(unreader, length)),
        "wsgi.input_terminated": True,
        "CONTENT_LENGTH": str(length),
    }
    return flask.Request(environ)


def read(asked: flask.Request, seconds: float = 5.0) -> bytes:
    return read_body(asked, Bounds(LENGTH, seconds, JsonBounds(32, 100, 100), Slots(8, 8)), journal())


@pytest.mark.parametrize("held", [0, 1, 3000, LENGTH])
def test_what_has_arrived_needs_nobody_who_watches(pair, watchers, held):
    body = bytes(number % 251 for number in range(LENGTH))
    pair[1].sendall(body[held:])
    assert read(request(pair[0], body[:held])) == body
    assert watchers == []


def test_what_had_arrived_and_went_with_a_reset_is_no_body(pair, watchers, monkeypatch):
    """Where the system lets go of what it had for a connection that was reset."""
    pair[1].sendall(bytes(LENGTH))

    def reset(_size: int) -> bytes:
        raise ConnectionResetError

    asked = request(pair[0])
    monkeypatch.setattr(asked.environ["wsgi.input"], "read", reset)
    with pytest.raises(InvalidJson):
        read(asked)
    assert watchers == []


def test_what_comes_after_the_body_is_left(pair, watchers):
    asked = request(pair[0], b"body and the next request", 4)
    assert read(asked) == b"body"
    assert asked.environ["wsgi.input"].reader.unreader.take_buffered() == b" and the next request"
    assert watchers == []


def test_what_has_not_arrived_is_watched(pair, watchers):
    pair[1].sendall(bytes(LENGTH - 1))
    with pytest.raises(RequestTimeout):
        read(request(pair[0]), seconds=0.3)
    assert len(watchers) == 1


def test_what_will_never_arrive_is_no_body(pair, watchers):
    pair[1].sendall(bytes(LENGTH - 1))
    pair[1].close()
    with pytest.raises(InvalidJson):
        read(request(pair[0]))
    assert len(watchers) == 1
