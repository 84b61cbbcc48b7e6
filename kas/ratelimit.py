"""Rate limits by exact sliding window: in no stretch as long as the window are more than ``quota`` requests admitted.

A key stands for whoever is counted: a network, a caller, everybody. What a window refuses does not count in it. Memory is bounded
over all keys and nothing is forgotten early, so a flood of new keys cannot wash away what others have used up; while
the memory is full, whoever comes is refused. It lives in one process. Who a key is, is proven elsewhere.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Protocol

from kas.dataclass import dataclass
from kas.errors import KasError


@dataclass(frozen=True, slots=True)
class Limit:
    """At most ``quota`` requests in any ``window_seconds``; ``name`` as the headers show it."""

    name: str
    quota: int
    window_seconds: float


@dataclass(frozen=True, slots=True)
class Quota:
    """What a caller has left: ``remaining`` requests now, and the next place free in ``reset_seconds``."""

    limit: Limit
    remaining: int
    reset_seconds: float


class Window(Protocol):
    """What counts requests by key against a limit: in this process, or together with other instances."""

    def admit(self, key: str, note: Callable[[Quota], None]) -> Quota:
        """Takes a place for ``key``. ``note`` is told what is left, whether one was free or not. Raises a leaf of
        RateLimited.
        """


@dataclass(slots=True)
class _Hit:
    """One admitted request, which takes a place ``until`` then; ``next`` is the next one of the same key."""

    key: bytes
    until: float
    next: _Hit | None = None


@dataclass(slots=True)
class _Log:
    """The hits of one key. Linked, since a list of its own for each key would cost more than the hits."""

    first: _Hit
    last: _Hit
    count: int = 1


def _to_nobody(_quota: Quota) -> None:
    pass


class SlidingWindow:
    """Counts requests against ``limit`` by key.

    ``clock`` gives seconds from an arbitrary start; when it goes back, time stands still until it has caught up.
    ``capacity`` is how many hits are remembered over all keys. ``refusal`` makes the refusal from the seconds until a
    place is free.
    """

    def __init__(
        self, limit: Limit, clock: Callable[[], float], *, capacity: int, refusal: Callable[[float], KasError]
    ) -> None:
        self.limit = limit
        self.capacity = capacity
        self.refusal = refusal
        self._clock = clock
        self._lock = threading.Lock()
        self._now = float("-inf")
        # All hits live equally long, so the oldest is always the first, here and in the log of its key.
        self._hits: deque[_Hit] = deque()
        self._logs: dict[bytes, _Log] = {}

    def admit(self, key: str, note: Callable[[Quota], None] = _to_nobody) -> Quota:
        """Takes a place for ``key``. ``note`` is told what is left, whether one was free or not.

        Raises what ``refusal`` makes when none is.
        """
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()  # as long for any key
        with self._lock:
            self._advance()
            free = self._free(digest)
            if free:
                self._remember(_Hit(digest, self._now + self.limit.window_seconds))
            quota = Quota(self.limit, max(0, free - 1), self._next_free(digest) - self._now)
        note(quota)
        if not free:
            raise self.refusal(quota.reset_seconds)
        return quota

    def _advance(self) -> None:
        """Moves the time on and forgets what has expired: each hit once, whoever asks."""
        self._now = max(self._now, self._clock())
        while self._hits and self._hits[0].until <= self._now:
            hit = self._hits.popleft()
            if hit.next is None:
                del self._logs[hit.key]
            else:
                log = self._logs[hit.key]
                log.first, log.count = hit.next, log.count - 1

    def _free(self, key: bytes) -> int:
        log = self._logs.get(key)
        own = self.limit.quota - (log.count if log else 0)
        return min(own, self.capacity - len(self._hits))

    def _remember(self, hit: _Hit) -> None:
        self._hits.append(hit)
        log = self._logs.get(hit.key)
        if log is None:
            self._logs[hit.key] = _Log(hit, hit)
        else:
            log.last.next, log.last, log.count = hit, hit, log.count + 1

    def _next_free(self, key: bytes) -> float:
        """When the hit ends that makes the next place: the oldest of the key, or of all where only memory is short."""
        log = self._logs.get(key)
        if log is None or (log.count < self.limit.quota and len(self._hits) >= self.capacity):
            return self._hits[0].until
        return log.first.until
