# ruff: noqa: INP001 - a script beside what it writes, not a package
"""The tables of ``COST-OPTIMIZATION.md``, by the model of ``kas.cost``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from kas.cost.architectures import ARCHITECTURES, is_sufficient, monthly, steps
from kas.cost.compute import (
    KAO_SECONDS,
    REQUEST_SECONDS,
    START_SECONDS,
    UPTIME_REGIONS,
    capacity,
    run_lines,
)
from kas.cost.lines import total
from kas.cost.prices import load_prices
from kas.cost.report import pays_from
from kas.cost.scenario import (
    ANSWER_BYTES,
    KAO_LOG_BYTES,
    OPERATION_LOG_BYTES,
    REQUEST_LOG_BYTES,
    RESULT_BYTES,
    Scenario,
)
from kas.cost.services import bill

PRICES: Final = load_prices()
TRAFFIC: Final = (1_000, 10_000, 100_000, 1_000_000)
PILOT: Final = Scenario()
REPEATING: Final = replace(PILOT, hit_rate=0.8)
Rows = Iterable[Iterable[str]]
Table = Callable[[Iterable[str], Rows], str]

# What is changed of the pilot, and how.
KNOBS: Final[Mapping[str, Mapping[str, Any]]] = {
    "80 % of key access objects need no operation": {"hit_rate": 0.8},
    "RSA-3072 or RSA-4096 in place of RSA-2048": {"key": "rsa-4096"},
    "keys at software level": {"protection": "software"},
    "all unwrap keys sealed": {"key": "sealed"},
    "one dialect": {"dialects": ("acp240",)},
    "no sealed EC key": {"sealed_ec": False, "secrets": 2},
    "one old version kept of each dialect's key": {"retained": 1},
    "ten key access objects a request": {"kaos": 10},
    "three nations": {"nations": ("usa", "fra", "gbr")},
    "requests within 100 ms": {"billed_seconds": 0.1},
    "1 GiB of memory": {"memory_mib": 1024},
    "one minimum instance": {"min_instances": 1},
    "an uptime check a minute": {"uptime_minutes": 1},
    "no entries of Cloud KMS in the log": {"log_bytes": REQUEST_LOG_BYTES + KAO_LOG_BYTES},
    "nine alert conditions": {"alert_conditions": 9},
    "TLS 1.3 alone": {"tls13": True},
}


def money(amount: float) -> str:
    return f"{round(amount, 2) + 0:,.2f}"


def at(scenario: Scenario, traffic: float) -> float:
    return monthly(replace(scenario, requests_per_day=traffic), PRICES)


def bills(table: Table) -> str:
    """The pilot's, by service."""
    columns = [bill(replace(PILOT, requests_per_day=traffic), PRICES) for traffic in TRAFFIC]
    services = list(dict.fromkeys(line.service for line in columns[0]))
    rows = [
        (service, *(money(sum(line.cost for line in lines if line.service == service)) for lines in columns))
        for service in services
    ]
    totals = ("**a month**", *(f"**{money(total(lines))}**" for lines in columns))
    return table(("requests a day", *(f"{traffic:,}" for traffic in TRAFFIC)), [*rows, totals])


def knobs(table: Table) -> str:
    rows = []
    for name, change in KNOBS.items():
        changed = replace(PILOT, **change)
        rows.append((name, *(_difference(at(changed, traffic) - at(PILOT, traffic)) for traffic in TRAFFIC)))
    return table(("requests a day", *(f"{traffic:,}" for traffic in TRAFFIC)), rows)


def _difference(amount: float) -> str:
    return "0" if abs(amount) < 0.005 else f"{'+' if amount > 0 else '−'}{money(abs(amount))}"  # noqa: PLR2004 - a cent


def architectures(table: Table) -> str:
    traffics = (*TRAFFIC, 10_000_000)
    rows = []
    for architecture in ARCHITECTURES:
        applied = [architecture.applied(replace(REPEATING, requests_per_day=traffic)) for traffic in traffics]
        cells = [money(monthly(one, PRICES)) if is_sufficient(one) else "–" for one in applied]
        rows.append((architecture.title, *cells))
    return table(("requests a day", *(f"{traffic:,}" for traffic in traffics)), rows)


