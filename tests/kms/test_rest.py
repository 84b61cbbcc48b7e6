"""The REST client alone: what it sends, which connections it keeps, and when a call is sent a second time."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kas.google.rest import RestClient
from kas.google.status import GoogleError
from kas.net.connection import Connection, made_once
from kas.net.deadline import Deadline
from tests.google.project import KAS
from tests.kms.servers import answering, read_request, reply, scripted
from tests.kms.test_transports import refused
from tests.kms.transports import SECONDS, OneToken

GOOD = {"answer": "good"}


@pytest.fixture
def client():
    """Makes clients of a server, which are closed at the end."""
    made = []

    def new(base, *, timer=time.monotonic, **options):
        made.append(RestClient(base, OneToken(), timer, **options))
        return made[-1]

    yield new
    for one in made:
        one.close()


def get(client, path="/v1/x"):
    return client.call("GET", path, None, SECONDS)


def post(client, path="/v1/x:do"):
    return client.call("POST", path, {"a": "b"}, SECONDS)


# ---- what is sent


def test_a_call_is_one_message_with_the_token_and_no_more(client):
    with scripted(answering(reply(GOOD))) as server:
        made = client(server.base)
        assert get(made, "/v1/a?b=c") == GOOD
        assert made.call("POST", "/v1/x:do", {"text": "ü", "n": 1}, SECONDS) == GOOD
    common = [
        f"Host: {server.base.removeprefix('http://')}",
        f"Authorization: Bearer {KAS.token}",
        "Accept: application/json",
        "Accept-Encoding: identity",
        "User-Agent: kas",
    ]
    first, second = (request.decode("ascii").split("\r\n") for request in server.requests)
    assert first == ["GET /v1/a?b=c HTTP/1.1", *common, "", ""]
    body = second[-1]
    assert second == [
        "POST /v1/x:do HTTP/1.1",
        *common,
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "",
        body,
    ]
    assert json.loads(body) == {"text": "ü", "n": 1}


def test_a_message_leaves_in_one_piece():
    """Else an answer may wait 40 ms for an acknowledgement. Each write is a packet of its own here."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    message = b"POST / HTTP/1.1\r\n\r\n" + b"x" * 4000
    with ours, theirs:
        theirs.send(reply(GOOD))
        made = Connection(ours, time.monotonic, 4096)
        status, body = made.exchange("POST", message, Deadline.after(5, time.monotonic))
        assert (status, json.loads(body)) == (200, GOOD)
        assert theirs.recv(65536) == message


def test_a_connection_does_not_wait_to_fill_a_segment(client, monkeypatch):
    seen = []
    connect = socket.socket.connect

    def spy(sock, address):
        seen.append(sock)
        return connect(sock, address)

    monkeypatch.setattr(socket.socket, "connect", spy)
    with scripted(answering(reply(GOOD))) as server:
        made = client(server.base)
        get(made)
        assert seen[0].getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.parametrize("path", ["", "v1", "/", "/a b", "/a\r\nX: y", "/a\n", "/ä", "//\x7f"])
def test_what_is_no_path_is_not_sent(client, path):
    with scripted(answering(reply(GOOD))) as server:
        with pytest.raises(ValueError, match="path"):
            get(client(server.base), path)
        assert server.accepted == 0


def test_an_error_in_making_a_call_leaves_room_for_others(client):
    with scripted(answering(reply(GOOD))) as server:
        made = client(server.base, max_connections=1)
        with pytest.raises(ValueError, match="path"):
            get(made, "/a b")
        assert get(made) == GOOD


# ---- connections


def test_calls_one_after_the_other_share_a_connection(client):
    with scripted(answering(reply(GOOD))) as server:
        made = client(server.base)
        for _ in range(5):
            assert post(made) == get(made) == GOOD
    assert (server.accepted, len(server.requests)) == (1, 10)


def test_no_more_connections_than_allowed_however_many_call(client):
    held = threading.Barrier(4)

    def talk(connection, server):
        while request := read_request(connection):
            server.requests.append(request)
            held.wait(SECONDS)  # four at once: fewer connections would wait here for ever
            connection.sendall(reply(GOOD))

    with scripted(talk) as server, ThreadPoolExecutor(16) as pool:
        made = client(server.base, max_connections=4)
        assert list(pool.map(lambda _: post(made), range(16))) == [GOOD] * 16
    assert server.accepted == 4


def test_a_connection_that_rested_too_long_is_not_used(client):
    now = [0.0]
    with scripted(answering(reply(GOOD))) as server:
        made = client(server.base, timer=lambda: now[0])
        get(made)
        now[0] = 60.0
        get(made)
        assert server.accepted == 1
        now[0] = 120.1
        get(made)
        assert server.accepted == 2


def test_a_connection_that_is_to_be_closed_is_not_used_again(client):
    """Even while it is still open."""
    with scripted(answering(reply(GOOD, headers="Connection: close\r\n"))) as server:
        made = client(server.base)
        assert [get(made), get(made)] == [GOOD] * 2
    assert server.accepted == 2


