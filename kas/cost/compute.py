"""Cloud Run, by its price list: https://cloud.google.com/run/pricing.

An instance is billed while it answers anybody, and while it starts; requests that overlap share its time, and each
billed interval is rounded up to 100 ms. With I instances that serve, a month of M seconds, λ requests a second that come
at random, and T seconds for one of them, rounded up:

    busy seconds = I · M · (1 - e^(-λT/I))      requests overlap as they happen to
    busy seconds = M · λ · T                    no two of them ever overlap: the most that it can be

    dollars = tier · busy · (vCPU · price + GiB · price) + requests · price - free tier

The free tier is taken off in dollars, at the prices of tier 1, once for all nations of a billing account.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from kas.cost.lines import Line, priced
from kas.cost.marginal import INTERVAL_SECONDS
from kas.cost.prices import Prices
from kas.cost.scenario import Scenario

DAYS: Final = 30
MONTH_SECONDS: Final = DAYS * 86_400
UPTIME_REGIONS: Final = 6  # that Google's uptime check asks from, each once a period
START_SECONDS: Final = 3.0
_KEPT_SECONDS: Final = 900  # an instance that nobody asks is kept for so long at most
# Processor time of a request and of each key access object, on a busy machine, and the share of it that may be used:
# docs/performance.md.
REQUEST_SECONDS: Final = 0.0039
KAO_SECONDS: Final = 0.0012
_USABLE: Final = 0.5
_THREADS: Final = 32
_VM_SHARE: Final = 0.5  # of a processor, that e2-small has for long


def capacity(scenario: Scenario) -> float:
    """Requests a second that one instance answers: half of what its processor can do, and no more than its threads.

    A second processor is of no use to one Python process.
    """
    share = _VM_SHARE if scenario.host == "vm" else min(scenario.vcpu, 1.0)
    by_processor = _USABLE * share / (REQUEST_SECONDS + KAO_SECONDS * scenario.kaos)
    return min(by_processor, _THREADS / scenario.billed_seconds)


def serving(scenario: Scenario) -> int:
    """Instances that answer at the mean load: as few as can, but the minimum ones, and no more than there may be."""
    needed = max(1, scenario.min_instances, math.ceil(scenario.requests_per_second / capacity(scenario)))
    return min(scenario.instances, needed)


def kept_hit_rate(scenario: Scenario) -> float:
    """The hit rate where each of the serving instances keeps its own keys, and requests go to any of them.

    A rate h of one process is that of keys that are asked for m = 1 / (1 - h) times while they are kept, of which the
    first is no hit; of n processes each key's first request at each is none.
    """
    n, h = serving(scenario), scenario.hit_rate
    if h >= 1:
        return 1.0
    asked = 1 / (1 - h)
    return 1 - n * (1 - math.pow(1 - 1 / n, asked)) / asked


def probes_per_second(scenario: Scenario) -> float:
    """Requests of the uptime check."""
    return UPTIME_REGIONS / (60 * scenario.uptime_minutes) if scenario.uptime_minutes else 0.0


def starts_per_month(scenario: Scenario) -> float:
    """Starts of an instance: a request that nobody came before for as long as an idle one is kept."""
    if scenario.min_instances or scenario.host == "vm":
        return 0.0
    rate = scenario.requests_per_second + probes_per_second(scenario)
    return MONTH_SECONDS * rate * math.exp(-rate * _KEPT_SECONDS)


def busy_seconds(scenario: Scenario, *, overlapping: bool = True) -> float:
    """Billed seconds of all instances in a month, starts left out; by the formula of this module."""
    load = scenario.requests_per_second * scenario.billed_seconds + probes_per_second(scenario) * INTERVAL_SECONDS
    if not overlapping:
        return MONTH_SECONDS * load
    n = serving(scenario)
    return n * MONTH_SECONDS * (1 - math.exp(-load / n))


def run_lines(scenario: Scenario, prices: Prices, *, overlapping: bool = True) -> Iterator[Line]:
    """Cloud Run for all nations."""
    busy = busy_seconds(scenario, overlapping=overlapping) + starts_per_month(scenario) * START_SECONDS
    idle = max(0.0, scenario.min_instances * MONTH_SECONDS - busy)
    factors = [prices.tier_factor(location) for location in scenario.locations]
    requests = len(factors) * MONTH_SECONDS * (scenario.requests_per_second + probes_per_second(scenario)) / 1e6
    cpu, memory = (size * sum(factors) for size in (scenario.vcpu, scenario.memory_gib))
    yield priced("Cloud Run", "processor", busy * cpu, prices, "run.cpu")
    yield priced("Cloud Run", "memory", busy * memory, prices, "run.memory")
    yield priced("Cloud Run", "requests", requests, prices, "run.requests")
    if scenario.min_instances:
        yield priced("Cloud Run", "idle minimum instances, processor", idle * cpu, prices, "run.idle.cpu")
        yield priced("Cloud Run", "idle minimum instances, memory", idle * memory, prices, "run.idle.memory")
