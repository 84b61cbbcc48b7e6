"""Google's REST interfaces over a few kept connections: one call, one JSON object, or a GoogleError.

Nothing is opened before the first call, and `RestClient.close` ends every connection: a client may be made, used and
closed in the parent process and used again in a worker. A call is made once; it is sent a second time only where a kept
connection had been closed before any byte of the answer came, and only when it is a GET: a key operation that might have
been done is not repeated behind the back of whoever counts it.
"""

from __future__ import annotations

import contextlib
import json
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kas.google.connection import (
    Connection,
    Deadline,
    Timer,
    Tls,
    connect,
    failures_as_google_errors,
    made_once,
    origin_of,
)
from kas.google.credentials import TokenSource
from kas.google.status import GoogleError, answer_of

MAX_CONNECTIONS: Final = 64
# One that rested longer may be gone without a sign, as after the platform stopped the processor.
_MAX_IDLE_SECONDS: Final = 60.0
_PATH: Final = re.compile(r"/[!-~]+")


class RestClient:
    """One origin. Safe to use from many threads; ``max_connections`` calls at once, the others wait in their time."""

    def __init__(
        self,
        endpoint: str,
        tokens: TokenSource,
        timer: Timer,
        *,
        tls: Tls = ssl.create_default_context,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        """``tls`` makes the context for https, when it is first needed."""
        self._origin = origin_of(endpoint)
        self._tokens = tokens
        self._timer = timer
        self._tls = made_once(tls)
        self._slots = threading.BoundedSemaphore(max_connections)
        self._lock = threading.Lock()
        self._idle: list[tuple[Connection, float]] = []  # the one used last is last
        self._closings = 0

    def call(self, verb: str, path: str, body: Mapping[str, Any] | None, timeout_seconds: float) -> dict[str, Any]:
        """The object that the call answers; ``path`` begins with ``/``. Raises GoogleError."""
        deadline = Deadline.after(timeout_seconds, self._timer)
        with failures_as_google_errors("call"):
            token = self._tokens.token(deadline.left())
            message = self._message(verb, path, body, token)
            with self._slot(deadline):
                status, answer = self._exchange(verb, message, deadline)
        sent = [token, *(value for value in (body or {}).values() if isinstance(value, str))]
        try:
            return answer_of(status, answer, sent)
        except GoogleError as error:
            if error.status == "UNAUTHENTICATED":
                self._tokens.forget(token)
            raise

    def close(self) -> None:
        """Ends every connection, those in use after their answer. The next call opens a new one."""
        self._drop_idle(closings=1)

    def _drop_idle(self, closings: int = 0) -> None:
        with self._lock:
            self._closings += closings
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

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

    @contextlib.contextmanager
    def _slot(self, deadline: Deadline) -> Iterator[None]:
        if not self._slots.acquire(timeout=deadline.left()):
            raise TimeoutError
        try:
            yield
        finally:
            self._slots.release()

    def _exchange(self, verb: str, message: bytes, deadline: Deadline) -> tuple[int, bytes]:
        kept, closings = self._take()
        if kept is not None:
            try:
                return self._exchange_on(kept, closings, verb, message, deadline)
            except TimeoutError:
                raise  # slow, not ended
            except OSError:  # of which http.client's RemoteDisconnected is one
                self._drop_idle()  # what ended this one has likely ended those beside it
                if verb != "GET" or kept.has_answer_begun:
                    raise
        return self._exchange_on(connect(self._origin, self._tls, deadline), closings, verb, message, deadline)

    def _exchange_on(
        self, connection: Connection, closings: int, verb: str, message: bytes, deadline: Deadline
    ) -> tuple[int, bytes]:
        try:
            return connection.exchange(verb, message, deadline)
        finally:
            self._put_back(connection, closings)

    def _take(self) -> tuple[Connection | None, int]:
        """A connection that is as it was left; others are closed. And how often all were closed until now."""
        while True:
            with self._lock:
                if not self._idle:
                    return None, self._closings
                (connection, since), closings = self._idle.pop(), self._closings
            if self._timer() - since <= _MAX_IDLE_SECONDS and connection.is_quiet():
                return connection, closings
            connection.close()

    def _put_back(self, connection: Connection, closings: int) -> None:
        with self._lock:
            is_kept = connection.is_reusable and closings == self._closings
            if is_kept:
                self._idle.append((connection, self._timer()))
        if not is_kept:
            connection.close()
