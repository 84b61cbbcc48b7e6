"""Programs that are asked for a decision and do not behave: real HTTP, every answer a test's own."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.fake_issuer import send

Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class FakeAgent:
    """``asked`` has what came: path, headers and the document."""

    url: str = ""
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)


@contextlib.contextmanager
def answering(reply: Reply) -> Iterator[FakeAgent]:
    """A program on loopback that gives every POST to ``reply``."""
    agent = FakeAgent()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            agent.asked.append((self.path, dict(self.headers), json.loads(body)))
            with contextlib.suppress(ConnectionError):  # whoever asked may be gone
                reply(self)

        def log_message(self, *arguments: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        agent.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield agent
        finally:
            server.shutdown()
            thread.join()


def result(**members: Any) -> Reply:
    """A sound answer with this ``result``."""
    body = json.dumps({"result": members}).encode()
    return lambda handler: send(handler, 200, body, Content_Type="application/json")
