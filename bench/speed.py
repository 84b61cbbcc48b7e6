"""`make bench`: what of the processor a rewrap takes, beside the cryptography that it cannot go without; how many a second,
and how long they wait.

The service runs with env.yaml and software keys, limits on and their numbers raised; the load is a process of its own, the
requests are made beforehand, every answer is verified and opened. What is compared is measured in each round, in turn.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from bench.asked import Route, new_document
from bench.floor import cpu_of
from bench.host import BenchFailed
from bench.report import machine, write_report
from bench.rounds import MIN_ROUNDS, interleaved, spread
from bench.speed_stand import EMPTY_REQUEST, Server, Stand, standing
from bench.speed_table import EMPTY, Cost, Costs, Waits, context, print_costs, print_waits, ratios, tails, waiting

CONNECTIONS: Final = (1, 8, 32)
_EMPTY_REQUESTS: Final = 60
_DOCUMENTS: Final = 5  # that are asked for again and again


@dataclass(frozen=True, slots=True)
class Case:
    """So many requests of so many key access objects; ``repeated``: the keys were asked for a moment before."""

    route: Route
    kid: str
    kaos: int
    requests: int
    repeated: bool = False


CASES: Final[Mapping[str, Case]] = {
    "ACP-240, RSA-2048": Case("acp240", "acp-2048", 1, 40),
    "ACP-240, RSA-4096": Case("acp240", "acp-4096", 1, 6),
    "ACP-240, P-256": Case("acp240", "ec-256", 1, 20),
    "ACP-240, cached": Case("acp240", "acp-2048", 1, 40, repeated=True),
    "ACP-240, 10 keys": Case("acp240", "acp-2048", 10, 5),
    "ACP-240, 100 keys": Case("acp240", "acp-2048", 100, 2),
    "REST, RSA-2048": Case("rest", "tdf-2048", 1, 20),
    "REST, RSA-4096": Case("rest", "tdf-4096", 1, 6),
    "REST, P-256": Case("rest", "ec-256", 1, 20),
    "REST, cached": Case("rest", "tdf-2048", 1, 20, repeated=True),
    "REST, 10 keys": Case("rest", "tdf-2048", 10, 5),
    "REST, 100 keys": Case("rest", "tdf-2048", 100, 2),
    "Connect, RSA-2048": Case("proto", "tdf-2048", 1, 20),
    "Connect, cached": Case("proto", "tdf-2048", 1, 20, repeated=True),
    "Connect, 100 keys": Case("proto", "tdf-2048", 100, 2),
}


def costs(stand: Stand, rounds: int, cases: Mapping[str, Case] = CASES) -> Costs:
    """Of each case and of the empty function in each round, by one thread over one connection. Raises BenchFailed."""
    with stand.serving(1) as (kas, empty):
        measured: dict[str, Callable[[], Cost]] = {EMPTY: lambda: Cost(_empty_cpu(empty))}
        measured |= {name: partial(_cost, stand, kas, case) for name, case in cases.items()}
        found = interleaved(measured, rounds)
        _check_hits(kas, cases.values(), rounds + 1)
    return found


def _cost(stand: Stand, kas: Server, case: Case) -> Cost:
    number = _DOCUMENTS if case.repeated else case.requests
    documents = [new_document(case.route, stand.holders[case.kid], case.kaos) for _ in range(number)]
    if case.repeated:
        before = stand.ask(kas, documents)
        kas.send([one.raw for one in before])
        documents = list(itertools.islice(itertools.cycle(documents), case.requests))
    asked = stand.ask(kas, documents)
    loaded, cpu = kas.send([one.raw for one in asked])
    floor = cpu_of([one.floor for one in asked], repeated=case.repeated)
    for one, exchanged in zip(asked, loaded.exchanged, strict=True):
        one.check(exchanged.answer())
    return Cost(1000 * cpu / len(asked), 1000 * floor)


def _empty_cpu(empty: Server) -> float:
    loaded, cpu = empty.send([EMPTY_REQUEST] * _EMPTY_REQUESTS)
    if any(one.answer().body != b"ok" for one in loaded.exchanged):
        raise BenchFailed("the empty function did not answer")
    return 1000 * cpu / _EMPTY_REQUESTS


def _check_hits(kas: Server, cases: Iterable[Case], rounds: int) -> None:
    """Whether those and only those were opened by kept keys that were asked for again. Raises BenchFailed."""
    hits = sum(line["cacheHit"] is True for line in kas.audited())
    expected = rounds * sum(case.kaos * case.requests for case in cases if case.repeated)
    if hits != expected:
        raise BenchFailed(f"{hits} of {expected} repeats were opened by a kept key")


def waits(stand: Stand, rounds: int, requests: int) -> tuple[dict[str, list[Waits]], float]:
    """Of one key by ACP-240 and of the empty function at several numbers of connections; and the service's memory in MB."""
    case = CASES["ACP-240, RSA-2048"]
    with stand.serving(stand.threads) as (kas, empty):
        measured: dict[str, Callable[[], Waits]] = {}
        for connections in CONNECTIONS:
            number = requests if connections > 1 else requests // 4
            measured[waiting(EMPTY, connections)] = partial(_empty_waits, empty, connections, number)
            measured[waiting("rewrap", connections)] = partial(_waits, stand, kas, case, connections, number)
        return interleaved(measured, rounds), kas.memory_mb()


def _waits(stand: Stand, kas: Server, case: Case, connections: int, number: int) -> Waits:
    documents = [new_document(case.route, stand.holders[case.kid], case.kaos) for _ in range(number)]
    asked = stand.ask(kas, documents)
    loaded, cpu = kas.send([one.raw for one in asked], connections)
    for one, exchanged in zip(asked, loaded.exchanged, strict=True):
        one.check(exchanged.answer())
    return _summary([one.seconds for one in loaded.exchanged], loaded.seconds, cpu)


def _empty_waits(empty: Server, connections: int, number: int) -> Waits:
    loaded, cpu = empty.send([EMPTY_REQUEST] * number, connections)
    if any(one.answer().body != b"ok" for one in loaded.exchanged):
        raise BenchFailed("the empty function did not answer")
    return _summary([one.seconds for one in loaded.exchanged], loaded.seconds, cpu)


def _summary(seconds: Sequence[float], whole: float, cpu: float) -> Waits:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    number = len(seconds)
    return Waits(1000 * cuts[49], 1000 * cuts[94], 1000 * cuts[98], number / whole, 1000 * cpu / number)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11, help=f"{MIN_ROUNDS} or more")
    parser.add_argument("--requests", type=int, default=400, help="at several connections, in a round")
    asked = parser.parse_args()
    if asked.rounds < MIN_ROUNDS:
        parser.error(f"--rounds: {MIN_ROUNDS} or more")
    before = machine()
    with standing() as stand:
        found = costs(stand, asked.rounds)
        print_costs(found)
        waited, memory = waits(stand, asked.rounds, asked.requests)
        print_waits(waited, memory)
    of_rounds = {**ratios(found), "tail_ratio": tails(waited)}
    print("\nof the rounds: median (quartiles, extremes)")
    for name, values in of_rounds.items():
        print(f"  {name:<16} {spread(values):.3f}")
    figures = {**{name: statistics.median(values) for name, values in of_rounds.items()}, "memory_mb": memory}
    spreads = {name: [round(value, 3) for value in values] for name, values in of_rounds.items()}
    print(write_report("bench", figures, {**before, **vars(asked), "ratios": spreads, **context(found, waited)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
