"""What a query gives at one moment, over series in memory.

Counters are kept as what was added and when, as Cloud Monitoring keeps metrics of the kind DELTA: an increase is their sum, with
nothing extrapolated. Vectors are matched by all their labels.
"""

from __future__ import annotations

import bisect
import itertools
import math
import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from deploy.preview.promql import Aggregate, Binary, Call, Node, Number, PromqlRefused, Selector, parse

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]
Value = float | Vector

STALE_SECONDS: Final = 300.0
_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_ARITHMETIC: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda left, right: left / right if right else math.copysign(math.inf, left) if left else math.nan,
}
_REDUCE: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {"sum": math.fsum, "max": max, "count": len}


@dataclass(frozen=True, slots=True)
class Series:
    """``values`` at ``times``, which ascend: what was added, or what was measured."""

    name: str
    labels: Labels
    times: Sequence[float]
    values: Sequence[float]
    sums: Sequence[float] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sums", [0.0, *itertools.accumulate(self.values)])

    def between(self, start: float, end: float) -> tuple[int, int]:
        """Which of the values are after ``start`` and not after ``end``."""
        return bisect.bisect_right(self.times, start), bisect.bisect_right(self.times, end)


class Store:
    """Series by name."""

    def __init__(self, series: Iterable[Series]) -> None:
        self._by_name: dict[str, list[Series]] = defaultdict(list)
        for one in series:
            self._by_name[one.name].append(one)

    def find(self, selector: Selector) -> list[Series]:
        """Those that the selector selects; a label that a series does not have is empty."""
        return [
            one
            for one in self._by_name.get(selector.name, [])
            if all(matcher.matches(dict(one.labels).get(matcher.label, "")) for matcher in selector.matchers)
        ]

    def query(self, query: str, now: float, interval_seconds: float) -> Vector:
        """The result of ``query``; a number is a vector without labels. Raises PromqlRefused."""
        value = _Moment(self, now).value(parse(query, interval_seconds))
        return value if isinstance(value, dict) else {frozenset(): value}


@dataclass(frozen=True, slots=True)
class _Moment:
    store: Store
    now: float

    def value(self, node: Node) -> Value:
        match node:
            case Number(value):
                return value
            case Selector():
                return self._last(node)
            case Call(function, arguments):
                return self._call(function, arguments)
            case Aggregate(reducer, by, of):
                return _aggregate(reducer, by, self._vector(of))
            case Binary(sign, left, right):
                return _binary(sign, self.value(left), self.value(right))

    def _vector(self, node: Node) -> Vector:
        value = self.value(node)
        if not isinstance(value, dict):
            raise PromqlRefused("a number in place of a vector")
        return value

    def _last(self, selector: Selector) -> Vector:
        if selector.window is not None:
            raise PromqlRefused("a range in place of a vector")
        found = self._over(selector, STALE_SECONDS)
        return {one.labels: one.values[last - 1] for one, _, last in found}

    def _over(self, node: Node, window: float | None = None) -> list[tuple[Series, int, int]]:
        """Series that have values within the window, and which."""
        if not isinstance(node, Selector) or (seconds := window or node.window) is None:
            raise PromqlRefused("a vector in place of a range")
        found = [(one, *one.between(self.now - seconds, self.now)) for one in self.store.find(node)]
        return [(one, first, last) for one, first, last in found if first < last]

    def _call(self, function: str, arguments: tuple[Node, ...]) -> Vector:
        if function == "histogram_quantile":
            quantile, buckets = arguments
            if not isinstance(quantile, Number):
                raise PromqlRefused("a quantile that is no number")
            return _quantiles(quantile.value, self._vector(buckets))
        (argument,) = arguments
        if function == "vector":
            value = self.value(argument)
            if isinstance(value, dict):
                raise PromqlRefused("a vector of a vector")
            return {frozenset(): value}
        over = self._over(argument)
        if function == "max_over_time":
            return {one.labels: max(one.values[first:last]) for one, first, last in over}
        seconds = argument.window if function == "rate" and isinstance(argument, Selector) and argument.window else 1.0
        return {one.labels: (one.sums[last] - one.sums[first]) / seconds for one, first, last in over}


def _aggregate(reducer: str, by: tuple[str, ...], vector: Vector) -> Vector:
    groups: dict[Labels, list[float]] = defaultdict(list)
    for labels, value in vector.items():
        groups[frozenset(pair for pair in labels if pair[0] in by)].append(value)
    return {labels: float(_REDUCE[reducer](values)) for labels, values in groups.items()}


def _binary(sign: str, left: Value, right: Value) -> Value:
    if sign in {"and", "or", "unless"}:
        if not isinstance(left, dict) or not isinstance(right, dict):
            raise PromqlRefused(f"{sign} of a number")
        return _combined(sign, left, right)
    if not isinstance(left, dict) and not isinstance(right, dict):
        if sign in _COMPARE:
            raise PromqlRefused("a comparison of numbers")
        return _ARITHMETIC[sign](left, right)
    pairs = _pairs(left, right)
    if sign in _ARITHMETIC:
        return {labels: _ARITHMETIC[sign](*pair) for labels, pair in pairs.items()}
    # A comparison keeps what it is true of, with the value that is compared.
    kept = 0 if isinstance(left, dict) else 1
    return {labels: pair[kept] for labels, pair in pairs.items() if _COMPARE[sign](*pair)}


def _combined(sign: str, left: Vector, right: Vector) -> Vector:
    if sign == "or":
        return {**right, **left}
    return {labels: value for labels, value in left.items() if (labels in right) is (sign == "and")}


def _pairs(left: Value, right: Value) -> dict[Labels, tuple[float, float]]:
    if not isinstance(left, dict):
        return {labels: (left, value) for labels, value in right.items()} if isinstance(right, dict) else {}
    if not isinstance(right, dict):
        return {labels: (value, right) for labels, value in left.items()}
    return {labels: (value, right[labels]) for labels, value in left.items() if labels in right}


def _quantiles(quantile: float, buckets: Vector) -> Vector:
    groups: dict[Labels, list[tuple[float, float]]] = defaultdict(list)
    for labels, count in buckets.items():
        bound = float(dict(labels)["le"].replace("+Inf", "inf"))
        groups[frozenset(pair for pair in labels if pair[0] != "le")].append((bound, count))
    return {labels: _quantile(quantile, sorted(pairs)) for labels, pairs in groups.items()}


def _quantile(quantile: float, buckets: list[tuple[float, float]]) -> float:
    """As Prometheus does it: within a bucket, evenly; above the last bound, that bound."""
    rank = quantile * buckets[-1][1]
    if not rank:
        return math.nan
    low, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= rank:
            return low if math.isinf(bound) else low + (bound - low) * (rank - below) / (count - below)
        low, below = bound, count
    return low
