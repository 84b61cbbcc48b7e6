"""The client's connections."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from local.client import Http


class Counting(ThreadingHTTPServer):
    """Keeps connections open and counts them."""

    accepted = 0

    def process_request(self, request, client_address):
        self.accepted += 1
        super().process_request(request, client_address)


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
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


@pytest.mark.parametrize(("idle_seconds", "connections"), [(60.0, 1), (0.0, 2)])
def test_a_connection_that_the_host_may_be_closing_is_not_used(server, idle_seconds, connections):
    """Whoever asks again soon has the same one."""
    with contextlib.closing(Http(idle_seconds=idle_seconds)) as http:
        for _ in range(2):
            assert http("GET", f"http://127.0.0.1:{server.server_port}/").status == 204
    assert server.accepted == connections