@pytest.mark.parametrize("surplus", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"])
def test_a_connection_that_was_closed_or_speaks_unasked_is_not_used(client, surplus):
    """What a server sent before it was asked is no answer."""
    spoken = threading.Event()

    def talk(connection, server):
        server.requests.append(read_request(connection))
        connection.sendall(reply(GOOD))
        assert server.go.wait(SECONDS)
        connection.sendall(surplus) if surplus else connection.shutdown(socket.SHUT_WR)
        spoken.set()
        connection.recv(1)

    with scripted(talk) as server:
        server.go = threading.Event()
        made = client(server.base)
        assert post(made) == GOOD
        server.go.set()
        assert spoken.wait(SECONDS)
        assert post(made) == GOOD
    assert (server.accepted, len(server.requests)) == (2, 2)


def test_close_ends_what_rests_at_once_and_what_is_in_use_after_its_answer(client):
    ended = []
    arrived = threading.Event()

    def talk(connection, server):
        while request := read_request(connection):
            if b"slow" in request:
                arrived.set()
                server.released.wait(SECONDS)
            connection.sendall(reply(GOOD))
        ended.append(request)

    with scripted(talk) as server, ThreadPoolExecutor(1) as pool:
        made = client(server.base)
        slow = pool.submit(get, made, "/slow")
        assert arrived.wait(SECONDS)
        get(made)
        made.close()
        until(lambda: len(ended) == 1)
        server.released.set()
        assert slow.result() == GOOD
        until(lambda: len(ended) == 2)
        assert get(made) == GOOD
        assert server.accepted == 3


def until(is_so):
    pause = threading.Event()
    for _ in range(2000):
        if is_so():
            return
        pause.wait(0.01)
    pytest.fail("it never was so")


# ---- the second time


def dropping(before=1, said=b"", *, is_reset=False):
    """Answers so many requests of the first connection, then ends it on the next; others are answered for good."""

    def talk(connection, server):
        is_first = server.accepted == 1
        while request := read_request(connection):
            server.requests.append(request)
            if is_first and len(server.requests) > before:
                connection.sendall(said)
                if is_reset:  # instead of an orderly end
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            connection.sendall(reply(GOOD))

    return talk


def test_what_only_reads_is_sent_again_where_a_kept_connection_ends_without_a_byte(client):
    with scripted(dropping()) as server:
        made = client(server.base)
        get(made)
        assert get(made) == GOOD
    assert (server.accepted, len(server.requests)) == (2, 3)


def test_what_costs_an_operation_is_never_sent_again(client):
    with scripted(dropping()) as server:
        made = client(server.base)
        get(made)
        refused("UNAVAILABLE", post, made)
        assert len(server.requests) == 2
        assert post(made) == GOOD


def test_nothing_is_sent_again_on_a_new_connection(client):
    with scripted(dropping(before=0)) as server:
        made = client(server.base)
        refused("UNAVAILABLE", get, made)
        assert len(server.requests) == 1
        assert get(made) == GOOD


@pytest.mark.parametrize("is_reset", [False, True])
def test_nothing_is_sent_again_once_an_answer_has_begun(client, is_reset):
    with scripted(dropping(said=b"H", is_reset=is_reset)) as server:
        made = client(server.base)
        get(made)
        refused("UNAVAILABLE", get, made)
        assert len(server.requests) == 2


def test_nothing_is_sent_a_third_time(client):
    """A server that answers once a connection and then ends it, whatever is asked."""

    def talk(connection, server):
        server.requests.append(read_request(connection))
        if server.accepted == 1:
            connection.sendall(reply(GOOD))
            server.requests.append(read_request(connection))

    with scripted(talk) as server:
        made = client(server.base)
        get(made)
        refused("UNAVAILABLE", get, made)
    assert (server.accepted, len(server.requests)) == (2, 3)


def test_what_is_late_is_not_sent_again(client):
    def talk(connection, server):
        while request := read_request(connection):
            server.requests.append(request)
            if len(server.requests) > 1:
                server.released.wait(SECONDS)
            connection.sendall(reply(GOOD))

    with scripted(talk) as server:
        made = client(server.base)
        get(made)
        refused("DEADLINE_EXCEEDED", made.call, "GET", "/v1/x", None, 0.3)
        assert (server.accepted, len(server.requests)) == (1, 2)


def test_a_connection_that_ends_takes_those_that_rest_beside_it_along(client):
    """Each of them would cost an attempt."""
    together = threading.Barrier(2)

    def talk(connection, server):
        while request := read_request(connection):
            server.requests.append(request)
            if b"together" in request:
                together.wait(SECONDS)
            elif b"end" in request:
                return
            connection.sendall(reply(GOOD))

    with scripted(talk) as server, ThreadPoolExecutor(2) as pool:
        made = client(server.base)
        assert list(pool.map(lambda _: get(made, "/together"), range(2))) == [GOOD] * 2
        refused("UNAVAILABLE", post, made, "/end")
        assert get(made) == GOOD
        assert server.accepted == 3


# ---- what it is made of


def test_a_context_is_made_once_however_many_ask():
    made = []
    start = threading.Barrier(16)

    def make():
        made.append(object())
        threading.Event().wait(0.05)
        return made[-1]

    def ask(_):
        start.wait(SECONDS)
        return tls()

    tls = made_once(make)
    assert made == []
    with ThreadPoolExecutor(16) as pool:
        assert len(set(map(id, pool.map(ask, range(16))))) == 1
    assert len(made) == 1


def test_a_deadline_has_time_left_until_it_has_none():
    now = [5.0]
    deadline = Deadline.after(2.0, lambda: now[0])
    assert deadline.left() == 2.0
    now[0] = 6.5
    assert deadline.left() == 0.5
    now[0] = 7.0
    with pytest.raises(TimeoutError):
        deadline.left()


def test_an_error_of_google_is_one_line_with_status_and_bounded_detail():
    error = GoogleError("NOT_FOUND", "a\nb" + "x" * 500)
    assert (error.status, len(error.detail), str(error)[:14]) == ("NOT_FOUND", 200, "NOT_FOUND: a b")
