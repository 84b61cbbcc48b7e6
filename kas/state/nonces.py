"""DPoP nonces of several instances, which end when their store loses its memory.

Used proofs that a server forgot by starting empty would pass again as long as their nonces are good. So the store holds a
value of its own, its *era*, drawn when it is first asked, and the era goes into the key of every nonce in the place where
one process puts a value of its own (`kas.auth.nonce`). A proof is claimed under the era that its nonce was verified in;
where the store has another by then, the nonce was one of before.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from typing import Final, Protocol

from kas.dataclass import dataclass
from kas.errors import ReplayStoreUnavailable
from kas.state.guard import StoreGuard
from kas.state.shared import ClaimStore, StoreFailure

_ERA_BYTES: Final = 32


class Source(Protocol):
    """`kas.auth.nonce.NonceSource`."""

    def issue(self) -> str: ...
    def verify(self, unverified_nonce: object) -> None: ...


@dataclass(frozen=True, slots=True)
class _Held:
    """The store's era, and what makes nonces of it."""

    era: bytes
    source: Source


class SharedNonces:
    """What `kas.auth.nonce.NonceSource` is for one process. Safe to use from many threads."""

    def __init__(self, store: ClaimStore, guard: StoreGuard, make_source: Callable[[bytes], Source]) -> None:
        """``make_source`` makes nonces of an era, which takes the place of the process's own value."""
        self._store = store
        self._guard = guard
        self._make_source = make_source
        self._held: _Held | None = None
        self._verified = threading.local()

    def issue(self) -> str:
        """A fresh nonce; one that is good for nothing while the store cannot be asked."""
        try:
            return self._current().source.issue()
        except ReplayStoreUnavailable:
            return self._make_source(secrets.token_bytes(_ERA_BYTES)).issue()

    def verify(self, unverified_nonce: object) -> None:
        """Raises NonceInvalid as `NonceSource.verify` does, and ReplayStoreUnavailable."""
        held = self._current()
        held.source.verify(unverified_nonce)
        self._verified.era = held.era

    def take_era(self) -> bytes:
        """The era in which this thread has just verified a nonce; empty where it verified none.

        By thread, since the authenticator, which verifies a nonce and claims its proof in turn, knows no eras.
        """
        era: bytes = getattr(self._verified, "era", b"")
        self._verified.era = b""
        return era

    def forget(self, era: bytes) -> None:
        """The store has another era by now."""
        held = self._held
        if held is not None and held.era == era:
            self._held = None

    def _current(self) -> _Held:
        held = self._held
        if held is None:
            try:
                era = self._guard.ask("replay", self._store.era)
            except StoreFailure as failure:
                raise ReplayStoreUnavailable from failure
            self._held = held = _Held(era, self._make_source(era))
        return held
