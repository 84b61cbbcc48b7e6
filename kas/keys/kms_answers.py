"""What is believed of an answer of Cloud KMS, and what the operator reads of one that is not.

Nothing is believed that a checksum, name, algorithm or protection level contradicts, or that does not bring what it
would be checked by. TLS proves who answers; CRC32C proves that the bytes are those that left the HSM, and ours those
that reached it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from kas.errors import KeyUnavailable
from kas.google.checksums import crc32c
from kas.google.kms import Decrypted, PublicKeyAnswer
from kas.google.status import GoogleError, in_one_line
from kas.jose import check_rsa
from kas.keys.registry import KeyRecord

Level = Literal["HSM", "SOFTWARE"]

# What may pass by itself.
TRANSIENT: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})
# Any level that is not here, also one that Google has yet to invent, is below both.
_RANKS: Final[Mapping[str, int]] = {"SOFTWARE": 1, "HSM": 2}
# How a refusal of INVALID_ARGUMENT says that the ciphertext is not the one that was sent: it is not the caller's then.
_CHECKSUM_WORDS: Final = ("crc32c", "checksum")
_MAX_QUOTED_CHARS: Final = 64


class AnswerRefused(Exception):
    """An answer that is not used; the text says why, in one line of words of ours, and holds nothing that was sent."""

    event: ClassVar[str] = ""
    severity: ClassVar[str] = "ERROR"


class AnswerDamaged(AnswerRefused):
    """Something changed on the way, or it cannot be told that it did not."""

    event = "kms_integrity"
    severity = "CRITICAL"


class KeyUnfit(AnswerRefused):
    """The key in Cloud KMS is not such a one as the configuration says."""

    event = "kms_key_unfit"


class AlgorithmMismatch(KeyUnfit):
    """It has another size or OAEP hash."""

    event = "kms_algorithm_mismatch"


class LevelTooLow(KeyUnfit):
    """It is held in a lesser place than this service accepts."""

    event = "kms_protection_level"
    severity = "CRITICAL"


def version_of(record: KeyRecord) -> str:
    """The full name of the version. Raises KeyUnavailable for a key that is held elsewhere."""
    if record.kms_version is None:
        raise KeyUnavailable
    return record.kms_version


def says_damaged(error: GoogleError) -> bool:
    """Whether Google refused what did not arrive as it was sent, and not what was sent."""
    return error.status == "INVALID_ARGUMENT" and any(word in error.detail.lower() for word in _CHECKSUM_WORDS)


def decrypted_fault(answer: Decrypted, level: Level) -> AnswerRefused | None:
    """What is wrong with an answer of AsymmetricDecrypt; None when its plaintext may be used.

    It is given back and not raised, so that no traceback holds on to a plaintext that is refused.
    """
    if answer.is_ciphertext_verified is not True:
        return AnswerDamaged("KMS did not verify the checksum of the ciphertext")
    return _plaintext_fault(answer, level)


def unsealed_fault(answer: Decrypted) -> AnswerRefused | None:
    """The same of an answer of Decrypt. It refuses a ciphertext that did not arrive, and so has no member that says that
    one did; a key of any level of Google's own may seal.
    """
    if answer.is_ciphertext_verified is False:
        return AnswerDamaged("KMS did not verify the checksum of the ciphertext")
    return _plaintext_fault(answer, "SOFTWARE")


def _plaintext_fault(answer: Decrypted, level: Level) -> AnswerRefused | None:
    if answer.plaintext_crc32c != crc32c(answer.plaintext):
        return AnswerDamaged("the plaintext and its checksum differ, or there is none")
    return _level_fault(answer.protection_level, level)


def read_public_key(answer: PublicKeyAnswer, record: KeyRecord, level: Level) -> rsa.RSAPublicKey:
    """The public key of ``record``, if it is what the record says. Raises AnswerDamaged, KeyUnfit.

    1. The PEM arrived as it was sent.
    2. It is that of the version that was asked for.
    3. Size and OAEP hash are those of the record and its dialect.
    4. It is held at the configured level or a higher one.
    5. The PEM holds a sound RSA key of that size.
    """
    # 1.
    if answer.pem_crc32c != crc32c(answer.pem):
        raise AnswerDamaged("the public key and its checksum differ, or there is none")
    # 2.
    if answer.name != record.kms_version:
        raise AnswerDamaged("the answer names another version")
    # 3.
    expected = _algorithm_of(record)
    if answer.algorithm != expected:
        raise AlgorithmMismatch(f"its algorithm is {in_one_line(answer.algorithm, _MAX_QUOTED_CHARS)}, not {expected}")
    # 4.
    low = _level_fault(answer.protection_level, level)
    if low is not None:
        raise low
    # 5.
    return _parse(answer.pem, record)


def _algorithm_of(record: KeyRecord) -> str:
    """What Google calls such a key; the hash is part of the key, and so of the dialect that it serves."""
    return f"RSA_DECRYPT_OAEP_{_bits_of(record)}_{record.hash.replace('-', '')}"


def _bits_of(record: KeyRecord) -> int:
    return int(record.algorithm.removeprefix("RSA-"))


def _level_fault(found: str, level: Level) -> LevelTooLow | None:
    if _RANKS.get(found, 0) >= _RANKS[level]:
        return None
    shown = in_one_line(found, _MAX_QUOTED_CHARS) or "not said"
    return LevelTooLow(f"its protection level is {shown}, {level} is required")


def _parse(pem: bytes, record: KeyRecord) -> rsa.RSAPublicKey:
    try:
        key = load_pem_public_key(pem)
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size != _bits_of(record):
            raise KeyUnfit(f"its public key is no {record.algorithm} key")
        check_rsa(key)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyUnfit("its public key cannot be used") from error
    return key


def operator_line(operation: str, version: str, error: GoogleError | AnswerRefused) -> dict[str, Any]:
    """Why an operation failed, for `kas.diagnostics.tell_operator`: bounded, and nothing of any caller's in it."""
    line = {"operation": operation, "version": version, "cause": str(error)}
    if isinstance(error, AnswerRefused):
        return {"severity": error.severity, "event": error.event, **line}
    severity = "WARNING" if error.status in TRANSIENT else "ERROR"
    return {"severity": severity, "event": "kms_unavailable", **line, "status": error.status, "cause": error.detail}


def doubt_line(version: str) -> dict[str, Any]:
    """That a ciphertext was refused by a key of which nobody knows yet whether its size and hash are the record's."""
    cause = "a ciphertext was refused, and GetPublicKey has not shown yet that size and hash are those of the record"
    line = {"operation": "AsymmetricDecrypt", "version": version, "cause": cause}
    return {"severity": "WARNING", "event": "kms_algorithm_unknown", **line}
