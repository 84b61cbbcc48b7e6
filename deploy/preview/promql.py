"""The part of PromQL that our queries are written in, read into a tree; anything else is refused.

https://prometheus.io/docs/prometheus/latest/querying/basics/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_TOKEN: Final = re.compile(
    r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<window>\[[^\]]*\])|(?P<number>\d+(?:\.\d+)?(?:e-?\d+)?)'
    r"|(?P<sign>=~|!~|!=|==|>=|<=|[-+*/<>=(){},])|(?P<name>[A-Za-z_:][\w:]*))"
)
_RANKS: Final = (("or",), ("and", "unless"), ("==", "!=", ">", ">=", "<", "<="), ("+", "-"), ("*", "/"))
_AGGREGATES: Final = frozenset({"sum", "max", "count"})
FUNCTIONS: Final = frozenset({"increase", "rate", "max_over_time", "histogram_quantile", "vector"})
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class PromqlRefused(Exception):
    """A query that is not of the part of the language that is known here."""


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Matcher:
    """``operator`` is one of =, !=, =~, !~."""

    label: str
    operator: str
    value: str

    def matches(self, value: str) -> bool:
        is_match = value == self.value if len(self.operator) == 1 or self.operator == "!=" else self._by_pattern(value)
        return is_match is not self.operator.startswith("!")

    def _by_pattern(self, value: str) -> bool:
        return re.fullmatch(self.value, value) is not None


@dataclass(frozen=True, slots=True)
class Selector:
    """``window`` in seconds; None for the last value."""

    name: str
    matchers: tuple[Matcher, ...]
    window: float | None


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Aggregate:
    operator: str
    by: tuple[str, ...]
    of: Node


@dataclass(frozen=True, slots=True)
class Binary:
    operator: str
    left: Node
    right: Node


Node = Number | Selector | Call | Aggregate | Binary


def parse(query: str, interval_seconds: float) -> Node:
    """The tree; ``${__interval}`` is ``interval_seconds``. Raises PromqlRefused."""
    parser = _Parser(_tokens(query.replace("${__interval}", f"{interval_seconds:g}s")))
    node = parser.binary(0)
    if parser.rest:
        raise PromqlRefused(f"{parser.rest[0]} is unexpected in {query}")
    return node


def selectors(node: Node) -> list[Selector]:
    """Those of the tree."""
    match node:
        case Selector():
            return [node]
        case Call(_, arguments):
            return [one for argument in arguments for one in selectors(argument)]
        case Aggregate(_, _, of):
            return selectors(of)
        case Binary(_, left, right):
            return selectors(left) + selectors(right)
        case _:
            return []


def _tokens(query: str) -> list[str]:
    tokens, at = [], 0
    while query[at:].strip():
        match = _TOKEN.match(query, at)
        if match is None:
            raise PromqlRefused(f"{query[at:].strip()!r} of {query}")
        tokens.append(match[0].strip())
        at = match.end()
    return tokens


def _seconds(window: str) -> float:
    match = re.fullmatch(r"\[(\d+(?:\.\d+)?)([smhd])\]", window)
    if match is None:
        raise PromqlRefused(window)
    return float(match[1]) * _SECONDS[match[2]]


@dataclass(slots=True)
class _Parser:
    """By recursive descent; ``rest`` are the tokens that are still to be read."""

    rest: list[str]

    def binary(self, rank: int) -> Node:
        """Operators of this rank and of those above, all from the left."""
        if rank == len(_RANKS):
            return self._unary()
        left = self.binary(rank + 1)
        while self._peek() in _RANKS[rank]:
            operator = self._next()
            if self._peek() in {"on", "ignoring", "bool"}:
                raise PromqlRefused(self._peek())
            left = Binary(operator, left, self.binary(rank + 1))
        return left

    def _unary(self) -> Node:
        first = self._next()
        if first == "(":
            inner = self.binary(0)
            self._expect(")")
            return inner
        if first[0].isdigit():
            return Number(float(first))
        if first in _AGGREGATES:
            by = self._names() if self._peek() == "by" else ()
            self._expect("(")
            of = self.binary(0)
            self._expect(")")
            return Aggregate(first, by, of)
        if self._peek() == "(":
            return self._call(first)
        return self._selector(first)

    def _names(self) -> tuple[str, ...]:
        self._expect("by")
        self._expect("(")
        names = [self._next()]
        while self._peek() == ",":
            self._next()
            names.append(self._next())
        self._expect(")")
        return tuple(names)

    def _call(self, function: str) -> Node:
        if function not in FUNCTIONS:
            raise PromqlRefused(f"{function}()")
        self._expect("(")
        arguments = [self.binary(0)]
        while self._peek() == ",":
            self._next()
            arguments.append(self.binary(0))
        self._expect(")")
        return Call(function, tuple(arguments))

    def _selector(self, name: str) -> Node:
        if not re.fullmatch(r"[A-Za-z_:][\w:]*", name):
            raise PromqlRefused(name)
        self._expect("{")
        matchers = [self._matcher()]
        while self._peek() == ",":
            self._next()
            matchers.append(self._matcher())
        self._expect("}")
        window = _seconds(self._next()) if self._peek().startswith("[") else None
        return Selector(name, tuple(matchers), window)

    def _matcher(self) -> Matcher:
        label, operator, value = self._next(), self._next(), self._next()
        if operator not in {"=", "!=", "=~", "!~"} or not value.startswith('"'):
            raise PromqlRefused(f"{label}{operator}{value}")
        return Matcher(label, operator, value[1:-1])

    def _peek(self) -> str:
        return self.rest[0] if self.rest else ""

    def _expect(self, token: str) -> None:
        if (found := self._next()) != token:
            raise PromqlRefused(f"{found} in place of {token}")

    def _next(self) -> str:
        if not self.rest:
            raise PromqlRefused("it ends too early")
        return self.rest.pop(0)
