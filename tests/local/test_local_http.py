"""The client's connections."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from local.client import Answer, Http
from local.client.http import IDLE_SECONDS


class Counting(ThreadingHTTPServer):
    """Keeps connections open and counts them."""

    accepted = 0
    meeting = threading.Barrier(1)

    def process_request(self, request, client_address):
        self.accepted += 1
        super().process_request(request, client_address)


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/met":
            self.server.meeting.wait(10)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def server() -> Iterator[Counting]:
    with Counting(("127.0.0.1", 0), Answering) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


def ask_together(http: Http, server: Counting) -> None:
    """Two requests that meet at the server, so that each has a connection of its own."""
    server.meeting = threading.Barrier(2)
    with ThreadPoolExecutor(2) as pool:
        assert [answer.status for answer in pool.map(lambda _: ask(http, server, "/met"), range(2))] == [204, 204]


def ask(http: Http, server: Counting, path: str = "/") -> Answer:
    return http("GET", f"http://127.0.0.1:{server.server_port}{path}")


def test_a_connection_is_used_again_by_whoever_asks_soon(server):
    with contextlib.closing(Http()) as http:
        ask_together(http, server)
        ask_together(http, server)
    assert server.accepted == 2


def test_a_connection_that_the_host_may_be_closing_is_not_used(server):
    """However busy the others of its pool were meanwhile."""
    with contextlib.closing(Http()) as http:
        ask_together(http, server)
        until = time.monotonic() + IDLE_SECONDS + 0.1
        while time.monotonic() < until:
            ask(http, server)
            time.sleep(IDLE_SECONDS / 10)
        assert server.accepted == 2
        ask_together(http, server)
    assert server.accepted == 3
