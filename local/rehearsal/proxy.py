"""Two ways to here under anybody's name: a proxy on loopback, whose every tunnel ends in a TLS server of the name that was
asked for, and for what uses no proxy a port that is a TLS server of whichever name it is called by.

What is not stood in for is refused at CONNECT, and remembered: a rehearsal in which anything was asked for beyond the
stand-in has failed.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

from local.ports import HOST
from local.rehearsal.authority import Authority
from local.rehearsal.wire import Reply, Request

MAX_BODY_BYTES: Final = 64 * 2**20
Front = Callable[[Request], Reply]
_OWN_HEADERS: Final = frozenset({"connection", "content-length", "date", "server", "transfer-encoding"})
_TLS_PORT: Final = "443"
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Proxy:
    """A running one; ``direct_port`` is that without a proxy. ``refused`` are names that somebody wanted to reach, and
    requests that a front failed at.
    """

    port: int
    direct_port: int
    authority: Authority
    refused: list[str]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, find_front: Callable[[str], Front | None], authority: Authority, refused: list[str]) -> None:
        super().__init__((HOST, 0), _Outer)
        self.find_front = find_front
        self.authority = authority
        self.refused = refused

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of ours; what a front raises is answered before it comes here."""


class _Direct(_Server):
    """Is called by the name that comes with the handshake."""

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread."""
        del client_address
        called: list[str] = []

        def choose(connection: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            called.append(name or HOST)
            connection.context = self.authority.context_for(called[0])

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.sni_callback = choose
        with contextlib.suppress(OSError), context.wrap_socket(request, server_side=True) as secured:
            front = self.find_front(called[0])
            if front is None:
                self.refused.append(called[0])
            elif _spoken(secured) >= self.authority.floor_of(called[0]):  # the context came too late to see to it
                serve(secured, self, called[0], front)


def _spoken(connection: ssl.SSLSocket) -> ssl.TLSVersion:
    return ssl.TLSVersion.TLSv1_3 if connection.version() == "TLSv1.3" else ssl.TLSVersion.TLSv1_2


class _Outer(BaseHTTPRequestHandler):
    """The proxy's own port: CONNECT and nothing else."""

    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 300

    def do_CONNECT(self) -> None:
        host, _, port = self.path.rpartition(":")
        front = self.server.find_front(host) if port == _TLS_PORT else None
        if front is None:
            self.server.refused.append(self.path)
            self.send_error(403, "Not stood in for")
            return
        self.send_response(200, "Connection established")
        self.end_headers()
        self.close_connection = True
        context = self.server.authority.context_for(host)
        with contextlib.suppress(OSError), context.wrap_socket(self.connection, server_side=True) as secured:
            serve(secured, self.server, host, front)

    def _refuse(self) -> None:
        self.server.refused.append(self.path)
        self.send_error(403, "Only tunnels")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _refuse  # noqa: N815 - names of the standard library

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the standard library's
        """The journal says what was asked."""


def serve(connection: ssl.SSLSocket, server: _Server, host: str, front: Front) -> None:
    """Serves one connection to its end, as the server of ``host``."""
    handler = type("_Of", (_Inner,), {"host": host, "front": staticmethod(front)})
    handler(connection, connection.getpeername(), server)
    connection.unwrap().close()


class _Inner(BaseHTTPRequestHandler):
    """Inside a tunnel."""

    server: _Server
    host: str
    front: Front
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    timeout = 300

    def _dispatch(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.host, parts.path, parts.query, headers, self._read_body())
        try:
            reply = type(self).front(request)
        except Exception as error:  # noqa: BLE001 - the edge: what a front has not foreseen is told, here and at the end
            # No 500, after which gcloud would ask again for a minute.
            reply = Reply(400, f"The stand-in failed: {error!r}".encode(), {"Content-Type": "text/plain"})
            self.server.refused.append(f"{self.command} {self.host}{self.path}: {error!r}")
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            if name.lower() not in _OWN_HEADERS:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _dispatch  # noqa: N815 - as above

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        length = int(self.headers.get("Content-Length", "0"))
        if length > MAX_BODY_BYTES:
            raise ValueError("the body is too large")
        return self.rfile.read(length)

    def _chunks(self) -> Iterator[bytes]:
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as above
        """As outside."""


@contextlib.contextmanager
def proxy(find_front: Callable[[str], Front | None], authority: Authority) -> Iterator[Proxy]:
    """Runs until the end; ``find_front`` answers who stands in for a name, if anybody does."""
    refused: list[str] = []
    with (
        _running(_Server(find_front, authority, refused)) as tunnels,
        _running(_Direct(find_front, authority, refused)) as direct,
    ):
        yield Proxy(tunnels.server_port, direct.server_port, authority, refused)


@contextlib.contextmanager
def _running(server: _Server) -> Iterator[_Server]:
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
