"""`make bench-kms`: rewraps over Cloud KMS at a given latency, alone, in bulk and repeated; what the pilot's trace saves;
what the process keeps.

The service runs with env.yaml, its limits on and their numbers raised; Cloud KMS is the stand-in, whose injected latency
is the least time of a call. Every answer is verified and opened; one that is not right ends the run.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.deployment import BASE, POLICY, Deployment, deployed
from bench.host import BenchFailed, running
from bench.limits import RAISED
from bench.memory import memory_mb
from bench.report import write_report
from bench.rounds import p95
from bench.sessions import Document, Session, new_document
from local.client.services import Kas, Services
from local.processes import free_port

INJECTED_MS: Final = 60
_QUOTA: Final = 10_000_000  # of the stand-in, a minute
_TTL_SECONDS: Final = 60.0  # of env.yaml
_SEED: Final = 240
_USERS: Final = 5
_PARALLEL: Final = 4
# Of documents opened in the trace, this part is opened once more within this time.
_REOPENED: Final = 0.6
_WITHIN_SECONDS: Final = 55.0


@dataclass(frozen=True, slots=True)
class Stand:
    """A running service and who can use it; ``log`` has its audit lines."""

    deployment: Deployment
    port: int
    pid: int
    log: Path

    @property
    def kas(self) -> Kas:
        return Kas(self.deployment.kas.environment["KAS_ID"], BASE, self.deployment.client.keys)

    def session(self, subject: str) -> Session:
        return Session(self.port, Services(self.kas), self.deployment.credentials, subject)

    def document(self, kaos: int = 1) -> Document:
        return new_document(POLICY, [self.kas] * kaos)

    def audited(self) -> list[dict[str, object]]:
        """The audit lines of key access objects so far."""
        lines = (json.loads(line) for line in self.log.read_text("utf-8").splitlines() if line.startswith("{"))
        return [line for line in lines if line.get("event") == "rewrap"]

    def check_operations(self) -> int:
        """How many key operations there were, as both sides count them. Raises BenchFailed."""
        counted = self.deployment.control.count("AsymmetricDecrypt")
        audited = sum(int(str(line["keyOperations"])) for line in self.audited())
        if counted != audited:
            raise BenchFailed(f"the stand-in counted {counted} operations, the audit {audited}")
        return counted


@contextlib.contextmanager
def standing(**changes: str) -> Iterator[Stand]:
    """A service that has answered once, so that what is measured is warm, and a stand-in that counts from nothing."""
    with tempfile.TemporaryDirectory() as folder, deployed(**RAISED, **changes) as deployment:
        log, port = Path(folder) / "log", free_port()
        deployment.control.quota("cloudkms.crypto", _QUOTA)
        with log.open("wb") as output, running(deployment.kas, port, output) as process:
            stand = Stand(deployment, port, process.pid, log)
            with contextlib.closing(stand.session("warm")) as session:
                session.open(stand.document())
            log.write_bytes(b"")
            deployment.control.reset()
            yield stand


def latencies(repeats: int) -> tuple[dict[str, float], list[str]]:
    """Alone, in bulk and repeated, one after the other in each round."""
    single, bulk, repeated = [], [], []
    with standing() as stand, contextlib.closing(stand.session("latency")) as session:
        stand.deployment.control.latency(INJECTED_MS, method="AsymmetricDecrypt")
        for _ in range(repeats):
            one, fifty = stand.document(), stand.document(50)
            single.append(1000 * session.open(one))
            repeated.append(1000 * session.open(one))
            bulk.append(1000 * session.open(fifty))
        operations = stand.check_operations()
    if operations != 51 * repeats:
        raise BenchFailed(f"{operations} operations for {repeats} rounds of 51 keys")
    rows = [_row("one key", single), _row("the same again", repeated), _row("50 keys", bulk)]
    figures = {
        "single_p95_over_injected_ms": p95(single) - INJECTED_MS,
        "bulk50_p95_ms": p95(bulk),
        "repeat_p95_ms": p95(repeated),
    }
    return figures, rows


def pilot_trace(seconds: float, documents: int) -> tuple[dict[str, float], list[str]]:
    """Five users open documents in real time; three in five are opened once more within a minute, by any of them."""
    chance = random.Random(_SEED)  # noqa: S311 - a trace, the same for everybody
    with standing() as stand, contextlib.ExitStack() as open_ones:
        users = [open_ones.enter_context(contextlib.closing(stand.session(f"user-{n}"))) for n in range(_USERS)]
        visits: list[tuple[float, int]] = []
        for number in range(documents):
            at = chance.uniform(0, seconds)
            visits.append((at, number))
            if chance.random() < _REOPENED:
                visits.append((at + chance.uniform(0.5, _WITHIN_SECONDS), number))
        archive = [stand.document() for _ in range(documents)]
        began = time.perf_counter()
        for at, number in sorted(visits):
            time.sleep(max(0.0, began + at - time.perf_counter()))
            chance.choice(users).open(archive[number])
        stand.check_operations()
        hits = sum(line["cacheHit"] is True for line in stand.audited())
    possible = len(visits) - documents
    row = f"{'pilot trace':<18} {len(visits):>6} opens, {possible} of them repeats within {_TTL_SECONDS:.0f} s, {hits} hits"
    return {"hit_rate_of_possible": hits / possible}, [row]


def memory(first: int, middle: int, last: int) -> tuple[dict[str, float], list[str]]:
    """What all processes hold after so many rewraps, each with an operation of its own."""
    sizes = {}
    with standing() as stand, ThreadPoolExecutor(_PARALLEL) as threads, contextlib.ExitStack() as open_ones:
        users = [open_ones.enter_context(contextlib.closing(stand.session(f"load-{n}"))) for n in range(_PARALLEL)]
        done = 0
        for goal in (first, middle, last):
            share = (goal - done) // _PARALLEL
            list(threads.map(_load, users, [share] * _PARALLEL, [stand.document] * _PARALLEL))
            done += share * _PARALLEL
            sizes[goal] = memory_mb(stand.pid)
        if stand.check_operations() != done:
            raise BenchFailed("not every rewrap was an operation")
    rows = [f"{'memory':<18} {size:6.1f} MB after {goal} rewraps" for goal, size in sizes.items()]
    return {"memory_mb": sizes[first], "memory_growth_mb": sizes[last] - sizes[middle]}, rows


def _load(user: Session, rewraps: int, document: Callable[[], Document]) -> None:
    for _ in range(rewraps):
        user.open(document())


def _row(name: str, values: Sequence[float]) -> str:
    middle, high = statistics.median(values), p95(values)
    return f"{name:<18} p50 {middle:6.1f} ms   p95 {high:6.1f} ms   {min(values):.1f} to {max(values):.1f}, {len(values)} times"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.kms", description=__doc__)
    parser.add_argument("--repeats", type=int, default=60, help="of each latency")
    parser.add_argument("--trace-seconds", type=float, default=30.0)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument(
        "--rewraps", type=int, nargs=3, default=[1_000, 20_000, 40_000], help="before each look at memory"
    )
    asked = parser.parse_args()
    figures: dict[str, float] = {}
    parts: tuple[Callable[[], tuple[dict[str, float], list[str]]], ...] = (
        lambda: latencies(asked.repeats),
        lambda: pilot_trace(asked.trace_seconds, asked.documents),
        lambda: memory(*asked.rewraps),
    )
    for part in parts:
        found, rows = part()
        figures |= found
        print(*rows, sep="\n", flush=True)
    for name, value in figures.items():
        print(f"  {name:<28} {value:8.3f}")
    print(write_report("bench-kms", figures, {"injectedMs": INJECTED_MS, **vars(asked)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
