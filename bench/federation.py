"""`make bench-federation`: one answer of three services, and what forwarding costs, waits for and skips.

Three services run as in `local.nations`, limits on and their numbers raised, 20 ms between any two. The client asks the
broker without delay; a direct request to a partner takes the same 20 ms as a forwarded one. What is compared is measured
side by side in each round, on kept connections. Every answer is verified and opened, a refusal too; one that is not right
ends the run.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from bench.deployment import POLICY
from bench.host import cpu_seconds
from bench.nations import BROKER, PARTNERS, SILENT_SECONDS, Stand, check_breaker, standing
from bench.report import write_report
from bench.rounds import MIN_ROUNDS, interleaved, p95, spread
from bench.sessions import Document, Session, new_alternatives, new_document
from kas.federation.breaker import FAILURES
from local.client.services import Kas

LATENCY_MS: Final = 20
THREE: Final = "three services"
LOCAL, FORWARDED = "here", "forwarded"
FAILOVER: Final = "silent first"
OPEN: Final = "open breaker first"
ALONE: Final = "without it"
# How many key access objects a request has whose processor time is measured.
SIZES: Final = (1, 10)
_MANY: Final = "of three services"  # the policy, by which the audit tells

# Milliseconds of every exchange, or of the processor for one key access object, by what was asked.
Measured = dict[str, list[float]]


def latencies(stand: Stand, repeats: int) -> Measured:
    """Three services through one, and each partner asked directly, in turn."""
    policy = {**POLICY, "policyId": _MANY}
    everybody = [stand.kases[nation] for nation in (BROKER, *PARTNERS)]
    asked: dict[str, Callable[[], Document]] = {THREE: lambda: new_document(policy, everybody)}
    asked |= {nation: partial(new_document, POLICY, [stand.kases[nation]]) for nation in PARTNERS}
    with contextlib.ExitStack() as running:
        sessions = {name: _session(running, stand, name if name in PARTNERS else BROKER) for name in asked}
        return _in_turn({name: partial(_ms, sessions[name], make) for name, make in asked.items()}, repeats)


def processor_time(stand: Stand, repeats: int) -> Measured:
    """Of all processes of the broker, for one key access object of its own or of a partner's, in requests of some sizes."""
    with contextlib.ExitStack() as running:
        session = _session(running, stand, BROKER)
        asked = {
            case(size, where): partial(_cpu_ms, stand, session, [stand.kases[holder]] * size)
            for size in SIZES
            for where, holder in ((LOCAL, BROKER), (FORWARDED, PARTNERS[0]))
        }
        return _in_turn(asked, repeats)


def case(size: int, where: str) -> str:
    return f"{size} {where}"


def alternatives(stand: Stand, silent: Kas, repeats: int) -> Measured:
    """The first alternative is a peer that never answers, until its breaker opens; from then on, and without it."""
    here = stand.kases[BROKER]
    with contextlib.ExitStack() as running:
        session = _session(running, stand, BROKER)
        first = partial(new_alternatives, POLICY, [silent], here, "peer_unavailable")
        alone = partial(new_alternatives, POLICY, [], here, "")
        found = {FAILOVER: [_ms(session, first) for _ in range(FAILURES)]}
        found |= _in_turn({OPEN: partial(_ms, session, first), ALONE: partial(_ms, session, alone)}, repeats)
        check_breaker(session, silent, failures=FAILURES, refusals=repeats + 1)
        return found


def _session(running: contextlib.ExitStack, stand: Stand, asked: str) -> Session:
    return running.enter_context(contextlib.closing(stand.session("bench", asked)))


def _in_turn(cases: Mapping[str, Callable[[], float]], repeats: int) -> Measured:
    """One after the other, again and again; what comes first opens connections and does not count."""
    return interleaved(cases, repeats)


def _ms(session: Session, make: Callable[[], Document]) -> float:
    return 1000 * session.open(make())


def _cpu_ms(stand: Stand, session: Session, holders: Sequence[Kas]) -> float:
    document, group = new_document(POLICY, holders), stand.broker.process.pid
    before = cpu_seconds(group)
    session.open(document)
    return 1000 * (cpu_seconds(group) - before) / len(holders)


def stages(stand: Stand) -> dict[str, dict[str, float]]:
    """Milliseconds of each stage of the requests to three services, the median, by nation."""
    found: dict[str, dict[str, float]] = {}
    for nation in (BROKER, *PARTNERS):
        requests = {line["requestId"]: line["latencyMs"] for line in stand.audited(nation) if line["policyId"] == _MANY}
        names = {name: None for request in requests.values() for name in request}
        found[nation] = {
            name: statistics.median(request.get(name, 0.0) for request in requests.values()) for name in names
        }
    return found


