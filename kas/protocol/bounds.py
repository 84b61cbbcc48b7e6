"""Bounds of any JSON document that a stranger sends, whatever it means: depth, number of values, length of texts.

They hold for unknown members too, which nobody reads but everybody carries. What a member means bounds it further.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        if isinstance(value, dict):
            return self._beyond_members(value, levels - 1)
        if isinstance(value, list):
            return self._beyond_items(value, levels - 1)
        return None

    def _beyond_members(self, members: Mapping[str, object], levels: int) -> tuple[str, str] | None:
        for name, member in members.items():
            beyond = self._beyond_length(name) or self.first_beyond(member, levels)
            if beyond:
                return beyond[0], f".{name}{beyond[1]}"
        return None

    def _beyond_items(self, items: Sequence[object], levels: int) -> tuple[str, str] | None:
        for number, item in enumerate(items):
            beyond = self.first_beyond(item, levels)
            if beyond:
                return beyond[0], f"[{number}]{beyond[1]}"
        return None

    def _beyond_length(self, text: str) -> tuple[str, str] | None:
        return ("too_long", "") if len(text) > self.bounds.string_chars else None
