"""Plain key material, in a type of its own, so that every place where some lives can be found by its name."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, NoReturn

# AES-128, AES-192, AES-256. A split has the length of the key that it is a part of.
LENGTHS: Final = frozenset({16, 24, 32})


class DataKey:
    """A data encryption key or one split of it. It never shows in a log: it has no readable form and no equality."""

    __slots__ = ("_material",)

    def __init__(self, material: bytes) -> None:
        self._material = material

    def __repr__(self) -> str:
        return "DataKey(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a data key is not serialised")

    def has_valid_length(self) -> bool:
        return len(self._material) in LENGTHS

    def hmac_sha256(self, message: bytes) -> bytes:
        """HMAC-SHA256 with the material as key, 32 bytes."""
        return hmac.digest(self._material, message, hashlib.sha256)

    def reveal(self) -> bytes:
        """The material, to wrap it for the client: the one way out."""
        return self._material