def figures(rounds: Sequence[Measured]) -> dict[str, float]:
    """Each the median of the rounds; of two partners the slower counts, of two sizes of requests the dearer. An answer past
    an open breaker is timed whole, the rewrap of the next alternative included.
    """
    slowest = slowest_of(rounds)
    return {
        "three_kas_p95_ratio": _median(rounds, lambda one: p95(one[THREE]) / p95(one[slowest])),
        "forward_cpu_ratio": max(_median(rounds, partial(cpu_ratio, size=size)) for size in SIZES),
        "failover_over_timeout_ms": _median(rounds, lambda one: p95(over_timeout(one))),
        "open_breaker_ms": _median(rounds, lambda one: p95(one[OPEN])),
    }


def slowest_of(rounds: Sequence[Measured]) -> str:
    return max(PARTNERS, key=lambda nation: p95(_all(rounds, nation)))


def cpu_ratio(one: Measured, size: int) -> float:
    return statistics.mean(one[case(size, FORWARDED)]) / statistics.mean(one[case(size, LOCAL)])


def over_timeout(one: Measured) -> list[float]:
    return [ms - 1000 * SILENT_SECONDS for ms in one[FAILOVER]]


def _median(rounds: Sequence[Measured], of: Callable[[Measured], float]) -> float:
    return statistics.median(map(of, rounds))


def _all(rounds: Sequence[Measured], name: str) -> list[float]:
    return [value for one in rounds for value in one[name]]


def print_rounds(rounds: Sequence[Measured]) -> None:
    print("of all rounds: median (quartiles, extremes), p95; milliseconds")
    for name in rounds[0]:
        unit = "processor, a KAO" if name[0].isdigit() else ""
        values = _all(rounds, name)
        print(f"{name:<20} {spread(values):7.2f}   p95 {p95(values):8.2f}   {len(values)} times {unit}")
    print("\nof the rounds: median (quartiles, extremes)")
    for words, of in _comparisons(slowest_of(rounds)).items():
        print(f"{words:<46} {spread([of(one) for one in rounds]):6.2f}")


def _comparisons(slowest: str) -> dict[str, Callable[[Measured], float]]:
    return {
        f"three services p95 ÷ {slowest} asked directly p95": lambda one: p95(one[THREE]) / p95(one[slowest]),
        f"three services ÷ {slowest} asked directly, medians": lambda one: _middle(one, THREE) / _middle(one, slowest),
        **{f"processor, forwarded ÷ here, {size} a request": partial(cpu_ratio, size=size) for size in SIZES},
        "silent first, p95 over its time-out, ms": lambda one: p95(over_timeout(one)),
        "open breaker first, p95, ms": lambda one: p95(one[OPEN]),
        "open breaker first, p95 over without it, ms": lambda one: p95(one[OPEN]) - p95(one[ALONE]),
    }


def _middle(one: Measured, name: str) -> float:
    return statistics.median(one[name])


def print_stages(found: Mapping[str, Mapping[str, float]]) -> None:
    print("\nwhere each millisecond of a request to three services goes, as each audits it (medians)")
    names = {name: None for of in found.values() for name in of}
    print(f"{'':<16}" + "".join(f"{nation:>10}" for nation in found))
    for name in names:
        print(f"{name:<16}" + "".join(f"{of.get(name, 0.0):>10.2f}" for of in found.values()))
    print(f"{'sum':<16}" + "".join(f"{sum(of.values()):>10.2f}" for of in found.values()))


def context(rounds: Sequence[Measured], found: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """What a reader needs to judge the figures: every measurement, and the stages."""
    every = [{name: [round(value, 2) for value in values] for name, values in one.items()} for one in rounds]
    return {"latencyMs": LATENCY_MS, "slowest": slowest_of(rounds), "stagesMs": found, "rounds": every}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.federation", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11, help=f"{MIN_ROUNDS} or more")
    parser.add_argument("--repeats", type=int, default=40, help="of each request in a round")
    asked = parser.parse_args()
    if asked.rounds < MIN_ROUNDS:
        parser.error(f"--rounds: {MIN_ROUNDS} or more")
    rounds: list[Measured] = []
    with standing(LATENCY_MS, asked.rounds) as stand:
        latencies(stand, 1)
        processor_time(stand, 1)
        for silent in stand.silent:
            parts = latencies(stand, asked.repeats), processor_time(stand, asked.repeats)
            rounds.append({**parts[0], **parts[1], **alternatives(stand, silent, asked.repeats)})
            print(".", end="", flush=True)
        found = stages(stand)
    print()
    print_rounds(rounds)
    print_stages(found)
    print()
    for name, value in figures(rounds).items():
        print(f"  {name:<28} {value:8.3f}")
    print(write_report("bench-federation", figures(rounds), context(rounds, found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
