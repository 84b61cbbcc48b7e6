"""Cloud KMS over its REST interface, by this service's own client: the thin transport (`kas.google.kms.KmsTransport`).

The JSON is that of proto3: bytes in base64, numbers of 64 bits as text, members that have their default left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from kas.encoding import b64_decode, b64_encode
from kas.google.checksums import crc32c
from kas.google.kms import Decrypted, PublicKeyAnswer, complete
from kas.google.rest import RestClient
from kas.google.status import GoogleError

_NUMBER: Final = re.compile(r"-?[0-9]{1,19}")

Value = TypeVar("Value", str, bool)


class HttpKmsTransport:
    """Three calls over ``rest``, which is its own to close."""

    def __init__(self, rest: RestClient) -> None:
        self._rest = rest

    def asymmetric_decrypt(self, version: str, ciphertext: bytes, *, timeout_seconds: float) -> Decrypted:
        body = _checksummed("ciphertext", ciphertext)
        answer = self._rest.call("POST", f"/v1/{version}:asymmetricDecrypt", body, timeout_seconds)
        is_verified = _member(answer, "verifiedCiphertextCrc32c", default=False)
        return _decrypted(answer, is_ciphertext_verified=is_verified)

    def get_public_key(self, version: str, *, timeout_seconds: float) -> PublicKeyAnswer:
        answer = self._rest.call("GET", f"/v1/{version}/publicKey", None, timeout_seconds)
        return complete(
            PublicKeyAnswer(
                name=_member(answer, "name", ""),
                algorithm=_member(answer, "algorithm", "CRYPTO_KEY_VERSION_ALGORITHM_UNSPECIFIED"),
                protection_level=_protection_level(answer),
                pem=_member(answer, "pem", "").encode("utf-8"),
                pem_crc32c=_checksum(answer, "pemCrc32c"),
            )
        )

    def decrypt(self, key: str, ciphertext: bytes, additional_data: bytes, *, timeout_seconds: float) -> Decrypted:
        body = _checksummed("ciphertext", ciphertext)
        body |= _checksummed("additionalAuthenticatedData", additional_data)
        answer = self._rest.call("POST", f"/v1/{key}:decrypt", body, timeout_seconds)
        return _decrypted(answer, is_ciphertext_verified=None)

    def close(self) -> None:
        self._rest.close()


def _checksummed(name: str, data: bytes) -> dict[str, str]:
    return {name: b64_encode(data), f"{name}Crc32c": str(crc32c(data))}


def _decrypted(answer: Mapping[str, Any], *, is_ciphertext_verified: bool | None) -> Decrypted:
    try:
        plaintext = b64_decode(_member(answer, "plaintext", ""))
    except ValueError:
        raise _unreadable("plaintext") from None  # the error of a decoder may hold what it read
    checksum = _checksum(answer, "plaintextCrc32c")
    return complete(Decrypted(plaintext, checksum, is_ciphertext_verified, _protection_level(answer)))


def _protection_level(answer: Mapping[str, Any]) -> str:
    return _member(answer, "protectionLevel", "PROTECTION_LEVEL_UNSPECIFIED")


def _checksum(answer: Mapping[str, Any], name: str) -> int | None:
    text = _member(answer, name, "")
    if text and not _NUMBER.fullmatch(text):
        raise _unreadable(name)
    return int(text) if text else None


def _member(answer: Mapping[str, Any], name: str, default: Value) -> Value:
    value = answer.get(name, default)
    if not isinstance(value, type(default)):
        raise _unreadable(name)
    return value


def _unreadable(name: str) -> GoogleError:
    return GoogleError("UNKNOWN", f"the answer cannot be read: {name}")
