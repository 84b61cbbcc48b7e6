"""The memory of used DPoP proofs: bounded, never forgets early, refuses when full.

It lives in one process. That it dies with the process is safe only together with `kas.auth.nonce`: a proof made for
a process that is gone is refused by its nonce.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from kas.errors import KasError, ProofReplayed, ReplayShareExhausted, ReplayStoreFull

# One caller, and one key, may hold this part of the store, so that one valid token cannot lock the others out.
SHARE: Final = 8


def _anybody() -> None:
    pass


class MemoryReplayStore:
    """Claims of ``capacity`` proofs for ``ttl_seconds`` each; ``clock`` gives seconds since 1970."""

    def __init__(self, *, capacity: int, ttl_seconds: float, clock: Callable[[], float]) -> None:
        self._capacity = capacity
        self._share = max(1, capacity // SHARE)
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._claimed: set[bytes] = set()
        self._held: Counter[str] = Counter()
        # All claims live equally long, so the oldest is always the first: (until, claim, its holders).
        self._queue: deque[tuple[float, bytes, tuple[str, str]]] = deque()

    def claim(self, *, jkt: str, jti: str, caller: str, admit: Callable[[], None] = _anybody) -> None:
        """Records that the proof ``jti`` of key ``jkt`` is used, once.

        ``admit`` is asked about a proof that is new, before it takes a place, and refuses by raising; it is called
        under the lock, so that of the same proof sent many times at once it is asked about one only.

        Raises ProofReplayed when it was used before, ReplayShareExhausted when the caller or the key holds too many,
        ReplayStoreFull when no place is left.
        """
        # The thumbprint has a fixed length, so the two cannot run into each other.
        claim = hashlib.sha256(jkt.encode() + jti.encode("utf-8", "surrogatepass")).digest()
        holders = (f"key {jkt}", f"caller {caller}")
        with self._lock:
            now = self._clock()
            self._forget(now)
            if claim in self._claimed:
                raise ProofReplayed
            admit()
            if any(self._held[holder] >= self._share for holder in holders):
                raise self._until_room(ReplayShareExhausted(), now)
            if len(self._queue) >= self._capacity:
                raise self._until_room(ReplayStoreFull(), now)
            self._claimed.add(claim)
            self._held.update(holders)
            self._queue.append((now + self._ttl_seconds, claim, holders))

    def _until_room(self, refusal: KasError, now: float) -> KasError:
        """The oldest claim is the first to go; whoever waits for one of his own may have to ask again."""
        refusal.retry_after = max(0.0, self._queue[0][0] - now)
        return refusal

    def has_room(self) -> bool:
        """Whether another proof can be remembered."""
        with self._lock:
            self._forget(self._clock())
            return len(self._queue) < self._capacity

    def _forget(self, now: float) -> None:
        while self._queue and self._queue[0][0] < now:
            _, claim, holders = self._queue.popleft()
            self._claimed.discard(claim)
            for holder in holders:
                self._held[holder] -= 1
                if not self._held[holder]:
                    del self._held[holder]
