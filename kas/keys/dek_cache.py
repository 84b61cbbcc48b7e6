"""Unwrapped keys, kept for a short time for the next who may have them (security model, caches).

A key is found only by what it was unwrapped from, all of it: dialect, kind of wrap, ``kid``, ephemeral key and
ciphertext. Nothing of a caller or a policy is in there, so finding one permits nothing: `kas.keys.opener` is asked
after the decision, and the binding is verified each time.

How far wiping goes. What is kept is a `bytearray`, overwritten when it expires, is evicted or replaced. Out of
reach are the `bytes` that the cryptography library returned and those that are handed to it to wrap for a client, its
own buffers, and what the system wrote to swap space or a core file. An expired key is overwritten at the next call
of the cache, whoever makes it; in a process that nobody asks it stays. So the cache bounds for how long a key is
*kept*; it does not promise that memory is clean afterwards. Whoever can read this process's memory can have the keys
that pass through it, with or without a cache.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping
from typing import Final, Protocol

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kas.cache import TtlCache
from kas.datakey import DataKey
from kas.keys.registry import Dialect, WrappedMaterial

DekCache = TtlCache[DataKey]
# The ``kid`` of the key that unwrapped, and the digest of what it unwrapped (`dek_digest`).
Name = tuple[str, bytes]


class SharedKeys(Protocol):
    """Keys that several instances keep, elsewhere; each call is one question. Safe to use from many threads."""

    def find_all(self, names: Collection[Name]) -> Mapping[Name, DataKey]:
        """What is kept under any of the names: the caller's own, to wipe. Nothing where nobody answers."""

    def put_all(self, values: Mapping[Name, DataKey]) -> None:
        """Keeps them, where that can be done."""


_LENGTH_BYTES: Final = 8


def new_dek_cache(*, capacity: int, ttl_seconds: float, clock: Callable[[], float]) -> DekCache:
    """An empty cache of at most ``capacity`` keys for ``ttl_seconds`` each; where none are to be kept, make none."""
    return TtlCache(capacity=capacity, ttl_seconds=ttl_seconds, clock=clock, copy=DataKey.copy, wipe=DataKey.wipe)


def dek_digest(dialect: Dialect, kid: str, wrapped: WrappedMaterial) -> bytes:
    """What a key is kept under, and unwrapped once for all who ask at the same time: SHA-256 of every part with its
    length before it, so that no part runs into the next.
    """
    ephemeral = wrapped.ephemeral_key
    kind = b"wrapped" if ephemeral is None else b"ec-wrapped"
    point = b"" if ephemeral is None else ephemeral.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    digest = hashlib.sha256()
    for part in (dialect.encode(), kind, kid.encode(), point, wrapped.ciphertext):
        digest.update(len(part).to_bytes(_LENGTH_BYTES, "big"))
        digest.update(part)
    return digest.digest()
