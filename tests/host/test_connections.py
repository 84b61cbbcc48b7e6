"""Connections after an answer: which go on, which end, and that nobody waits for those that end."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from kas.web.connection import DROP_IDLE_SECONDS, DROP_SECONDS
from local.client import Answer, Http
from tests.attacks.proof_requests import released
from tests.host.functions import connect, exchange, head_of, receive, refused_in_form
from tests.kit import Kit, running_kit

THREADS = 5
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: kas\r\n\r\n"
LENGTH = f"Content-Length: {len(SMUGGLED)}"
JSON = "Host: kas\r\nContent-Type: application/json"
# A request whose body is refused, and its answer. Of a caller's, what the time for a body ends.
REFUSED = {
    "by the host": ("POST /robots.txt", 404, "not_found"),
    "without a route": ("POST /nowhere", 404, "not_found"),
    "without the method": ("PUT /rewrap", 405, "method_not_allowed"),
    "without credentials": ("POST /rewrap", 401, "credentials_missing"),
    "of a caller": (None, 408, "request_timeout"),
}
IGNORED_CLOSE = {
    "HTTP/1.0": b"GET /health HTTP/1.0\r\n\r\n",
    "asked for": b"GET /health HTTP/1.1\r\nHost: kas\r\nConnection: close\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\r\n\r\n",
    "refused by the host": b"GET /health HTTP/1.1\r\nHost: kas\r\nExpect: much\r\n\r\n",
    "left body": b"POST /robots.txt HTTP/1.1\r\nHost: kas\r\nContent-Length: 9\r\n\r\n",
}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """A KAS of a few threads that gives a body one second."""
    folder = tmp_path_factory.mktemp("small")
    with running_kit(folder, KAS_BODY_TIMEOUT_SECONDS="1", THREADS=str(THREADS)) as kit:
        yield kit


def is_well(kit: Kit) -> None:
    """Health answers on a new connection; who waits for a thread that is held fails."""
    with contextlib.closing(Http(timeout_seconds=10)) as http:
        assert http("GET", f"{kit.base}/health").status == 200


def has_ended(connection: socket.socket) -> bool:
    """Whether there is nothing more to read, instead of a second answer."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def head(kit: Kit, line: str | None) -> bytes:
    """Of a request that announces the smuggled one as its body."""
    return head_of(kit.attempt(), LENGTH) if line is None else f"{line} HTTP/1.1\r\n{JSON}\r\n{LENGTH}\r\n\r\n".encode()


@contextlib.contextmanager
def busy(kit: Kit) -> Iterator[None]:
    """Silent connections, each of which holds a thread for a while and delays what the next ones bring."""
    with contextlib.ExitStack() as stack:
        for _ in range(4 * THREADS):
            stack.enter_context(connect(kit.base))
        yield


def answer_and_late_body(kit: Kit, text: bytes, *, is_busy: bool) -> Answer:
    """Sends the head; when it is answered, the body, and asserts that it is not read as a request."""
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(connect(kit.base))
        connection.sendall(text[:-2])  # its thread is held now
        if is_busy:
            stack.enter_context(busy(kit))
        connection.sendall(text[-2:])
        answer = receive(connection, "POST")
        time.sleep(2 * DROP_IDLE_SECONDS)
        with contextlib.suppress(ConnectionError):
            connection.sendall(SMUGGLED)
        assert has_ended(connection)
    assert "/smuggled" not in kit.log.read_text("utf-8")
    return answer


@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
@pytest.mark.parametrize("name", REFUSED)
def test_attack_z03_late_body_is_not_read_as_a_request(small: Kit, name: str, *, is_busy: bool) -> None:
    """What comes of a body after it was given up could be another's request, behind a proxy."""
    line, status, code = REFUSED[name]
    refused_in_form(answer_and_late_body(small, head(small, line), is_busy=is_busy), status, code)


