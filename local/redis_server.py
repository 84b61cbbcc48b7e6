"""A real redis-server on loopback, over TLS with a password, as a deployment's: for tests and measurements.

It is a child process in a group of its own, writes into a folder that is given, and ends with the block.
"""

from __future__ import annotations

import contextlib
import functools
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from kas.net.connection import Origin
from kas.state.redis import RedisStore
from kas.state.resp import RespClient
from kas.tls import context_of
from local.ending import undisturbed
from local.ports import HOST, free_port, wait_for_port

PATIENCE_SECONDS: Final = 30.0  # this machine's other work is no failure


@dataclass
class Redis:
    """A running server. ``authority`` vouches for ``certificate``, which has its key in it; ``folder`` has what it saves."""

    folder: Path
    authority: Path
    certificate: Path
    port: int
    password: str
    process: subprocess.Popen[bytes]
    clients: list[RespClient] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"rediss://:{self.password}@{HOST}:{self.port}/0"

    def client(
        self,
        timeout_seconds: float = PATIENCE_SECONDS,
        password: str | None = None,
        authority: Path | None = None,
    ) -> RespClient:
        """Closed when the server ends."""
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

    def store(self, capacity: int = 800, ttl_seconds: float = 80.0, **options: Any) -> RedisStore:
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
        """Again, with nothing in its memory but what it has saved."""
        self.process = _process(self.folder)
        wait_for_port(self.process, self.port)


@contextlib.contextmanager
def running_redis(folder: Path, authority: Path, certificate: Path, *options: str) -> Iterator[Redis]:
    """Ended with the block, whatever state it is in; ``options`` as on its command line."""
    port, password = free_port(), secrets.token_hex(16)
    settings = (
        f"bind {HOST}\nport 0\ntls-port {port}\nrequirepass {password}\n"
        f"tls-cert-file {certificate}\ntls-key-file {certificate}\ntls-auth-clients no\n"
        f'maxmemory-policy noeviction\nsave ""\nrdbcompression no\ndir {folder}\n'
    )
    (folder / "redis.conf").write_text(settings, "ascii")
    with contextlib.ExitStack() as running:
        with undisturbed():
            process = _process(folder, *options)
            server = Redis(folder, authority, certificate, port, password, process)
            running.callback(_end, server)
        wait_for_port(process, port)
        yield server


def _process(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    program = shutil.which("redis-server")
    if program is None:
        raise RuntimeError("redis-server is not there: run tests/state/setup.sh")
    with (folder / "redis.log").open("ab") as log:
        return subprocess.Popen(
            [program, str(folder / "redis.conf"), *options], stdout=log, stderr=log, process_group=0
        )


def _end(server: Redis) -> None:
    for client in server.clients:
        client.close()
    server.kill()
