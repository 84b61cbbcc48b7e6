"""Bodies over the wire: too large, too slow, cut short, malformed, and a stranger's, which nobody reads."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.attacks.proof_requests import raw_post, released, worker_of
from tests.host.functions import connect, head_of, receive, refused_in_form
from tests.kit import Kit, refused, running_kit
from tests.opentdf.tdf_client import CONTENT_TYPES, ROUTES, Route, TdfAttempt

MIB = 2**20
STRANGER = b"POST /rewrap HTTP/1.1\r\nHost: kas\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A KAS of two threads that gives a body one second."""
    folder = tmp_path_factory.mktemp("hasty")
    with running_kit(folder, KAS_BODY_TIMEOUT_SECONDS="1", THREADS="2") as kit:
        yield kit


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.mark.parametrize("size", [MIB + 1, 50 * MIB])
def test_attack_z04_body_past_the_limit_is_refused_by_its_length(kit: Kit, size: int) -> None:
    """Nothing of it is waited for."""
    with connect(kit.base) as connection:
        connection.sendall(head_of(kit.attempt(), f"Content-Length: {size}"))
        refused_in_form(receive(connection, "POST"), 413, "content_too_large")


def test_attack_z04_chunked_body_past_the_limit_is_refused_when_it_gets_there(kit: Kit) -> None:
    """No length is announced, so the count decides."""
    with connect(kit.base) as connection:
        connection.sendall(head_of(kit.attempt(), "Transfer-Encoding: chunked"))
        for _ in range(16):
            connection.sendall(chunk(b" " * 65536))
        connection.sendall(chunk(b" " * 4096))
        refused_in_form(receive(connection, "POST"), 413, "content_too_large")


@pytest.mark.parametrize("form", ["length", "chunked"])
def test_body_of_exactly_the_limit_is_read(kit: Kit, form: str) -> None:
    """White space around JSON counts, and this is all white space."""
    with connect(kit.base) as connection:
        if form == "length":
            connection.sendall(head_of(kit.attempt(), f"Content-Length: {MIB}") + b" " * MIB)
        else:
            connection.sendall(head_of(kit.attempt(), "Transfer-Encoding: chunked"))
            connection.sendall(chunk(b" " * MIB) + b"0\r\n\r\n")
        refused_in_form(receive(connection, "POST"), 400, "invalid_json")


def test_chunked_body_is_a_body(kit: Kit) -> None:
    """In pieces or at once, the same answer."""
    attempt = kit.attempt()
    body = json.dumps(attempt.request).encode()
    with connect(kit.base) as connection:
        connection.sendall(head_of(attempt, "Transfer-Encoding: chunked"))
        connection.sendall(chunk(body[:100]) + chunk(body[100:]) + b"0\r\n\r\n")
        answer = receive(connection, "POST")
    assert answer.status == 200, answer.body
    assert attempt.open(answer) == attempt.data_keys


# ---- A stranger's body


def _peak_kilobytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0])


