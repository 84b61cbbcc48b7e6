"""The keys of issuers remember which signatures they have verified: a token that is sent with each request is checked whole
each time, but for the arithmetic, which is done once.

What is remembered never ceases to be true: that this key verified this signature over this message. Whether the token
is current, whose it is and for whom, is asked every time, of the token itself. The memory belongs to the key object, so it
ends when the key set is fetched anew, even where the next set has the same key. Found is nothing but the whole of signed
bytes, signature and mechanism, by their SHA-256; what failed is not remembered.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import replace
from typing import Any, Final, cast

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kas.jose import PublicJwk
from kas.jwa import PublicKey

CAPACITY: Final = 2_000  # signatures of one key, 0.2 MB
_LENGTH_BYTES: Final = 8


class RememberedKey:
    """A public key, but for its ``verify``. Safe to use from many threads."""

    def __init__(self, key: PublicKey) -> None:
        self._key = key
        self._lock = threading.Lock()
        self._verified: OrderedDict[bytes, None] = OrderedDict()  # the oldest first

    def verify(self, signature: bytes, data: bytes, *mechanism: Any) -> None:
        """Raises InvalidSignature. ``mechanism`` is what the key's own ``verify`` takes besides: padding and hash, by kind."""
        digest = _digest(signature, data, *map(_described, mechanism))
        with self._lock:
            if digest in self._verified:
                return
        cast("Any", self._key).verify(signature, data, *mechanism)
        with self._lock:
            while len(self._verified) >= CAPACITY:
                self._verified.popitem(last=False)
            self._verified[digest] = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)


class _Rsa(RememberedKey):
    pass


class _Ed25519(RememberedKey):
    pass


# So that `isinstance` holds in `kas.jwa`, which tells by it what mechanism a key is for; whatever is neither is an EC key.
rsa.RSAPublicKey.register(_Rsa)
ed25519.Ed25519PublicKey.register(_Ed25519)


def remembered(jwk: PublicJwk) -> PublicJwk:
    """The same key with a memory of its own."""
    if isinstance(jwk.key, ec.EllipticCurvePublicKey):
        kind: type[RememberedKey] = RememberedKey
    else:
        kind = _Rsa if isinstance(jwk.key, rsa.RSAPublicKey) else _Ed25519
    return replace(jwk, key=cast("PublicKey", kind(jwk.key)))


def _digest(*parts: bytes) -> bytes:
    """Each part has its length before it, so that none runs into the next."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(_LENGTH_BYTES, "big") + part)
    return whole.digest()


def _described(mechanism: Any) -> bytes:
    """A padding or an algorithm of signatures by its kind, with the hash that it names; a hash by its name."""
    hashed = getattr(mechanism, "algorithm", mechanism)
    return f"{type(mechanism).__name__} {getattr(hashed, 'name', '')}".encode()
