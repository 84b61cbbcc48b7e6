"""The memory of used DPoP proofs and forwarded assertions: bounded, never forgets early, refuses when full.

It lives in one process. That it dies with the process is safe only together with `kas.auth.nonce`: a proof made for
a process that is gone is refused by its nonce. A forwarded proof has no nonce of ours: one that was used before the
process began may pass once more while it is recent, and what it asks for goes to its client's own key as before.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Final

from kas.errors import KasError, ReplayShareExhausted, ReplayStoreFull
from kas.state.claims import Claim, assertion_claim, kaos_claim, proof_claim, share_of

_KAOS: Final = "key access objects"  # holds what forwarded proofs were used for


def _anybody() -> None:
    pass


class MemoryReplayStore:
    """``capacity`` claims for ``ttl_seconds`` each; ``clock`` gives seconds since 1970.

    A claim of one kind is never one of another. What is refused is not recorded, not in part either.
    """

    def __init__(self, *, capacity: int, ttl_seconds: float, clock: Callable[[], float]) -> None:
        self._capacity = capacity
        self._share = share_of(capacity)
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._claimed: set[bytes] = set()
        self._held: Counter[str] = Counter()
        # All claims live equally long, so the oldest is always the first: (until, digest, its holders).
        self._queue: deque[tuple[float, bytes, tuple[str, ...]]] = deque()

    def claim(self, *, jkt: str, jti: str, caller: str, admit: Callable[[], None] = _anybody) -> None:
        """Records that the proof ``jti`` of key ``jkt`` is used, once.

        ``admit`` is asked about a proof that is new, before it takes a place, and refuses by raising; it is called
        under the lock, so that of the same proof sent many times at once it is asked about one only.

        Raises ProofReplayed when it was used before, ReplayShareExhausted when the caller or the key holds too many,
        ReplayStoreFull when no place is left.
        """
        self._claim(proof_claim(jkt, jti, caller), admit)

    def claim_assertion(self, *, forwarder: str, jti: str, admit: Callable[[], None] = _anybody) -> None:
        """Records that the assertion ``jti`` of the service ``forwarder`` is used, once; else as `claim`.

        It counts against the forwarder alone: his clients did not make it. Raises ForwardingReplayed for ProofReplayed.
        """
        self._claim(assertion_claim(forwarder, jti), admit)

    def claim_kaos(self, *, jkt: str, jti: str, caller: str, kao_ids: Sequence[str]) -> None:
        """Records that the proof ``jti`` of key ``jkt`` is used for each of these key access objects, once.

        For all of them, or for none. Raises as `claim`: ProofReplayed when it was used for one of them before, or one of
        them is named twice.
        """
        self._claim(kaos_claim(jkt, jti, caller, kao_ids), _anybody)

    def _claim(self, claim: Claim, admit: Callable[[], None]) -> None:
        digests, holders = claim.digests, (*claim.holders, _KAOS) if claim.is_of_kaos else claim.holders
        with self._lock:
            now = self._clock()
            self._forget(now)
            if claim.names_one_twice or not self._claimed.isdisjoint(digests):
                raise claim.replayed
            admit()
            if any(self._held[holder] + len(digests) > self._share for holder in holders if holder != _KAOS):
                raise self._until_room(ReplayShareExhausted(), now)
            held_of_kaos = self._held[_KAOS] + len(digests) if claim.is_of_kaos else 0
            if len(self._queue) + len(digests) > self._capacity or held_of_kaos > self._capacity - self._share:
                raise self._until_room(ReplayStoreFull(), now)
            for digest in digests:
                self._claimed.add(digest)
                self._held.update(holders)
                self._queue.append((now + self._ttl_seconds, digest, holders))

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
            _, digest, holders = self._queue.popleft()
            self._claimed.discard(digest)
            for holder in holders:
                self._held[holder] -= 1
                if not self._held[holder]:
                    del self._held[holder]
