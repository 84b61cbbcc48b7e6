"""Part of `scale`: what a rewrap costs through nginx with several instances on each store.

All sizes and stores are measured in turn in each round, with the same users and documents of their own. In memory a nonce is
good at the instance that made it alone: with several of these there is no throughput to measure, but how many get through.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Final

from bench.asked import Asked, Document, ask, new_document
from bench.host import BenchFailed, cpu_seconds
from bench.load import Loaded
from bench.nginx import Nginx, nginx
from bench.rounds import interleaved
from bench.scale_stand import MEMORY, Backend, instances, is_refusal, troubles
from bench.speed_stand import Server, Stand
from local.ports import free_port

SIZES: Final = (1, 2, 4)
CONNECTIONS: Final = 8
KID: Final = "acp-2048"
KIDS: Final = (KID, "tdf-2048", "ec-256")  # as deployed

Size = tuple[str, int]  # a store, and so many instances on it


@dataclass(frozen=True, slots=True)
class Row:
    """Milliseconds that clients waited, requests a second, and milliseconds of the processor for one request: of the
    instances, of the store's server, of nginx.
    """

    p50: float
    p95: float
    p99: float
    per_second: float
    cpu: float
    store_cpu: float
    nginx_cpu: float


@dataclass(frozen=True, slots=True)
class Fleets:
    """The instances ``by_store``; nginx passes from ``ports`` on to the first so many of a fleet."""

    stand: Stand
    by_store: Mapping[str, tuple[Backend, Sequence[Server]]]
    ports: Mapping[Size, int]
    nginx: Nginx


def name_of(backend: str, size: int) -> str:
    """As people read it."""
    return f"{backend}, {size} instance{'s' if size > 1 else ''}"


@contextlib.contextmanager
def running_fleets(
    stand: Stand, backends: Sequence[Backend], sizes: Sequence[int] = SIZES, **changes: str
) -> Iterator[Fleets]:
    """Every instance that is measured, and one nginx before all; ``changes`` are settings of the instances."""
    with contextlib.ExitStack() as started:
        by_store = {
            one.name: (one, started.enter_context(instances(stand, one, max(sizes), **changes))) for one in backends
        }
        ports = {(name, size): free_port() for name in by_store for size in sizes}
        groups = {port: [one.port for one in by_store[name][1][:size]] for (name, size), port in ports.items()}
        folder = stand.folder / "nginx"
        folder.mkdir()
        yield Fleets(stand, by_store, ports, started.enter_context(nginx(folder, groups)))


def throughput(fleets: Fleets, rounds: int, requests: int) -> dict[Size, list[Row]]:
    """Each store and size in each round. Raises BenchFailed where an answer is not right, or a store failed."""
    cases: dict[Size, Callable[[], Row]] = {
        (name, size): partial(_row, fleets, name, size, requests)
        for name, size in fleets.ports
        if _is_measured(name, size)
    }
    found = interleaved(cases, rounds)
    if told := [line for _, servers in fleets.by_store.values() for line in troubles(servers)]:
        raise BenchFailed(f"a store failed: {told}")
    return found


def _is_measured(name: str, size: int) -> bool:
    return name != MEMORY or size == 1


def _row(fleets: Fleets, name: str, size: int, requests: int) -> Row:
    backend, servers = fleets.by_store[name][0], fleets.by_store[name][1][:size]
    asked = fleets.stand.ask(servers[0], new_documents(fleets.stand, requests))

    def cpu() -> tuple[float, float, float]:
        return sum(cpu_seconds(one.pid) for one in servers), backend.cpu_seconds(), cpu_seconds(fleets.nginx.pid)

    before = cpu()
    loaded = fleets.stand.load.send(fleets.ports[name, size], [one.raw for one in asked], CONNECTIONS)
    spent = [1000 * (now - then) / requests for then, now in zip(before, cpu(), strict=True)]
    check_all(asked, loaded)
    cuts = statistics.quantiles([1000 * one.seconds for one in loaded.exchanged], n=100, method="inclusive")
    return Row(cuts[49], cuts[94], cuts[98], requests / loaded.seconds, *spent)


def new_documents(stand: Stand, number: int) -> list[Document]:
    """Of one key each."""
    return [new_document("acp240", stand.holders[KID], 1) for _ in range(number)]


def check_all(asked: Sequence[Asked], loaded: Loaded) -> None:
    """Raises BenchFailed, or whatever verifying raises, unless every answer is right."""
    for one, exchanged in zip(asked, loaded.exchanged, strict=True):
        one.check(exchanged.answer())


@dataclass(frozen=True, slots=True)
class Nonces:
    """Of so many ``requests`` through nginx to instances with a memory of their own: accepted at once, and of the others
    when their clients had answered the challenge.
    """

    requests: int
    first: int
    second: int


def nonces_in_memory(fleets: Fleets, size: int, requests: int) -> Nonces:
    """Every request has a nonce that one instance made. Raises BenchFailed for an answer that is neither right nor a
    challenge.
    """
    stand, servers = fleets.stand, fleets.by_store[MEMORY][1][:size]
    documents, users = new_documents(stand, requests), stand.users.some(requests)
    nonces: list[str | None] = [servers[0].nonce()] * requests
    left, accepted = list(range(requests)), []
    for _ in range(2):
        asked = [ask(users[one], documents[one], nonces[one]) for one in left]
        loaded = stand.load.send(fleets.ports[MEMORY, size], [one.raw for one in asked], CONNECTIONS)
        challenged = []
        for number, one, exchanged in zip(left, asked, loaded.exchanged, strict=True):
            answer = exchanged.answer()
            if is_refusal(answer, HTTPStatus.UNAUTHORIZED, "nonce_invalid"):
                nonces[number] = answer.headers["DPoP-Nonce"]
                challenged.append(number)
            else:
                one.check(answer)
        accepted.append(len(left) - len(challenged))
        left = challenged
    return Nonces(requests, *accepted)
