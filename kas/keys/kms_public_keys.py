"""The public keys of versions in Cloud KMS: fetched seldom, checked each time, and whether a key is what its record says.

A key is fresh for a set time. One request fetches. Meanwhile the others are answered with the old key; where there is
none, they wait. Few at once may fetch or wait, over all keys together, and each no longer than one attempt may take, for
however many keys he asks; the rest are answered from memory, or refused. So a KMS that stalls cannot hold all threads by
way of a public route.
While KMS is down the old key serves on, within a bound: wrapping to it harms nobody, and it can be used again when KMS
is. When KMS *answers* that the version is disabled, destroyed or not ours to use, or when the key is not what it should
be, it is forgotten at once: nobody must go on wrapping to a key that will not open.

Size, hash and level belong to a version for good: a key that was found fit is not asked about again before it is used,
and one that was found unfit stays so until KMS shows another.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from functools import partial
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa

from kas.cache import Counts
from kas.dataclass import dataclass
from kas.errors import KeyUnavailable
from kas.google.kms import KmsTransport
from kas.google.status import GoogleError
from kas.keys.kms_answers import (
    TRANSIENT,
    AnswerDamaged,
    AnswerRefused,
    KeyUnfit,
    Level,
    operator_line,
    read_public_key,
    version_of,
)
from kas.keys.registry import KeyRecord
from kas.keys.retry import MAX_ATTEMPTS, Retry

STALE_SECONDS: Final = 24 * 60 * 60.0  # after it was fetched, and only while KMS is down
FAILURE_SECONDS: Final = 5.0  # after a failed fetch nobody asks for so long
UNFIT_SECONDS: Final = 60.0  # nor after one that showed a wrong key: only the operator can mend that
MAX_ASKING: Final = 8  # of those who ask for public keys, for an answer of KMS: their own or another's
# KMS says nothing about the key; any status that is not here counts as a refusal.
_DOWN: Final = TRANSIENT | {"INTERNAL", "UNKNOWN"}

Error = GoogleError | AnswerRefused


@dataclass(frozen=True, slots=True)
class _Seen:
    key: rsa.RSAPublicKey
    fetched_at: float


@dataclass(frozen=True, slots=True)
class _Failure:
    error: Error
    until: float


@dataclass(slots=True)
class _Known:
    """What is known of one version; every member is replaced whole, so that readers need no lock."""

    seen: _Seen | None = None
    is_fit: bool = False  # once found so
    unfit: KeyUnfit | None = None  # until found otherwise
    failure: _Failure | None = None  # of the last fetch
    told: _Failure | None = None  # to the operator
    lock: threading.Lock = field(default_factory=threading.Lock)  # held by whoever fetches


class KmsPublicKeys:
    """A key is fresh for ``fresh_seconds``; a check takes at most ``deadline_seconds``. Safe to use from many threads."""

    def __init__(
        self,
        transport: KmsTransport,
        retry: Retry,
        *,
        deadline_seconds: float,
        level: Level,
        fresh_seconds: float,
        warn: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._transport = transport
        self._retry = retry
        self._timer = retry.timer
        self._deadline_seconds = deadline_seconds
        self._level = level
        self._fresh_seconds = fresh_seconds
        self._warn = warn
        self._lock = threading.Lock()
        self._places = threading.Semaphore(MAX_ASKING)
        self._versions: dict[KeyRecord, _Known] = {}  # as many as are configured
        self._hits = self._misses = 0

    def find(self, record: KeyRecord) -> rsa.RSAPublicKey:
        """The public key, fresh or as old as it may be. Raises KeyUnavailable."""
        return self._find(record, self._patience())

    def find_all(self, records: Iterable[KeyRecord]) -> dict[str, rsa.RSAPublicKey]:
        """Those that can be had, by ``kid``, within the time of one: when it is over, the others are had from memory."""
        deadline, found = self._patience(), {}
        for record in records:
            with contextlib.suppress(KeyUnavailable):
                found[record.kid] = self._find(record, deadline)
        return found

    def counts(self) -> Counts:
        """How often a key was found without a fetch, and how often one was made for it; a refusal without one is neither,
        and neither is what `check` and `unfit` ask.
        """
        with self._lock:
            return Counts(self._hits, self._misses)

    def _find(self, record: KeyRecord, deadline: float) -> rsa.RSAPublicKey:
        known = self._known(record)
        fetched = self._is_due(known) and self._take_turn(record, known, deadline)
        seen, failure = known.seen, known.failure
        if failure is not None:
            self._tell(record, known, failure)
        is_usable = seen is not None and self._timer() - seen.fetched_at < STALE_SECONDS
        self._count(is_hit=is_usable and not fetched, is_miss=fetched)
        if seen is None or not is_usable:
            raise KeyUnavailable from (_busy() if failure is None else failure.error)
        return seen.key

    def _count(self, *, is_hit: bool, is_miss: bool) -> None:
        with self._lock:
            self._hits += is_hit
            self._misses += is_miss

    def check(self, record: KeyRecord) -> None:
        """Asks KMS for the key, whatever is known, and keeps what it says. Raises KeyUnavailable."""
        known, deadline = self._known(record), self._timer() + self._deadline_seconds
        if not known.lock.acquire(timeout=self._deadline_seconds):
            raise KeyUnavailable from _busy()
        try:
            failure = self._fetch(record, known, deadline, MAX_ATTEMPTS)
        finally:
            known.lock.release()
        if failure is not None:
            self._tell(record, known, failure)
            raise KeyUnavailable from failure.error

    def unfit(self, record: KeyRecord, deadline: float) -> KeyUnfit | None:
        """What is wrong with the key itself; None when nothing is, and also when that cannot be learnt now.

        It asks at most once, and waits no longer than one attempt may take: whoever wants to use the key has better
        uses for his time, and KMS keeps to the key's hash by itself.
        """
        known = self._known(record)
        if self._is_in_question(known):
            wait = min(self._retry.timeout_seconds, deadline - self._timer())
            if known.lock.acquire(timeout=max(0.0, wait)):
                try:
                    if self._is_in_question(known):
                        self._fetch(record, known, deadline, attempts=1)
                finally:
                    known.lock.release()
        return known.unfit

    def is_proven(self, record: KeyRecord) -> bool:
        """Whether KMS has shown that the key is what the record says."""
        return self._known(record).is_fit

    def _known(self, record: KeyRecord) -> _Known:
        with self._lock:
            return self._versions.setdefault(record, _Known())

    def _patience(self) -> float:
        """Until when whoever asks for public keys waits: anybody may ask, so it is the time of one attempt."""
        return self._timer() + min(self._retry.timeout_seconds, self._deadline_seconds)

    def _is_due(self, known: _Known) -> bool:
        """Whether the key is to be fetched."""
        seen = known.seen
        is_fresh = seen is not None and self._timer() - seen.fetched_at < self._fresh_seconds
        return not is_fresh and not self._has_failed(known)

    def _is_in_question(self, known: _Known) -> bool:
        """Whether KMS is to be asked what key it is."""
        return not known.is_fit and not self._has_failed(known)

    def _has_failed(self, known: _Known) -> bool:
        failure = known.failure
        return failure is not None and self._timer() < failure.until

    def _take_turn(self, record: KeyRecord, known: _Known, deadline: float) -> bool:
        """Fetches when it is ours to; whether it did, with success or without. While another does, we wait only where no
        old key serves. All of it takes a place and time; without them, what is known must do.
        """
        may_wait, seconds = known.seen is None, deadline - self._timer()
        if seconds <= 0 or not self._places.acquire(blocking=False):
            return False
        try:
            if not known.lock.acquire(timeout=seconds if may_wait else 0.0):
                return False
            try:
                is_due = self._is_due(known)  # another may have fetched meanwhile
                if is_due:
                    self._fetch(record, known, deadline, MAX_ATTEMPTS)
                return is_due
            finally:
                known.lock.release()
        finally:
            self._places.release()

    def _fetch(self, record: KeyRecord, known: _Known, deadline: float, attempts: int) -> _Failure | None:
        """Replaces what is known; the failure, if it is one."""
        try:
            key = self._retry.run(partial(self._ask, record), deadline=deadline, attempts=attempts)
        except (GoogleError, AnswerRefused) as error:
            if isinstance(error, KeyUnfit):
                known.unfit, known.is_fit = error, False
            if not _is_down(error):
                known.seen = None
            seconds = UNFIT_SECONDS if isinstance(error, KeyUnfit) else FAILURE_SECONDS
            known.failure = _Failure(error, self._timer() + seconds)  # from the end: a slow KMS fails slowly
            return known.failure
        known.seen = _Seen(key, self._timer())
        known.is_fit, known.unfit, known.failure = True, None, None
        return None

    def _ask(self, record: KeyRecord, seconds: float) -> rsa.RSAPublicKey:
        answer = self._transport.get_public_key(version_of(record), timeout_seconds=seconds)
        return read_public_key(answer, record, self._level)

    def _tell(self, record: KeyRecord, known: _Known, failure: _Failure) -> None:
        """Once for each failed fetch, however many meet it."""
        with self._lock:
            is_told, known.told = known.told is failure, failure
        if not is_told:
            self._warn(operator_line("GetPublicKey", version_of(record), failure.error))


def _is_down(error: Error) -> bool:
    return isinstance(error, AnswerDamaged) or (isinstance(error, GoogleError) and error.status in _DOWN)


def _busy() -> GoogleError:
    return GoogleError("DEADLINE_EXCEEDED", "another request still waits for the public key")
