"""What a scenario costs, for people and for programs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from kas.cost.architectures import (
    ARCHITECTURES,
    Step,
    crossing,
    free_compute_ends,
    is_sufficient,
    monthly,
    one_instance_ends,
    shared_cache_pays,
    shortcomings,
    steps,
)
from kas.cost.compute import DAYS, capacity, kept_hit_rate, serving
from kas.cost.lines import Line, total
from kas.cost.prices import Prices
from kas.cost.scenario import SHARED_CACHES, SHARED_STATES, Scenario
from kas.cost.services import bill, operations
from kas.dataclass import dataclass

_UNCONFIRMED: Final = " [?]"
_WHOLE_FROM: Final = 1000
# Defaults of `kas.config`, which is not imported: the command runs with the standard library alone.
_GLOBAL_LIMIT: Final = 1000  # KAS_RATE_GLOBAL_PER_MINUTE
_DAY_BUDGET: Final = 20_000  # KAS_KMS_OPERATIONS_PER_DAY


@dataclass(frozen=True, slots=True)
class Report:
    scenario: Scenario
    prices: Prices
    lines: tuple[Line, ...]
    steps: tuple[Step, ...]


def new_report(scenario: Scenario, prices: Prices) -> Report:
    return Report(scenario, prices, tuple(bill(scenario, prices)), tuple(steps(scenario, prices)))


def as_json(report: Report) -> dict[str, Any]:
    """Numbers are not rounded; null stands for never."""
    scenario, prices = report.scenario, report.prices
    return {
        "currency": "USD",
        "pricesOf": prices.date,
        "scenario": dataclasses.asdict(scenario),
        "lines": [
            {
                "service": line.service,
                "item": line.item,
                "quantity": line.quantity,
                "unit": line.unit,
                "gross": line.gross,
                "free": line.free,
                "cost": line.cost,
                "confirmed": line.is_confirmed,
            }
            for line in report.lines
        ],
        "total": total(report.lines),
        "shortcomings": shortcomings(scenario),
        "architectures": [
            {
                "name": architecture.name,
                "title": architecture.title,
                "instances": applied.instances,
                "cost": monthly(applied, prices),
                "sufficient": is_sufficient(applied),
            }
            for architecture in ARCHITECTURES
            for applied in (architecture.applied(scenario),)
        ],
        "steps": [
            {
                "requestsPerDay": step.requests_per_day,
                "architecture": None if step.architecture is None else step.architecture.name,
                "cost": _finite(step.cost),
            }
            for step in report.steps
        ],
        "paysFrom": {name: _finite(traffic) for name, _, traffic in pays_from(scenario, prices)},
    }


def pays_from(scenario: Scenario, prices: Prices) -> Iterator[tuple[str, str, float]]:
    """Name, what happens, and from how many requests a day on."""
    yield "compute", "the free tier no longer covers the processor", free_compute_ends(scenario, prices)
    yield "vm", "a small VM costs less than one instance of Cloud Run", crossing(scenario, prices, "pilot", "vm")
    yield "instances", "one instance is too few at the busiest moment", one_instance_ends(scenario)
    yield "valkey", "Valkey nano costs less than Firestore", crossing(scenario, prices, "firestore", "valkey")
    yield "redis", "Redis costs less than Firestore", crossing(scenario, prices, "firestore", "redis")
    for state in SHARED_CACHES:
        pays = shared_cache_pays(scenario, prices, state)
        yield (
            f"{state}Cache",
            f"{state.capitalize()} costs less than its hits save, if nothing is kept without it",
            pays,
        )
    traffic = crossing(scenario, prices, "pilot", "redis")
    yield "redisHere", "Redis costs less than one instance that keeps its own keys", traffic


def as_text(report: Report) -> str:
    scenario, prices = report.scenario, report.prices
    parts = [
        [_title(scenario)],
        _table([("service", "", "quantity", "unit", "gross", "free", "cost"), *_rows(report.lines)], left=2),
        [f"A month costs ${total(report.lines):,.2f}. Prices of {prices.date}."],
        [f"Not sufficient: {reason}." for reason in shortcomings(scenario)],
        ["At this traffic:", *_table(list(_architecture_rows(scenario, prices)), left=2)],
        ["The cheapest that suffices, with everything else as above:", *_table(list(_step_rows(report.steps)), left=1)],
        ["From how many requests a day on:", *_table(list(_pay_rows(scenario, prices)), left=1)],
        list(_notes(report)),
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def _title(scenario: Scenario) -> str:
    nations = ", ".join(
        f"{nation} ({where})" for nation, where in zip(scenario.nations, scenario.locations, strict=True)
    )
    each = " each" if len(scenario.nations) > 1 else ""
    return f"{scenario.requests_per_day:,.0f} requests a day{each}: {nations}"


def _rows(lines: Iterable[Line]) -> Iterator[tuple[str, ...]]:
    last = ""
    for line in lines:
        if line.quantity:
            item = line.item + ("" if line.is_confirmed else _UNCONFIRMED)
            money = (f"{amount:,.2f}" for amount in (line.gross, line.free, line.cost))
            yield ("" if line.service == last else line.service, item, _number(line.quantity), line.unit, *money)
            last = line.service
    yield ("total", "", "", "", *(f"{amount:,.2f}" for amount in _sums(lines)))


def _sums(lines: Iterable[Line]) -> tuple[float, float, float]:
    kept = list(lines)
    return sum(line.gross for line in kept), sum(line.free for line in kept), total(kept)


def _architecture_rows(scenario: Scenario, prices: Prices) -> Iterator[tuple[str, ...]]:
    yield "architecture", "", "instances", "a month"
    for architecture in ARCHITECTURES:
        applied = architecture.applied(scenario)
        note = "" if is_sufficient(applied) else "does not suffice"
        yield architecture.title, note, f"{applied.instances}", f"{monthly(applied, prices):,.2f}"


def _step_rows(found: Iterable[Step]) -> Iterator[tuple[str, ...]]:
    yield "architecture", "from requests a day", "a month there"
    for number, step in enumerate(found):
        traffic = "any" if number == 0 else _number(step.requests_per_day)
        title = "nothing that is compared here" if step.architecture is None else step.architecture.title
        yield title, traffic, "" if math.isinf(step.cost) else f"{step.cost:,.2f}"


def _pay_rows(scenario: Scenario, prices: Prices) -> Iterator[tuple[str, ...]]:
    for _, text, traffic in pays_from(scenario, prices):
        yield text, "never" if math.isinf(traffic) else _number(traffic)


def _notes(report: Report) -> Iterator[str]:
    scenario = report.scenario
    each, peak = capacity(scenario), scenario.requests_per_second * scenario.peak
    yield f"An instance answers {each:.0f} requests a second; the busiest moment has {scenario.peak:g} times the mean."
    if serving(scenario) > 1 and scenario.state not in SHARED_STATES and scenario.hit_rate:
        yield f"Keys that each instance keeps for itself have {kept_hit_rate(scenario):.0%} hits of {scenario.hit_rate:.0%}."
    if 60 * peak > _GLOBAL_LIMIT:
        yield f"KAS_RATE_GLOBAL_PER_MINUTE is {_GLOBAL_LIMIT} by default; that moment wants {60 * peak:,.0f}."
    done = operations(scenario) / DAYS / len(scenario.nations) / scenario.instances
    if done > _DAY_BUDGET:
        yield f"KAS_KMS_OPERATIONS_PER_DAY is {_DAY_BUDGET} by default; each instance would make {done:,.0f}."
    if any(not line.is_confirmed and line.quantity for line in report.lines):
        yield "[?] the price is second-hand: look it up at its source (kas/cost/prices.json)."
    if not scenario.alert_conditions:
        yield "Without alerts: deploy.sh makes nine, --alert-conditions 9 says what they add."
    yield "Before taxes and discounts; only Cloud Run's prices are those of the location, all others are of us-central1."


def _number(value: float) -> str:
    """With three significant figures and more, or as a whole."""
    if value >= _WHOLE_FROM or value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.3g}"


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value


def _table(rows: Sequence[tuple[str, ...]], *, left: int) -> list[str]:
    """Aligned columns, the first ``left`` of them and the units to the left."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    units = [column for column, cell in enumerate(rows[0]) if cell == "unit"]
    return [
        "  "
        + "  ".join(
            cell.ljust(width) if column < left or column in units else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
