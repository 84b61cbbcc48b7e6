"""What the real docker client asks of a daemon: here one that does nothing. Its legacy builder hands over the whole context."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

# The client sends them whatever .dockerignore says; the daemon takes them out again.
ALWAYS = {".dockerignore", "deploy/Dockerfile"}

Asked = list[tuple[str, bytes]]


def sent(docker: str, folder: Path, home: Path) -> list[str]:
    """The files that the client sends for `docker build --file deploy/Dockerfile`, but for `ALWAYS`, sorted."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "DOCKER_BUILDKIT": "0"}
    with daemon() as (address, asked):
        command = [docker, "--host", address, "build", "--file", "deploy/Dockerfile", "."]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (received,) = [body for path, body in asked if urlsplit(path).path.endswith("/build")]
    with tarfile.open(fileobj=io.BytesIO(received)) as archive:
        return sorted({member.name for member in archive if not member.isdir()} - ALWAYS)


@contextlib.contextmanager
def daemon() -> Iterator[tuple[str, Asked]]:
    """Its address, and what was posted to it: path and body."""
    asked: Asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(asked)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def _handler(asked: Asked) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(b"")

        def do_GET(self) -> None:
            self._answer(b"{}")

        def do_POST(self) -> None:
            asked.append((self.path, self._body()))
            self._answer(json.dumps({"Id": "0" * 64}).encode() if "/containers/create" in self.path else b"")

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

        def _body(self) -> bytes:
            if "Content-Length" in self.headers:
                return self.rfile.read(int(self.headers["Content-Length"]))
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _answer(self, body: bytes) -> None:
            self.send_response(201 if "/containers/create" in self.path else 204 if "/start" in self.path else 200)
            for name, value in {"Api-Version": "1.45", "Ostype": "linux", "Builder-Version": "1"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body if self.command != "HEAD" else b"")

    return Handler
