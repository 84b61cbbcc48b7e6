"""The unwrap keys of this KAS by ``kid``, and what may be done with each.

A key has one algorithm, one OAEP hash and one dialect: nothing is guessed by trial, and a key of one dialect is not
used in another. What holds the private keys is a `KeyService`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from cryptography.hazmat.primitives.asymmetric import rsa

from kas.datakey import DataKey
from kas.errors import UnknownKey

ALGORITHMS: Final = ("RSA-2048", "RSA-3072", "RSA-4096")
HASHES: Final = ("SHA-256", "SHA-1")
STATUSES: Final = ("active", "decrypt-only", "disabled")
# Dialect -> (OAEP hash its clients use, the key's ``alg`` in the JWKS).
DIALECTS: Final[Mapping[str, tuple[str, str]]] = {
    "acp240": ("SHA-256", "RSA-OAEP-256"),
    "opentdf": ("SHA-1", "RSA-OAEP"),
}

Dialect = Literal["acp240", "opentdf"]


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One unwrap key: ``status`` active (published), decrypt-only (old TDFs still open) or disabled."""

    kid: str
    algorithm: str
    hash: str
    status: str
    dialect: str


class KeyService(Protocol):
    """What holds the private keys and uses them."""

    def unwrap(self, record: KeyRecord, wrapped_key: bytes) -> DataKey:
        """Decrypts ``wrapped_key``: one key operation. Raises KeyMaterialRejected when it does not open, whatever
        the reason, and KeyUnavailable when the key cannot be used now.
        """

    def public_key(self, record: KeyRecord) -> rsa.RSAPublicKey:
        """The public half. Raises KeyUnavailable."""


@dataclass(frozen=True, slots=True)
class KeyRegistry:
    """The records in the order of their configuration."""

    records: tuple[KeyRecord, ...]

    def find(self, kid: str, dialect: Dialect) -> KeyRecord:
        """The key that unwraps for ``kid`` in this dialect. Raises UnknownKey when it is unknown, disabled or of
        another dialect: a kid is no secret, and there is one answer for all.
        """
        for record in self.records:
            if record.kid == kid and record.dialect == dialect and record.status != "disabled":
                return record
        raise UnknownKey

    def published(self) -> tuple[KeyRecord, ...]:
        """The keys that clients should wrap to."""
        return tuple(record for record in self.records if record.status == "active")
