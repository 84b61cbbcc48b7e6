"""Cloud KMS by Google's own client, over gRPC or REST (`kas.google.kms.KmsTransport`).

The library is imported and the client made at the first call: it takes longer than a whole cold start, and a channel must
not live across a fork. The client gets our tokens with each call, makes one attempt and ends at our deadline.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from kas.google.checksums import crc32c
from kas.google.credentials import TokenSource
from kas.google.failures import failures_as_google_errors
from kas.google.kms import Decrypted, PublicKeyAnswer, complete
from kas.google.rest import MAX_CONNECTIONS
from kas.google.status import GoogleError
from kas.net.connection import Tls, made_once, origin_of
from kas.net.deadline import Deadline, Slots, Timer

if TYPE_CHECKING:
    from kas.google.official_clients import OfficialClient


class OfficialKmsTransport:
    """``max_calls`` at once; the others wait in their time."""

    def __init__(
        self,
        kind: Literal["grpc", "rest"],
        endpoint: str,
        tokens: TokenSource,
        timer: Timer,
        *,
        tls: Tls,
        max_calls: int = MAX_CONNECTIONS,
    ) -> None:
        self._kind = kind
        self._origin = origin_of(endpoint)
        self._tokens = tokens
        self._timer = timer
        self._tls = made_once(tls)
        self._max_calls = max_calls
        self._slots = Slots(max_calls)
        self._lock = threading.Lock()
        self._client: OfficialClient | None = None

    def asymmetric_decrypt(self, version: str, ciphertext: bytes, *, timeout_seconds: float) -> Decrypted:
        request = {"name": version, "ciphertext": ciphertext, "ciphertext_crc32c": crc32c(ciphertext)}
        answer = self._call("asymmetric_decrypt", request, timeout_seconds)
        return _decrypted(answer, is_ciphertext_verified=answer.verified_ciphertext_crc32c)

    def get_public_key(self, version: str, *, timeout_seconds: float) -> PublicKeyAnswer:
        answer = self._call("get_public_key", {"name": version}, timeout_seconds)
        return complete(
            PublicKeyAnswer(
                name=answer.name,
                algorithm=_word(answer.algorithm),
                protection_level=_word(answer.protection_level),
                pem=answer.pem.encode("utf-8"),
                pem_crc32c=answer.pem_crc32c,
            )
        )

    def decrypt(self, key: str, ciphertext: bytes, additional_data: bytes, *, timeout_seconds: float) -> Decrypted:
        request = {
            "name": key,
            "ciphertext": ciphertext,
            "ciphertext_crc32c": crc32c(ciphertext),
            "additional_authenticated_data": additional_data,
            "additional_authenticated_data_crc32c": crc32c(additional_data),
        }
        return _decrypted(self._call("decrypt", request, timeout_seconds), is_ciphertext_verified=None)

    def close(self) -> None:
        """Ends every connection, and over gRPC every call. The next call makes a new client."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _call(self, method: str, request: Mapping[str, Any], timeout_seconds: float) -> Any:
        deadline = Deadline.after(timeout_seconds, self._timer)
        with failures_as_google_errors("call"), self._slots.one(deadline):
            token = self._tokens.token(deadline.left())
            client = self._ready()
            try:
                return client.call(method, request, token, deadline)
            except GoogleError as error:
                if error.status == "UNAUTHENTICATED":
                    self._tokens.forget(token)
                raise

    def _ready(self) -> OfficialClient:
        from kas.google.official_clients import grpc_client, rest_client

        with self._lock:
            if self._client is None and self._kind == "grpc":
                self._client = grpc_client(self._origin, self._tls)
            elif self._client is None:
                self._client = rest_client(self._origin, self._tls, self._timer, self._max_calls)
            return self._client


def _decrypted(answer: Any, *, is_ciphertext_verified: bool | None) -> Decrypted:
    level = _word(answer.protection_level)
    return complete(Decrypted(answer.plaintext, answer.plaintext_crc32c, is_ciphertext_verified, level))


def _word(value: Any) -> str:
    """The name of an enumeration's value; of one that the library does not know, its number."""
    return str(getattr(value, "name", value))
