"""An issuer's key set behind TLS, answered from memory: its server must not be what a start waits for."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from local.ports import HOST

_END: Final = b"\r\n\r\n"
_READ_BYTES: Final = 65_536


@contextlib.contextmanager
def serving(key_set: bytes, certificate: Path) -> Iterator[str]:
    """Answers every request with ``key_set`` until the end; gives the address. ``certificate`` is PEM with the key in it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(key_set)}\r\nConnection: close"
    answer = head.encode("ascii") + _END + key_set
    with socket.create_server((HOST, 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, context, answer))
        thread.start()
        try:
            yield f"https://{HOST}:{listener.getsockname()[1]}/jwks.json"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listener: socket.socket, context: ssl.SSLContext, answer: bytes) -> None:
    while True:
        try:
            plain, _ = listener.accept()
        except OSError:
            return  # shut down
        # Else the answer waits until the end of the handshake is acknowledged.
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # A client that goes, or does not trust us, is seen where it is measured.
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as stream:
            received = b""
            while _END not in received and (read := stream.recv(_READ_BYTES)):
                received += read
            stream.sendall(answer)
            stream.unwrap()
