"""Unwrap keys that live in Cloud KMS and never leave it.

A key is named by the full name of its version, and nothing else is ever tried: no other version, and no key of this
process. What KMS answers counts only with its proofs: CRC32C of the ciphertext as KMS received it and of the plaintext
as it sent it, and a protection level no lower than configured.

A wrong ciphertext is the caller's and has one answer. Whatever else stands in the way, of state, permission, quota or
network, is "unavailable" to the caller and a plain line to the operator, one for many of the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from kas.cache import Counts
from kas.datakey import DataKey
from kas.errors import KeyMaterialRejected, KeyUnavailable
from kas.google.kms import KmsTransport
from kas.google.status import GoogleError
from kas.keys.kms_answers import (
    AnswerDamaged,
    AnswerRefused,
    Level,
    decrypted_fault,
    doubt_line,
    operator_line,
    says_damaged,
    version_of,
)
from kas.keys.kms_public_keys import KmsPublicKeys
from kas.keys.registry import KeyRecord, WrappedMaterial
from kas.keys.retry import Retry
from kas.seldom import Seldom

Pay = Callable[[], None]


class KmsKeyService:
    """A `KeyService` over versions in Cloud KMS.

    ``timeout_seconds`` is for one attempt, ``deadline_seconds`` for all of one unwrap, waits included; public keys are
    fresh for ``public_key_seconds``. ``timer`` gives seconds from an arbitrary start, ``random`` numbers from 0 up to 1,
    ``warn`` takes lines for the operator. Nothing is called before it is first asked.
    """

    def __init__(
        self,
        transport: KmsTransport,
        *,
        timer: Callable[[], float],
        sleep: Callable[[float], object],
        random: Callable[[], float],
        timeout_seconds: float,
        deadline_seconds: float,
        protection_level: Level,
        public_key_seconds: float,
        warn: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._transport = transport
        self._timer = timer
        self._deadline_seconds = deadline_seconds
        self._level: Level = protection_level
        self._warn = Seldom(warn, timer)
        self._retry = Retry(timeout_seconds=timeout_seconds, timer=timer, sleep=sleep, random=random)
        self._public_keys = KmsPublicKeys(
            transport,
            self._retry,
            deadline_seconds=deadline_seconds,
            level=protection_level,
            fresh_seconds=public_key_seconds,
            warn=warn,
        )

    def unwrap(self, record: KeyRecord, wrapped: WrappedMaterial, pay: Pay) -> DataKey:
        """Opens ``wrapped`` by AsymmetricDecrypt.

        1. It was wrapped by RSA: there is no ECDH in Cloud KMS.
        2. The version has the size, the OAEP hash and the level of the record. Where its public key shows another, that
           is the end before it costs an operation; where that cannot be learnt now, KMS itself keeps to its hash.
        3. Up to three attempts, each paid for, within one deadline; another only where the last may pass by itself.
        4. KMS had the ciphertext that was sent, and this is the plaintext that it sent, held at the configured level.
        5. A refusal of the ciphertext is the caller's; the operator is told where it may as well be the record's. Any
           other is the operator's to know.

        Raises KeyMaterialRejected, KeyUnavailable, and what ``pay`` raises.
        """
        # 1.
        if wrapped.ephemeral_key is not None:
            raise KeyMaterialRejected
        # 2.
        deadline = self._timer() + self._deadline_seconds
        unfit = self._public_keys.unfit(record, deadline)
        if unfit is not None:
            raise self._unavailable(record, unfit) from unfit
        # 3, 4.
        try:
            return self._retry.run(partial(self._decrypt, record, wrapped.ciphertext, pay), deadline=deadline)
        # 5.
        except GoogleError as error:
            if error.status == "INVALID_ARGUMENT":
                if not self._public_keys.is_proven(record):
                    self._warn.tell(doubt_line(version_of(record)))
                raise KeyMaterialRejected from error
            raise self._unavailable(record, error) from error
        except AnswerRefused as error:
            raise self._unavailable(record, error) from error

    def public_key(self, record: KeyRecord) -> rsa.RSAPublicKey:
        """The public half, from a bounded memory while KMS is down. Raises KeyUnavailable."""
        return self._public_keys.find(record)

    def public_keys(self, records: Iterable[KeyRecord]) -> dict[str, rsa.RSAPublicKey]:
        """The public halves that can be had, by ``kid``, in the time that one may take."""
        return self._public_keys.find_all(records)

    def public_key_counts(self) -> Counts:
        """Of the memory of public keys."""
        return self._public_keys.counts()

    def check(self, record: KeyRecord) -> None:
        """Asks KMS for the public half: the version is enabled and what its record says. Raises KeyUnavailable."""
        self._public_keys.check(record)

    def _decrypt(self, record: KeyRecord, ciphertext: bytes, pay: Pay, seconds: float) -> DataKey:
        """One attempt. A plaintext that is refused is in no traceback."""
        version = version_of(record)
        pay()
        try:
            answer = self._transport.asymmetric_decrypt(version, ciphertext, timeout_seconds=seconds)
        except GoogleError as error:
            if says_damaged(error):
                raise AnswerDamaged("the ciphertext did not arrive as it was sent") from error
            raise
        fault = decrypted_fault(answer, self._level)
        if fault is not None:
            del answer
            raise fault
        return DataKey(answer.plaintext)

    def _unavailable(self, record: KeyRecord, error: GoogleError | AnswerRefused) -> KeyUnavailable:
        self._warn.tell(operator_line("AsymmetricDecrypt", version_of(record), error))
        return KeyUnavailable()
