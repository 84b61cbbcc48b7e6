"""The budget of key operations: a budget of the cloud alerts and does not stop, so this one does (security model).

At most so many a minute for one caller, and so many in any 24 hours for this process, of which one caller may have an
eighth; a restart begins anew. It is spent before a key service is called, and what the call then brings gives nothing
back.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final

from kas.dataclass import dataclass
from kas.errors import BudgetExhausted
from kas.ratelimit import Limit, SlidingWindow

# Operations of the last minute remembered over all callers; beyond them a caller is refused as if over his own.
REMEMBERED: Final = 100_000
# One caller may have this part of the day, so that one valid token cannot lock the others out.
SHARE: Final = 8
# So many hours of callers are remembered for it, some 250 bytes each; never reached by days of fewer operations.
REMEMBERED_HOURS: Final = 1_000_000
ALARM_PERCENT: Final = 80
_MINUTE: Final = 60.0
_DAY: Final = 24 * 60 * 60.0
_HOUR: Final = 60 * 60.0
_EVERYBODY: Final = b""


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
        self._day = Day(per_day, grain_seconds=_MINUTE, capacity=REMEMBERED_HOURS)
        self._shares = Day(max(1, per_day // SHARE), grain_seconds=_HOUR, capacity=REMEMBERED_HOURS)
        self._per_day = per_day
        self._is_low = False
        self._clock = clock
        self._warn = warn
        self._lock = threading.Lock()

    def spend(self, caller: str) -> None:
        """Takes one operation of the caller's minute, of his share of the day and of the day; a refusal takes none.

        Raises BudgetExhausted with the seconds until there is one again, unless others are quicker.
        """
        digest = hashlib.sha256(caller.encode("utf-8", "surrogatepass")).digest()  # as long for any caller
        with self._lock:
            now = self._clock()
            self._shares.check(digest, now)
            self._day.check(_EVERYBODY, now)
            self._minute.admit(caller)
            self._shares.count(digest)
            self._day.count(_EVERYBODY)
            spent = self._per_day - self._day.left(_EVERYBODY, now)
            was_low, self._is_low = self._is_low, 100 * spent >= ALARM_PERCENT * self._per_day
            is_alarm = self._is_low and not was_low
        if is_alarm:
            self._warn({"severity": "WARNING", "event": "key_budget_low", "operations": spent, "limit": self._per_day})

    def left(self) -> int:
        """Operations left of the day."""
        with self._lock:
            return self._day.left(_EVERYBODY, self._clock())


def _exhausted(seconds: float) -> BudgetExhausted:
    refusal = BudgetExhausted()
    refusal.retry_after = seconds
    return refusal


@dataclass(slots=True)
class _Spent:
    """Operations of one key within a grain: all are forgotten when the last of them may be, at ``until``."""

    number: int
    until: float


@dataclass(slots=True)
class _Grain:
    """Operations close in time, by key; ``until`` is the last of theirs."""

    start: float
    until: float
    operations: dict[bytes, _Spent] = field(default_factory=dict)


class Day:
    """Operations of the last 24 hours by key, ``quota`` for each, in grains: few to remember however many they are, and
    never too few. ``capacity`` is how many counts are remembered, one for each key of a grain; nothing is forgotten
    early, so while they are all taken nobody has anything left. Not safe to use from many threads by itself.
    """

    def __init__(self, quota: int, *, grain_seconds: float, capacity: int) -> None:
        self._quota = quota
        self._grain_seconds = grain_seconds
        self._capacity = capacity
        self._now = float("-inf")
        self._spent: Counter[bytes] = Counter()
        self._counts = 0
        self._grains: deque[_Grain] = deque()

    def left(self, key: bytes, now: float) -> int:
        """Moves the time on; how many ``key`` has left then, whether there is memory for them or not."""
        self._now = max(self._now, now)
        while self._grains and self._grains[0].until <= self._now:
            for other in list(self._grains[0].operations):
                self._forget(self._grains[0], other)
            self._grains.popleft()
        for grain in self._grains:
            if grain.start + _DAY > self._now:
                break  # nothing of this or a later one may be forgotten
            if key in grain.operations and grain.operations[key].until <= self._now:
                self._forget(grain, key)
        return self._quota - self._spent[key]

    def check(self, key: bytes, now: float) -> None:
        """Moves the time on. Raises BudgetExhausted when nothing is left, with the time at which something is."""
        left = self.left(key, now)
        if not left:
            own = next(grain.operations[key] for grain in self._grains if key in grain.operations)
            raise _exhausted(own.until - self._now)
        if self._counts >= self._capacity:  # the oldest grain makes room, whoever is in it
            raise _exhausted(self._grains[0].until - self._now)

    def count(self, key: bytes) -> None:
        """Counts one operation, at the time of the last check."""
        until = self._now + _DAY
        if not self._grains or self._now >= self._grains[-1].start + self._grain_seconds:
            self._grains.append(_Grain(self._now, until))
        grain = self._grains[-1]
        grain.until = until
        own = grain.operations.get(key)
        if own is None:
            grain.operations[key] = _Spent(1, until)
            self._counts += 1
        else:
            own.number, own.until = own.number + 1, until
        self._spent[key] += 1

    def _forget(self, grain: _Grain, key: bytes) -> None:
        self._spent[key] -= grain.operations.pop(key).number
        self._counts -= 1
        if not self._spent[key]:
            del self._spent[key]
