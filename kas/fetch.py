"""Fetching a small document from a configured address, and nothing else.

The address is configuration, never a caller's. HTTPS with certificate verification against the system's authorities
(``SSL_CERT_FILE`` is honoured); plain HTTP only to a loopback address and only where local mode allows it. No
redirects, no proxy from the environment, no reused connections (nothing to carry across a fork), one deadline over
everything, a cap on the bytes read.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from typing import Final, Protocol
from urllib.parse import urlsplit

from kas.uri import is_secure_url

DEADLINE_SECONDS: Final = 5.0
MAX_BYTES: Final = 256 * 1024


class FetchError(Exception):
    """The document could not be had; the text says why, for the log."""


class Fetcher(Protocol):
    """What the JWKS cache needs of the network."""

    def __call__(self, url: str) -> bytes:
        """The body of a 200 answer. Raises FetchError."""


class HttpFetcher:
    """The one that uses the network; holds no socket between calls."""

    def __init__(self, *, allow_loopback_http: bool, deadline_seconds: float = DEADLINE_SECONDS) -> None:
        self._allow_loopback_http = allow_loopback_http
        self._deadline_seconds = deadline_seconds

    def __call__(self, url: str) -> bytes:
        if not is_secure_url(url, allow_loopback_http=self._allow_loopback_http):
            raise FetchError("address not allowed")
        connection = self._connection(url)
        # A time-out on a socket is per read, so a server that drips would hold us: this ends the whole exchange.
        alarm = threading.Timer(self._deadline_seconds, _cut, (connection,))
        alarm.daemon = True
        alarm.start()
        try:
            return _get(connection, url)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FetchError(type(error).__name__) from error
        finally:
            alarm.cancel()
            connection.close()

    def _connection(self, url: str) -> http.client.HTTPConnection:
        parts = urlsplit(url)
        host, timeout = str(parts.hostname), self._deadline_seconds
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=timeout)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(host, parts.port, timeout=timeout, context=context)


def _get(connection: http.client.HTTPConnection, url: str) -> bytes:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", target, headers={"Accept": "application/json"})
    response = connection.getresponse()
    if response.status != http.client.OK:
        raise FetchError(f"status {response.status}")
    body = response.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise FetchError("too large")
    return body


def _cut(connection: http.client.HTTPConnection) -> None:
    sock = connection.sock
    if sock is not None:
        with contextlib.suppress(OSError):  # already closed: the exchange ended in time
            sock.shutdown(socket.SHUT_RDWR)