def cheapest(table: Table) -> str:
    """Steps, at two ways in which traffic comes."""
    rows = []
    for peak in (4.0, 20.0):
        for step in steps(replace(REPEATING, peak=peak), PRICES):
            title = "–" if step.architecture is None else step.architecture.title
            first = step.requests_per_day <= 10  # noqa: PLR2004 - the least that is looked at
            traffic = "any" if first else f"{_three(step.requests_per_day)}"
            cost = "–" if math.isinf(step.cost) else money(step.cost)
            rows.append((f"{peak:g} times", traffic, title, cost))
    return table(
        ("busiest moment, of the mean", "from requests a day", "cheapest that suffices", "a month there"), rows
    )


def pays(table: Table) -> str:
    """RSA-2048 beside RSA-4096."""
    large = {name: traffic for name, _, traffic in pays_from(replace(REPEATING, key="rsa-4096"), PRICES)}
    rows = [(text, _three(traffic), _three(large[name])) for name, text, traffic in pays_from(REPEATING, PRICES)]
    return table(("from how many requests a day on", "RSA-2048", "RSA-4096"), rows)


def _three(value: float) -> str:
    """Three significant figures."""
    return "never" if math.isinf(value) else f"{float(f'{value:.3g}'):,.0f}"


def compute(table: Table) -> str:
    """Cloud Run alone, between its bounds."""
    plain = replace(PILOT, uptime_minutes=0, memory_mib=512)
    rows = []
    for traffic in (10_000, 30_000, 100_000, 1_000_000):
        there = replace(plain, requests_per_day=traffic)
        shared, apart = (total(run_lines(there, PRICES, overlapping=overlaps)) for overlaps in (True, False))
        rows.append((f"{traffic:,}", money(shared), money(apart)))
    return table(("requests a day", "requests overlap as they happen to", "none ever do"), rows)


def assumptions(table: Table) -> str:
    work = f"half a processor's time at {1000 * REQUEST_SECONDS:.1f} ms and {1000 * KAO_SECONDS:.1f} ms a key access object"
    logs = (
        f"{REQUEST_LOG_BYTES:,} bytes, {KAO_LOG_BYTES:,} a key access object, {OPERATION_LOG_BYTES:,} a key operation"
    )
    uptime = f"from {UPTIME_REGIONS} regions, every {PILOT.uptime_minutes} minutes"
    rows = [
        ("time of a request", f"{PILOT.billed_seconds * 1000:.0f} ms billed", "`--latency-ms`, `--from-audit`"),
        ("busiest moment", f"{PILOT.peak:g} times the mean", "`--peak`"),
        ("an instance answers", f"{capacity(PILOT):.0f} requests a second: {work}", "–"),
        ("a start", f"{START_SECONDS:g} s, after 15 minutes in which nobody asks", "–"),
        ("uptime check", uptime, "`--uptime-minutes`"),
        ("logs of a request", logs, "`--log-bytes`, `--from-audit`"),
        ("an answer", f"{ANSWER_BYTES} bytes, and {RESULT_BYTES} a key access object", "–"),
        ("a request in Firestore", "two writes, a read, a deletion", "–"),
        (
            "a key access object in Firestore",
            "a read, and where it is no hit a write and a deletion; nothing without hits",
            "–",
        ),
    ]
    return table(("what", "assumed", "said by"), rows)


def prices(table: Table) -> str:
    rows = [
        (
            f"`{name}`",
            f"{price.value:.7f}".rstrip("0").rstrip("."),
            price.unit,
            "yes" if price.is_confirmed else "no",
            f"[{price.source.removeprefix('https://cloud.google.com/')}]({price.source})",
        )
        for name, price in PRICES.by_name.items()
    ]
    return table(("price", "US dollars, or units free", "for each", "confirmed", "source"), rows)
