"""The budget of key operations: a budget of the cloud alerts and does not stop, so this one does (security model).

At most so many a minute for one caller, and so many in any 24 hours for this process; a restart begins anew. It is
spent before a key service is called, and what the call then brings gives nothing back.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kas.errors import BudgetExhausted
from kas.ratelimit import Limit, SlidingWindow

# Operations of the last minute remembered over all callers; beyond them a caller is refused as if over his own.
REMEMBERED: Final = 100_000
ALARM_PERCENT: Final = 80
_MINUTE: Final = 60.0
_DAY: Final = 24 * 60 * 60.0
_GRAIN: Final = 60.0


class KeyOperationBudget:
    """``clock`` gives seconds from an arbitrary start; ``warn`` is told when the day's budget runs low."""

    def __init__(
        self, *, per_minute: int, per_day: int, clock: Callable[[], float], warn: Callable[[Mapping[str, Any]], None]
    ) -> None:
        self._minute = SlidingWindow(
            Limit("key-operations", per_minute, _MINUTE),
            clock,
            capacity=max(REMEMBERED, per_minute),
            refusal=_exhausted,
        )
        self._day = _Day(per_day)
        self._per_day = per_day
        self._clock = clock
        self._warn = warn
        self._lock = threading.Lock()

    def spend(self, caller: str) -> None:
        """Takes one operation of the caller's minute and of the day; a refusal takes none of either.

        Raises BudgetExhausted with the seconds until there is one again.
        """
        with self._lock:
            self._day.check(self._clock())
            self._minute.admit(caller)
            spent = self._day.count()
        if spent is not None:
            self._warn({"severity": "WARNING", "event": "key_budget_low", "operations": spent, "limit": self._per_day})

    def left(self) -> int:
        """Operations left of the day."""
        with self._lock:
            return self._day.left(self._clock())


def _exhausted(seconds: float) -> BudgetExhausted:
    refusal = BudgetExhausted()
    refusal.retry_after = seconds
    return refusal


@dataclass(slots=True)
class _Grain:
    """Operations close in time: all are forgotten when the last of them may be."""

    start: float
    until: float
    operations: int = 0


class _Day:
    """Operations of the last 24 hours, by grains: few to remember however many they are, and never too few."""

    def __init__(self, quota: int) -> None:
        self._quota = quota
        self._now = float("-inf")
        self._spent = 0
        self._is_low = False
        self._grains: deque[_Grain] = deque()

    def left(self, now: float) -> int:
        """Moves the time on; how many are left then."""
        self._now = max(self._now, now)
        while self._grains and self._grains[0].until <= self._now:
            self._spent -= self._grains.popleft().operations
        return self._quota - self._spent

    def check(self, now: float) -> None:
        """Moves the time on. Raises BudgetExhausted when nothing is left."""
        if not self.left(now):
            raise _exhausted(self._grains[0].until - self._now)

    def count(self) -> int | None:
        """Counts one operation; how many there are when the budget begins to run low by it, else None."""
        if not self._grains or self._now >= self._grains[-1].start + _GRAIN:
            self._grains.append(_Grain(self._now, self._now))
        grain = self._grains[-1]
        grain.until, grain.operations = self._now + _DAY, grain.operations + 1
        self._spent += 1
        was_low, self._is_low = self._is_low, 100 * self._spent >= ALARM_PERCENT * self._quota
        return self._spent if self._is_low and not was_low else None
