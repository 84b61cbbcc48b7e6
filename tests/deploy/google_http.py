"""What deploy.sh asks of Google without gcloud: SSL policies of the load balancer, and figures of Cloud Monitoring."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, dict[str, Any]]


class Google:
    """``series`` are figures by a part of the filter that asks for them; ``seen`` is who asked with which token."""

    def __init__(self) -> None:
        self.policies: dict[str, dict[str, Any]] = {}
        self.series: dict[str, list[dict[str, Any]]] = {}
        self.seen: list[tuple[str, str]] = []
        self.refusal: Answer | None = None
        self.base = ""

    @property
    def settings(self) -> dict[str, str]:
        """Gcloud's own variables that say where its interfaces are."""
        names = ("COMPUTE", "MONITORING")
        return {f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}": f"{self.base}/{name.lower()}/" for name in names}

    def answer(self, method: str, url: str, body: dict[str, Any]) -> Answer:
        if self.refusal is not None:
            return self.refusal
        parts = urlsplit(url)
        if parts.path.endswith("/timeSeries"):
            (filter_,) = parse_qs(parts.query)["filter"]
            points = next((values for part, values in self.series.items() if part in filter_), [])
            return 200, {"timeSeries": [{"points": [{"value": value} for value in points]}]} if points else {}
        assert "/compute/projects/my-project/global/" in parts.path, url
        name = parts.path.rpartition("/")[2]
        if "/operations/" in parts.path:
            return 200, {"name": name, "status": "DONE"}
        if method == "GET":
            return (200, self.policies[name]) if name in self.policies else (404, {"error": {"status": "NOT_FOUND"}})
        if method == "PATCH" and body.pop("fingerprint") != "f1":
            return 412, {"error": {"status": "CONDITION_NOT_MET"}}
        self.policies[body.get("name", name)] = {**body, "name": body.get("name", name), "fingerprint": "f1"}
        return 200, {"name": "operation-1", "status": "RUNNING"}


@contextlib.contextmanager
def google_http() -> Iterator[Google]:
    google = Google()

    class Handler(BaseHTTPRequestHandler):
        def respond(self) -> None:
            google.seen.append((self.command, self.headers["Authorization"]))
            length = int(self.headers.get("Content-Length") or 0)
            status, answer = google.answer(self.command, self.path, json.loads(self.rfile.read(length) or "{}"))
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = respond  # noqa: N815 - the names are the base class's

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        google.base = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield google
        finally:
            server.shutdown()
            thread.join()
