"""The signing keys of each issuer: fetched from its configured address, cached, refreshed sparingly.

Keys are looked up by (issuer, ``kid``), never by ``kid`` alone. A set is fresh for an hour; a ``kid`` that it lacks
causes one refresh per cool-down, whoever asks how often; while the issuer is down the old set serves for a bounded
time more. One request fetches, the others wait for its result. A ``kid`` that a set has twice names no key.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kas.auth.issuers import Issuer
from kas.encoding import parse_json
from kas.errors import InvalidRequest, IssuerKeysUnavailable
from kas.fetch import DEADLINE_SECONDS, Fetcher, FetchError
from kas.jose import PublicJwk, is_for_signatures, parse_public_jwk

FRESH_SECONDS: Final = 3600
STALE_SECONDS: Final = 3600  # beyond freshness, and only while the issuer cannot be reached
COOL_DOWN_SECONDS: Final = 60
RETRY_SECONDS: Final = 5  # after a failed fetch
MAX_KEYS: Final = 100
MAX_KID_CHARS: Final = 256


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
    lock: threading.Lock = field(default_factory=threading.Lock)


class JwksCache:
    """Keys of all configured issuers. ``clock`` gives seconds since 1970."""

    def __init__(self, issuers: Mapping[str, Issuer], fetch: Fetcher, clock: Callable[[], float]) -> None:
        self._sets = {name: _KeySet() for name in issuers}
        self._fetch = fetch
        self._clock = clock

    def find(self, issuer: Issuer, kid: str) -> IssuerKey | None:
        """The issuer's key of that ``kid``, or None. Raises IssuerKeysUnavailable when there is no usable set."""
        known = self._sets[issuer.issuer]
        if not self._is_fresh(known) or kid not in (known.keys or {}):
            self._refresh(issuer, known, kid)
        if known.keys is None or self._clock() - known.fetched_at > FRESH_SECONDS + STALE_SECONDS:
            raise IssuerKeysUnavailable from known.error
        return known.keys.get(kid)

    def _is_fresh(self, known: _KeySet) -> bool:
        return known.keys is not None and self._clock() - known.fetched_at <= FRESH_SECONDS

    def _refresh(self, issuer: Issuer, known: _KeySet, kid: str) -> None:
        if not known.lock.acquire(timeout=2 * DEADLINE_SECONDS):
            return
        try:
            # Another request may have fetched while this one waited for the lock.
            if self._clock() < known.retry_at or (self._is_fresh(known) and kid in (known.keys or {})):
                return
            self._replace(issuer, known)
        finally:
            known.lock.release()

    def _replace(self, issuer: Issuer, known: _KeySet) -> None:
        try:
            keys = parse_key_set(self._fetch(issuer.jwks_url))
        except (FetchError, ValueError) as error:
            known.error = error
            known.retry_at = self._clock() + RETRY_SECONDS  # counted from the end: a slow issuer fails slowly
            return
        known.keys, known.fetched_at, known.error = keys, self._clock(), None
        known.retry_at = known.fetched_at + COOL_DOWN_SECONDS


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
        return IssuerKey(parse_public_jwk(entry), algorithm)
    except ValueError:
        return None
