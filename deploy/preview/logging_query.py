"""The part of Cloud Logging's query language that our filters are written in, and extractors, on a `LogEntry` as JSON.

Of the language: comparisons of a field with ``=``, ``>=`` and ``:*`` (there is such a field), alternatives of values
(``=("a" OR "b")``), ``log_id``, ``AND``, ``OR``, ``NOT`` and parentheses. Anything else is refused, and so is ``AND`` beside
``OR`` without parentheses: Google gives ``OR`` the higher rank there, and readers expect the contrary.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote

Entry = Mapping[str, Any]
Predicate = Callable[[Entry], bool]

_TOKEN: Final = re.compile(
    r'\s*(?:(?P<text>"[^"\\]*")|(?P<number>\d+(?:\.\d+)?)|(?P<sign>>=|:\*|[=()])|(?P<word>[A-Za-z_][\w.]*))'
)
_EXTRACT: Final = re.compile(r"EXTRACT\(([A-Za-z_][\w.]*)\)")
MISSING: Final = object()


class QueryRefused(Exception):
    """A query that is not of the part of the language that is known here."""


def parse_query(query: str) -> Predicate:
    """Whether an entry matches. Raises QueryRefused."""
    parser = _Parser(_tokens(query))
    predicate = parser.expression()
    if parser.rest:
        raise QueryRefused(f"{parser.rest[0]} is unexpected in {query}")
    return predicate


def extract(extractor: str, entry: Entry) -> Any:
    """The field that ``EXTRACT(field)`` names, `MISSING` where there is none. Raises QueryRefused."""
    match = _EXTRACT.fullmatch(extractor)
    if match is None:
        raise QueryRefused(extractor)
    return field_of(entry, match[1])


def field_of(entry: Entry, path: str) -> Any:
    """The value at a path such as ``jsonPayload.latencyMs.unwrap``; null is a value."""
    found: Any = entry
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return MISSING
        found = found[name]
    return found


def _tokens(query: str) -> list[str]:
    tokens, at = [], 0
    while query[at:].strip():
        match = _TOKEN.match(query, at)
        if match is None:
            raise QueryRefused(f"{query[at:].strip()!r} of {query}")
        tokens.append(match[0].strip())
        at = match.end()
    return tokens


@dataclass(slots=True)
class _Parser:
    """By recursive descent; ``rest`` are the tokens that are still to be read."""

    rest: list[str]

    def expression(self) -> Predicate:
        """Terms that are all joined by the same word."""
        terms, words = [self._term()], set()
        while self.rest and self.rest[0] in {"AND", "OR"}:
            words.add(self._next())
            terms.append(self._term())
        if len(words) > 1:
            raise QueryRefused("AND beside OR without parentheses")
        return _all(terms) if words != {"OR"} else _any(terms)

    def _term(self) -> Predicate:
        first = self._next()
        if first == "NOT":
            negated = self._term()
            return lambda entry: not negated(entry)
        if first == "(":
            inner = self.expression()
            self._expect(")")
            return inner
        if first == "log_id":
            self._expect("(")
            name = self._text()
            self._expect(")")
            return lambda entry: unquote(str(entry["logName"]).rpartition("/")[2]) == name
        return self._comparison(first)

    def _comparison(self, path: str) -> Predicate:
        if not re.fullmatch(r"[A-Za-z_][\w.]*", path) or path in {"AND", "OR"}:
            raise QueryRefused(path)
        sign = self._next()
        if sign == ":*":
            return lambda entry: field_of(entry, path) is not MISSING
        if sign == ">=":
            least = float(self._number())
            return lambda entry: _number_of(field_of(entry, path)) >= least
        if sign != "=":
            raise QueryRefused(sign)
        wanted = self._alternatives() if self.rest and self.rest[0] == "(" else frozenset({self._text()})
        return lambda entry: field_of(entry, path) in wanted

    def _alternatives(self) -> frozenset[str]:
        self._expect("(")
        wanted = {self._text()}
        while self.rest and self.rest[0] == "OR":
            self._next()
            wanted.add(self._text())
        self._expect(")")
        return frozenset(wanted)

    def _text(self) -> str:
        token = self._next()
        if not token.startswith('"'):
            raise QueryRefused(f"{token} is no text in quotes")
        return token[1:-1]

    def _number(self) -> str:
        token = self._next()
        if not token[0].isdigit():
            raise QueryRefused(f"{token} is no number")
        return token

    def _expect(self, token: str) -> None:
        if (found := self._next()) != token:
            raise QueryRefused(f"{found} in place of {token}")

    def _next(self) -> str:
        if not self.rest:
            raise QueryRefused("it ends too early")
        return self.rest.pop(0)


def _all(terms: list[Predicate]) -> Predicate:
    return lambda entry: all(term(entry) for term in terms)


def _any(terms: list[Predicate]) -> Predicate:
    return lambda entry: any(term(entry) for term in terms)


def _number_of(value: Any) -> float:
    """Nothing is as large as what is no number is asked to be."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else float("-inf")
