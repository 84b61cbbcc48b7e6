"""The memory of used DPoP proofs and forwarded assertions: bounded, never forgets early, refuses when full.

It lives in one process. That it dies with the process is safe only together with `kas.auth.nonce`: a proof made for
a process that is gone is refused by its nonce. A forwarded proof has no nonce of ours: one that was used before the
process began may pass once more while it is recent, and what it asks for goes to its client's own key as before.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final

from kas.errors import ForwardingReplayed, KasError, ProofReplayed, ReplayShareExhausted, ReplayStoreFull

# One caller, one key, and one service that forwards, may hold this part of the store, so that none locks the others out.
SHARE: Final = 8
# Holds what forwarded proofs were used for: all of the store but one share. One request claims hundreds of places here and
# a proof of our own one, so callers who come through others must not lock out those who ask us.
_KAOS: Final = "key access objects"


def _anybody() -> None:
    pass


class MemoryReplayStore:
    """``capacity`` claims for ``ttl_seconds`` each; ``clock`` gives seconds since 1970.

    A claim of one kind is never one of another. What is refused is not recorded, not in part either.
    """

    def __init__(self, *, capacity: int, ttl_seconds: float, clock: Callable[[], float]) -> None:
        self._capacity = capacity
        self._share = max(1, capacity // SHARE)
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._claimed: set[bytes] = set()
        self._held: Counter[str] = Counter()
        # All claims live equally long, so the oldest is always the first: (until, claim, its holders).
        self._queue: deque[tuple[float, bytes, tuple[str, ...]]] = deque()

    def claim(self, *, jkt: str, jti: str, caller: str, admit: Callable[[], None] = _anybody) -> None:
        """Records that the proof ``jti`` of key ``jkt`` is used, once.

        ``admit`` is asked about a proof that is new, before it takes a place, and refuses by raising; it is called
        under the lock, so that of the same proof sent many times at once it is asked about one only.

        Raises ProofReplayed when it was used before, ReplayShareExhausted when the caller or the key holds too many,
        ReplayStoreFull when no place is left.
        """
        self._claim((_digest("proof", jkt, jti),), _holders(jkt, caller), ProofReplayed, admit)

    def claim_assertion(self, *, forwarder: str, jti: str, admit: Callable[[], None] = _anybody) -> None:
        """Records that the assertion ``jti`` of the service ``forwarder`` is used, once; else as `claim`.

        It counts against the forwarder alone: his clients did not make it. Raises ForwardingReplayed for ProofReplayed.
        """
        claims, holders = (_digest("assertion", forwarder, jti),), (f"forwarder {forwarder}",)
        self._claim(claims, holders, ForwardingReplayed, admit)

    def claim_kaos(self, *, jkt: str, jti: str, caller: str, kao_ids: Sequence[str]) -> None:
        """Records that the proof ``jti`` of key ``jkt`` is used for each of these key access objects, once.

        For all of them, or for none. Raises as `claim`: ProofReplayed when it was used for one of them before, or one of
        them is named twice.
        """
        claims = [_digest("key access object", jkt, jti, kao_id) for kao_id in kao_ids]
        self._claim(claims, (*_holders(jkt, caller), _KAOS), ProofReplayed, _anybody)

    def _claim(
        self,
        claims: Sequence[bytes],
        holders: tuple[str, ...],
        replayed: type[KasError],
        admit: Callable[[], None],
    ) -> None:
        with self._lock:
            now = self._clock()
            self._forget(now)
            if len(set(claims)) < len(claims) or not self._claimed.isdisjoint(claims):
                raise replayed
            admit()
            if any(self._held[holder] + len(claims) > self._share for holder in holders if holder != _KAOS):
                raise self._until_room(ReplayShareExhausted(), now)
            of_kaos = self._held[_KAOS] + len(claims) if _KAOS in holders else 0
            if len(self._queue) + len(claims) > self._capacity or of_kaos > self._capacity - self._share:
                raise self._until_room(ReplayStoreFull(), now)
            for claim in claims:
                self._claimed.add(claim)
                self._held.update(holders)
                self._queue.append((now + self._ttl_seconds, claim, holders))

    def _until_room(self, refusal: KasError, now: float) -> KasError:
        """The oldest claim is the first to go; whoever waits for one of his own may have to ask again."""
        if self._queue:  # or the share, or the store, is too small for so many at once
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


def _holders(jkt: str, caller: str) -> tuple[str, str]:
    return f"key {jkt}", f"caller {caller}"


def _digest(*texts: str) -> bytes:
    """Each text has its length before it, so that none runs into the next and no list of texts is another's."""
    parts = (text.encode("utf-8", "surrogatepass") for text in texts)
    return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()
