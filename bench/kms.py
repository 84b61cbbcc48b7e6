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
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.deployment import BASE, POLICY, Deployment, deployed
from bench.host import BenchFailed, running
from bench.limits import RAISED
from bench.memory import memory_mb
from bench.report import add_transport, machine, report_name, write_report
from bench.rounds import MIN_ROUNDS, p95
from bench.sessions import Document, Session, new_document
from local.client.services import Kas, Services
from local.ports import free_port

INJECTED_MS: Final = 60
_QUOTA: Final = 10_000_000  # of the stand-in, a minute
_TTL_SECONDS: Final = 60.0  # of env.yaml
_SEED: Final = 240
_USERS: Final = 5
_PARALLEL: Final = 4
# Of documents opened in the trace, this part is opened once more, after the one time and within the other.
_REOPENED: Final = 0.6
_WITHIN_SECONDS: Final = 55.0
_REST_SECONDS: Final = 0.5


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
        with log.open("ab") as output, running(deployment.kas, port, output) as process:
            stand = Stand(deployment, port, process.pid, log)
            with contextlib.closing(stand.session("warm")) as session:
                session.open(stand.document())
            log.write_bytes(b"")
            deployment.control.reset()
            yield stand


@dataclass(frozen=True, slots=True)
class Found:
    """What one part found: figures by name, lines for people, and every value behind them."""

    figures: Mapping[str, float]
    rows: Sequence[str]
    raw: Mapping[str, Any]


def latencies(repeats: int, **changes: str) -> Found:
    """Alone, in bulk and repeated, one after the other in each round; ``repeats`` is 2 or more."""
    single, bulk, repeated = [], [], []
    with standing(**changes) as stand, contextlib.closing(stand.session("latency")) as session:
        stand.deployment.control.latency(INJECTED_MS, method="AsymmetricDecrypt")
        for _ in range(repeats):
            one, fifty = stand.document(), stand.document(50)
            single.append(1000 * session.open(one))
            repeated.append(1000 * session.open(one))
            bulk.append(1000 * session.open(fifty))
        operations = stand.check_operations()
    if operations != 51 * repeats:
        raise BenchFailed(f"{operations} operations for {repeats} rounds of 51 keys")
    named = {"one key": single, "the same again": repeated, "50 keys": bulk}
    figures = {
        "single_p95_over_injected_ms": p95(single) - INJECTED_MS,
        "bulk50_p95_ms": p95(bulk),
        "repeat_p95_ms": p95(repeated),
    }
    return Found(figures, [_row(*row) for row in named.items()], {"latenciesMs": _rounded(named)})


def pilot_trace(seconds: float, documents: int, within_seconds: float = _WITHIN_SECONDS, **changes: str) -> Found:
    """Five users, side by side, open documents in real time; three in five are opened once more within a minute, by any
    of them.
    """
    plan, possible = _plan(seconds, documents, within_seconds)
    with standing(**changes) as stand, ThreadPoolExecutor(_USERS) as threads, contextlib.ExitStack() as open_ones:
        stand.deployment.control.latency(INJECTED_MS, method="AsymmetricDecrypt")
        users = [open_ones.enter_context(contextlib.closing(stand.session(f"user-{n}"))) for n in range(_USERS)]
        archive = [stand.document() for _ in range(documents)]
        began = time.perf_counter()
        waited = list(threads.map(_work, users, plan, [archive] * _USERS, [began] * _USERS))
        stand.check_operations()
        hits = sum(line["cacheHit"] is True for line in stand.audited())
    opened = [1000 * took for one in waited for took in one]
    row = f"{'pilot trace':<18} {len(opened):>6} opens, {possible} of them repeats within {_TTL_SECONDS:.0f} s, {hits} hits"
    raw = {"hits": hits, "possible": possible, "opensMs": [round(one, 1) for one in opened]}
    return Found({"hit_rate_of_possible": hits / possible}, [row], {"trace": raw})


def _plan(seconds: float, documents: int, within_seconds: float) -> tuple[list[list[tuple[float, int]]], int]:
    """When each user opens which document, the same at every run; and how many of these are repeats."""
    chance = random.Random(_SEED)  # noqa: S311 - a trace, the same for everybody
    visits: list[tuple[float, int]] = []
    for number in range(documents):
        at = chance.uniform(0, seconds)
        visits.append((at, number))
        if chance.random() < _REOPENED:
            visits.append((at + chance.uniform(_REST_SECONDS, within_seconds), number))
    plan: list[list[tuple[float, int]]] = [[] for _ in range(_USERS)]
    for visit in sorted(visits):
        chance.choice(plan).append(visit)
    return plan, len(visits) - documents


def _work(user: Session, visits: Sequence[tuple[float, int]], archive: Sequence[Document], began: float) -> list[float]:
    """Opens each document when its time comes; the seconds that each took."""
    took = []
    for at, number in visits:
        time.sleep(max(0.0, began + at - time.perf_counter()))
        took.append(user.open(archive[number]))
    return took


def memory(first: int, middle: int, last: int, **changes: str) -> Found:
    """What all processes hold after so many rewraps, each with an operation of its own."""
    sizes = {}
    with standing(**changes) as stand, ThreadPoolExecutor(_PARALLEL) as threads, contextlib.ExitStack() as open_ones:
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
    figures = {"memory_mb": sizes[first], "memory_growth_mb": sizes[last] - sizes[middle]}
    return Found(figures, rows, {"memoryMb": {str(goal): round(size, 2) for goal, size in sizes.items()}})


def _load(user: Session, rewraps: int, document: Callable[[], Document]) -> None:
    for _ in range(rewraps):
        user.open(document())


def _rounded(values: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    return {name: [round(value, 1) for value in of] for name, of in values.items()}


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
    add_transport(parser)
    asked = parser.parse_args()
    if asked.repeats < MIN_ROUNDS:
        parser.error(f"--repeats: {MIN_ROUNDS} or more")
    change = {"KAS_KMS_TRANSPORT": asked.transport}
    parts: tuple[Callable[[], Found], ...] = (
        lambda: latencies(asked.repeats, **change),
        lambda: pilot_trace(asked.trace_seconds, asked.documents, **change),
        lambda: memory(*asked.rewraps, **change),
    )
    figures: dict[str, float] = {}
    context: dict[str, Any] = {**machine(), "injectedMs": INJECTED_MS, **vars(asked)}
    for part in parts:
        found = part()
        figures |= found.figures
        context |= found.raw
        print(*found.rows, sep="\n", flush=True)
    for name, value in figures.items():
        print(f"  {name:<28} {value:8.3f}")
    print(write_report(report_name("bench-kms", asked.transport), figures, context))
    return 0


if __name__ == "__main__":
    sys.exit(main())
