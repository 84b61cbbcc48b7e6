"""Google's REST interfaces over a few kept connections: one call, one JSON object, or a GoogleError.

Nothing is opened before the first call, and `RestClient.close` ends every connection: a client may be made, used and
closed in the parent process and used again in a worker. A call is made once; it is sent a second time only where a kept
connection had been closed before any byte of the answer came, and only when it is a GET: a key operation that might have
been done is not repeated behind the back of whoever counts it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeVar

from kas.google.credentials import TokenSource
from kas.google.failures import failures_as_google_errors
from kas.google.status import MAX_ANSWER_BYTES, GoogleError, answer_of, rows_of
from kas.net.connection import Tls, any_address, origin_of
from kas.net.deadline import Deadline, Timer
from kas.net.pool import ConnectionPool
from kas.tls import client_context

MAX_CONNECTIONS: Final = 64
# One that rested longer may be gone without a sign, as after the platform stopped the processor.
_MAX_IDLE_SECONDS: Final = 60.0
_PATH: Final = re.compile(r"/[!-~]+")

Result = TypeVar("Result")
Read = Callable[[int, bytes, Iterable[str]], Result]


class RestClient:
    """One origin. Safe to use from many threads; ``max_connections`` calls at once, the others wait in their time."""

    def __init__(
        self,
        endpoint: str,
        tokens: TokenSource,
        timer: Timer,
        *,
        tls: Tls = client_context,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        """``tls`` makes the context for https, when it is first needed."""
        self._origin = origin_of(endpoint)
        self._tokens = tokens
        self._timer = timer
        self._pool = ConnectionPool(
            self._origin,
            timer,
            tls=tls,
            max_connections=max_connections,
            max_answer_bytes=MAX_ANSWER_BYTES,
            max_idle_seconds=_MAX_IDLE_SECONDS,
            allow_address=any_address,
        )

    def call(self, verb: str, path: str, body: Mapping[str, Any] | None, timeout_seconds: float) -> dict[str, Any]:
        """The object that the call answers; ``path`` begins with ``/``. Raises GoogleError."""
        return self._call(verb, path, body, timeout_seconds, answer_of)

    def rows(
        self, verb: str, path: str, body: Mapping[str, Any] | None, timeout_seconds: float
    ) -> list[dict[str, Any]]:
        """The objects that the call answers, where it answers a list of them. Raises GoogleError."""
        return self._call(verb, path, body, timeout_seconds, rows_of)

    def _call(
        self, verb: str, path: str, body: Mapping[str, Any] | None, timeout_seconds: float, read: Read[Result]
    ) -> Result:
        deadline = Deadline.after(timeout_seconds, self._timer)
        with failures_as_google_errors("call"):
            token = self._tokens.token(deadline.left())
            message = self._message(verb, path, body, token)
            status, answer = self._pool.exchange(verb, message, deadline, is_repeatable=verb == "GET")
        sent = [token, *(value for value in (body or {}).values() if isinstance(value, str))]
        try:
            return read(status, answer, sent)
        except GoogleError as error:
            if error.status == "UNAUTHENTICATED":
                self._tokens.forget(token)
            raise

    def close(self) -> None:
        """Ends every connection, those in use after their answer. The next call opens a new one."""
        self._pool.close()

    def _message(self, verb: str, path: str, body: Mapping[str, Any] | None, token: str) -> bytes:
        if not _PATH.fullmatch(path):
            raise ValueError("not a path")
        head = (
            f"{verb} {path} HTTP/1.1\r\nHost: {self._origin.authority}\r\nAuthorization: Bearer {token}\r\n"
            "Accept: application/json\r\nAccept-Encoding: identity\r\nUser-Agent: kas\r\n"
        )
        if body is None:
            return f"{head}\r\n".encode("ascii")
        data = json.dumps(body, separators=(",", ":"))
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n{data}".encode("ascii")
