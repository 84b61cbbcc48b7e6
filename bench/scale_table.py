"""What `scale` has found, as figures, as a table and as the values behind them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from bench.rounds import spread
from bench.scale_kill import Killed
from bench.scale_limit import Counted
from bench.scale_load import Nonces, Row, Size, name_of
from bench.scale_operations import Operations
from bench.scale_stand import MEMORY

LIMIT_ERROR: Final = 0.02
_COLUMNS: Final = ("p50", "p95", "p99", "per_second", "cpu", "store_cpu", "nginx_cpu")


@dataclass(slots=True)
class Found:
    """By store, rows by how many instances are on it too; ``accepted_without_nonces`` is by how many of those in memory each
    proof was accepted where no nonce is asked for.
    """

    rows: dict[Size, list[Row]] = field(default_factory=dict)
    operations: dict[str, Operations] = field(default_factory=dict)
    nonces: dict[int, Nonces] = field(default_factory=dict)
    replays: dict[str, list[int]] = field(default_factory=dict)
    accepted_without_nonces: list[int] = field(default_factory=list)
    limits: dict[str, list[Counted]] = field(default_factory=dict)
    kills: dict[str, list[Killed]] = field(default_factory=dict)


def figures(found: Found) -> dict[str, float]:
    """Of replays the most over all stores, of the limit the furthest of those that instances share, of the killed all."""
    replays = {f"{name}_replay_accepted_max": float(max(counts)) for name, counts in found.replays.items()}
    errors = {f"{name}_limit_error": max(one.error for one in limits) for name, limits in found.limits.items()}
    rows = {
        f"{name}_{size}_{column}": _median(rows_of, column)
        for (name, size), rows_of in found.rows.items()
        for column in _COLUMNS
    }
    kills = list(found.kills.values())
    shared = [value for name, value in errors.items() if not name.startswith(MEMORY)]
    return {
        "replay_accepted_max": max(replays.values()),
        **replays,
        **({"limit_error": max(shared)} if shared else {}),
        **errors,
        **({"killed_lost": float(sum(one.lost for each in kills for one in each))} if kills else {}),
        **rows,
    }


def _median(rows: Sequence[Row], column: str) -> float:
    return statistics.median(float(getattr(row, column)) for row in rows)


def is_kept(found: Mapping[str, float]) -> bool:
    """Whether what is promised of several instances was kept: no bound here is one of time."""
    return (
        found["replay_accepted_max"] == 1
        and found.get("killed_lost", 0.0) == 0
        and found.get("limit_error", 0.0) <= LIMIT_ERROR
    )


def print_found(found: Found, missing: Mapping[str, str]) -> None:
    print("medians of the rounds; CPU in milliseconds for one rewrap: of the instances, of the store, of nginx")
    print(f"{'through nginx':<24}{'p50':>8}{'p95':>8}{'p99 ms':>9}{'a second':>10}{'CPU':>8}{'store':>8}{'nginx':>8}")
    for key, rows in found.rows.items():
        p50, p95, p99, second, *cpu = (_median(rows, column) for column in _COLUMNS)
        print(
            f"{name_of(*key):<24}{p50:>8.1f}{p95:>8.1f}{p99:>9.1f}{second:>10.1f}"
            + "".join(f"{one:>8.2f}" for one in cpu)
        )
    for size, nonces in found.nonces.items():
        print(f"{name_of(MEMORY, size):<24}{_nonces(nonces)}")
    for name, why in missing.items():
        print(f"{name:<24}not measured: {why}")
    print("\nCPU of the instances above that in memory, of the rounds: median (quartiles, extremes)")
    for key, above in _above_memory(found).items():
        print(f"{name_of(*key):<24}{spread(above):.2f}")
    print("\nfor one rewrap the store is asked for")
    for name, asked in found.operations.items():
        print(f"{name:<24}{_counts(asked.first)}; with a kept key {_counts(asked.again)}")
    print("\nthe same proof at all instances at once: accepted by at most, by at least, proofs")
    replays = {
        **found.replays,
        **({"memory, no nonces": found.accepted_without_nonces} if found.accepted_without_nonces else {}),
    }
    for name, numbers in replays.items():
        print(f"{name:<24}{max(numbers):>8}{min(numbers):>8}{len(numbers):>8}")
    print("\nthe limit of one caller over all instances: limit, sent, accepted, seconds")
    for name, limits in found.limits.items():
        for one in limits:
            print(f"{name:<24}{one.limit:>8}{one.sent:>8}{one.accepted:>9}{one.seconds:>10.1f} {_how(one)}")
    print(
        "\none of two instances killed: open connections, failed, beyond, gone on; proofs refused; used of the failed"
    )
    for name, kills in found.kills.items():
        for each in kills:
            print(
                f"{name:<24}{each.open_connections:>8}{each.failed:>8}{each.lost:>9}{each.passed_on:>10}"
                f"{each.replayed:>8}{each.used:>8}   of {each.requests}"
            )


def _above_memory(found: Found) -> dict[Size, list[float]]:
    """Milliseconds of the processor in each round, beside one instance in memory."""
    base = found.rows.get((MEMORY, 1), [])
    return {
        key: [one.cpu - other.cpu for one, other in zip(rows, base, strict=True)]
        for key, rows in found.rows.items()
        if base and key != (MEMORY, 1)
    }


def _nonces(nonces: Nonces) -> str:
    return f"of {nonces.requests} requests {nonces.first} accepted, {nonces.second} more when challenged once; the rest not"


def _counts(counts: Mapping[str, float]) -> str:
    return ", ".join(f"{number:g} {name}" for name, number in counts.items())


def _how(one: Counted) -> str:
    return "; ".join(["evenly" if one.is_steady else "at once", *one.told])


def context(found: Found, missing: Mapping[str, str]) -> dict[str, Any]:
    """What a reader needs to judge the figures."""
    return {
        "missing": dict(missing),
        "rows": {name_of(*key): [asdict(row) for row in rows] for key, rows in found.rows.items()},
        "operations": {name: asdict(one) for name, one in found.operations.items()},
        "nonces": {str(size): asdict(one) for size, one in found.nonces.items()},
        "replays": {name: len(proofs) for name, proofs in found.replays.items()},
        "acceptedWithoutNonces": found.accepted_without_nonces,
        "limits": {name: [asdict(one) for one in limits] for name, limits in found.limits.items()},
        "kills": {name: [asdict(one) for one in kills] for name, kills in found.kills.items()},
    }
