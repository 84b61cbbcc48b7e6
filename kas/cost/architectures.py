"""Ways to run the service, which of them suffice, and from what traffic on which is the cheapest.

Sufficient is what answers the busiest moment and accepts each proof once. Used proofs are remembered by one process, or
in a store that all share; so more than one instance needs one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from kas.cost.compute import DAYS, capacity
from kas.cost.lines import total
from kas.cost.prices import Prices
from kas.cost.scenario import SHARED_CACHES, Scenario
from kas.cost.services import HOURS, bill
from kas.dataclass import dataclass

MOST_INSTANCES: Final = 100
LEAST_TRAFFIC: Final = 10.0  # requests a day that are looked at
MOST_TRAFFIC: Final = 1e8
_PER_DECADE: Final = 20
_HALVINGS: Final = 24


@dataclass(frozen=True, slots=True)
class Architecture:
    """``is_shared`` is one whose instances share a store, so there may be several."""

    name: str
    title: str
    host: str
    state: str

    @property
    def is_shared(self) -> bool:
        return self.state != "memory"

    def applied(self, scenario: Scenario) -> Scenario:
        """The scenario on this architecture, with as many instances as the busiest moment wants."""
        on = replace(scenario, host=self.host, state=self.state, instances=1, min_instances=0)
        if self.host == "run":
            on = replace(on, min_instances=scenario.min_instances if self.is_shared else min(1, scenario.min_instances))
        return replace(on, instances=max(2, needed(on))) if self.is_shared else on


ARCHITECTURES: Final = (
    Architecture("pilot", "one instance, memory", "run", "memory"),
    Architecture("vm", "one small VM, memory", "vm", "memory"),
    Architecture("firestore", "several instances, Firestore", "run", "firestore"),
    Architecture("valkey", "several instances, Valkey nano", "run", "valkey"),
    Architecture("redis", "several instances, Redis Basic 1 GiB", "run", "redis"),
)


@dataclass(frozen=True, slots=True)
class Step:
    """From ``requests_per_day`` on this is the cheapest that suffices, None where nothing does."""

    requests_per_day: float
    architecture: Architecture | None
    cost: float


def needed(scenario: Scenario) -> int:
    """Instances that the busiest moment wants."""
    return max(1, math.ceil(scenario.requests_per_second * scenario.peak / capacity(scenario)))


def shortcomings(scenario: Scenario) -> list[str]:
    """Why the scenario does not suffice; empty where it does."""
    found = []
    wanted = needed(scenario)
    if wanted > scenario.instances:
        each = capacity(scenario)
        found.append(
            f"the busiest moment, {scenario.requests_per_second * scenario.peak:,.0f} requests a second, wants {wanted}"
            f" instances at {each:.0f} each, not {scenario.instances}"
        )
    if scenario.instances > 1 and scenario.state == "memory":
        found.append("each instance remembers its own used proofs, so a proof would be accepted once by each")
    if scenario.host == "vm" and scenario.instances > 1:
        found.append("one machine is one instance")
    return found


def is_sufficient(scenario: Scenario) -> bool:
    return scenario.instances <= MOST_INSTANCES and not shortcomings(scenario)


def monthly(scenario: Scenario, prices: Prices) -> float:
    """US dollars."""
    return total(bill(scenario, prices))


def cheapest(scenario: Scenario, prices: Prices) -> Architecture | None:
    """The cheapest architecture that suffices; of equals the simpler one."""
    costs = {
        architecture: monthly(applied, prices)
        for architecture in ARCHITECTURES
        if is_sufficient(applied := architecture.applied(scenario))
    }
    return min(costs, key=lambda architecture: round(costs[architecture], 4)) if costs else None


def steps(scenario: Scenario, prices: Prices) -> Iterator[Step]:
    """The cheapest architecture at each traffic, from the least on: one step for each change."""
    last: Architecture | None = None
    below = LEAST_TRAFFIC
    for number, traffic in enumerate(traffics()):
        found = cheapest(replace(scenario, requests_per_day=traffic), prices)
        if number == 0:
            yield _step(scenario, prices, traffic, found)
        elif found != last:
            yield _step(scenario, prices, _border(scenario, prices, below, traffic, found), found)
        last, below = found, traffic


def traffics(per_decade: int = _PER_DECADE) -> list[float]:
    """Requests a day, evenly on a logarithmic scale."""
    decades = math.log10(MOST_TRAFFIC / LEAST_TRAFFIC)
    return [LEAST_TRAFFIC * 10 ** (number / per_decade) for number in range(round(decades * per_decade) + 1)]


def crossing(scenario: Scenario, prices: Prices, dear: str, cheap: str) -> float:
    """Requests a day from which on the architecture named ``cheap`` costs less than ``dear``, whether they suffice or
    not; infinite where it never does.
    """

    def is_past(traffic: float) -> bool:
        there = replace(scenario, requests_per_day=traffic)
        return monthly(named(cheap).applied(there), prices) < monthly(named(dear).applied(there), prices)

    below = LEAST_TRAFFIC
    for traffic in traffics():
        if is_past(traffic):
            return _halve(below, traffic, is_past)
        below = traffic
    return math.inf


def named(name: str) -> Architecture:
    return next(architecture for architecture in ARCHITECTURES if architecture.name == name)


def _border(scenario: Scenario, prices: Prices, low: float, high: float, above: Architecture | None) -> float:
    """Where between the two ``above`` begins."""
    return _halve(low, high, lambda middle: cheapest(replace(scenario, requests_per_day=middle), prices) == above)


def _halve(low: float, high: float, is_past: Callable[[float], bool]) -> float:
    """Between the two, the least that is past."""
    for _ in range(_HALVINGS):
        middle = math.sqrt(low * high)
        low, high = (low, middle) if is_past(middle) else (middle, high)
    return high


def _step(scenario: Scenario, prices: Prices, traffic: float, architecture: Architecture | None) -> Step:
    there = replace(scenario, requests_per_day=traffic)
    cost = math.inf if architecture is None else monthly(architecture.applied(there), prices)
    return Step(traffic, architecture, cost)


def one_instance_ends(scenario: Scenario) -> float:
    """Requests a day from which on one instance is too few."""
    return capacity(scenario) / scenario.peak * 86_400


def shared_cache_pays(scenario: Scenario, prices: Prices, state: str) -> float:
    """Requests a day at which a shared cache costs what its hits save, *if nothing were kept without it*. With the
    hits that each instance has for nothing the figure is higher; of one instance they are the same, and it never pays.
    """
    if state not in SHARED_CACHES:
        raise ValueError("not a shared cache")
    hour = prices["redis.basic" if state == "redis" else "valkey.nano"]
    saved = scenario.hit_rate * scenario.kaos * DAYS
    saved *= 0 if scenario.key == "sealed" else prices.operation(scenario.key, scenario.protection)
    return hour * HOURS / saved if saved else math.inf


def free_compute_ends(scenario: Scenario, prices: Prices) -> float:
    """Requests a day up to which the free tier covers the processor where no two requests overlap."""
    factor = sum(prices.tier_factor(location) for location in scenario.locations)
    return prices["run.cpu.free"] / (DAYS * scenario.billed_seconds * scenario.vcpu * factor)
