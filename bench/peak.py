"""`make bench-memory`: the most memory that the service needs, and the smallest instance that has it.

The service runs with env.yaml on the stand-in, as `full_host` starts it: everything that it remembers is at its bound. Then
as many clients as it has threads send the largest requests that it takes, at once, in both dialects. What is counted is
the share that all its processes have of the machine's memory, at its highest, looked at many times a second.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import re
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

from bench.deployment import deployed
from bench.host import BenchFailed, Connection, Function, members, running
from bench.large_requests import Client, acp240_client, opentdf_client
from bench.memory import memory_mb
from bench.report import machine, write_report
from local.ports import free_port

_FULL_HOST: Final = ("-P", str(Path(__file__).with_name("full_host.py")))
# One store, one cache; the windows of networks, health, callers, those who ask for checks, key operations.
_FILLED: Final = {"claims": 1, "keys": 1, "requests": 5}
_LOOK_SECONDS: Final = 0.02
_HIGHEST: Final = re.compile(r"^VmHWM:\s+([0-9]+) kB$", re.MULTILINE)
# Cloud Run takes any size; from 512 on in both generations of its execution environment.
_STEP_MB: Final = 128
# What the kernel may hold of bodies that nobody has read yet, which no process shows: one for each thread.
_UNREAD_MB: Final = 1.0
_MARGIN: Final = 1.15
_KINDS: Final = (acp240_client, opentdf_client)


class Watch:
    """Looks at a process group until it ends: the most that it held, in MB."""

    def __init__(self, group: int) -> None:
        self._group = group
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.highest = 0.0
        self.looks = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.wait(_LOOK_SECONDS):
            self.highest = max(self.highest, memory_mb(self._group))
            self.looks += 1


def highest_resident_mb(group: int) -> float:
    """The sum of what each process held at most: above the truth, since pages that they share count for each."""
    found = (_HIGHEST.search(Path(f"/proc/{pid}/status").read_text("ascii")) for pid in members(group))
    return sum(int(one[1]) for one in found if one) / 1024


@dataclass(frozen=True, slots=True)
class Held:
    """MB: when it had answered once, with everything remembered, at the most under load, and as the kernel counts. ``ends``
    is how many requests ended how.
    """

    threads: int
    started: float
    full: float
    loaded: float
    resident: float
    looks: int
    seconds: float
    ends: Mapping[str, int]


def measure(kaos: int, wrapped: int, waves: int, **changes: str) -> Held:
    """``kaos`` in each request, of ``wrapped`` different wrapped keys; the whole load ``waves`` times; ``changes`` are
    settings that differ from env.yaml, as the time does that key operations have of two cores for all. Raises BenchFailed.
    """
    with deployed(KAS_KMS_DEADLINE_SECONDS="60", **changes) as deployment:
        threads = int(deployment.kas.environment["THREADS"])
        with _answering(deployment.kas) as (_, group):
            started = memory_mb(group)
        with _answering(replace(deployment.kas, runner=_FULL_HOST)) as (port, group):
            full = memory_mb(group)
            with ThreadPoolExecutor(threads) as pool, contextlib.ExitStack() as closing:
                clients = [_KINDS[number % 2](deployment, port, number) for number in range(threads)]
                for client in clients:
                    closing.callback(client.close)
                    client.prepare(kaos, wrapped)
                began = time.perf_counter()
                with Watch(group) as watch:
                    ends = sum((_together(pool, clients) for _ in range(waves)), Counter[str]())
                seconds = time.perf_counter() - began
            return Held(threads, started, full, watch.highest, highest_resident_mb(group), watch.looks, seconds, ends)


@contextlib.contextmanager
def _answering(kas: Function) -> Iterator[tuple[int, int]]:
    """A port and a process group; it has answered once, so the worker has filled what it fills."""
    with tempfile.TemporaryFile() as errors, running(kas, port := free_port(), errors=errors) as process:
        with contextlib.closing(Connection(port, process)) as connection:
            if connection("GET", "/health/ready").json() != {"status": "ready"}:
                raise BenchFailed("it is not ready")
        if kas.runner == _FULL_HOST:
            errors.seek(0)
            _demand_filled(errors.read().decode("utf-8", "replace"))
        yield port, process.pid
        if process.poll() is not None:
            raise BenchFailed("it has ended")


def _demand_filled(said: str) -> None:
    found = Counter(re.findall(r"^filled [1-9][0-9]* (\w+)$", said, re.MULTILINE))
    if found != _FILLED:
        raise BenchFailed(f"filled is {dict(found)}")


def _together(pool: ThreadPoolExecutor, clients: Sequence[Client]) -> Counter[str]:
    """All send when all are ready to; then each answer is verified, while nothing else runs. How they ended."""
    start = threading.Barrier(len(clients))
    ends = list(pool.map(lambda client: client.ask(start), clients))
    return Counter(end() for end in ends)


def smallest(held: Held) -> int:
    """The size that has room for it, for what no process shows, and for a margin."""
    return _STEP_MB * math.ceil((max(held.loaded, held.full) + held.threads * _UNREAD_MB) * _MARGIN / _STEP_MB)


def figures_of(held: Held) -> dict[str, float]:
    return {
        "started_mb": held.started,
        "full_mb": held.full,
        "loaded_mb": held.loaded,
        "resident_sum_mb": held.resident,
        "smallest_instance_mb": float(smallest(held)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.peak", description=__doc__)
    parser.add_argument("--kaos", type=int, default=500, help="in each request")
    parser.add_argument("--wrapped", type=int, default=100, help="different wrapped keys among them")
    parser.add_argument("--waves", type=int, default=2, help="of the whole load")
    asked = parser.parse_args()
    before = machine()
    held = measure(asked.kaos, asked.wrapped, asked.waves)
    figures = figures_of(held)
    for name, value in figures.items():
        print(f"  {name:<28} {value:8.1f}")
    print(f"{held.looks} looks in {held.seconds:.0f} s; answers: {dict(held.ends)}")
    context = {
        **before,
        **vars(asked),
        "looks": held.looks,
        "loadSeconds": round(held.seconds, 1),
        "answers": held.ends,
    }
    print(write_report("bench-memory", figures, context))
    return 0


if __name__ == "__main__":
    sys.exit(main())
