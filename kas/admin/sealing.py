"""Making a private key and sealing it by Cloud KMS: Encrypt with the ``kid`` as additional data, and Decrypt.

CRC32C goes with whatever is sent, and what comes back counts only with its own; the key that answers is the one that was
asked, at a level from which the service opens (`kas.keys.sealed`). The private key is in this process's memory alone:
it is in no error, no file and no argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.cloud.kms_v1 import KeyManagementServiceClient

from kas.admin.calls import ONCE, CommandFailed, call
from kas.errors import ConfigError
from kas.google.checksums import crc32c
from kas.jose import CURVES
from kas.keys.index import KeyIndex, UnwrapEntry
from kas.keys.private_keys import Sealed, fetch_keys

_LEVELS: Final = frozenset({"HSM", "SOFTWARE"})
_EXPONENT: Final = 65537


def new_private_key(algorithm: str) -> bytes:
    """A fresh private key of one of `kas.keys.registry.ALGORITHMS`, as PKCS #8 in DER. The caller's to keep secret."""
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if algorithm in CURVES:
        key = ec.generate_private_key(CURVES[algorithm])
    else:
        key = rsa.generate_private_key(_EXPONENT, int(algorithm.removeprefix("RSA-")))
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def seal(kms: KeyManagementServiceClient, key: str, kid: str, private_key: bytes) -> bytes:
    """What ``key`` makes of ``private_key`` for ``kid``. Raises CommandFailed.

    1. KMS received key and ``kid`` as they were sent.
    2. What it made arrived as it was sent.
    3. The key that was named made it, at a level from which the service opens.
    """
    additional = kid.encode("utf-8")
    request = {
        "name": key,
        "plaintext": private_key,
        "plaintext_crc32c": crc32c(private_key),
        "additional_authenticated_data": additional,
        "additional_authenticated_data_crc32c": crc32c(additional),
    }
    answer = call("Encrypt", partial(kms.encrypt, request=request, **ONCE), private_key)
    # 1.
    if not (answer.verified_plaintext_crc32c and answer.verified_additional_authenticated_data_crc32c):
        raise CommandFailed("Encrypt: KMS did not verify the checksums of what it was sent; nothing is stored")
    # 2.
    if not answer.ciphertext or answer.ciphertext_crc32c != crc32c(answer.ciphertext):
        raise CommandFailed("Encrypt: the ciphertext and its checksum differ, or there is none; nothing is stored")
    # 3.
    if answer.name.rpartition("/cryptoKeyVersions/")[0] != key:
        raise CommandFailed("Encrypt: another key answered than the one that was asked; nothing is stored")
    _check_level("Encrypt", answer)
    return bytes(answer.ciphertext)


def check_opens(kms: KeyManagementServiceClient, entry: UnwrapEntry, ciphertext: bytes) -> None:
    """Whether the service, given ``entry`` and the payload that it refers to, would have the key: by its own loader.

    Raises CommandFailed.
    """

    def resolve(references: Mapping[str, str]) -> dict[str, bytes]:
        return dict.fromkeys(references, ciphertext)

    def unseal(sealed: Iterable[Sealed]) -> dict[str, bytes]:
        return {one.kid: open_sealed(kms, one.key, one.kid, one.ciphertext) for one in sealed}

    try:
        fetch_keys(KeyIndex((entry,), ()), Path(), resolve, unseal)
    except ConfigError:
        algorithm = entry.record.algorithm
        raise CommandFailed(f"what opens is no {algorithm} key that the service would take") from None


def open_sealed(kms: KeyManagementServiceClient, key: str, kid: str, ciphertext: bytes) -> bytes:
    """The private key, as PKCS #8 in DER. Raises CommandFailed."""
    additional = kid.encode("utf-8")
    request = {
        "name": key,
        "ciphertext": ciphertext,
        "ciphertext_crc32c": crc32c(ciphertext),
        "additional_authenticated_data": additional,
        "additional_authenticated_data_crc32c": crc32c(additional),
    }
    answer = call("Decrypt", partial(kms.decrypt, request=request, **ONCE), ciphertext)
    if not answer.plaintext or answer.plaintext_crc32c != crc32c(answer.plaintext):
        raise CommandFailed("Decrypt: the private key and its checksum differ, or there is none")
    _check_level("Decrypt", answer)
    return bytes(answer.plaintext)


def _check_level(what: str, answer: Any) -> None:
    if getattr(answer.protection_level, "name", "") not in _LEVELS:
        raise CommandFailed(f"{what}: the sealing key is held neither at HSM level nor as a software key of Cloud KMS")
