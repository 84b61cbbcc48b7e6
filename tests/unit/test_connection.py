"""What an answer says of its connection is what becomes of it, but where a body that is waited for does not come."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import create

from kas.web.answer import Answer
from kas.web.connection import drop_body, settle_body
from kas.web.slots import Slots

BODY = b"x" * 100
HEAD = b"POST /rewrap HTTP/1.1\r\nHost: kas\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"POST /rewrap HTTP/1.1\r\nHost: kas\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKS = b"64\r\n" + BODY + b"\r\n0\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: kas\r\n\r\n"


class Exchange:
    """One request in the host's hands, whose body nobody read."""

    def __init__(self, ours: socket.socket, theirs: socket.socket, sent: bytes) -> None:
        theirs.sendall(sent)
        self.ours, self.theirs = ours, theirs
        self.parser = RequestParser(Config(), ours, ("127.0.0.1", 1))
        self.response, self.environ = create(next(self.parser), ours, ("127.0.0.1", 1), ("127.0.0.1", 2), Config())

    def answer(self, slots: Slots) -> bool:
        """Whether the answer says that the connection goes on."""
        settle_body(self.environ, slots, "somebody")
        answer = Answer(401, {}, b"{}", "application/json", after=list)
        for piece in answer(self.environ, self.response.start_response):
            self.response.write(piece)
        text = self.theirs.recv(4096)
        assert text.startswith(b"HTTP/1.1 401")
        return b"Connection: keep-alive" in text

    def goes_on(self, slots: Slots) -> bool:
        """Whether the next request on the connection is read as one."""
        drop_body(self.environ, slots)
        try:
            self.theirs.sendall(NEXT)
            return next(self.parser).path == "/next"
        except (StopIteration, BrokenPipeError):
            return False


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(5)
        yield ours, theirs


@pytest.mark.parametrize("free", [0, 1])
def test_a_body_that_is_here_needs_no_slot(pair, free):
    exchange = Exchange(*pair, HEAD + BODY)
    slots = Slots(free, free)
    assert exchange.answer(slots)
    assert slots.take("somebody") == bool(free)
    assert exchange.goes_on(slots)


@pytest.mark.parametrize(("head", "body"), [(HEAD, BODY), (CHUNKED, CHUNKS)], ids=["length", "chunks"])
def test_a_body_that_comes_after_the_answer_is_waited_for_in_a_slot(pair, head, body):
    exchange, slots = Exchange(*pair, head), Slots(1, 1)
    assert exchange.answer(slots)
    assert not slots.take("somebody")
    pair[1].sendall(body)
    assert exchange.goes_on(slots)
    assert slots.take("somebody")


@pytest.mark.parametrize("head", [HEAD, CHUNKED], ids=["length", "chunks"])
def test_where_no_slot_is_free_the_answer_says_that_the_connection_ends(pair, head):
    """A client who believed that it goes on would lose the next request."""
    exchange, slots = Exchange(*pair, head), Slots(0, 0)
    assert not exchange.answer(slots)
    assert not exchange.goes_on(slots)


def test_a_body_that_stalls_ends_its_connection_and_gives_its_slot_back(pair):
    exchange, slots = Exchange(*pair, HEAD + BODY[:50]), Slots(1, 1)
    assert exchange.answer(slots)
    assert not exchange.goes_on(slots)
    assert slots.take("somebody")


def test_a_body_that_went_with_a_reset_ends_its_connection_and_the_answer_says_so(pair, monkeypatch):
    """Where the system lets go of what it had: it was here, and cannot be read."""
    exchange, slots = Exchange(*pair, HEAD + BODY), Slots(1, 1)

    def reset(_size):
        raise ConnectionResetError

    monkeypatch.setattr(exchange.environ["wsgi.input"], "read", reset)
    assert not exchange.answer(slots)
    assert slots.take("somebody")
