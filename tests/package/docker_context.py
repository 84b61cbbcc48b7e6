"""What the real docker client sends of a folder: its legacy builder hands over the whole context, here to a daemon that
builds nothing.
"""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# The client sends them whatever .dockerignore says; the daemon takes them out again.
ALWAYS = {".dockerignore", "deploy/Dockerfile"}


def sent(docker: str, folder: Path, home: Path) -> list[str]:
    """The files that the client sends for `docker build --file deploy/Dockerfile`, but for `ALWAYS`, sorted."""
    received = io.BytesIO()
    with ThreadingHTTPServer(("127.0.0.1", 0), _daemon(received)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            env = {"PATH": os.environ["PATH"], "HOME": str(home), "DOCKER_BUILDKIT": "0"}
            address = f"tcp://127.0.0.1:{server.server_port}"
            command = [docker, "--host", address, "build", "--file", "deploy/Dockerfile", "."]
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=60)
        finally:
            server.shutdown()
            thread.join()
    assert done.returncode == 0, done.stderr
    received.seek(0)
    with tarfile.open(fileobj=received) as archive:
        return sorted({member.name for member in archive if not member.isdir()} - ALWAYS)


def _daemon(received: io.BytesIO) -> type[BaseHTTPRequestHandler]:
    class Daemon(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            while size := int(self.rfile.readline(), 16):
                received.write(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            self._answer()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

        def _answer(self) -> None:
            self.send_response(200)
            for name, value in {"Api-Version": "1.45", "Ostype": "linux", "Builder-Version": "1"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Daemon