@pytest.mark.parametrize("form", ["length", "chunked"])
def test_attack_z04_strangers_body_is_not_read(kit: Kit, form: str) -> None:
    """50 MB from nobody: 401 at once, and the worker's memory does not grow by a fifth of it."""
    worker = worker_of(kit.world.kas)
    refused(raw_post(kit, []), 401, "unauthorized", "credentials_missing")
    before = _peak_kilobytes(worker)
    with connect(kit.base) as connection:
        head, piece = b"Content-Length: %d" % (50 * MIB), b"x" * MIB
        if form == "chunked":
            head, piece = b"Transfer-Encoding: chunked", chunk(piece)
        connection.sendall(STRANGER + head + b"\r\n\r\n" + piece[: MIB // 16])
        refused_in_form(receive(connection, "POST"), 401, "credentials_missing")
        with contextlib.suppress(ConnectionError, TimeoutError):
            connection.sendall(piece[MIB // 16 :])
            for _ in range(49):
                connection.sendall(piece)
    assert worker_of(kit.world.kas) == worker
    assert _peak_kilobytes(worker) - before < 10 * 1024
    released(kit.attempt())


def test_attack_z03_strangers_stalled_body_holds_no_answer_back(hasty: Kit) -> None:
    """Three bodies that never come from three nobodies: each has its 401, and two threads still serve others."""
    good = hasty.attempt()
    good.proof = good.make_proof()
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            connection = stack.enter_context(connect(hasty.base))
            connection.sendall(STRANGER + b"Content-Length: 100\r\n\r\n{")
            refused_in_form(receive(connection, "POST"), 401, "credentials_missing")
        released(good)


@pytest.mark.parametrize("form", ["length", "chunked"])
def test_attack_z03_stranger_who_drips_after_his_refusal_loses_the_connection(hasty: Kit, form: str) -> None:
    """He is never idle for long: it is the time for the whole rest of the body that ends."""
    head, drop = (b"Content-Length: 1000", b"x") if form == "length" else (b"Transfer-Encoding: chunked", chunk(b"x"))
    with connect(hasty.base) as connection:
        connection.sendall(STRANGER + head + b"\r\n\r\n" + drop)
        refused_in_form(receive(connection, "POST"), 401, "credentials_missing")
        connection.settimeout(0.1)
        assert any(_is_closed_after(connection, drop) for _ in range(100))


def _is_closed_after(connection: socket.socket, data: bytes) -> bool:
    """Whether the other end has closed when ``data`` was sent, or soon after."""
    try:
        connection.sendall(data)
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


# ---- Slow, cut short, malformed


@pytest.mark.parametrize("head", ["Content-Length: 100", "Transfer-Encoding: chunked"], ids=["length", "chunked"])
def test_attack_z03_stalled_bodies_time_out_and_free_their_threads(hasty: Kit, head: str) -> None:
    """Three callers who stall at two threads: each is told 408, then a good request is served."""
    attempts = [hasty.attempt() for _ in range(4)]
    for attempt in attempts:
        attempt.nonce = hasty.fresh_nonce()
    with contextlib.ExitStack() as stack:
        connections = []
        for attempt in attempts[:3]:
            connections.append(stack.enter_context(connect(hasty.base)))
            connections[-1].sendall(head_of(attempt, head) + b"1")
        for connection in connections:
            refused_in_form(receive(connection, "POST"), 408, "request_timeout")
        released(attempts[3])


def test_attack_z03_dripping_body_times_out(hasty: Kit) -> None:
    """A byte now and then resets no clock: the time is for the whole body."""
    with connect(hasty.base) as connection:
        connection.sendall(head_of(hasty.attempt(), "Content-Length: 1000"))
        connection.settimeout(0.2)
        answer = None
        for _ in range(50):
            connection.sendall(b" ")
            with contextlib.suppress(TimeoutError):
                if connection.recv(1, socket.MSG_PEEK):
                    connection.settimeout(10)
                    answer = receive(connection, "POST")
                    break
        assert answer is not None
        refused_in_form(answer, 408, "request_timeout")


def tdf_head(attempt: TdfAttempt, *more: str) -> bytes:
    """The head of a good rewrap by a client of OpenTDF; the body is the test's to send."""
    credentials = [f"{name}: {value}" for name, value in attempt.credentials()]
    first = [f"POST {attempt.path} HTTP/1.1", "Host: kas", f"Content-Type: {CONTENT_TYPES[attempt.route]}"]
    return ("\r\n".join([*first, *credentials, *more]) + "\r\n\r\n").encode()


@pytest.mark.parametrize("route", ROUTES)
def test_attack_z03_opentdf_stalled_bodies_time_out_and_free_their_threads(hasty: Kit, route: Route) -> None:
    """As on the first route, in the form of each: Connect has a status of its own for it."""
    attempts = [TdfAttempt.good(hasty, route) for _ in range(3)]
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(hasty.base)) for _ in attempts]
        for connection, attempt in zip(connections, attempts, strict=True):
            connection.sendall(tdf_head(attempt, "Content-Length: 100") + b"1")
        answers = [receive(connection, "POST") for connection in connections]
    expected = (408, "request_timeout") if route == "rest" else (504, "deadline_exceeded")
    assert [(answer.status, answer.json()["code"]) for answer in answers] == [expected] * 3
    assert TdfAttempt.good(hasty, route).send().status == 200


@pytest.mark.parametrize("route", ROUTES)
def test_attack_z04_opentdf_chunked_body_past_the_limit_is_refused_when_it_gets_there(kit: Kit, route: Route) -> None:
    with connect(kit.base) as connection:
        connection.sendall(tdf_head(TdfAttempt.good(kit, route), "Transfer-Encoding: chunked"))
        for _ in range(16):
            connection.sendall(chunk(b" " * 65536))
        connection.sendall(chunk(b" " * 4096))
        answer = receive(connection, "POST")
    expected = (413, "content_too_large") if route == "rest" else (429, "resource_exhausted")
    assert (answer.status, answer.json()["code"]) == expected


MALFORMED = {
    "cut short": ("Content-Length: 100", b"{}"),
    "nothing of it": ("Content-Length: 100", b""),
    "chunk without a size": ("Transfer-Encoding: chunked", b"zz\r\n{}\r\n0\r\n\r\n"),
    "negative chunk": ("Transfer-Encoding: chunked", b"-2\r\n{}\r\n0\r\n\r\n"),
    "chunk cut short": ("Transfer-Encoding: chunked", b"a\r\n{}"),
    "chunk without an end": ("Transfer-Encoding: chunked", b"2\r\n{}x\r\n0\r\n\r\n"),
    "no last chunk": ("Transfer-Encoding: chunked", b"2\r\n{}\r\n"),
    "no chunk": ("Transfer-Encoding: chunked", b""),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_kas_req_100_body_that_does_not_arrive_whole_is_400(kit: Kit, name: str) -> None:
    """The sender hangs up half way or breaks the framing: his fault, not ours."""
    head, body = MALFORMED[name]
    with connect(kit.base) as connection:
        connection.sendall(head_of(kit.attempt(), head) + body)
        connection.shutdown(socket.SHUT_WR)
        refused_in_form(receive(connection, "POST"), 400, "invalid_json")


def test_whole_json_in_a_body_that_is_cut_short_releases_nothing(kit: Kit) -> None:
    """What is missing could be anything; nobody acts on the part that came."""
    attempt = kit.attempt()
    body = json.dumps(attempt.request).encode()
    with connect(kit.base) as connection:
        connection.sendall(head_of(attempt, f"Content-Length: {len(body) + 10}") + body)
        connection.shutdown(socket.SHUT_WR)
        refused_in_form(receive(connection, "POST"), 400, "invalid_json")


def test_request_without_a_body_is_400(kit: Kit) -> None:
    """Authenticated, and nothing asked."""
    with connect(kit.base) as connection:
        connection.sendall(head_of(kit.attempt(), "Content-Length: 0"))
        refused_in_form(receive(connection, "POST"), 400, "invalid_json")


def test_sender_who_is_gone_leaves_the_service_well(kit: Kit) -> None:
    """Connections reset in the middle of a body."""
    for _ in range(5):
        with connect(kit.base) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.sendall(head_of(kit.attempt(), "Content-Length: 100") + b"{")
    released(kit.attempt())


def test_a_refused_body_leaves_the_connection_usable(kit: Kit) -> None:
    """The answer to a first request is a challenge: the client repeats it on the same connection."""
    with contextlib.closing(http.client.HTTPConnection(urlsplit(kit.base).netloc, timeout=20)) as connection:
        sockets = []
        for _ in range(3):
            connection.request("POST", "/rewrap", b"x" * 300_000, {"Content-Type": "application/json"})
            sockets.append(connection.sock)
            answer = connection.getresponse()
            assert (answer.status, json.loads(answer.read())["code"]) == (401, "credentials_missing")
        assert sockets[0] is not None
        assert sockets == [sockets[0]] * 3
