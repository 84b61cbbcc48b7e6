"""Windows of limits in Firestore: one document for each key, with when its hits ended.

It is replaced whole by whoever read its last version, so that of two who count at once one tries again. Where a quota is
large, an instance takes a hundredth of it at a time, uses what it can within a second, and gives the rest back when it takes
the next; the window is longer by that second, so there are never more than the quota in any stretch of it.
"""

from __future__ import annotations

import contextlib
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Final

from kas.dataclass import dataclass
from kas.net.deadline import Deadline, Timer
from kas.state.firestore_documents import Conflict, Document, Documents, Write, document_id
from kas.state.shared import LimitWindow, StoreBusy, StoreUnavailable, Taken

LEASE_SECONDS: Final = 1.0
# Of a quota: so many are taken at once at most.
LEASES: Final = 100
_ATTEMPTS: Final = 20
# At random, up to so long after the first, and up to so long at most, before it is tried again.
_WAIT_SECONDS: Final = 0.005
_MAX_WAIT_SECONDS: Final = 0.1
_MAX_LEASES: Final = 10_000
_CONTENDED: Final = "others count for the same"
_HIT: Final = struct.Struct(">dH")  # when, and how many

Hits = list[tuple[float, int]]


class _Turns:
    """Who counts for the same key takes turns, so that one instance does not contend with itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[str, tuple[threading.Lock, int]] = {}  # by key, with how many there are who want it

    @contextlib.contextmanager
    def of(self, key: str, seconds: float) -> Iterator[None]:
        """Raises StoreBusy where it is not ours in so many seconds."""
        turn = self._join(key)
        try:
            if not turn.acquire(timeout=seconds):
                raise StoreBusy("others of this instance wait for it")
            try:
                yield
            finally:
                turn.release()
        finally:
            self._leave(key)

    def _join(self, key: str) -> threading.Lock:
        with self._lock:
            turn, number = self._turns.get(key) or (threading.Lock(), 0)
            self._turns[key] = turn, number + 1
        return turn

    def _leave(self, key: str) -> None:
        with self._lock:
            turn, number = self._turns.pop(key)
            if number > 1:
                self._turns[key] = turn, number - 1


@dataclass(slots=True)
class _Lease:
    """Places that were taken together. ``taken_at`` and ``end`` are in seconds since 1970."""

    taken_at: float
    left: int
    free: int  # of the whole window, when they were taken
    end: float
    reset: float


class FirestoreWindows:
    """A `kas.state.shared.WindowStore` in one ``collection``; ``clock`` gives seconds since 1970. Raises StoreFailure."""

    def __init__(
        self,
        documents: Documents,
        collection: str,
        *,
        clock: Callable[[], float],
        timer: Timer,
        timeout_seconds: float,
        sleep: Callable[[float], object],
        random: Callable[[], float],
    ) -> None:
        self._documents = documents
        self._collection = collection
        self._clock = clock
        self._timer = timer
        self._timeout_seconds = timeout_seconds
        self._sleep = sleep
        self._random = random
        self._turns = _Turns()
        self._leases: dict[str, _Lease] = {}

    def take(self, window: LimitWindow, key: bytes) -> Taken:
        path = f"{self._collection}/{window.name}-{document_id(key)}"
        deadline = Deadline.after(self._timeout_seconds, self._timer)
        with self._turns.of(path, self._timeout_seconds):
            return self._from_lease(path) or self._take_anew(window, path, deadline)

    def _from_lease(self, path: str) -> Taken | None:
        lease, now = self._leases.get(path), self._clock()
        if lease is None or not lease.left or now >= lease.end:
            return None
        lease.left -= 1
        lease.free -= 1
        return Taken(lease.free + 1, lease.reset - now)

    def _take_anew(self, window: LimitWindow, path: str, deadline: Deadline) -> Taken:
        # Out of our hands before anything is written: whether a write that brought no answer was done nobody knows.
        ended = self._leases.pop(path, None)
        for attempt in range(_ATTEMPTS):
            (document,) = self._documents.read([path])
            if (taken := self._try_to_take(window, path, document, ended)) is not None:
                return taken
            self._wait(attempt, deadline)
        raise StoreBusy(_CONTENDED)

    def _try_to_take(
        self, window: LimitWindow, path: str, document: Document | None, ended: _Lease | None
    ) -> Taken | None:
        """None where somebody else has written since ``document`` was read."""
        lease_size = max(1, window.quota // LEASES)
        seconds = window.seconds + (LEASE_SECONDS if lease_size > 1 else 0.0)
        now = self._clock()
        hits = _counted(document, ended, now, seconds)
        free = window.quota - sum(number for _, number in hits)
        if free <= 0:
            return Taken(0, hits[0][0] + seconds - now)
        size = min(lease_size, free)
        hits.append((now, size))
        if not self._replace(path, document, hits, now + seconds):
            return None
        reset = hits[0][0] + seconds
        self._lease(path, _Lease(now, size - 1, free - 1, now + LEASE_SECONDS, reset))
        return Taken(free, reset - now)

    def _replace(self, path: str, document: Document | None, hits: Hits, expires: float) -> bool:
        """Whether it was as it was read."""
        version = "" if document is None else document.version
        try:
            self._documents.write([Write(path, _packed(hits), expires, demands=version)])
        except (Conflict, StoreBusy):
            return False
        return True

    def _wait(self, attempt: int, deadline: Deadline) -> None:
        """Raises StoreBusy where the deadline would pass meanwhile."""
        seconds = self._random() * min(_MAX_WAIT_SECONDS, _WAIT_SECONDS * 2**attempt)
        if self._timer() + seconds >= deadline.end:
            raise StoreBusy(_CONTENDED)
        self._sleep(seconds)

    def _lease(self, path: str, lease: _Lease) -> None:
        """Where there are too many, all are dropped: their places stay taken until they end, which is soon."""
        if not lease.left:
            return
        if len(self._leases) >= _MAX_LEASES:
            self._leases.clear()
        self._leases[path] = lease


def _counted(document: Document | None, ended: _Lease | None, now: float, seconds: float) -> Hits:
    """The hits of the last ``seconds``, without what is given back of a lease."""
    hits = [] if document is None else [hit for hit in _unpacked(document.value) if hit[0] + seconds > now]
    return hits if ended is None else _given_back(hits, ended)


def _given_back(hits: Hits, lease: _Lease) -> Hits:
    """Without the places that nobody used while the lease was good. Of hits at the same moment, which is whose does not
    matter.
    """
    for index, (when, number) in enumerate(hits):
        if when == lease.taken_at and number >= lease.left:
            used = [(when, number - lease.left)] if number > lease.left else []
            return [*hits[:index], *used, *hits[index + 1 :]]
    return hits


def _packed(hits: Hits) -> bytes:
    return b"".join(_HIT.pack(*hit) for hit in hits)


def _unpacked(value: bytes) -> Hits:
    if len(value) % _HIT.size:
        raise StoreUnavailable("a document cannot be read")
    return [(when, number) for when, number in _HIT.iter_unpack(value)]
