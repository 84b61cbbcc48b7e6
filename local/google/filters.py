"""Filters of Secret Manager's lists, of which one form is read: terms that must all hold, with or without AND between.

A term is ``name:part``, ``labels.key=value``, ``labels.key:*`` (there is such a label) or ``state=ENABLED``; ``:`` looks for
a part of the value and ``=`` for the whole, capitals or not. A name is its last part. What else Google reads is refused,
not half understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from local.google.status import GoogleError, invalid

_TERM: Final = re.compile(
    r"(?P<field>name|state|labels\.[a-z][a-z0-9_-]{0,62})(?P<sign>[:=])(?P<value>\"[^\"]*\"|[A-Za-z0-9_*-]+)(?:\s+|\Z)"
)
_AND: Final = re.compile(r"AND\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class Term:
    """``value`` is in small letters."""

    field: str
    is_whole: bool
    value: str

    def holds(self, values: Mapping[str, str]) -> bool:
        """Of an item with these values by field; a label that it does not have holds nothing."""
        found = values.get(self.field)
        if found is None or (self.value == "*" and not self.is_whole):
            return found is not None
        return found.lower() == self.value if self.is_whole else self.value in found.lower()


def read_filter(text: str, *fields: str) -> list[Term]:
    """The terms, each of one of ``fields``, of which ``labels`` is all labels. Raises GoogleError."""
    terms = list(_terms(text.strip()))
    for term in terms:
        if term.field.partition(".")[0] not in fields:
            raise _unread(text)
    return terms


def _terms(text: str) -> Iterator[Term]:
    end = 0
    while end < len(text):
        joint = _AND.match(text, end) if end else None
        found = _TERM.match(text, joint.end() if joint else end)
        if found is None:
            raise _unread(text)
        yield Term(found["field"], found["sign"] == "=", found["value"].strip('"').lower())
        end = found.end()


def _unread(text: str) -> GoogleError:
    return invalid(
        f"The filter is not valid, or the local stand-in does not read it: {text}. It reads name:part, labels.key=value, "
        "labels.key:* and, of versions, state=ENABLED, with AND between them."
    )
