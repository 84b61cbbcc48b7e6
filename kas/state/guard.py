"""What stands between us and a store: counts and tells what fails, and leaves a dead store alone.

After `FAILURES` calls in a row without an answer nobody waits for the next: for `PAUSE_SECONDS` each is failed at once, then
one is let through, and whoever comes meanwhile goes without. So a dead store costs its time-out about once a second and
not once a request, and one that is back is in use a second later.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TypeVar

from kas.net.deadline import Timer
from kas.state.shared import StoreBusy, StoreFailure, StoreFull, StoreUnavailable

FAILURES: Final = 3
PAUSE_SECONDS: Final = 1.0
# Failures less than this apart are one episode, which the operator is told of once.
EPISODE_SECONDS: Final = 60.0

Use = Literal["replay", "limits", "keys"]
Trouble = Literal["unavailable", "busy", "full", "altered"]
Result = TypeVar("Result")


class StoreGuard:
    """Of the store called ``backend``. Safe to use from many threads."""

    def __init__(self, backend: str, timer: Timer, warn: Callable[[Mapping[str, Any]], None]) -> None:
        self._backend = backend
        self._timer = timer
        self._warn = warn
        self._lock = threading.Lock()
        self._counts: Counter[tuple[Use, Trouble]] = Counter()
        self._last: dict[Trouble, float] = {}
        self._in_a_row = 0
        self._paused_until = 0.0
        self._is_told_down = False

    def ask(self, use: Use, operation: Callable[[], Result]) -> Result:
        """What the operation gives. Raises StoreFailure; StoreUnavailable without asking while the store is left alone."""
        try:
            self._admit()
            result = operation()
        except StoreFailure as failure:
            self._failed(use, failure)
            raise
        self._succeeded()
        return result

    def report(self, use: Use, trouble: Trouble, detail: str) -> None:
        """Counts it, and tells the operator where it is the first of an episode."""
        with self._lock:
            now = self._timer()
            self._counts[use, trouble] += 1
            is_first = now - self._last.get(trouble, float("-inf")) > EPISODE_SECONDS
            self._last[trouble] = now
            self._is_told_down |= is_first and trouble == "unavailable"
        if is_first:
            line = {"severity": "ERROR", "event": f"state_{trouble}", "backend": self._backend, "use": use}
            self._warn({**line, "status": detail})

    def counts(self) -> Mapping[tuple[str, str], int]:
        """How often each use met each trouble since the start."""
        with self._lock:
            return {(use, trouble): number for (use, trouble), number in self._counts.items()}

    def _admit(self) -> None:
        with self._lock:
            if self._in_a_row < FAILURES:
                return
            if self._timer() < self._paused_until:
                raise StoreUnavailable("left alone after failures in a row")
            self._paused_until = self._timer() + PAUSE_SECONDS  # for the others: this one is the trial

    def _failed(self, use: Use, failure: StoreFailure) -> None:
        if isinstance(failure, StoreFull | StoreBusy):  # which are answers
            self.report(use, "full" if isinstance(failure, StoreFull) else "busy", str(failure))
            return
        with self._lock:
            self._in_a_row += 1
            if self._in_a_row == FAILURES:
                self._paused_until = self._timer() + PAUSE_SECONDS
        self.report(use, "unavailable", str(failure))

    def _succeeded(self) -> None:
        with self._lock:
            self._in_a_row = 0
            is_back, self._is_told_down = self._is_told_down, False
        if is_back:
            self._warn({"severity": "NOTICE", "event": "state_available", "backend": self._backend})
