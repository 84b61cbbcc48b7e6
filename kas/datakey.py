"""Plain key material, in a type of its own, so that every place where some lives can be found by its name."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final, NoReturn

# AES-128, AES-192, AES-256. A split has the length of the key that it is a part of.
LENGTHS: Final = frozenset({16, 24, 32})


class DataKey:
    """A data encryption key or one split of it. It never shows in a log: it has no readable form and no equality.

    Whoever has one may `wipe` it when it is done with. That overwrites the bytes of this object and no others: what it
    was made from, what `reveal` gave away and what a library made of that stay until their memory is used again.
    """

    __slots__ = ("_material",)

    def __init__(self, material: bytes | bytearray) -> None:
        self._material: bytearray | None = bytearray(material)

    def __repr__(self) -> str:
        return "DataKey(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a data key is not serialised")

    def has_valid_length(self) -> bool:
        return len(self._live()) in LENGTHS

    def hmac_sha256(self, message: bytes) -> bytes:
        """HMAC-SHA256 with the material as key, 32 bytes."""
        return hmac.digest(self._live(), message, hashlib.sha256)

    def reveal(self) -> bytes:
        """The material, for a cipher: to wrap it for the client, to open what is sealed under it. The one way out."""
        return bytes(self._live())

    def xor(self, other: DataKey) -> DataKey:
        """Both combined bit by bit, in memory of its own. Raises ValueError when they differ in length."""
        pairs = zip(self._live(), other._live(), strict=True)
        return DataKey(bytearray(mine ^ others for mine, others in pairs))

    def is_zero(self) -> bool:
        """Whether no bit is set; as long as it takes for any other key of this length."""
        return hmac.compare_digest(self._live(), bytes(len(self._live())))

    def copy(self) -> DataKey:
        """The same key in memory of its own: wiping one leaves the other."""
        return DataKey(self._live())

    def wipe(self) -> None:
        """Overwrites the material. Every use afterwards but this one raises RuntimeError."""
        if self._material is not None:
            self._material[:] = bytes(len(self._material))
            self._material = None

    def _live(self) -> bytearray:
        """A wiped key is refused: its zeros, or no bytes at all, would be a key that everybody knows."""
        if self._material is None:
            raise RuntimeError("this data key was wiped")
        return self._material
