"""KAS and identity provider as real processes on the real host, for `make run`, the demonstration and the tests.

Each runs in a process group of its own, so that Ctrl-C reaches them only through whoever started them, and stopping
reaches the workers too. Nothing is left behind: a service that does not stop in time is killed with its group.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from local.client import Http, TransportFailed
from local.ending import undisturbed
from local.ports import HOST, free_port

ROOT: Final = Path(__file__).resolve().parent.parent
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.05
_PLAIN: Final = frozenset({"PATH", "HOME", "LANG", "JAVA_HOME"})
_REFUSED: Final = "taken, or not allowed (make run takes PORT, IDP_PORT, GOOGLE_PORT and GOOGLE_RPC_PORT)"


class StartFailed(Exception):
    """A service did not come up; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running service; ``ready_url`` is one that it answers as soon as it is up."""

    name: str
    base: str
    ready_url: str
    process: subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class World:
    """A KAS and the provider that it trusts."""

    kas: Service
    provider: Service


def start_kas(
    port: int, issuers_path: Path, keys_dir: Path, env: Mapping[str, str], log: IO[Any] | None, name: str = "KAS"
) -> Service:
    """Starts the KAS in local mode; the ``KAS_…`` settings of ``env`` win over the ones given here.

    Its audit lines go to ``log``, or to our own standard output.
    """
    settings = {
        "KAS_MODE": "local",
        "KAS_ISSUERS_PATH": str(issuers_path),
        "KAS_KEYS_DIR": str(keys_dir),
        "THREADS": "32",  # requests wait on the network, and a stalled one holds a thread for its time-out
    }
    return _start(name, port, "main.py", "kas", "/health", {**settings, **env}, log)


def start_provider(
    port: int, keys_dir: Path, env: Mapping[str, str], log: IO[Any] | None, name: str = "identity provider"
) -> Service:
    """Starts the development identity provider, whose key is kept in ``keys_dir``."""
    environment = {**env, "IDP_KEYS_DIR": str(keys_dir)}
    return _start(name, port, "local/provider/main.py", "provider", "/jwks.json", environment, log)


def write_issuers(path: Path, idp_port: int) -> Path:
    """Writes the KAS's list of issuers: the provider on ``idp_port`` alone."""
    return write_private_json(path, {"issuers": [issuer_entry(idp_port, ("USA", "FRA", "GBR", "ROU"))]})


def issuer_entry(idp_port: int, countries: Sequence[str]) -> dict[str, Any]:
    """The provider on ``idp_port``, as one that may speak for these countries."""
    issuer = f"http://{HOST}:{idp_port}"
    return {
        "issuer": issuer,
        "jwksUrl": f"{issuer}/jwks.json",
        "tokenEndpoint": f"{issuer}/token",
        "authorizationEndpoint": f"{issuer}/authorize",
        "audience": "kas",
        "acceptedTypes": ["at+jwt"],
        "claims": {},
        "acrLevels": {"aal1": 1, "aal2": 2, "aal3": 3},
        "countries": list(countries),
    }


def write_private_json(path: Path, value: object) -> Path:
    """In a folder that, where it is new, is ours alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2), "utf-8")
    return path


def _start(
    name: str, port: int, source: str, target: str, ready_path: str, env: Mapping[str, str], log: IO[Any] | None
) -> Service:
    _refuse_taken(name, port)
    command = [sys.executable, "-m", "functions_framework", "--source", source, "--target", target]
    environment = {**env, "HOST": HOST, "PORT": str(port)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, process_group=0)
    base = f"http://{HOST}:{port}"
    return Service(name, base, base + ready_path, process)


def _refuse_taken(name: str, port: int) -> None:
    # Else the host would try for seconds, while whoever holds the port answers in the service's place.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise StartFailed(f"the {name} cannot listen on {HOST}:{port}: {_REFUSED}") from error


def wait_until_answers(service: Service, is_cancelled: Callable[[], bool] = lambda: False) -> None:
    """Returns when the service answers, or when ``is_cancelled``. Raises StartFailed when it ends or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while not is_cancelled():
        # Closed at once: a connection that is kept open would be waited for when the service stops.
        with contextlib.suppress(TransportFailed), contextlib.closing(Http(timeout_seconds=2)) as http:
            http("GET", service.ready_url)
            return
        if service.process.poll() is not None:
            raise StartFailed(f"the {service.name} ended while starting; its own words are above")
        if time.monotonic() > deadline:
            raise StartFailed(f"the {service.name} does not answer at {service.ready_url}")
        time.sleep(_POLL_SECONDS)


def stop(*services: Service) -> None:
    """Stops the services with all their workers: by SIGTERM, and after a while by SIGKILL."""
    for service in services:
        _signal(service, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    for service in services:
        with contextlib.suppress(subprocess.TimeoutExpired):
            service.process.wait(max(0.0, deadline - time.monotonic()))
        _signal(service, signal.SIGKILL)  # whatever of the group is left
        service.process.wait()


def _signal(service: Service, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(service.process.pid, number)


@contextlib.contextmanager
def world(folder: Path, env: Mapping[str, str] | None = None, log: IO[Any] | None = None) -> Iterator[World]:
    """A fresh pair on free ports, everything it writes in ``folder``; stopped at the end.

    ``env`` are further settings of the KAS. Those of our own environment stay outside.
    """
    clean = environment_without_settings()
    idp_port, keys_dir = free_port(), folder / "keys"
    issuers_path = write_issuers(folder / "issuers.json", idp_port)
    with contextlib.ExitStack() as running:
        with undisturbed():
            provider = start_provider(idp_port, folder / "provider", clean, log)
            running.callback(stop, provider)
        with undisturbed():
            kas = start_kas(free_port(), issuers_path, keys_dir, {**clean, **(env or {})}, log)
            running.callback(stop, kas)
        wait_until_answers(provider)
        wait_until_answers(kas)
        yield World(kas, provider)


def environment_without_settings() -> dict[str, str]:
    """Our environment without ``KAS_…``: what is shown or tested must not depend on the shell it runs in."""
    return {name: value for name, value in os.environ.items() if not name.startswith("KAS_")}


def plain_environment() -> dict[str, str]:
    """What programs of others need of our environment."""
    return {name: value for name, value in os.environ.items() if name in _PLAIN}
