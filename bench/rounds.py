"""Rounds of things to measure, interleaved so that what the machine does besides hits all alike, and what is said of them.

A ratio is made within each round, of two starts that follow each other, and summarised after: a machine that is slow
for a while is slow for both.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

MIN_ROUNDS: Final = 9
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, quartiles, and the extremes."""

    median: float
    low: float
    high: float
    least: float
    most: float

    def __format__(self, spec: str) -> str:
        return (
            f"{self.median:{spec}} ({self.low:{spec}} to {self.high:{spec}}, {self.least:{spec}} to {self.most:{spec}})"
        )


def interleaved(cases: Mapping[str, Callable[[], Result]], rounds: int) -> dict[str, list[Result]]:
    """The results of each case in ``rounds`` rounds; a round before them warms files and caches. Each begins with another
    case.
    """
    names = list(cases)
    results: dict[str, list[Result]] = {name: [] for name in names}
    for number in range(rounds + 1):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            result = cases[name]()
            if number:
                results[name].append(result)
    return results


def spread(values: Sequence[float]) -> Spread:
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high, min(values), max(values))


def ratios(values: Sequence[float], base: Sequence[float]) -> list[float]:
    """Of each round."""
    return [value / other for value, other in zip(values, base, strict=True)]
