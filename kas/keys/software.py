"""RSA unwrap keys held in this process. For one machine: in production the keys live in an HSM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from kas.crypto.wrapping import oaep
from kas.datakey import DataKey
from kas.errors import KeyMaterialRejected, KeyUnavailable
from kas.keys.registry import KeyRecord

_HASHES: Final[Mapping[str, hashes.HashAlgorithm]] = {
    "SHA-256": hashes.SHA256(),
    "SHA-1": hashes.SHA1(),  # noqa: S303 - OpenTDF's OAEP; collision resistance plays no part in OAEP
}


class SoftwareKeyService:
    """A `KeyService` over private keys by ``kid``."""

    def __init__(self, private_keys: Mapping[str, rsa.RSAPrivateKey]) -> None:
        self._private_keys = private_keys

    def unwrap(self, record: KeyRecord, wrapped_key: bytes) -> DataKey:
        """Decrypts with the record's hash. Raises KeyMaterialRejected, KeyUnavailable."""
        private_key = self._find(record)
        try:
            return DataKey(private_key.decrypt(wrapped_key, oaep(_HASHES[record.hash])))
        except ValueError as error:
            raise KeyMaterialRejected from error

    def public_key(self, record: KeyRecord) -> rsa.RSAPublicKey:
        return self._find(record).public_key()

    def _find(self, record: KeyRecord) -> rsa.RSAPrivateKey:
        try:
            return self._private_keys[record.kid]
        except KeyError as error:
            raise KeyUnavailable from error
