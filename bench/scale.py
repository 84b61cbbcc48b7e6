"""`make bench-scale`: one, two and four instances behind nginx, on each store that there is: what a rewrap costs, whether a proof
passes once and a limit is one limit, and what is lost with an instance that is killed.

The instances run with env.yaml and software keys, limits on and their numbers raised; the load is a process of its own, every
answer is verified and opened. All run on one machine, so what is seen is what the store costs and that nothing breaks: more
instances than the machine has processors are no quicker.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bench.report import machine, write_report
from bench.rounds import MIN_ROUNDS
from bench.scale_kill import killed
from bench.scale_limit import counted
from bench.scale_load import KIDS, SIZES, nonces_in_memory, running_fleets, throughput
from bench.scale_operations import operations
from bench.scale_replay import accepted
from bench.scale_stand import FIRESTORE, MEMORY, REDIS, Backend, available, backend, instances
from bench.scale_table import Found, context, figures, is_kept, print_found
from bench.speed_stand import Stand, standing

BACKENDS: Final = (MEMORY, REDIS, FIRESTORE)
# As deployed, which every store counts one by one; and one that Firestore counts in hundredths.
LIMITS: Final = (100, 1000)
_WITHOUT: Final = 50  # proofs where no nonce is asked for: each is accepted everywhere
_OPERATIONS: Final = 10  # requests whose questions to the store are counted


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is done: rounds and requests of each row, proofs, limits, for how long the largest is asked for steadily, how
    often an instance is killed under how many requests.
    """

    rounds: int = MIN_ROUNDS
    requests: int = 200
    proofs: int = 1000
    limits: Sequence[int] = LIMITS
    steady_seconds: float = 45.0
    kills: int = 3
    kill_requests: int = 600
    sizes: Sequence[int] = SIZES


def measure(names: Sequence[str], amounts: Amounts) -> Found:
    """Each part on each of the stores ``names``. Raises BenchFailed."""
    found = Found()
    with standing(KIDS) as stand, contextlib.ExitStack() as running:
        backends = [running.enter_context(backend(stand, name)) for name in names]
        with running_fleets(stand, backends, amounts.sizes) as fleets:
            _tell("rewraps")
            found.rows = throughput(fleets, amounts.rounds, amounts.requests)
            if MEMORY in names:
                several = [size for size in amounts.sizes if size > 1]
                found.nonces = {size: nonces_in_memory(fleets, size, amounts.requests) for size in several}
            for one, servers in fleets.by_store.values():
                _tell(f"replays in {one.name}")
                found.replays[one.name] = accepted(stand, one, servers, amounts.proofs)
                if one.is_shared:
                    found.operations[one.name] = operations(stand, one, servers[0], _OPERATIONS)
        for one in backends:
            _measure(stand, one, amounts, found)
    print()
    return found


def _measure(stand: Stand, store: Backend, amounts: Amounts, found: Found) -> None:
    """What needs instances of its own."""
    size, limits = max(amounts.sizes), amounts.limits if store.is_shared else amounts.limits[:1]
    found.limits[store.name] = []
    for limit in limits:
        _tell(f"limits in {store.name}")
        with instances(stand, store, size, KAS_RATE_REWRAP_PER_MINUTE=str(limit)) as servers:
            found.limits[store.name].append(counted(stand, store, servers, limit))
            if store.is_shared and limit == max(limits):
                found.limits[store.name].append(counted(stand, store, servers, limit, amounts.steady_seconds))
    if store.is_shared:
        _tell(f"deaths with {store.name}")
        found.kills[store.name] = [killed(stand, store, amounts.kill_requests) for _ in range(amounts.kills)]
    else:
        with instances(stand, store, size, KAS_REWRAP_DPOP_NONCE="off") as servers:
            found.accepted_without_nonces = accepted(stand, store, servers, min(amounts.proofs, _WITHOUT))


def _tell(name: str) -> None:
    print(name, end=" … ", flush=True)


def main() -> int:
    default = Amounts()
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=BACKENDS)
    parser.add_argument("--rounds", type=int, default=default.rounds, help=f"{MIN_ROUNDS} or more")
    parser.add_argument("--requests", type=int, default=default.requests, help="of each row in a round")
    parser.add_argument("--proofs", type=int, default=default.proofs, help="brought to all instances at once")
    parser.add_argument("--limits", type=int, nargs="+", default=default.limits, help="a minute, of one caller")
    parser.add_argument("--steady-seconds", type=float, default=default.steady_seconds, help="less than 50")
    parser.add_argument("--kills", type=int, default=default.kills)
    parser.add_argument("--kill-requests", type=int, default=default.kill_requests)
    asked = vars(parser.parse_args())
    if asked["rounds"] < MIN_ROUNDS:
        parser.error(f"--rounds: {MIN_ROUNDS} or more")
    before = machine()
    names, missing = available(asked.pop("backends"))
    found = measure(names, Amounts(**asked))
    print_found(found, missing)
    print()
    numbers = figures(found)
    for name, value in numbers.items():
        print(f"  {name:<28} {value:8.3f}")
    print(write_report("bench-scale", numbers, {**before, **asked, "backends": names, **context(found, missing)}))
    return 0 if is_kept(numbers) else 1


if __name__ == "__main__":
    sys.exit(main())
