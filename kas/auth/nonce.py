"""DPoP nonces (RFC 9449 §8, §9) that only this process can have made.

A nonce is ``time ‖ random ‖ MAC``. The MAC's key is drawn at first use, in the worker, after the fork: it dies with
the process, and with it every nonce. So a proof that was made for another process, for an earlier start or for a
worker that was killed is refused, and used proofs need no memory beyond the process's own.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from typing import Final

from kas.encoding import b64url_decode, b64url_encode
from kas.errors import NonceInvalid

LIFETIME_SECONDS: Final = 300
_TIME_BYTES: Final = 8
_RANDOM_BYTES: Final = 16
_MAC_BYTES: Final = 32
_BYTES: Final = _TIME_BYTES + _RANDOM_BYTES + _MAC_BYTES


class NonceSource:
    """Makes and verifies the nonces of one process. ``clock`` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._key: bytes | None = None

    def issue(self) -> str:
        """A fresh nonce, 75 characters of base64url."""
        body = int(self._clock()).to_bytes(_TIME_BYTES, "big") + secrets.token_bytes(_RANDOM_BYTES)
        return b64url_encode(body + self._mac(body))

    def verify(self, unverified_nonce: object) -> None:
        """Raises NonceInvalid unless this process made the nonce within the last five minutes."""
        try:
            nonce = b64url_decode(unverified_nonce) if isinstance(unverified_nonce, str) else b""
        except ValueError as error:
            raise NonceInvalid from error
        body, mac = nonce[:-_MAC_BYTES], nonce[-_MAC_BYTES:]
        if len(nonce) != _BYTES or not hmac.compare_digest(mac, self._mac(body)):
            raise NonceInvalid
        age = self._clock() - int.from_bytes(body[:_TIME_BYTES], "big")
        if not 0 <= age <= LIFETIME_SECONDS:
            raise NonceInvalid

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._process_key(), body, hashlib.sha256)

    def _process_key(self) -> bytes:
        with self._lock:
            if self._key is None:
                self._key = secrets.token_bytes(_MAC_BYTES)
            return self._key
