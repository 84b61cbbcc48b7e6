"""Where the token of gcloud goes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deploy.google_api import CallFailed, call


class Redirecting(ThreadingHTTPServer):
    """Sends everybody from / to /elsewhere, and remembers who came where."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str | None]] = []
        self.status = 302


class _Handler(BaseHTTPRequestHandler):
    server: Redirecting

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers.get("Authorization")))
        body = b"{}"
        self.send_response(200 if self.path == "/elsewhere" else self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def redirecting(monkeypatch) -> Iterator[Redirecting]:
    with Redirecting() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        monkeypatch.setenv("CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE", f"http://127.0.0.1:{server.server_address[1]}/")
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_follows_no_redirect(redirecting, status):
    redirecting.status = status
    with pytest.raises(CallFailed) as failure:
        call("compute", "first", "canary")
    assert failure.value.status == status
    assert redirecting.seen == [("/first", "Bearer canary")]
