"""Unwrap keys held in this process, RSA and EC: files of one machine, or unsealed at the start (`kas.keys.sealed`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from kas.crypto.wrapping import OAEP_SHA1, OAEP_SHA256, oaep, unseal
from kas.datakey import DataKey
from kas.errors import KeyMaterialRejected, KeyUnavailable
from kas.keys.registry import KeyRecord, UnwrapPublicKey, WrappedMaterial

UnwrapPrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {"SHA-256": OAEP_SHA256, "SHA-1": OAEP_SHA1}


class SoftwareKeyService:
    """A `KeyService` over private keys by ``kid``."""

    def __init__(self, private_keys: Mapping[str, UnwrapPrivateKey]) -> None:
        self._private_keys = private_keys

    def unwrap(self, record: KeyRecord, wrapped: WrappedMaterial, pay: Callable[[], None]) -> DataKey:
        """Opens with the record's mechanism, one operation whatever comes of it.

        Raises KeyMaterialRejected, KeyUnavailable, and what ``pay`` raises.
        """
        pay()
        private_key = self._find(record)
        try:
            if isinstance(private_key, rsa.RSAPrivateKey) and wrapped.ephemeral_key is None:
                return DataKey(private_key.decrypt(wrapped.ciphertext, oaep(_HASHES[record.hash])))
            if isinstance(private_key, ec.EllipticCurvePrivateKey) and wrapped.ephemeral_key is not None:
                return unseal(private_key, wrapped.ephemeral_key, wrapped.ciphertext)
        except ValueError as error:
            raise KeyMaterialRejected from error
        raise KeyMaterialRejected

    def public_key(self, record: KeyRecord) -> UnwrapPublicKey:
        """The public half. Raises KeyUnavailable."""
        return self._find(record).public_key()

    def public_keys(self, records: Iterable[KeyRecord]) -> dict[str, UnwrapPublicKey]:
        """The public halves of those that are here, by ``kid``."""
        return {
            record.kid: self._private_keys[record.kid].public_key()
            for record in records
            if record.kid in self._private_keys
        }

    def check(self, record: KeyRecord) -> None:
        """Whether the key is there. Raises KeyUnavailable."""
        self._find(record)

    def _find(self, record: KeyRecord) -> UnwrapPrivateKey:
        try:
            return self._private_keys[record.kid]
        except KeyError as error:
            raise KeyUnavailable from error
