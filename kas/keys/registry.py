"""The unwrap keys of this KAS by ``kid``, and what may be done with each.

A key has one algorithm and, if it is RSA, one OAEP hash and so one dialect: nothing is guessed by trial, and a key of
one dialect is not used in another. An EC key may serve both, since both seal alike. What holds the private keys is a
`KeyService`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, Protocol

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kas.dataclass import dataclass
from kas.datakey import DataKey
from kas.errors import UnknownKey

Dialect = Literal["acp240", "opentdf"]

RSA_ALGORITHMS: Final = ("RSA-2048", "RSA-3072", "RSA-4096")
EC_ALGORITHMS: Final = ("P-256", "P-384", "P-521")
ALGORITHMS: Final = (*RSA_ALGORITHMS, *EC_ALGORITHMS)
STATUSES: Final = ("active", "decrypt-only", "disabled")
# Dialect -> (OAEP hash of its RSA wraps, ``alg`` of such a key in the JWKS).
DIALECTS: Final[Mapping[str, tuple[str, str]]] = {
    "acp240": ("SHA-256", "RSA-OAEP-256"),
    "opentdf": ("SHA-1", "RSA-OAEP"),
}

# A KAO without kid may be wrapped to one of so many keys of a dialect: the only place where anything is tried. Of those
# in Cloud KMS there is one, so nobody has two calls of it for one KAO.
MAX_LEGACY_KEYS: Final = 2
MAX_REMOTE_LEGACY_KEYS: Final = 1

UnwrapPublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class WrappedMaterial:
    """Key material as a client wrapped it: by RSA-OAEP, or, with its ephemeral key, sealed over ECDH."""

    ciphertext: bytes
    ephemeral_key: ec.EllipticCurvePublicKey | None = None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One unwrap key: ``status`` active (published), decrypt-only (old TDFs still open) or disabled.

    ``is_legacy`` marks the keys that are tried for a KAO without ``kid`` (OpenTDF only). ``kms_version`` is the full name
    of the version in Cloud KMS that holds the key, None where this process holds it.
    """

    kid: str
    algorithm: str
    status: str
    dialects: frozenset[str]
    is_legacy: bool = False
    kms_version: str | None = None

    @property
    def is_remote(self) -> bool:
        """Whether an operation with it is a call that waits on the network and costs money."""
        return self.kms_version is not None

    @property
    def is_rsa(self) -> bool:
        return self.algorithm in RSA_ALGORITHMS

    @property
    def jwk_algorithm(self) -> str:
        """The key's ``alg`` in the JWKS."""
        return DIALECTS[self._rsa_dialect()][1] if self.is_rsa else "ECDH-ES"

    @property
    def hash(self) -> str:
        """The OAEP hash of an RSA key. Raises ValueError for any other: it has none."""
        return DIALECTS[self._rsa_dialect()][0]

    def _rsa_dialect(self) -> str:
        if not self.is_rsa or len(self.dialects) != 1:
            raise ValueError("not an RSA key of one dialect")
        return next(iter(self.dialects))


class KeyService(Protocol):
    """What holds the private keys and uses them. Safe to use from many threads."""

    def unwrap(self, record: KeyRecord, wrapped: WrappedMaterial, pay: Callable[[], None]) -> DataKey:
        """Opens ``wrapped``. ``pay`` is called before each key operation, of which a service that tries again makes
        several; what it raises ends the work before the operation.

        Raises KeyMaterialRejected when it does not open, whatever the reason, and KeyUnavailable when the key
        cannot be used now.
        """

    def public_key(self, record: KeyRecord) -> UnwrapPublicKey:
        """The public half, as it was last seen. Raises KeyUnavailable."""

    def public_keys(self, records: Iterable[KeyRecord]) -> Mapping[str, UnwrapPublicKey]:
        """The public halves that can be had, by ``kid``; all of them take no longer than one may."""

    def check(self, record: KeyRecord) -> None:
        """Asks whoever holds the key whether it can be used now; costs no key operation. Raises KeyUnavailable."""


@dataclass(frozen=True, slots=True)
class KeyRegistry:
    """The records in the order of their configuration."""

    records: tuple[KeyRecord, ...]

    def find(self, kid: str, dialect: Dialect, *, is_rsa: bool) -> KeyRecord:
        """The key that unwraps for ``kid`` in this dialect and by this mechanism.

        Raises UnknownKey when it is unknown, disabled, of another dialect or of another kind: a kid is no secret, and
        there is one answer for all.
        """
        for record in self._usable(dialect):
            if record.kid == kid and record.is_rsa == is_rsa:
                return record
        raise UnknownKey

    def legacy(self, dialect: str) -> tuple[KeyRecord, ...]:
        """The RSA keys that are marked for a KAO without ``kid``."""
        return tuple(record for record in self._usable(dialect) if record.is_legacy and record.is_rsa)

    def published(self) -> tuple[KeyRecord, ...]:
        """The keys that clients should wrap to."""
        return tuple(record for record in self.records if record.status == "active")

    def _usable(self, dialect: str) -> tuple[KeyRecord, ...]:
        return tuple(record for record in self.records if dialect in record.dialects and record.status != "disabled")
