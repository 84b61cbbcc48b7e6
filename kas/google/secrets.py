"""Reading secrets from Secret Manager at the start (REST v1, ``projects.secrets.versions.access``).

What is read is what Google sent: the payload's CRC32C is demanded and checked, and the answer names the secret and the
version that were asked for. Google writes the project's number where we wrote its id, so the project itself is not
compared; the path was ours, and TLS proves who answers it.

A version that is missing, disabled, denied, damaged or slow stops the start. No payload is in any error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from kas.encoding import b64_decode
from kas.errors import ConfigError
from kas.google.checksums import crc32c
from kas.google.status import GoogleError
from kas.google.together import together
from kas.references import LATEST, MAX_BYTES, SECRET_VERSION

MAX_ATTEMPTS: Final = 3
TIMEOUT_SECONDS: Final = 5.0  # of one attempt
MAX_WAIT_SECONDS: Final = 0.5  # before another
# What may pass by itself. DATA_LOSS is ours too, for what arrives damaged.
_TRANSIENT: Final = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED", "DATA_LOSS"})
_CHECKSUM: Final = re.compile(r"[0-9]{1,10}")


class Call(Protocol):
    """`kas.google.rest.RestClient.call`: the members of the answer. Raises GoogleError."""

    def __call__(
        self, verb: str, path: str, body: Mapping[str, Any] | None, *, timeout_seconds: float
    ) -> dict[str, Any]: ...


class SecretReader:
    """``sleep`` takes seconds, ``random`` gives numbers from 0 up to 1; ``timeout_seconds`` are for one attempt."""

    def __init__(
        self,
        call: Call,
        *,
        sleep: Callable[[float], object],
        random: Callable[[], float],
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._call = call
        self._sleep = sleep
        self._random = random
        self._timeout_seconds = timeout_seconds

    def read(self, versions: Mapping[str, str]) -> dict[str, bytes]:
        """The payload of each version by the place that names it; each version is asked for once, several at a time.

        Every thread has ended when this returns. Raises ConfigError, which names the first place that cannot be
        served, the version and Google's status.
        """
        names = sorted(set(versions.values()))
        answers = dict(zip(names, together(self._access_or_fault, names), strict=True))
        found: dict[str, bytes] = {}
        for place, name in versions.items():
            answer = answers[name]
            if isinstance(answer, GoogleError):
                raise ConfigError(f"{place}: sm://{name}: {answer}") from answer
            found[place] = answer
        return found

    def _access_or_fault(self, name: str) -> bytes | GoogleError:
        attempt = 1
        while True:
            try:
                return payload_of(
                    self._call("GET", f"/v1/{name}:access", None, timeout_seconds=self._timeout_seconds), name
                )
            except GoogleError as error:
                if error.status not in _TRANSIENT or attempt == MAX_ATTEMPTS:
                    return error
            attempt += 1
            self._sleep(self._random() * MAX_WAIT_SECONDS)


def payload_of(answer: Mapping[str, Any], name: str) -> bytes:
    """The payload in an answer for the version ``name``, at most 64 KiB. Raises GoogleError (DATA_LOSS).

    1. The answer is that of the secret and the version.
    2. It brings a payload and its checksum.
    3. They belong together.
    """
    # 1.
    if not _is_answer_for(answer.get("name"), name):
        raise _damaged("the answer names another version")
    # 2.
    payload = answer.get("payload")
    members = payload if isinstance(payload, dict) else {}
    text, checksum = members.get("data", ""), members.get("dataCrc32c")
    if not isinstance(text, str) or not isinstance(checksum, str) or not _CHECKSUM.fullmatch(checksum):
        raise _damaged("the answer has no payload with a checksum")
    try:
        data = b64_decode(text)
    except ValueError:
        raise _damaged("the payload is not base64") from None  # the cause would hold it
    # 3.
    if len(data) > MAX_BYTES or crc32c(data) != int(checksum):
        raise _damaged("the payload and its checksum differ")
    return data


def _is_answer_for(unverified_name: object, name: str) -> bool:
    asked = SECRET_VERSION.fullmatch(name)
    found = SECRET_VERSION.fullmatch(unverified_name) if isinstance(unverified_name, str) else None
    if asked is None or found is None or found[3] == LATEST:
        return False
    is_project = found[1] == asked[1] or (found[1].isdigit() and not asked[1].isdigit())
    return is_project and found[2] == asked[2] and asked[3] in {found[3], LATEST}


def _damaged(detail: str) -> GoogleError:
    return GoogleError("DATA_LOSS", detail)
