"""Collecting structural faults: a client is told all of them at once, each with its place (ACP-240 §2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Final

from kas.dataclass import dataclass
from kas.encoding import b64_decode
from kas.errors import Fault, InvalidStructure
from kas.protocol.faults import MESSAGES

MAX_FAULTS: Final = 100  # an answer is bounded like every input


@dataclass(slots=True)
class Faults:
    """The faults found so far."""

    found: list[Fault] = field(default_factory=list)

    def add(self, code: str, place: str) -> None:
        if len(self.found) < MAX_FAULTS:
            self.found.append(Fault(code, place, MESSAGES[code]))

    def refuse_any(self) -> None:
        """Raises InvalidStructure with all of them, if there are any."""
        if self.found:
            raise InvalidStructure(tuple(self.found))


@dataclass(frozen=True, slots=True)
class Members:
    """An object of the wire at ``place``, read member by member; what is wrong with one is added to ``faults``."""

    values: Mapping[str, Any]
    place: str
    faults: Faults

    def at(self, name: str) -> str:
        return f"{self.place}.{name}" if self.place else name

    def text(self, name: str, max_chars: int) -> str:
        """A required, non-empty text; empty after a fault."""
        if name not in self.values:
            self.faults.add("missing", self.at(name))
            return ""
        text = self.optional_text(name, max_chars)
        if text == "" and self.values[name] == "":
            self.faults.add("empty", self.at(name))
        return text or ""

    def optional_text(self, name: str, max_chars: int) -> str | None:
        """A text, or None when the member is absent; empty after a fault."""
        if name not in self.values:
            return None
        value = self.values[name]
        if not isinstance(value, str):
            self.faults.add("wrong_type", self.at(name))
            return ""
        if len(value) > max_chars:
            self.faults.add("too_long", self.at(name))
            return ""
        return value

    def base64(self, name: str, max_chars: int) -> bytes:
        """A required member in canonical base64; empty after a fault."""
        return self.decode(name, self.text(name, max_chars))

    def decode(self, name: str, text: str) -> bytes:
        try:
            return b64_decode(text)
        except ValueError:
            self.faults.add("not_base64", self.at(name))
            return b""

    def items(self, name: str, max_items: int) -> list[Any]:
        """A required, non-empty list; empty after a fault."""
        value = self.values.get(name)
        if name not in self.values:
            self.faults.add("missing", self.at(name))
        elif not isinstance(value, list):
            self.faults.add("wrong_type", self.at(name))
        elif not value:
            self.faults.add("empty", self.at(name))
        elif len(value) > max_items:
            self.faults.add("too_many", self.at(name))
        else:
            return value
        return []

    def object(self, name: str) -> Members | None:
        """A required object, or None after a fault."""
        if name not in self.values:
            self.faults.add("missing", self.at(name))
            return None
        return as_members(self.values[name], self.at(name), self.faults)


def as_members(value: object, place: str, faults: Faults) -> Members | None:
    """The members of an object, or None after a fault."""
    if not isinstance(value, dict):
        faults.add("wrong_type", place)
        return None
    return Members(value, place, faults)
