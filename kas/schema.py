"""Checked reading of configuration files: every member is asked for by name and type, and none is left over.

A `Node` is a value with its place, so that each `ConfigError` names file and place
(``issuers.json.issuers[1].jwksUrl: must be non-empty text``). Files are JSON; duplicate members are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import NoReturn, TypeVar

from kas.encoding import parse_json
from kas.errors import ConfigError, KasError

Read = TypeVar("Read")


class Node:
    """One value of a configuration file; reading a member marks it as known."""

    __slots__ = ("_known", "place", "value")

    def __init__(self, value: object, place: str) -> None:
        self.value = value
        self.place = place
        self._known: set[str] = set()

    def fail(self, problem: str) -> NoReturn:
        raise ConfigError(f"{self.place}: {problem}")

    def _members(self) -> dict[str, object]:
        if not isinstance(self.value, dict):
            self.fail("must be an object")
        return self.value

    def __getitem__(self, name: str) -> Node:
        """The member ``name``, which must exist."""
        found = self.get(name)
        return found if found is not None else self.fail(f"{name} is missing")

    def get(self, name: str) -> Node | None:
        """The member ``name``, or None when it is absent."""
        self._known.add(name)
        members = self._members()
        return Node(members[name], f"{self.place}.{name}") if name in members else None

    def members(self) -> dict[str, Node]:
        """All members of an object whose names are data."""
        return {name: Node(value, f"{self.place}.{name}") for name, value in self._members().items()}

    def items(self) -> list[Node]:
        if not isinstance(self.value, list):
            self.fail("must be a list")
        return [Node(value, f"{self.place}[{index}]") for index, value in enumerate(self.value)]

    def done(self) -> None:
        """Refuses members that nobody asked for: a misspelt rule must not be a missing rule."""
        unknown = sorted(set(self._members()) - self._known)
        if unknown:
            self.fail(f"unknown member {unknown[0]!r}")

    def text(self) -> str:
        """Non-empty text."""
        return self.value if isinstance(self.value, str) and self.value else self.fail("must be non-empty text")

    def choice(self, options: Collection[str]) -> str:
        text = self.text()
        return text if text in options else self.fail(f"must be one of {', '.join(options)}")

    def boolean(self) -> bool:
        return self.value if isinstance(self.value, bool) else self.fail("must be true or false")

    def integer(self, low: int, high: int) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool) or not low <= self.value <= high:
            self.fail(f"must be a whole number from {low} to {high}")
        return self.value

    def pair(self) -> tuple[str, str]:
        """Two different texts."""
        texts = self.texts()
        return (texts[0], texts[1]) if len(texts) == 2 else self.fail("must be a pair")  # noqa: PLR2004 - a pair

    def texts(self) -> tuple[str, ...]:
        """A list of non-empty texts, without repetition."""
        texts = tuple(item.text() for item in self.items())
        return texts if len(set(texts)) == len(texts) else self.fail("must not repeat an item")


def load_document(path: Path, read: Callable[[Node], Read]) -> Read:
    """Reads the JSON file ``path`` with ``read``. Raises ConfigError, which names file and place."""
    try:
        value = parse_json(path.read_bytes())
    except (OSError, KasError) as error:
        reason = error.strerror if isinstance(error, OSError) else error.code
        raise ConfigError(f"{path}: cannot be read ({reason})") from error
    return read(Node(value, path.name))