def test_attack_z03_body_that_drips_on_is_not_read_as_requests(small: Kit) -> None:
    """It is never idle for long: the time for the whole of it ends, between two of its pieces."""
    with connect(small.base) as connection:
        connection.sendall(f"POST /rewrap HTTP/1.1\r\n{JSON}\r\nContent-Length: 9999\r\n\r\n".encode())
        refused_in_form(receive(connection, "POST"), 401, "credentials_missing")
        with busy(small), contextlib.suppress(ConnectionError):
            for _ in range(30):
                connection.sendall(SMUGGLED)
                time.sleep(DROP_SECONDS / 20)
        assert has_ended(connection)
    assert "/smuggled" not in small.log.read_text("utf-8")


def test_attack_z03_late_body_of_a_limited_network_is_not_read_as_a_request(tmp_path_factory) -> None:
    """The answer says that the connection ends; without a body it goes on."""
    with running_kit(tmp_path_factory.mktemp("limited"), KAS_RATE_NETWORK_PER_MINUTE="5", THREADS=str(THREADS)) as kit:
        while kit.http("GET", f"{kit.base}/nowhere").status != 429:
            pass
        answer = answer_and_late_body(kit, head(kit, "POST /rewrap"), is_busy=True)
        refused_in_form(answer, 429, "network_limit")
        assert answer.headers["Connection"] == "close"
        with connect(kit.base) as connection:
            for _ in range(2):
                connection.sendall(b"GET /nowhere HTTP/1.1\r\nHost: kas\r\n\r\n")
                answer = receive(connection)
                assert (answer.status, answer.headers["Connection"]) == (429, "keep-alive")


def drip(connections: list[socket.socket], until: threading.Event) -> None:
    while not until.wait(0.05):
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.send(b"x")


def test_attack_z03_strangers_who_drip_after_their_refusals_leave_threads_to_others(small: Kit) -> None:
    """Only a few of them are waited for: twenty times as many as there are threads."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(connect(small.base)) for _ in range(20 * THREADS)]
        for connection in connections:
            connection.sendall(f"POST /rewrap HTTP/1.1\r\n{JSON}\r\nContent-Length: 9999\r\n\r\n".encode())
            connection.setblocking(False)
        over = threading.Event()
        dripping = threading.Thread(target=drip, args=(connections, over))
        dripping.start()
        try:
            is_well(small)
        finally:
            over.set()
            dripping.join()
    released(small.attempt())


def test_the_connection_of_a_challenged_client_goes_on(small: Kit) -> None:
    """His body came with the request: the next one on the connection is read as one."""
    body = b"{}" + b" " * 20_000
    with connect(small.base) as connection:
        for _ in range(5):
            connection.sendall(
                f"POST /rewrap HTTP/1.1\r\n{JSON}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
            )
            answer = receive(connection, "POST")
            refused_in_form(answer, 401, "credentials_missing")
            assert answer.headers["Connection"] == "keep-alive"


@pytest.mark.parametrize("name", IGNORED_CLOSE)
def test_attack_z03_whoever_does_not_close_holds_nobody_up(small: Kit, name: str) -> None:
    """The host waits for the other end on the one thread that takes all connections."""
    with contextlib.ExitStack() as stack:
        for _ in range(15):
            stack.enter_context(connect(small.base)).sendall(IGNORED_CLOSE[name])
        is_well(small)


def test_request_line_is_bounded(small: Kit) -> None:
    """It would be read without end, and take the square of its length in time."""
    longest = 8190 - len("GET  HTTP/1.1")
    text = "GET /{} HTTP/1.1\r\nHost: kas\r\n\r\n"
    refused_in_form(exchange(small.base, text.format("a" * (longest - 1))), 404, "not_found")
    assert exchange(small.base, text.format("a" * longest)).status == 414
    assert exchange(small.base, "GET /" + "a" * 8200).status == 414  # it does not wait for the end of it


@pytest.mark.parametrize(
    "header",
    [
        "SCRIPT_NAME: /x",
        "PATH_INFO: /health",
        "SCRIPT-NAME: /x",
        "Script_Name: /x",
        "X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off",
    ],
)
def test_nobody_tells_the_host_where_a_request_goes(small: Kit, header: str) -> None:
    """By default it believes that of this machine, where a proxy beside the service would be, and refuses contradictions."""
    answer = exchange(small.base, f"GET /x/health HTTP/1.1\r\nHost: kas\r\n{header}\r\n\r\n")
    refused_in_form(answer, 404, "not_found")
