"""A line of a bill."""

from __future__ import annotations

from collections.abc import Iterable

from kas.cost.prices import Prices
from kas.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """A month of one thing: ``gross`` US dollars for the whole ``quantity``, of which ``free`` are not charged."""

    service: str
    item: str
    quantity: float
    unit: str
    gross: float
    free: float
    is_confirmed: bool

    @property
    def cost(self) -> float:
        return self.gross - self.free


def priced(service: str, item: str, quantity: float, prices: Prices, name: str, *, free_times: float = 1.0) -> Line:
    """``quantity`` units of the price ``name``. What is free of them is so ``free_times`` in a month."""
    price, free = prices.by_name[name], prices.by_name.get(f"{name}.free")
    gross = quantity * price.value
    discount = 0.0 if free is None else min(gross, free_times * free.value * price.value)
    return Line(service, item, quantity, price.unit, gross, discount, price.is_confirmed or gross == discount)


def total(lines: Iterable[Line]) -> float:
    return sum(line.cost for line in lines)
