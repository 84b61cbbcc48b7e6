"""Firestore as the shared store (decision 19).

*Claims* are documents that may be created once, all of a claim in one commit. Deletion by ``expireAt`` lags, so a digest
may stay used for days longer than it must; nobody honest uses a ``jti`` twice. There is no capacity to fill: how many
claims a caller can make is bounded by his rate limit, and shares are not counted.

*Windows* are one document for each key (`firestore_windows`), and kept keys one each.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from kas.net.deadline import Deadline, Timer
from kas.state.claims import Claim
from kas.state.firestore_documents import Conflict, Documents, Write, document_id
from kas.state.firestore_windows import FirestoreWindows
from kas.state.shared import Claimed, LimitWindow, StoreBusy, Taken


class FirestoreStore:
    """A `kas.state.shared.SharedStore`. ``name`` is that of this KAS; ``clock`` gives seconds since 1970: that of the instance,
    since Firestore tells its own only afterwards. ``sleep`` takes seconds, ``random`` gives numbers from 0 up to 1.
    """

    def __init__(
        self,
        documents: Documents,
        *,
        name: str,
        ttl_seconds: float,
        clock: Callable[[], float],
        timer: Timer,
        timeout_seconds: float,
        sleep: Callable[[float], object],
        random: Callable[[], float],
    ) -> None:
        self._documents = documents
        self._name = name
        self._ttl_seconds = ttl_seconds
        self._clock = clock
        self._timer = timer
        self._timeout_seconds = timeout_seconds
        self._windows = FirestoreWindows(
            documents,
            f"kas-{name}-windows",
            clock=clock,
            timer=timer,
            timeout_seconds=timeout_seconds,
            sleep=sleep,
            random=random,
        )

    def claim(self, claim: Claim, era: bytes = b"") -> Claimed:
        del era  # it forgets nothing
        expires = self._clock() + self._ttl_seconds
        writes = [Write(self._claim_path(digest), b"", expires, demands="") for digest in claim.digests]
        deadline = Deadline.after(self._timeout_seconds, self._timer)
        while self._timer() < deadline.end:
            try:
                self._documents.write(writes)
            except Conflict:
                return Claimed("replayed")
            except StoreBusy:
                continue
            return Claimed("recorded")
        raise StoreBusy("others write the same")

    def era(self) -> bytes:
        """What is no secret, but none other's: it forgets nothing, and nonces of another store are not good here."""
        return hashlib.sha256(f"{self._documents.root} {self._name}".encode()).digest()

    def release(self, claim: Claim) -> None:
        self._documents.delete([self._claim_path(digest) for digest in claim.digests])

    def check(self) -> bool:
        self._documents.read([f"kas-{self._name}-claims/check"])
        return True

    def find(self, names: Sequence[bytes]) -> list[bytes | None]:
        found = self._documents.read([self._key_path(name) for name in names])
        return [None if document is None else document.value for document in found]

    def keep(self, encrypted: Mapping[bytes, bytes], seconds: float) -> None:
        expires = self._clock() + seconds
        self._documents.write(
            [Write(self._key_path(name), data, expires, demands=None) for name, data in encrypted.items()]
        )

    def take(self, window: LimitWindow, key: bytes) -> Taken:
        return self._windows.take(window, key)

    def _claim_path(self, digest: bytes) -> str:
        return f"kas-{self._name}-claims/{document_id(digest)}"

    def _key_path(self, name: bytes) -> str:
        return f"kas-{self._name}-keys/{document_id(name)}"
