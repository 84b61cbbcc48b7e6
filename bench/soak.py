"""`make soak`: half an hour at a hundred requests a second, of one key each; what went wrong, and what memory grew by.

The service runs as `speed` has it, with the threads of a deployment. Requests are made some seconds ahead, since a proof is
good for a minute; every answer is verified and opened. Memory is looked at after each part; it counts from when whatever
is remembered for a while, used proofs the longest, goes as fast as it comes.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from bench.asked import Asked, new_document
from bench.load import Loaded
from bench.report import machine, write_report
from bench.speed_stand import Server, Stand, standing

_PART_SECONDS: Final = 5.0
_CONNECTIONS: Final = 8
_SETTLED_SECONDS: Final = 180.0  # or a third of a shorter run
_LOOKS: Final = 5  # the median of the first and of the last so many


@dataclass(frozen=True, slots=True)
class Soaked:
    """``errors`` are answers that were not right, ``looks`` MB after each part, ``waits`` milliseconds from when each request
    was due, some of all.
    """

    requests: int
    errors: Sequence[str]
    looks: Sequence[float]
    waits: Sequence[float]

    @property
    def growth(self) -> float:
        settled = min(int(_SETTLED_SECONDS / _PART_SECONDS), len(self.looks) // 3)
        looks = self.looks[settled:]
        number = min(_LOOKS, max(1, len(looks) // 2))
        return statistics.median(looks[-number:]) - statistics.median(looks[:number])


def soak(stand: Stand, seconds: float, per_second: float) -> Soaked:
    """So many requests a second for so long, part after part. Raises BenchFailed where there is no answer."""
    errors: list[str] = []
    looks: list[float] = []
    waits: list[float] = []
    parts = max(1, round(seconds / _PART_SECONDS))
    with stand.serving(stand.threads) as (kas, _), ThreadPoolExecutor(1) as sender:
        asked = _part(stand, kas, per_second)
        sent = _send(sender, kas, asked, per_second)
        for number in range(1, parts + 1):
            following = _part(stand, kas, per_second) if number < parts else []
            loaded = sent.result()
            looks.append(kas.memory_mb())
            if following:
                sent = _send(sender, kas, following, per_second)
            errors += _errors(asked, loaded)
            waits.append(1000 * statistics.quantiles([one.seconds for one in loaded.exchanged], n=100)[98])
            asked = following
    return Soaked(parts * round(per_second * _PART_SECONDS), errors, looks, waits)


def _send(sender: Executor, kas: Server, asked: Sequence[Asked], per_second: float) -> Future[Loaded]:
    return sender.submit(kas.load.send, kas.port, [one.raw for one in asked], _CONNECTIONS, per_second)


def _part(stand: Stand, kas: Server, per_second: float) -> list[Asked]:
    holder = stand.holders["acp-2048"]
    documents = [new_document("acp240", holder, 1) for _ in range(round(per_second * _PART_SECONDS))]
    return stand.ask(kas, documents)


def _errors(asked: Sequence[Asked], loaded: Loaded) -> list[str]:
    found = []
    for one, exchanged in zip(asked, loaded.exchanged, strict=True):
        try:
            one.check(exchanged.answer())
        except Exception as error:  # noqa: BLE001 - whatever is wrong with an answer, it is counted
            found.append(repr(error)[:300])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1800.0)
    parser.add_argument("--per-second", type=float, default=100.0)
    asked = parser.parse_args()
    before = machine()
    with standing() as stand:
        found = soak(stand, asked.seconds, asked.per_second)
    figures = {"soak_errors": float(len(found.errors)), "soak_growth_mb": found.growth}
    print(
        f"{found.requests} requests; MB {found.looks[0]:.1f} to {found.looks[-1]:.1f}, {max(found.looks):.1f} at the most"
    )
    print(f"p99 of the parts, milliseconds: {statistics.median(found.waits):.1f}, {max(found.waits):.1f} at the most")
    print(*found.errors[:10], sep="\n")
    for name, value in figures.items():
        print(f"  {name:<28} {value:8.3f}")
    looks, waits = ([round(one, 2) for one in of] for of in (found.looks, found.waits))
    context = {**before, **vars(asked), "requests": found.requests, "looksMb": looks, "p99Ms": waits}
    print(write_report("bench-soak", figures, {**context, "errors": found.errors[:100]}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
