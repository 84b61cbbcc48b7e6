"""Rounds of things to measure, interleaved so that what the machine does besides hits all alike, and what is said of them.

A ratio is made of one start and of those of the empty function right before and right after it, and summarised after:
a machine that is slow for a while is slow for all three.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

MIN_ROUNDS: Final = 9
Result = TypeVar("Result")
Name = TypeVar("Name")


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


@dataclass(frozen=True, slots=True)
class Beside(Generic[Result]):
    """A result, and those of the base around it."""

    result: Result
    before: Result
    after: Result

    def ratio(self, of: Callable[[Result], float]) -> float:
        """Of what ``of`` takes from each, to the mean of the base."""
        return 2 * of(self.result) / (of(self.before) + of(self.after))


def beside(
    base: Callable[[], Result], cases: Mapping[str, Callable[[], Result]], rounds: int
) -> dict[str, list[Beside[Result]]]:
    """Each case in each round, with the base between any two; a round before them warms files and caches."""
    found: dict[str, list[Beside[Result]]] = {name: [] for name in cases}
    for names in _orders(list(cases), rounds):
        before = base()
        for name in names:
            result, after = cases[name](), base()
            found[name].append(Beside(result, before, after))
            before = after
    return {name: results[1:] for name, results in found.items()}


def interleaved(cases: Mapping[Name, Callable[[], Result]], rounds: int) -> dict[Name, list[Result]]:
    """The results of each case in each round; a round before them warms files and caches."""
    found: dict[Name, list[Result]] = {name: [] for name in cases}
    for names in _orders(list(cases), rounds):
        for name in names:
            found[name].append(cases[name]())
    return {name: results[1:] for name, results in found.items()}


def _orders(names: list[Name], rounds: int) -> Iterator[list[Name]]:
    """Of the round before and of each: every one begins with another."""
    for number in range(rounds + 1):
        first = number % len(names)
        yield names[first:] + names[:first]


def spread(values: Sequence[float]) -> Spread:
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return Spread(median, low, high, min(values), max(values))


def p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20, method="inclusive")[-1]
