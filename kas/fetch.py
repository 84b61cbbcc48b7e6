"""Fetching a small document from a configured address, and nothing else.

The address is configuration, never a caller's. HTTPS with certificate verification (`kas.tls`); plain HTTP only to a loopback
address and only where local mode allows it. No redirects, no proxy from the environment, no reused connections (nothing
to carry across a fork), a cap on the bytes read, a time-out for connecting to an address, and one deadline over
everything after it (finding the address is the system's).
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Final, Protocol
from urllib.parse import urlsplit

from kas.tls import client_context
from kas.uri import is_secure_url

DEADLINE_SECONDS: Final = 5.0
MAX_BYTES: Final = 256 * 1024
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


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
        *,
        allow_loopback_http: bool,
        deadline_seconds: float = DEADLINE_SECONDS,
        tls: Callable[[], ssl.SSLContext] = client_context,
    ) -> None:
        """``tls`` gives the context for https, when it is needed."""
        self._allow_loopback_http = allow_loopback_http
        self._deadline_seconds = deadline_seconds
        self._tls = tls

    def __call__(self, url: str) -> bytes:
        if not is_secure_url(url, allow_loopback_http=self._allow_loopback_http):
            raise FetchError("address not allowed")
        try:
            with _connected(url, self._deadline_seconds, self._tls) as connection:
                return _get(connection, url)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise FetchError(type(error).__name__) from error


@contextlib.contextmanager
def _connected(
    url: str, deadline_seconds: float, tls: Callable[[], ssl.SSLContext]
) -> Iterator[http.client.HTTPConnection]:
    """A connection that is cut at the deadline, whatever it is doing then. Raises FetchError when that happened.

    A time-out on a socket is per read, so a server that drips, in its handshake, headers or body, would hold us.
    """
    parts = urlsplit(url)
    host = str(parts.hostname)
    connection = http.client.HTTPConnection(host, parts.port)
    address = host, parts.port or _DEFAULT_PORTS[parts.scheme]
    with contextlib.ExitStack() as opened:
        stream = opened.enter_context(socket.create_connection(address, timeout=deadline_seconds))
        if parts.scheme == "https":
            stream = opened.enter_context(
                tls().wrap_socket(stream, server_hostname=host, do_handshake_on_connect=False)
            )
        late = threading.Event()
        alarm = threading.Timer(deadline_seconds, _cut, (stream, late))
        alarm.daemon = True
        alarm.start()
        opened.callback(alarm.cancel)
        if isinstance(stream, ssl.SSLSocket):
            stream.do_handshake()
        connection.sock = stream
        yield connection
        if late.is_set():  # what looks like an end is where it was cut
            raise FetchError("too slow")


def _get(connection: http.client.HTTPConnection, url: str) -> bytes:
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.request("GET", target, headers={"Accept": "application/json", "Connection": "close"})
    response = connection.getresponse()
    if response.status != http.client.OK:
        raise FetchError(f"status {response.status}")
    body = response.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        raise FetchError("too large")
    if response.length:
        raise FetchError("cut short")
    return body


def _cut(sock: socket.socket, late: threading.Event) -> None:
    late.set()
    with contextlib.suppress(OSError):  # closed already: the exchange ended in time
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # the connection itself, below TLS
