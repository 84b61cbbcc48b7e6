"""Fetching a small document from a configured address, and nothing else.

The address is configuration, never a caller's. HTTPS with certificate verification (`kas.tls`); plain HTTP only to a
loopback address and only where local mode allows it. No redirects, no proxy from the environment, no reused connections
(nothing to carry across a fork), a cap on the bytes read, and one deadline over connecting and the whole answer (finding the
address is the system's).
"""

from __future__ import annotations

import http.client
from contextlib import closing
from typing import Final, Protocol
from urllib.parse import urlsplit

from kas.net.answer import BadAnswer, TooLarge
from kas.net.connection import AllowAddress, Tls, any_address, connect, origin_of
from kas.net.deadline import Deadline, Timer
from kas.tls import client_context
from kas.uri import is_secure_url

DEADLINE_SECONDS: Final = 5.0
MAX_BYTES: Final = 256 * 1024
_HEAD_BYTES: Final = 16 * 1024


class FetchError(Exception):
    """The document could not be had; the text says why, in words of ours."""


class Fetcher(Protocol):
    """What the JWKS cache needs of the network."""

    def __call__(self, url: str) -> bytes:
        """The body of a 200 answer. Raises FetchError."""


class HttpFetcher:
    """The one that uses the network; holds no socket between calls."""

    def __init__(
        self,
        timer: Timer,
        *,
        allow_loopback_http: bool,
        deadline_seconds: float = DEADLINE_SECONDS,
        tls: Tls = client_context,
        allow_address: AllowAddress = any_address,
    ) -> None:
        """``timer`` gives seconds from an arbitrary start, ``tls`` the context for https, when it is needed."""
        self._timer = timer
        self._allow_loopback_http = allow_loopback_http
        self._deadline_seconds = deadline_seconds
        self._tls = tls
        self._allow_address = allow_address

    def __call__(self, url: str) -> bytes:
        if not is_secure_url(url, allow_loopback_http=self._allow_loopback_http):
            raise FetchError("address not allowed")
        try:
            status, body = self._get(url)
        except TimeoutError as error:
            raise FetchError("too slow") from error
        except TooLarge as error:
            raise FetchError("too large") from error
        except BadAnswer as error:
            raise FetchError(str(error)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FetchError(type(error).__name__) from error
        if status != http.client.OK:
            raise FetchError(f"status {status}")
        if len(body) > MAX_BYTES:
            raise FetchError("too large")
        return body

    def _get(self, url: str) -> tuple[int, bytes]:
        origin, parts = origin_of(url), urlsplit(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        head = (
            f"GET {target} HTTP/1.1\r\nHost: {origin.authority}\r\nAccept: application/json\r\n"
            "Accept-Encoding: identity\r\nUser-Agent: kas\r\nConnection: close\r\n\r\n"
        )
        deadline = Deadline.after(self._deadline_seconds, self._timer)
        with closing(connect(origin, self._tls, deadline, MAX_BYTES + _HEAD_BYTES, self._allow_address)) as connection:
            return connection.exchange("GET", head.encode("ascii"), deadline)
