"""Sending a request to one peer: a POST to its configured address, an answer within bounds, nothing sent twice.

HTTPS with verification against the system's authorities (``SSL_CERT_FILE`` is honoured), whatever is configured; plain
HTTP to a loopback address alone, and only where that is allowed. No proxy; a redirect is an answer and is not followed.
Connections are kept for a moment. What the answer says is not looked at.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from kas.errors import PeerUnavailable
from kas.federation.addresses import is_forbidden_address
from kas.net.answer import BadAnswer
from kas.net.connection import Tls, Told, nobody_told, origin_of
from kas.net.deadline import Deadline, Timer
from kas.net.pool import ConnectionPool
from kas.tls import client_context
from kas.uri import is_secure_url

MAX_ANSWER_BYTES: Final = 4 * 2**20
MAX_CONNECTIONS: Final = 32
# The functions host closes a connection that rested 2 s.
MAX_IDLE_SECONDS: Final = 1.0
_ATTEMPTS_TO_OPEN: Final = 2
_HEADER_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_HEADER_VALUE: Final = re.compile(r"[!-~]([ -~]*[!-~])?")
_OWN_HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "kas",
}
_OF_THE_MESSAGE: Final = frozenset(
    {"connection", "content-length", "expect", "host", "te", "transfer-encoding", "upgrade"}
)

_RESERVED: Final = _OF_THE_MESSAGE | {name.lower() for name in _OWN_HEADERS}


class PeerClient:
    """One peer's address. Safe to use from many threads; ``max_connections`` calls at once, the others wait in their time."""

    def __init__(
        self,
        peer_url: str,
        timer: Timer,
        *,
        allow_loopback_http: bool,
        tls: Tls = client_context,
        max_connections: int = MAX_CONNECTIONS,
    ) -> None:
        """``tls`` makes the context, when it is first needed; with ``allow_loopback_http`` a peer may be on this machine.

        Raises ValueError for an address that is not allowed.
        """
        if not is_secure_url(peer_url, allow_loopback_http=allow_loopback_http):
            raise ValueError("not an address of a peer")
        origin = origin_of(peer_url)
        parts = urlsplit(peer_url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._start = f"POST {target} HTTP/1.1\r\nHost: {origin.authority}\r\n{_lines(_OWN_HEADERS)}"
        self._timer = timer
        self._pool = ConnectionPool(
            origin,
            timer,
            tls=tls,
            max_connections=max_connections,
            max_answer_bytes=MAX_ANSWER_BYTES,
            max_idle_seconds=MAX_IDLE_SECONDS,
            allow_address=lambda ip: not is_forbidden_address(ip, allow_loopback=allow_loopback_http),
            attempts_to_open=_ATTEMPTS_TO_OPEN,
        )

    def post(
        self, body: bytes, headers: Mapping[str, str], deadline_seconds: float, sent: Told = nobody_told
    ) -> tuple[int, bytes]:
        """Status and body of the one answer to a JSON ``body``; any status, and a body of at most 4 MiB. ``sent`` is told
        when the request has left.

        Raises PeerUnavailable when there is none in time, or none that can be read; ValueError, before anything is
        opened, for headers that would be others on the wire.
        """
        deadline = Deadline.after(deadline_seconds, self._timer)
        message = self._message(body, headers)
        try:
            return self._pool.exchange("POST", message, deadline, is_repeatable=False, sent=sent)
        except TimeoutError as error:
            raise PeerUnavailable("no answer in time") from error
        except BadAnswer as error:
            raise PeerUnavailable(str(error)) from error
        except (OSError, http.client.HTTPException) as error:
            raise PeerUnavailable(f"no answer: {type(error).__name__}") from error

    def close(self) -> None:
        """Ends every connection, those in use after their answer. The next call opens a new one."""
        self._pool.close()

    def _message(self, body: bytes, headers: Mapping[str, str]) -> bytes:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name) or name.lower() in _RESERVED or not _HEADER_VALUE.fullmatch(value):
                raise ValueError("not a header of a forwarded request")
        head = f"{self._start}{_lines(headers)}Content-Length: {len(body)}\r\n\r\n"
        return head.encode("ascii") + body


def _lines(headers: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())
