"""What `scale` measures: instances of one service, each as `speed` has it, on a store that they share or each in its own memory.

Redis is a server of its own over TLS with a password, Firestore the emulator that comes with gcloud behind TLS.
"""

from __future__ import annotations

import contextlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from bench.fronts import fronts
from bench.host import BenchFailed, Connection, Function, cpu_seconds, running
from bench.speed_stand import Server, Stand
from kas.state.shared import LimitWindow
from local.client import Answer
from local.ending import undisturbed
from local.firestore_emulator import NO_EMULATOR, PROJECT, Emulator, emulator, owner_tokens
from local.ports import free_port
from local.redis_server import Redis, running_redis
from tests.interop.tls_front import make_certificates

MEMORY: Final = "memory"
REDIS: Final = "redis"
FIRESTORE: Final = "firestore"
# The most that Firestore counts one by one: what one request costs does not depend on how many there are of a caller.
CALLER_LIMIT: Final = 199
_PATIENCE_MILLISECONDS: Final = "5000"  # a dozen instances on two cores are no failure of a store
_SECRET_BYTES: Final = 32
_WARMING: Final = 300  # calls of each kind


@dataclass(frozen=True, slots=True)
class Backend:
    """Where instances remember; ``settings`` choose it. ``pid`` is the process group of its server, None in memory.

    ``upstream`` is where Firestore answers, behind what ends TLS.
    """

    name: str
    settings: Mapping[str, str]
    pid: int | None = None
    redis: Redis | None = None
    upstream: str = ""

    @property
    def is_shared(self) -> bool:
        return self.name != MEMORY

    def cpu_seconds(self) -> float:
        """Of its server so far."""
        return 0.0 if self.pid is None else cpu_seconds(self.pid)


def available(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Which of them can be run here, and why the others cannot."""
    missing = {FIRESTORE: NO_EMULATOR} if NO_EMULATOR and FIRESTORE in names else {}
    return [name for name in names if name not in missing], missing


@contextlib.contextmanager
def backend(stand: Stand, name: str) -> Iterator[Backend]:
    """With its server, empty, until the end."""
    if name == MEMORY:
        yield Backend(name, {"KAS_STATE_BACKEND": name})
        return
    folder = stand.folder / f"{name}-{secrets.token_hex(4)}"
    folder.mkdir()
    make = _redis if name == REDIS else _firestore
    own = {
        "KAS_STATE_BACKEND": name,
        "KAS_STATE_TIMEOUT_MILLISECONDS": _PATIENCE_MILLISECONDS,
        "KAS_NONCE_SECRET": _secret(),
        "KAS_STATE_KEY": _secret(),
    }
    with make(stand, folder) as made:
        yield replace(made, settings={**own, **made.settings})


def _secret() -> str:
    return secrets.token_urlsafe(_SECRET_BYTES)


@contextlib.contextmanager
def _redis(_stand: Stand, folder: Path) -> Iterator[Backend]:
    authority, certificate = make_certificates(folder)
    with running_redis(folder, authority, certificate) as server:
        settings = {"KAS_REDIS_URL": server.url, "KAS_REDIS_CA_PATH": str(authority)}
        yield Backend(REDIS, settings, server.process.pid, server)


@contextlib.contextmanager
def _firestore(stand: Stand, folder: Path) -> Iterator[Backend]:
    """The emulator takes no other token than the one that a metadata server of its own gives."""
    with emulator(folder) as server, owner_tokens() as metadata:
        _warm(server)
        upstream = server.base.removeprefix("http://")
        with fronts(stand.deployment.certificate, upstream, 1) as (endpoint,):
            settings = {
                "KAS_GCP_PROJECT": PROJECT,
                "KAS_FIRESTORE_ENDPOINT": endpoint,
                "GCE_METADATA_HOST": metadata,
                "GCE_METADATA_IP": metadata,
            }
            yield Backend(FIRESTORE, settings, server.process.pid, upstream=upstream)


def _warm(server: Emulator) -> None:
    """The first calls of a program in Java take as long as no call of Firestore does."""
    store = server.store()
    for number in range(_WARMING):
        store.take(LimitWindow("warm", CALLER_LIMIT, 1.0, CALLER_LIMIT), bytes([number % 256]))
        store.find([bytes([number % 256])])


@contextlib.contextmanager
def instances(stand: Stand, store: Backend, number: int, **changes: str) -> Iterator[list[Server]]:
    """So many, ready; ``changes`` are settings of all."""
    limit = {"KAS_RATE_REWRAP_PER_MINUTE": str(CALLER_LIMIT)}
    environment = {**stand.deployment.kas.environment, **limit, **store.settings, **changes}
    function = replace(stand.deployment.kas, environment=environment)
    with contextlib.ExitStack() as started:
        servers = [_start(started, stand, function) for _ in range(number)]
        for server in servers:
            _wait_until_ready(server)
        yield servers


def _start(started: contextlib.ExitStack, stand: Stand, function: Function) -> Server:
    log, port = stand.folder / f"log-{secrets.token_hex(4)}", free_port()
    output = started.enter_context(log.open("ab"))
    errors = started.enter_context(_errors(log).open("ab"))
    with undisturbed():
        process = started.enter_context(running(function, port, output, errors))
    return Server(port, process.pid, log, stand.load)


def _errors(log: Path) -> Path:
    return log.with_name(f"{log.name}-errors")


def _wait_until_ready(server: Server) -> None:
    with contextlib.closing(Connection(server.port)) as connection:
        answer = connection("GET", "/health/ready")
    if answer.status != HTTPStatus.OK:
        raise BenchFailed(f"an instance is not ready: {answer.status} {answer.body!r}")


def troubles(servers: Sequence[Server]) -> list[str]:
    """What instances told their operator about the store, besides that it is there."""
    lines = [line for one in servers for line in _errors(one.log).read_text("utf-8").splitlines()]
    events = [json.loads(line) for line in lines if line.startswith("{")]
    return [f"{one['event']} ({one.get('use')}): {one.get('status')}" for one in events if _is_trouble(one)]


def _is_trouble(event: Mapping[str, Any]) -> bool:
    return str(event.get("event")).startswith("state_") and event["event"] != "state_available"


def is_refusal(answer: Answer, status: HTTPStatus, code: str) -> bool:
    """Whether it is that one."""
    return answer.status == status and answer.json().get("code") == code
