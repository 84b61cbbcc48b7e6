"""The Firestore emulator that comes with gcloud, as a child process on loopback: for tests and measurements.

`NO_EMULATOR` says what is missing where it is not there. `owner_tokens` is a metadata server that gives the token which it
takes for that of an account that may do everything.
"""

from __future__ import annotations

import contextlib
import functools
import http.server
import random
import secrets
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kas.google.credentials import Token, TokenSource
from kas.google.rest import RestClient
from kas.state.firestore import FirestoreStore
from kas.state.firestore_documents import Documents
from local.ending import undisturbed
from local.firestore_jar import ask_first, command, installed
from local.ports import HOST, free_port, wait_for_port
from local.processes import plain_environment

PROJECT: Final = "kas-test"
NO_EMULATOR: Final = None if installed() else "the Firestore emulator of gcloud is not installed"
_PATIENCE_SECONDS: Final = 30.0  # this machine's other work is no failure


@dataclass
class Emulator:
    """A running Firestore emulator."""

    base: str
    process: subprocess.Popen[bytes]

    @functools.cached_property
    def client(self) -> RestClient:
        tokens = TokenSource(lambda _seconds: Token("owner", 3600.0), time.monotonic)
        return RestClient(self.base, tokens, time.monotonic)

    def documents(self, timeout_seconds: float = _PATIENCE_SECONDS) -> Documents:
        return Documents(self.client, f"projects/{PROJECT}/databases/(default)", timeout_seconds=timeout_seconds)

    def store(
        self,
        ttl_seconds: float = 80.0,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
        name: str | None = None,
    ) -> FirestoreStore:
        """One that nobody else writes to."""
        return FirestoreStore(
            self.documents(),
            name=name or secrets.token_hex(4),
            ttl_seconds=ttl_seconds,
            clock=clock,
            timer=timer,
            timeout_seconds=_PATIENCE_SECONDS,
            sleep=time.sleep,
            random=random.random,
        )


@contextlib.contextmanager
def emulator(folder: Path) -> Iterator[Emulator]:
    """Ended with the block; it keeps everything in memory. Raises RuntimeError where it is not installed."""
    jar, port = installed(), free_port()
    if jar is None:
        raise RuntimeError(NO_EMULATOR)
    with contextlib.ExitStack() as ending:
        log = ending.enter_context((folder / "emulator.log").open("ab"))
        with undisturbed():
            process = subprocess.Popen(
                command(jar, port),
                stdout=log,
                stderr=log,
                cwd=folder,
                env=plain_environment(),
                process_group=0,
            )
            ending.callback(_end, process)
        wait_for_port(process, port)
        running = Emulator(f"http://{HOST}:{port}", process)
        ending.callback(running.client.close)
        ask_first(port)
        yield running


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


@contextlib.contextmanager
def owner_tokens() -> Iterator[str]:
    """A metadata server whose token the emulator takes for the owner's; yields its host and port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"access_token": "owner", "expires_in": 3600, "token_type": "Bearer"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing to tell."""

    with http.server.ThreadingHTTPServer((HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
