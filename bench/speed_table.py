"""What `speed` has found, as figures, as tables and as the values behind them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.rounds import spread

EMPTY: Final = "empty function"
_FIELDS: Final = ("p50", "p95", "p99", "per_second", "cpu")


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of the processor for one request: of the server, and of the cryptography alone."""

    cpu: float
    floor: float = 0.0


Costs = Mapping[str, Sequence[Cost]]


@dataclass(frozen=True, slots=True)
class Waits:
    """Milliseconds that clients waited, requests a second, and the server's processor for one in milliseconds."""

    p50: float
    p95: float
    p99: float
    per_second: float
    cpu: float


def waiting(name: str, connections: int) -> str:
    return f"{name}, {connections} connection{'s' if connections > 1 else ''}"


def ratios(found: Costs) -> dict[str, list[float]]:
    """What is asked for, in each round."""
    empty = [one.cpu for one in found[EMPTY]]

    def over(name: str) -> list[float]:
        return [one.cpu / (one.floor + least) for one, least in zip(found[name], empty, strict=True)]

    return {
        "single_ratio": over("ACP-240, RSA-2048"),
        "bulk100_ratio": [one.cpu / one.floor for one in found["ACP-240, 100 keys"]],
        "cached_ratio": over("ACP-240, cached"),
    }


def tails(found: Mapping[str, Sequence[Waits]]) -> list[float]:
    """p99 ÷ p50 of the service ÷ the same of the empty function, in each round."""
    ours, empty = (found[waiting(name, 8)] for name in ("rewrap", EMPTY))
    return [(one.p99 / one.p50) / (other.p99 / other.p50) for one, other in zip(ours, empty, strict=True)]


def print_costs(found: Costs) -> None:
    empty = [one.cpu for one in found[EMPTY]]
    print("milliseconds of the processor for one request: median (quartiles, extremes) of the rounds, that of its")
    print("cryptography, and × cryptography and empty function")
    for name, costs_of in found.items():
        row = f"{name:<20} {spread([one.cpu for one in costs_of]):7.3f}"
        if name != EMPTY:
            times = [one.cpu / (one.floor + least) for one, least in zip(costs_of, empty, strict=True)]
            row += f"   {statistics.median(one.floor for one in costs_of):7.3f}   × {spread(times):.2f}"
        print(row)


def print_waits(found: Mapping[str, Sequence[Waits]], memory: float) -> None:
    print(f"\n{'medians of the rounds':<32}{'p50':>10}{'p95':>10}{'p99 ms':>10}{'a second':>10}{'CPU ms':>10}")
    for name, of in found.items():
        middle = [statistics.median(getattr(one, field) for one in of) for field in _FIELDS]
        print(f"{name:<32}" + "".join(f"{value:>10.2f}" for value in middle))
    print(f"{'memory of the service':<32}{memory:>10.2f} MB")


def context(found: Costs, waited: Mapping[str, Sequence[Waits]]) -> dict[str, Any]:
    """Every measurement."""
    return {
        "cpuMs": {name: [round(one.cpu, 4) for one in of] for name, of in found.items()},
        "floorMs": {name: [round(one.floor, 4) for one in of] for name, of in found.items() if name != EMPTY},
        "waits": {
            name: [{field: round(getattr(one, field), 3) for field in _FIELDS} for one in of]
            for name, of in waited.items()
        },
    }
