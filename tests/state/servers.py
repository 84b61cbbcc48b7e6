"""The stores that the tests share: a real redis-server over TLS with a password, and the Firestore emulator of gcloud."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kas.google.credentials import Token, TokenSource
from kas.google.rest import RestClient
from kas.net.connection import Origin
from kas.state.firestore import FirestoreStore
from kas.state.firestore_documents import Documents
from kas.state.redis import RedisStore
from kas.state.resp import RespClient
from kas.tls import context_of
from local.ports import free_port
from tests.interop.tls_front import make_certificates

HOST = "127.0.0.1"
EMULATOR = Path("/usr/lib/google-cloud-sdk/platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
NO_EMULATOR = (
    None if EMULATOR.is_file() and shutil.which("java") else "the Firestore emulator of gcloud is not installed"
)
_START_SECONDS = 60.0
_PATIENCE_SECONDS = 30.0  # this machine's other work is no failure
PROJECT = "kas-test"


@dataclass
class Redis:
    """A running server; ``folder`` has its certificates and what it saves."""

    folder: Path
    port: int
    password: str
    process: subprocess.Popen[bytes]
    clients: list[RespClient] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"rediss://:{self.password}@{HOST}:{self.port}/0"

    @property
    def authority(self) -> Path:
        return self.folder / "authority.pem"

    def client(
        self, timeout_seconds: float = _PATIENCE_SECONDS, password: str | None = None, authority: Path | None = None
    ):
        client = RespClient(
            Origin(is_tls=True, host=HOST, port=self.port, authority=HOST),
            time.monotonic,
            tls=lambda: context_of(authority or self.authority),
            sign_in=[self.password if password is None else password],
            database=0,
            timeout_seconds=timeout_seconds,
        )
        self.clients.append(client)
        return client

    @functools.cached_property
    def shared_client(self) -> RespClient:
        return self.client()

    def store(self, capacity=800, ttl_seconds=80.0, **options):
        """One that nobody else writes to."""
        name = options.pop("name", secrets.token_hex(4))
        return RedisStore(
            options.pop("client", self.shared_client), name=name, capacity=capacity, ttl_seconds=ttl_seconds, **options
        )

    def set_memory(self, limit: str) -> None:
        """In bytes; 0 is no limit, 1 is full."""
        self.shared_client.call("CONFIG", "SET", "maxmemory", limit)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        self.process = _started(self.folder, self.port, self.password)


@contextlib.contextmanager
def redis(folder: Path, *options: str) -> Iterator[Redis]:
    """Ended with the block, whatever state it is in; ``options`` as on its command line."""
    make_certificates(folder)
    port, password = free_port(), secrets.token_hex(16)
    server = Redis(folder, port, password, _started(folder, port, password, *options))
    try:
        yield server
    finally:
        for client in server.clients:
            client.close()
        server.kill()


def _started(folder: Path, port: int, password: str, *options: str) -> subprocess.Popen[bytes]:
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("redis-server is not there: run tests/state/setup.sh")
    settings = (
        f"bind {HOST}\nport 0\ntls-port {port}\nrequirepass {password}\n"
        f"tls-cert-file {folder}/server.pem\ntls-key-file {folder}/server.pem\ntls-auth-clients no\n"
        f'maxmemory-policy noeviction\nsave ""\nrdbcompression no\ndir {folder}\n'
    )
    (folder / "redis.conf").write_text(settings, "ascii")
    with (folder / "redis.log").open("ab") as log:
        process = subprocess.Popen([program, str(folder / "redis.conf"), *options], stdout=log, stderr=log)
    wait_for_port(process, port)
    return process


def wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    """Until the process listens there."""
    end = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{process.args} does not start")
        time.sleep(0.05)


@dataclass
class Emulator:
    """A running Firestore emulator."""

    base: str

    @functools.cached_property
    def client(self) -> RestClient:
        tokens = TokenSource(lambda _seconds: Token("owner", 3600.0), time.monotonic)
        return RestClient(self.base, tokens, time.monotonic)

    def documents(self, timeout_seconds: float = _PATIENCE_SECONDS) -> Documents:
        return Documents(self.client, f"projects/{PROJECT}/databases/(default)", timeout_seconds=timeout_seconds)

    def store(self, ttl_seconds=80.0, clock=time.time, timer=time.monotonic, name=None):
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
    port = free_port()
    program = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
    command = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-Duser.language=en", "-cp", str(EMULATOR), program]
    with (folder / "emulator.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, f"--host={HOST}", f"--port={port}"], stdout=log, stderr=log, cwd=folder, env=_plain_environment()
        )
    try:
        wait_for_port(process, port)
        running = Emulator(f"http://{HOST}:{port}")
        running.documents(_START_SECONDS).delete(["kas-test/none"])  # the first call takes as long as the start
        yield running
        running.client.close()
    finally:
        process.kill()
        process.wait()


def _plain_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "LANG", "JAVA_HOME"}}


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
