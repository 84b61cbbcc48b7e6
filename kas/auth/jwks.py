"""The signing keys of each issuer: fetched from its configured address, cached, refreshed sparingly.

Keys are looked up by (issuer, ``kid``), never by ``kid`` alone. A set is fresh for a set time; a ``kid`` that it lacks
causes one refresh per cool-down, whoever asks how often; while the issuer is down the old set serves for a bounded
time more. One request fetches. Meanwhile the others are answered from the set that serves; where none does, many wait
for as long as an issuer that is well takes, a few for the whole result, and the rest are refused, so that tokens of an
issuer that stalls cannot hold all threads. A ``kid`` that a set has twice names no key.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Any, Final, Protocol

from kas.auth.remembered import remembered
from kas.cache import Counts
from kas.dataclass import dataclass
from kas.encoding import parse_json
from kas.errors import InvalidRequest, IssuerKeysUnavailable
from kas.fetch import DEADLINE_SECONDS, Fetcher, FetchError
from kas.jose import PublicJwk, is_for_signatures, parse_public_jwk

FRESH_SECONDS: Final = 3600
STALE_SECONDS: Final = 3600  # beyond freshness, and only while the issuer cannot be reached
COOL_DOWN_SECONDS: Final = 60
RETRY_SECONDS: Final = 5  # after a failed fetch
MAX_WAITING: Final = 8  # for another's fetch to its end, of one issuer's callers
MAX_WAITING_BRIEFLY: Final = 24
BRIEF_SECONDS: Final = 1.0
MAX_KEYS: Final = 100
MAX_KID_CHARS: Final = 256


class Publisher(Protocol):
    """Whose keys are kept: an issuer, or whoever else publishes them at a configured address."""

    @property
    def issuer(self) -> str: ...

    @property
    def jwks_url(self) -> str: ...


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """A key that an issuer publishes for signatures; ``algorithm`` is its ``alg`` member, if it has one."""

    jwk: PublicJwk
    algorithm: str | None

    def fits(self, algorithm: object) -> bool:
        """Whether this key may verify ``algorithm``: its family and curve fit and its own ``alg`` agrees."""
        return self.jwk.fits(algorithm) and self.algorithm in {None, algorithm}


@dataclass(slots=True)
class _KeySet:
    """What is known of one issuer; ``keys`` is replaced whole, so that readers need no lock."""

    keys: Mapping[str, IssuerKey] | None = None
    error: Exception | None = None
    fetched_at: float = 0.0
    retry_at: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)  # held by whoever fetches
    places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MAX_WAITING))  # to wait for it
    brief_places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MAX_WAITING_BRIEFLY))


class JwksCache:
    """Keys of all configured issuers. ``clock`` gives seconds since 1970; a set is fresh for ``fresh_seconds``, and for
    ``retry_seconds`` after a failure nobody asks again.
    """

    def __init__(
        self,
        issuers: Mapping[str, Publisher],
        fetch: Fetcher,
        clock: Callable[[], float],
        fresh_seconds: float = FRESH_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._sets = {name: _KeySet() for name in issuers}
        self._fetch = fetch
        self._clock = clock
        self._fresh_seconds = fresh_seconds
        self._retry_seconds = retry_seconds
        self._lock = threading.Lock()  # of the counts
        self._hits = self._misses = 0

    def find(self, issuer: Publisher, kid: str) -> IssuerKey | None:
        """The issuer's key of that ``kid``, or None. Raises IssuerKeysUnavailable when there is no usable set."""
        known = self._sets[issuer.issuer]
        fetched = not self._has(known, kid) and self._refresh(issuer, known, kid)
        keys = self._serving(known)
        self._count(is_hit=not fetched and keys is not None, is_miss=fetched)
        if keys is None:
            raise self._unavailable(known) from known.error
        return keys.get(kid)

    def _unavailable(self, known: _KeySet) -> IssuerKeysUnavailable:
        """With the seconds until the next fetch; without, while the first is under way."""
        refusal = IssuerKeysUnavailable()
        wait = known.retry_at - self._clock()
        refusal.retry_after = min(wait, COOL_DOWN_SECONDS) if wait > 0 else None  # the clock may have been set back
        return refusal

    def is_usable(self, issuer: Publisher) -> bool:
        """Whether this issuer's tokens can be verified now: a set with a key in it serves, or can be fetched.

        It fetches only where no set serves, no sooner after a failure than anybody; it may wait for the network.
        """
        known = self._sets[issuer.issuer]
        if not self._serving(known):
            self._refresh(issuer, known, None)
        return bool(self._serving(known))

    def counts(self) -> Counts:
        """How often `find` answered without a fetch, and how often it made one; a refusal without one is neither."""
        with self._lock:
            return Counts(self._hits, self._misses)

    def _count(self, *, is_hit: bool, is_miss: bool) -> None:
        with self._lock:
            self._hits += is_hit
            self._misses += is_miss

    def _serving(self, known: _KeySet) -> Mapping[str, IssuerKey] | None:
        """The set that is fresh, or stale within bounds; None when there is none."""
        is_too_old = self._clock() - known.fetched_at > self._fresh_seconds + STALE_SECONDS
        return None if is_too_old else known.keys

    def _has(self, known: _KeySet, kid: str | None) -> bool:
        """Whether there is a fresh set with this key in it; for None, with any."""
        keys = known.keys or {}
        is_fresh = self._clock() - known.fetched_at <= self._fresh_seconds
        return is_fresh and (bool(keys) if kid is None else kid in keys)

    def _refresh(self, issuer: Publisher, known: _KeySet, kid: str | None) -> bool:
        """Whether this call fetched, with success or without."""
        if not self._take(known):
            return False
        try:
            # Another request may have fetched while this one waited for the lock.
            if self._clock() < known.retry_at or self._has(known, kid):
                return False
            self._replace(issuer, known)
            return True
        finally:
            known.lock.release()

    def _take(self, known: _KeySet) -> bool:
        """Whether the lock is ours. Others wait only where no set serves, the most of them briefly."""
        if known.lock.acquire(blocking=False):
            return True
        if self._serving(known) is not None:
            return False
        return _wait(known.lock, known.brief_places, BRIEF_SECONDS) or _wait(
            known.lock, known.places, 2 * DEADLINE_SECONDS
        )

    def _replace(self, issuer: Publisher, known: _KeySet) -> None:
        try:
            keys = parse_key_set(self._fetch(issuer.jwks_url))
        except (FetchError, ValueError) as error:
            known.error = error.with_traceback(None)  # its frames would hold the connection as long as it is kept
            known.retry_at = self._clock() + self._retry_seconds  # counted from the end: a slow issuer fails slowly
            return
        known.keys, known.fetched_at, known.error = keys, self._clock(), None
        # A set that is fresh for less than the cool-down is due again before it.
        known.retry_at = known.fetched_at + min(COOL_DOWN_SECONDS, self._fresh_seconds)


