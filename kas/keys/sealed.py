"""Opening sealed private keys at the start: Cloud KMS decrypts each with its ``kid`` as additional data.

A sealed key is what a symmetric key of Cloud KMS made of a private key (PKCS #8, DER). Whoever has the secret alone has
nothing; whoever may use the symmetric key alone has nothing; and one sealed key cannot be put in the place of another.
From the start on the private key is in this process's memory, so the level at which the sealing key is held protects
only what is stored: HSM and SOFTWARE are both taken, whatever is demanded of keys that stay in Cloud KMS. One that is
held outside of Google is not.

What KMS answers counts only with its checksum. Every thread has ended when `unseal` returns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from kas.errors import ConfigError
from kas.google.kms import KmsTransport
from kas.google.status import GoogleError
from kas.google.together import together
from kas.keys.kms_answers import AnswerDamaged, AnswerRefused, says_damaged, unsealed_fault
from kas.keys.private_keys import Sealed
from kas.keys.retry import Retry

TIMEOUT_SECONDS: Final = 5.0  # of one attempt
DEADLINE_SECONDS: Final = 15.0  # of one key, attempts and waits together


def unseal(
    sealed: Iterable[Sealed],
    transport: KmsTransport,
    *,
    timer: Callable[[], float],
    sleep: Callable[[float], object],
    random: Callable[[], float],
) -> dict[str, bytes]:
    """Each private key by its ``kid``, as PKCS #8 in DER. ``timer`` gives seconds from an arbitrary start, ``random``
    numbers from 0 up to 1.

    Raises ConfigError, which names the place of the first that does not open, and why.
    """
    retry = Retry(timeout_seconds=TIMEOUT_SECONDS, timer=timer, sleep=sleep, random=random)

    def open_one(one: Sealed) -> bytes:
        try:
            return retry.run(partial(_decrypt, transport, one), deadline=timer() + DEADLINE_SECONDS)
        except (GoogleError, AnswerRefused) as error:
            raise ConfigError(f"{one.place}: {one.key} does not open it for {one.kid!r}: {error}") from error

    keys = list(sealed)
    return dict(zip((one.kid for one in keys), together(open_one, keys), strict=True))


def _decrypt(transport: KmsTransport, one: Sealed, seconds: float) -> bytes:
    """One attempt. A plaintext that is refused is in no traceback."""
    try:
        answer = transport.decrypt(one.key, one.ciphertext, one.kid.encode("utf-8"), timeout_seconds=seconds)
    except GoogleError as error:
        if says_damaged(error):
            raise AnswerDamaged("the ciphertext did not arrive as it was sent") from error
        raise
    fault = unsealed_fault(answer)
    if fault is not None:
        del answer
        raise fault
    return answer.plaintext
