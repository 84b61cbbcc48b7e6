"""The memory of used DPoP proofs and forwarded assertions in a store that several instances share (decision 19).

A claim is one atomic operation of the store: of one proof that is sent to all instances at once, one is accepted. The
caller's limit is asked about a proof that is recorded already, and what the limit refuses is taken back: so a proof that was
used before uses nothing of its owner's limit, and one that is refused can be sent again. While the limit is asked, the same
proof elsewhere counts as used.

A store that does not answer, or has no memory left, refuses whoever asks: nothing is accepted that is not recorded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from kas.errors import KasError, NonceInvalid, ReplayShareExhausted, ReplayStoreFull, ReplayStoreUnavailable
from kas.state.claims import Claim, assertion_claim, kaos_claim, proof_claim
from kas.state.guard import PAUSE_SECONDS, StoreGuard
from kas.state.nonces import SharedNonces
from kas.state.shared import ClaimStore, StoreFailure, StoreFull

_RETRY_WHEN_FULL_SECONDS: Final = 60.0

Result = TypeVar("Result")


def _anybody() -> None:
    pass


class SharedReplayStore:
    """Claims as `kas.state.own_replay.MemoryReplayStore` has them. Raises ReplayStoreUnavailable besides."""

    def __init__(self, store: ClaimStore, guard: StoreGuard, nonces: SharedNonces | None = None) -> None:
        """``nonces`` are those of the proofs, where the store may lose its memory."""
        self._store = store
        self._guard = guard
        self._nonces = nonces

    def claim(self, *, jkt: str, jti: str, caller: str, admit: Callable[[], None] = _anybody) -> None:
        """Records that the proof ``jti`` of key ``jkt`` is used, once.

        ``admit`` is asked about a proof that is new and refuses by raising, which takes the record back. Raises NonceInvalid
        besides, where the store has lost its memory since the proof's nonce was made.
        """
        era = b"" if self._nonces is None else self._nonces.take_era()
        self._claim(proof_claim(jkt, jti, caller), admit, era)

    def claim_assertion(self, *, forwarder: str, jti: str, admit: Callable[[], None] = _anybody) -> None:
        """Records that the assertion ``jti`` of the service ``forwarder`` is used, once; else as `claim`."""
        self._claim(assertion_claim(forwarder, jti), admit)

    def claim_kaos(self, *, jkt: str, jti: str, caller: str, kao_ids: Sequence[str]) -> None:
        """Records that the proof ``jti`` of key ``jkt`` is used for each of these key access objects, once; all or none."""
        self._claim(kaos_claim(jkt, jti, caller, kao_ids), _anybody)

    def has_room(self) -> bool:
        """Whether another proof can be remembered. Raises ReplayStoreUnavailable."""
        return self._ask(self._store.check)

    def _claim(self, claim: Claim, admit: Callable[[], None], era: bytes = b"") -> None:
        if claim.names_one_twice:
            raise claim.replayed
        if not claim.digests:
            return
        claimed = self._ask(partial(self._store.claim, claim, era))
        if claimed.outcome == "forgotten" and self._nonces is not None:
            self._nonces.forget(era)
            raise NonceInvalid
        if claimed.outcome == "replayed":
            raise claim.replayed
        if claimed.outcome != "recorded":
            refusal = ReplayShareExhausted() if claimed.outcome == "share" else ReplayStoreFull()
            refusal.retry_after = claimed.wait_seconds
            raise refusal
        with contextlib.ExitStack() as refused:
            refused.callback(self._take_back, claim)
            admit()
            refused.pop_all()

    def _take_back(self, claim: Claim) -> None:
        """Where it fails, what was refused stays used until it expires."""
        with contextlib.suppress(StoreFailure):
            self._guard.ask("replay", partial(self._store.release, claim))

    def _ask(self, operation: Callable[[], Result]) -> Result:
        try:
            return self._guard.ask("replay", operation)
        except StoreFailure as failure:
            is_full = isinstance(failure, StoreFull)
            refusal: KasError = ReplayStoreFull() if is_full else ReplayStoreUnavailable()
            refusal.retry_after = _RETRY_WHEN_FULL_SECONDS if is_full else PAUSE_SECONDS
            raise refusal from failure
