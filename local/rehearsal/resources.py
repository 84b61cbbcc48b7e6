"""Everything that was made, as JSON by interface and full name; and operations that take a while."""

from __future__ import annotations

import datetime as dt
import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from local.google.status import GoogleError, not_found

Json = dict[str, Any]


def timestamp(seconds: float) -> str:
    """As Google writes a time."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class Resources:
    """``kind`` is an interface or a part of one, within which names are unique."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Json] = {}
        self._numbers = itertools.count(1)

    def add(self, kind: str, name: str, value: Json) -> Json:
        """Raises GoogleError (ALREADY_EXISTS)."""
        if (kind, name) in self._held:
            raise GoogleError("ALREADY_EXISTS", f"Resource '{name}' already exists.")
        self._held[kind, name] = value
        return value

    def find(self, kind: str, name: str) -> Json:
        """Raises GoogleError (NOT_FOUND)."""
        try:
            return self._held[kind, name]
        except KeyError as error:
            raise not_found("Resource", name) from error

    def has(self, kind: str, name: str) -> bool:
        return (kind, name) in self._held

    def replace(self, kind: str, name: str, value: Json) -> Json:
        """Raises GoogleError (NOT_FOUND)."""
        self.find(kind, name)
        self._held[kind, name] = value
        return value

    def remove(self, kind: str, name: str) -> Json:
        """Raises GoogleError (NOT_FOUND)."""
        self.find(kind, name)
        return self._held.pop((kind, name))

    def under(self, kind: str, prefix: str) -> list[Json]:
        """Those whose names are one step below ``prefix``, by name."""
        names = sorted(name for of, name in self._held if of == kind and name.rpartition("/")[0] == prefix)
        return [self._held[kind, name] for name in names]

    def all(self, kind: str) -> dict[str, Json]:
        """By name."""
        return {name: value for (of, name), value in sorted(self._held.items()) if of == kind}

    def number(self) -> int:
        """Never the same again: for ids that the service gives."""
        return next(self._numbers)


@dataclass(slots=True)
class _Running:
    remaining: int
    shown: Json
    finish: Callable[[], Json]
    done: Json | None = None


class LongRunning:
    """Operations by interface and name: each is done when it has been asked after a few times."""

    def __init__(self, polls: int = 1) -> None:
        self._running: dict[tuple[str, str], _Running] = {}
        self._polls = polls

    def start(self, api: str, name: str, shown: Json, finish: Callable[[], Json]) -> Json:
        """``finish`` gives what else the operation says at its end: ``done`` with a ``response`` or an ``error``. Where
        that is not the end, ``done`` is False.
        """
        self._running[api, name] = _Running(self._polls, {"name": name, **shown}, finish)
        return self._running[api, name].shown

    def poll(self, api: str, name: str) -> Json:
        """Raises GoogleError (NOT_FOUND)."""
        if (api, name) not in self._running:
            raise not_found("Operation", name)
        one = self._running[api, name]
        if one.remaining:
            one.remaining -= 1
            return one.shown
        if one.done is None:
            result = one.finish()
            if result.get("done") is False:
                return {**one.shown, **result}
            one.done = {**one.shown, **result}
        return one.done


def new_id() -> str:
    """In the form of a UUID."""
    text = secrets.token_hex(16)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
