"""Three services with a way between them that takes time, and peers that accept connections and never answer.

The registry names where the ways begin, so every call of one service by another takes its way, as does a client that asks
by the public address. Who knows better asks the service on its own port.
"""

from __future__ import annotations

import contextlib
import json
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

from bench.delay import delayed
from bench.host import BenchFailed
from bench.limits import RAISED
from bench.sessions import Session
from kas.jose import to_jwk
from local.client import Credentials, Http
from local.client.rewrap import fetch_kas_keys
from local.client.services import Kas, Services
from local.nations import Place, Setup, free_places, set_up, start_nation_kas, start_nation_provider
from local.ports import HOST, free_ports
from local.processes import Service, environment_without_settings, stop, wait_until_answers, write_private_json
from local.provider.clients import SECRET

BROKER: Final = "usa"
PARTNERS: Final = ("fra", "gbr")
SILENT_SECONDS: Final = 1  # the least that a registry may say
_BACKLOG: Final = 64


@dataclass(frozen=True, slots=True)
class Stand:
    """What runs. ``kases`` are the nations as clients know them, ``silent`` the peers that never answer; ``ports`` lead to
    the nations without delay, ``fronts`` with it.
    """

    kases: Mapping[str, Kas]
    silent: Sequence[Kas]
    ports: Mapping[str, int]
    fronts: Mapping[str, int]
    logs: Mapping[str, Path]
    broker: Service
    credentials: Credentials

    def session(self, subject: str, asked: str = BROKER) -> Session:
        """With the broker, without delay; with a partner over the way."""
        port = self.ports[asked] if asked == BROKER else self.fronts[asked]
        others = [kas for nation, kas in self.kases.items() if nation != asked]
        services = Services(self.kases[asked], (*others, *self.silent))
        return Session(port, services, self.credentials, subject)

    def audited(self, nation: str) -> Iterator[dict[str, Any]]:
        """The audit lines of key access objects so far."""
        for line in self.logs[nation].read_text("utf-8").splitlines():
            event = json.loads(line) if line.startswith("{") else {}
            if event.get("event") == "rewrap":
                yield event


@contextlib.contextmanager
def standing(latency_ms: int, silent: int) -> Iterator[Stand]:
    """All services, with ``latency_ms`` between any two, there and back, and so many silent peers; ended at the end."""
    with contextlib.ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        places = free_places(folder, (BROKER, *PARTNERS))
        fronts = [replace(place, kas_port=port) for place, port in zip(places, free_ports(len(places)), strict=True)]
        setup = set_up(fronts, folder)
        listeners = [running.enter_context(socket.create_server((HOST, 0), backlog=_BACKLOG)) for _ in range(silent)]
        quiet = _register(setup, fronts[0], [listener.getsockname()[1] for listener in listeners])
        services = _start(running, places, fronts, setup)
        ways = {front.kas_port: place.kas_port for front, place in zip(fronts, places, strict=True)}
        running.enter_context(delayed(ways, latency_ms // 2))
        kases = {place.nation: _known(place, front) for place, front in zip(places, fronts, strict=True)}
        yield Stand(
            kases,
            [Kas(kas_id, base, kases[BROKER].keys) for kas_id, base in quiet.items()],
            {place.nation: place.kas_port for place in places},
            {front.nation: front.kas_port for front in fronts},
            {place.nation: _log(place) for place in places},
            services[0],
            Credentials(f"http://{HOST}:{places[0].provider_port}/token", f"{BROKER}-secret", SECRET),
        )


def _register(setup: Setup, broker: Place, ports: Sequence[int]) -> dict[str, str]:
    """Adds a peer of the broker for each port to the registry; their bases by id."""
    registry = json.loads(setup.registry_path.read_text("utf-8"))
    bases = {f"kas-silent-{number}": f"http://{HOST}:{port}" for number, port in enumerate(ports)}
    entry, agreement = registry["kases"][0], registry["agreements"][0]
    for kas_id, base in bases.items():
        key = {**to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key()), "kid": kas_id, "use": "sig"}
        own = {"id": kas_id, "origin": base, "rewrapUrl": f"{base}/rewrap", "timeoutSeconds": SILENT_SECONDS}
        registry["kases"].append({**entry, **own, "aliases": [], "jwks": {"keys": [key]}})
        registry["agreements"].append({**agreement, "between": [broker.kas_id, kas_id]})
    write_private_json(setup.registry_path, registry)
    return bases


def _start(
    running: contextlib.ExitStack, places: Sequence[Place], fronts: Sequence[Place], setup: Setup
) -> list[Service]:
    """The service of each place, and the one provider that is asked for tokens."""
    env = environment_without_settings()
    provider = start_nation_provider(
        places[0], env, running.enter_context((places[0].folder / "provider.log").open("wb"))
    )
    running.callback(stop, provider)
    services = []
    for place, front in zip(places, fronts, strict=True):
        bases = f"{front.base},http://localhost:{front.kas_port}"
        log = running.enter_context(_log(place).open("wb"))
        services.append(start_nation_kas(place, setup, {**env, **RAISED, "KAS_PUBLIC_BASES": bases}, log))
        running.callback(stop, services[-1])
    for service in (provider, *services):
        wait_until_answers(service)
    return services


def _log(place: Place) -> Path:
    return place.folder / "log"


def _known(place: Place, front: Place) -> Kas:
    with contextlib.closing(Http()) as http:
        return Kas(place.kas_id, front.base, fetch_kas_keys(http, place.base))


def check_breaker(session: Session, peer: Kas, *, failures: int, refusals: int) -> None:
    """Raises BenchFailed unless the broker, which ``session`` asks, says that its breaker opened after so many failures,
    refused so many calls, and is open.
    """
    peers = {entry["kas"]: entry["breaker"] for entry in session.get("/federation/status")["peers"]}
    breaker = peers[peer.kas_id]
    if (breaker["state"], breaker["failures"], breaker["refusals"]) != ("open", failures, refusals):
        raise BenchFailed(f"{peer.kas_id}: {breaker}")
