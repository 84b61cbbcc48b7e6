"""DPoP nonces (RFC 9449 §8, §9) that only this process can have made, or, with a shared store, only its instances.

A nonce is ``time ‖ random ‖ MAC``. The MAC's key is made of a value that is drawn at first use, in the worker, after
the fork: it dies with the process, and with it every nonce. So a proof that was made for another process, for an
earlier start or for a worker that was killed is refused, and used proofs need no memory beyond the process's own.

A configured secret goes into the key as well. Beside a value that dies with the process it adds nothing. Instances that
share a store put the store's value in that place (`kas.state.nonces`); Firestore's is its name, so there the secret is all.
Two secrets are accepted, so that it can be changed while nonces of the previous one live.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from kas.encoding import b64url_decode, b64url_encode
from kas.errors import NonceInvalid

LIFETIME_SECONDS: Final = 300
_TIME_BYTES: Final = 8
_RANDOM_BYTES: Final = 16
_MAC_BYTES: Final = 32
_BYTES: Final = _TIME_BYTES + _RANDOM_BYTES + _MAC_BYTES
_PURPOSE: Final = b"kas dpop nonce"


def draw_value() -> bytes:
    """A value of the process: as random as the key that is made of it."""
    return secrets.token_bytes(_MAC_BYTES)


class Nonces(Protocol):
    """What is asked of nonces: of one process, or of all instances that share a store."""

    def issue(self) -> str:
        """A fresh nonce."""

    def verify(self, unverified_nonce: object) -> None:
        """Raises NonceInvalid, and ReplayStoreUnavailable where a store that is needed for it does not answer."""


class NonceSource:
    """Makes and verifies the nonces of one process. ``clock`` gives seconds since 1970; ``shared_secrets`` are the current
    secret and those before it, or none; ``draw`` gives the value of the process, once.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        shared_secrets: Sequence[bytes] = (),
        draw: Callable[[], bytes] = draw_value,
    ) -> None:
        self._clock = clock
        self._secrets = tuple(shared_secrets) or (b"",)
        self._draw = draw
        self._lock = threading.Lock()
        self._keys: tuple[bytes, ...] = ()

    def issue(self) -> str:
        """A fresh nonce, 75 characters of base64url, under the current secret."""
        body = int(self._clock()).to_bytes(_TIME_BYTES, "big") + secrets.token_bytes(_RANDOM_BYTES)
        return b64url_encode(body + _mac(self._own_keys()[0], body))

    def verify(self, unverified_nonce: object) -> None:
        """Raises NonceInvalid unless this process made the nonce, under any of its secrets, within five minutes."""
        try:
            nonce = b64url_decode(unverified_nonce) if isinstance(unverified_nonce, str) else b""
        except ValueError as error:
            raise NonceInvalid from error
        body, mac = nonce[:-_MAC_BYTES], nonce[-_MAC_BYTES:]
        if len(nonce) != _BYTES or not any(hmac.compare_digest(mac, _mac(key, body)) for key in self._own_keys()):
            raise NonceInvalid
        age = self._clock() - int.from_bytes(body[:_TIME_BYTES], "big")
        if not 0 <= age <= LIFETIME_SECONDS:
            raise NonceInvalid

    def _own_keys(self) -> tuple[bytes, ...]:
        """One for each secret, in their order."""
        with self._lock:
            if not self._keys:
                value = self._draw()
                self._keys = tuple(_mac(value, _PURPOSE + secret) for secret in self._secrets)
            return self._keys


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)
