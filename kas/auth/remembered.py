"""The keys that others publish remember which signatures they have verified: a token that is sent with each request is
checked whole each time, but for the arithmetic, which is done once.

What is remembered never ceases to be true: that this key verified this signature over this message. Whether the token
is current, whose it is and for whom, is asked every time, of the token itself. The memory belongs to one key of one key
set, so it ends when the set is fetched anew, even where the next one has the same key. An entry is the SHA-256 of algorithm,
message and signature together; what failed has none.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import replace
from typing import Final

from kas.jose import PublicJwk, Verify
from kas.jwa import PublicKey

CAPACITY: Final = 2_000  # signatures of one key, 0.4 MB


def remembered(jwk: PublicJwk) -> PublicJwk:
    """The same key with a memory of its own."""
    return replace(jwk, verify=SignatureMemory(jwk.key, jwk.verify))


class SignatureMemory:
    """Answers as ``verify`` does, and of ``key`` from memory where that can. Safe to use from many threads."""

    def __init__(self, key: PublicKey, verify: Verify) -> None:
        self._key = key
        self._verify = verify
        self._lock = threading.Lock()
        self._verified: OrderedDict[bytes, None] = OrderedDict()  # the oldest first, however often it was asked for

    def __call__(self, algorithm: str, key: PublicKey, message: bytes, signature: bytes) -> bool:
        """Whether it is a signature."""
        if key is not self._key:
            return self._verify(algorithm, key, message, signature)
        digest = _digest(algorithm, message, signature)
        with self._lock:
            if digest in self._verified:
                return True
        if not self._verify(algorithm, key, message, signature):
            return False
        with self._lock:
            while len(self._verified) >= CAPACITY:
                self._verified.popitem(last=False)
            self._verified[digest] = None
        return True


def _digest(algorithm: str, message: bytes, signature: bytes) -> bytes:
    """With the length of the message before it, so that it does not run into the signature."""
    return hashlib.sha256(b"%s %d " % (algorithm.encode(), len(message)) + message + signature).digest()