def _wait(lock: threading.Lock, places: threading.Semaphore, seconds: float) -> bool:
    """Whether the lock was had in time, by one of the few who may wait for it."""
    if not places.acquire(blocking=False):
        return False
    try:
        return lock.acquire(timeout=seconds)
    finally:
        places.release()


def parse_key_set(data: bytes) -> Mapping[str, IssuerKey]:
    """The usable signature keys of a JWK set (RFC 7517 §5) by ``kid``.

    Keys of other types, for other uses, unsound or without ``kid`` are left out, as RFC 7517 §5 asks; a ``kid`` that
    occurs twice is left out even if only one of the two is usable. Raises ValueError when this is no JWK set.
    """
    try:
        document = parse_json(data)
    except InvalidRequest as error:
        raise ValueError("not I-JSON") from error
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise ValueError("not a JWK set")
    entries = [entry for entry in entries if isinstance(entry, dict) and _is_kid(entry.get("kid"))]
    times = Counter(entry["kid"] for entry in entries)
    return {entry["kid"]: key for entry in entries if times[entry["kid"]] == 1 and (key := _signature_key(entry))}


def _is_kid(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MAX_KID_CHARS


def _signature_key(entry: Mapping[str, Any]) -> IssuerKey | None:
    algorithm = entry.get("alg")
    if not isinstance(algorithm, str | None) or not is_for_signatures(entry, algorithm):
        return None
    try:
        return IssuerKey(remembered(parse_public_jwk(entry)), algorithm)
    except ValueError:
        return None
