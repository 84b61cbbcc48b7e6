"""One HTTP exchange at a time, bounded: a time-out, a cap on what is read, no redirects, no retries.

HTTPS, or plain HTTP on loopback for a service on this machine; other addresses are not contacted, since token and
proof would travel readable.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3

from local.client.encoding import parse_json
from local.client.errors import AnswerInvalid, TransportFailed

MAX_ANSWER_BYTES: Final = 4 * 2**20
# The functions host ends a connection that was idle for 2 s, perhaps just as the next request is on its way.
IDLE_SECONDS: Final = 1.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. ``headers`` are found in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises AnswerInvalid."""
        try:
            value = parse_json(self.body)
        except ValueError as error:
            raise AnswerInvalid("the answer is not JSON") from error
        if not isinstance(value, dict):
            raise AnswerInvalid("the answer is not a JSON object")
        return value


class _Connection(urllib3.connection.HTTPConnection):
    """Counts as dropped once it was idle for `IDLE_SECONDS`: the pool asks that, and opens another."""

    _used_at = 0.0

    @property
    def is_connected(self) -> bool:
        """Whether it may be used."""
        return super().is_connected and time.monotonic() <= self._used_at + IDLE_SECONDS

    def getresponse(self) -> Any:
        """The answer, as the library reads it."""
        response = super().getresponse()
        self._used_at = time.monotonic()
        return response


class _SecureConnection(_Connection, urllib3.connection.HTTPSConnection):
    """The same with TLS."""


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class Http:
    """A pool of connections, safe for several threads; none is used that was idle for `IDLE_SECONDS`.

    ``authorities`` is a PEM file of those to trust in place of the system's.
    """

    def __init__(
        self,
        *,
        timeout_seconds: float = 10.0,
        connections: int = 8,
        authorities: Path | None = None,
    ) -> None:
        self._pool = urllib3.PoolManager(
            maxsize=connections,
            timeout=timeout_seconds,
            retries=False,
            ca_certs=None if authorities is None else str(authorities),
        )
        self._pool.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def __call__(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None
    ) -> Answer:
        """Sends one request; a header may come twice. Raises TransportFailed."""
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise TransportFailed("only https is contacted, or http on this machine")
        try:
            return self._exchange(method, url, urllib3.HTTPHeaderDict(headers), body)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise TransportFailed(f"{method} {url}: {type(error).__name__}") from error

    def _exchange(self, method: str, url: str, headers: urllib3.HTTPHeaderDict, body: bytes | None) -> Answer:
        response = self._pool.request(
            method, url, headers=headers, body=body, redirect=False, preload_content=False, decode_content=False
        )
        try:
            data = response.read(MAX_ANSWER_BYTES + 1)
            if len(data) > MAX_ANSWER_BYTES:
                response.close()
                raise TransportFailed("the answer is too large")
        finally:
            response.release_conn()
        return Answer(response.status, response.headers, data)

    def close(self) -> None:
        """Closes idle connections."""
        self._pool.clear()
