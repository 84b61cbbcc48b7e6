"""A bounded memory of what may be asked for again soon; what it forgets it may overwrite.

Bounded in number and in time. Every entry lives equally long and no reading prolongs it, so the oldest is the first to
expire and the first to go when room is needed: one order serves both, and nobody can keep an entry alive by asking for
it. Every call drops all that has expired, wanted or not; where nobody calls, nothing is dropped, since no thread runs
for it. What goes in and what comes out are copies, so what is wiped is the cache's own and in nobody's hands.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from kas.dataclass import dataclass

V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Counts:
    """Questions since the start: answered from the cache, and not."""

    hits: int
    misses: int


def _same(value: V) -> V:
    return value


def _leave(_value: object) -> None:
    pass


class TtlCache(Generic[V]):
    """At most ``capacity`` values for ``ttl_seconds`` each; ``clock`` gives seconds.

    ``copy`` makes what is kept and what is handed out; ``wipe`` gets each kept value once, when it is evicted, expired or
    replaced. Both run under the lock and must be quick. A value is never None.
    """

    def __init__(
        self,
        *,
        capacity: int,
        ttl_seconds: float,
        clock: Callable[[], float],
        copy: Callable[[V], V] = _same,
        wipe: Callable[[V], None] = _leave,
    ) -> None:
        if capacity < 1 or ttl_seconds <= 0:
            raise ValueError("a cache has room and time; without either there is none")
        self._capacity = capacity
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._copy = copy
        self._wipe = wipe
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()  # the oldest first
        self._hits = self._misses = 0

    def find(self, key: Hashable) -> V | None:
        """A copy of what is kept under ``key``, or None."""
        with self._lock:
            now = self._drop_expired()
            stored_at, value = self._entries.get(key, (None, None))
            if value is None or stored_at is None or not self._is_live(stored_at, now):
                self._misses += 1
                return None
            self._hits += 1
            return self._copy(value)

    def put(self, key: Hashable, value: V) -> None:
        """Keeps a copy of ``value``, in place of what was there before."""
        with self._lock:
            now = self._drop_expired()
            if key in self._entries:
                self._drop(key)
            elif len(self._entries) >= self._capacity:
                self._drop(next(iter(self._entries)))
            self._entries[key] = now, self._copy(value)

    def counts(self) -> Counts:
        """How often `find` had an answer, and how often not."""
        with self._lock:
            self._drop_expired()
            return Counts(self._hits, self._misses)

    def _drop_expired(self) -> float:
        """The time, at which nothing at the old end has expired any more."""
        now = self._clock()
        while self._entries:
            key, (stored_at, _) = next(iter(self._entries.items()))
            if self._is_live(stored_at, now):
                break
            self._drop(key)
        return now

    def _is_live(self, stored_at: float, now: float) -> bool:
        """What seems to come from the future was stored before the clock was set back: its age is unknown."""
        return 0 <= now - stored_at < self._ttl_seconds

    def _drop(self, key: Hashable) -> None:
        _, value = self._entries.pop(key)
        self._wipe(value)
