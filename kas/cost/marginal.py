"""What one request costs at the margin, for its audit line.

That is its key operations, Cloud Run's fee for a request, and the instance for as long as the request took by itself,
begun intervals of 100 ms counted whole. Free tiers, and time that requests share, make a bill smaller than the sum of
these; key versions and whatever else costs the same without a request make it larger, and so do logs and the way to the
caller, which cost nothing below a free tier of their own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from kas.cost.prices import Prices
from kas.dataclass import dataclass

MICRO: Final = 1_000_000
INTERVAL_SECONDS: Final = 0.1
_DECIMALS: Final = 3


@dataclass(frozen=True, slots=True)
class Tariff:
    """Millionths of a US dollar: of a request, of a second of the instance, of an operation by the kid of its key."""

    request: float
    second: float
    operations: Mapping[str, float]

    def cost(self, seconds: float, operations: Mapping[str, int]) -> float:
        """A request that has taken so long and made these operations, by the kid of the key."""
        spent = sum(self.operations.get(kid, 0.0) * number for kid, number in operations.items())
        return round(self.request + self.second * billed(seconds) + spent, _DECIMALS)


def billed(seconds: float) -> float:
    """Begun intervals of 100 ms, whole; one at least."""
    return INTERVAL_SECONDS * max(1, math.ceil(round(seconds / INTERVAL_SECONDS, 6)))


def instance_second(prices: Prices, location: str, *, vcpu: float, memory_gib: float) -> float:
    """A second in which an instance answers somebody, in US dollars."""
    return prices.tier_factor(location) * (vcpu * prices["run.cpu"] + memory_gib * prices["run.memory"])
