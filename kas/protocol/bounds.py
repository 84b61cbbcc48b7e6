"""Bounds of any JSON document that a stranger sends, whatever it means: depth, number of values, length of texts.

They hold for unknown members too, which nobody reads but everybody carries. What a member means bounds it further.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from kas.dataclass import dataclass
from kas.errors import Fault, InvalidStructure
from kas.protocol.faults import MESSAGES

MAX_PLACE_CHARS: Final = 256


@dataclass(frozen=True, slots=True)
class JsonBounds:
    """The outermost value has depth 1; ``values`` counts it, members and items; ``string_chars`` bounds names too."""

    depth: int
    values: int
    string_chars: int

    def around_token(self, chars: int) -> JsonBounds:
        """For the document around a signed request token, which is one long text of at most ``chars``."""
        return replace(self, string_chars=max(chars, self.string_chars))


def check_bounds(value: object, bounds: JsonBounds) -> None:
    """Raises InvalidStructure for the first value that lies beyond a bound, with its place."""
    beyond = _Walk(bounds, bounds.values).first_beyond(value, bounds.depth)
    if beyond is not None:
        code, place = beyond
        raise InvalidStructure((Fault(code, place.removeprefix(".")[:MAX_PLACE_CHARS], MESSAGES[code]),))


@dataclass(slots=True)
class _Walk:
    """``left`` is how many values more there may be."""

    bounds: JsonBounds
    left: int

    def first_beyond(self, value: object, levels: int) -> tuple[str, str] | None:
        """The code of the fault and its place, which is put together only when there is one."""
        self.left -= 1
        if not levels:
            return "too_deep", ""
        if self.left < 0:
            return "too_many", ""
        if isinstance(value, str):
            return self._beyond_length(value)
        for step, child in _children(value):
            beyond = (isinstance(step, str) and self._beyond_length(step)) or self.first_beyond(child, levels - 1)
            if beyond:
                return beyond[0], (f".{step}" if isinstance(step, str) else f"[{step}]") + beyond[1]
        return None

    def _beyond_length(self, text: str) -> tuple[str, str] | None:
        return ("too_long", "") if len(text) > self.bounds.string_chars else None


def _children(value: object) -> Iterator[tuple[str | int, object]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)
