"""Cloud KMS as the key service needs it: three calls, whichever client makes them.

A transport sends CRC32C of whatever it sends and hands back what came, unjudged: `kas.keys.kms` checks it. It opens
nothing before its first call, so one that was made in the parent process is safe to use in a worker. It makes one
attempt; trying again is the key service's.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Final, Protocol, TypeVar

from kas.dataclass import dataclass
from kas.google.status import GoogleError

# A full version name. Locations are those that this service is run in.
VERSION_NAME: Final = re.compile(
    r"projects/[a-z][a-z0-9-]{4,28}[a-z0-9]/locations/(us-central1|europe-west1|europe-west2)"
    r"/keyRings/[A-Za-z0-9_-]{1,63}/cryptoKeys/[A-Za-z0-9_-]{1,63}/cryptoKeyVersions/[1-9][0-9]{0,8}"
)


@dataclass(frozen=True, slots=True)
class Decrypted:
    """The answer of AsymmetricDecrypt or Decrypt. ``is_ciphertext_verified`` is None where the method does not say."""

    plaintext: bytes = field(repr=False)
    plaintext_crc32c: int | None
    is_ciphertext_verified: bool | None
    protection_level: str


@dataclass(frozen=True, slots=True)
class PublicKeyAnswer:
    """The answer of GetPublicKey; ``algorithm`` such as ``RSA_DECRYPT_OAEP_2048_SHA256``."""

    name: str
    algorithm: str
    protection_level: str
    pem: bytes
    pem_crc32c: int | None


Answer = TypeVar("Answer", Decrypted, PublicKeyAnswer)


def complete(answer: Answer) -> Answer:
    """The answer, whose left-out members have their defaults. Raises GoogleError (UNKNOWN) when what was asked for is
    left out: an empty message is a good one to any client of Google's.
    """
    if isinstance(answer, Decrypted):
        is_empty = not answer.plaintext and answer.plaintext_crc32c is None
    else:
        is_empty = not (answer.name and answer.pem)
    if is_empty:
        raise GoogleError("UNKNOWN", "the answer lacks what was asked for")
    return answer


class KmsTransport(Protocol):
    """Every method raises GoogleError, and takes at most ``timeout_seconds``. Safe to use from many threads."""

    def asymmetric_decrypt(self, version: str, ciphertext: bytes, *, timeout_seconds: float) -> Decrypted: ...
    def get_public_key(self, version: str, *, timeout_seconds: float) -> PublicKeyAnswer: ...
    def decrypt(self, key: str, ciphertext: bytes, additional_data: bytes, *, timeout_seconds: float) -> Decrypted: ...
    def close(self) -> None:
        """Ends every connection; the next call opens a new one."""
