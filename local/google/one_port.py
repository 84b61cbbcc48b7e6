"""gRPC on the port of REST, as Google has both at one address: HTTP/2 says so with its first bytes.

Such a connection is passed on to the port of gRPC, byte by byte, until either side ends it.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Final

_PREFACE: Final = b"PRI"  # RFC 9113 §3.4; no verb of ours begins so
_CHUNK_BYTES: Final = 2**16


def is_http2(connection: socket.socket) -> bool:
    """Waits for the first bytes, which stay to be read."""
    return connection.recv(len(_PREFACE), socket.MSG_PEEK) == _PREFACE


def pass_on(connection: socket.socket, address: tuple[str, int]) -> None:
    """Returns when both directions have ended."""
    with socket.create_connection(address) as upstream:
        for end in (connection, upstream):
            end.settimeout(None)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        back = threading.Thread(target=_copy, args=(upstream, connection), daemon=True)
        back.start()
        _copy(connection, upstream)
        back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK_BYTES):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
