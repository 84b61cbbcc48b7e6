"""What was asked for, counted by method, resource, outcome and wire: what a caller's own audit is held against."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from threading import Lock
from typing import Any, Literal

Wire = Literal["http", "grpc"]


class Operations:
    """Every call that was understood, whatever it was answered; an outcome is ``OK`` or a status."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, str, Wire]] = Counter()
        self._waiting = 0
        self._lock = Lock()

    def count(self, method: str, resource: str, outcome: str, wire: Wire) -> None:
        with self._lock:
            self._counts[method, resource, outcome, wire] += 1

    @property
    def waiting(self) -> int:
        """How many calls have arrived and are not answered yet."""
        return self._waiting

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Around a call, from its arrival to its answer."""
        with self._lock:
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    def rows(self) -> list[dict[str, Any]]:
        """One row for each method, resource, outcome and wire, sorted."""
        with self._lock:
            counts = sorted(self._counts.items())
        return [
            {"method": method, "resource": resource, "outcome": outcome, "wire": wire, "count": count}
            for (method, resource, outcome, wire), count in counts
        ]

    def clear(self) -> None:
        with self._lock:
            self._counts.clear()
