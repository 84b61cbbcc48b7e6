"""Unwrapped keys in a store that several instances share: encrypted, so that whoever reads the store has no key.

AES-256-GCM under a key of this service alone (``KAS_STATE_KEY``), the ``kid`` and the digest of what the key was unwrapped
from as additional data: a value that is altered, or put in another's place, opens as nothing. Its end is encrypted with it, so
a store that keeps it for longer, or that is set back, does not prolong its life. As in memory, finding a key permits
nothing (`kas.keys.opener`).

Nothing is kept in front of the store, so a key that expires there is gone everywhere. Not hidden from whoever reads the
store is under which digests keys are kept, and how long they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kas.datakey import DataKey
from kas.state.guard import StoreGuard
from kas.state.shared import KeptStore, StoreFailure

KEY_BYTES: Final = 32
_KEY_ID_BYTES: Final = 4
_NONCE_BYTES: Final = 12
_END_BYTES: Final = 8
_PURPOSE: Final = b"kas kept key"
_MILLISECONDS: Final = 1000

Name = tuple[str, bytes]


class KeptKeys:
    """`kas.keys.dek_cache.SharedKeys`. ``state_keys`` are the current key and those before it; ``clock`` gives seconds
    since 1970.
    """

    def __init__(
        self,
        store: KeptStore,
        guard: StoreGuard,
        *,
        state_keys: Sequence[bytes],
        ttl_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._guard = guard
        self._ciphers = {_key_id(key): AESGCM(key) for key in state_keys}
        self._current = _key_id(state_keys[0])
        self._ttl_seconds = ttl_seconds
        self._clock = clock

    def find_all(self, names: Collection[Name]) -> Mapping[Name, DataKey]:
        """What is kept under these names, by ``kid`` and digest; nothing where the store cannot be asked."""
        asked = list(names)
        try:
            found = self._guard.ask("keys", partial(self._store.find, [digest for _, digest in asked]))
        except StoreFailure:
            return {}
        plain = {
            name: self._decrypt(name, value) for name, value in zip(asked, found, strict=True) if value is not None
        }
        return {name: key for name, key in plain.items() if key is not None}

    def put_all(self, values: Mapping[Name, DataKey]) -> None:
        """Keeps them in place of what was there, where the store can be asked."""
        encrypted = {name[1]: self._encrypt(name, value) for name, value in values.items()}
        with contextlib.suppress(StoreFailure):
            self._guard.ask("keys", partial(self._store.keep, encrypted, self._ttl_seconds))

    def _encrypt(self, name: Name, value: DataKey) -> bytes:
        end = int((self._clock() + self._ttl_seconds) * _MILLISECONDS).to_bytes(_END_BYTES, "big")
        nonce = secrets.token_bytes(_NONCE_BYTES)
        text = self._ciphers[self._current].encrypt(nonce, end + value.reveal(), _additional(name))
        return self._current + nonce + text

    def _decrypt(self, name: Name, unverified: bytes) -> DataKey | None:
        """None for what is over, under a key that is not ours any more, or altered, which the operator is told."""
        key_id, rest = unverified[:_KEY_ID_BYTES], unverified[_KEY_ID_BYTES:]
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            return None
        try:
            plain = cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], _additional(name))
        except (InvalidTag, ValueError):  # ValueError: too short to be any
            self._guard.report("keys", "altered", "a kept key does not open: somebody else writes to the store")
            return None
        left = int.from_bytes(plain[:_END_BYTES], "big") / _MILLISECONDS - self._clock()
        if not 0 < left <= self._ttl_seconds + 1:
            return None
        return DataKey(plain[_END_BYTES:])


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"kas state key id" + key).digest()[:_KEY_ID_BYTES]


def _additional(name: Name) -> bytes:
    kid, digest = name
    return _PURPOSE + len(kid.encode()).to_bytes(4, "big") + kid.encode() + digest
