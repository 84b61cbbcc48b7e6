"""One HTTP/1.1 connection to a configured address: an exchange at a time, bounded in time and size.

Connecting to each address, the handshake, every write and every read share one deadline, so a server that drips gains
nothing; an answer is refused beyond its bound, headers included, and at once where it declares more. Certificates are
verified by whatever context is handed in. No redirects, no proxy, no second attempt. Not bounded is finding the address,
which is the system's.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import select
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Final, cast
from urllib.parse import urlsplit

from kas.dataclass import dataclass
from kas.net.answer import LOWEST_FINAL_STATUS, TimedSocket, Unreadable, check_length
from kas.net.deadline import Deadline, Timer
from kas.setting import host_and_port
from kas.uri import is_secure_url

_PORTS: Final = {"http": 80, "https": 443}

Tls = Callable[[], ssl.SSLContext]
# Whether to connect to an address that was found for the host; a name may lead anywhere, and elsewhere each time.
AllowAddress = Callable[[str], bool]
# Is called when a whole message has left, before the answer is waited for.
Told = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to connect to; ``authority`` is as in the Host header."""

    is_tls: bool
    host: str
    port: int
    authority: str


class AddressRefused(OSError):
    """The host has an address that is not to be connected to."""


def origin_of(url: str) -> Origin:
    """Raises ValueError unless the address is https, or http on loopback."""
    parts = urlsplit(url)
    if not is_secure_url(url, allow_loopback_http=True):
        raise ValueError("neither https nor http on loopback")
    host, port = host_and_port(parts.netloc)
    return Origin(parts.scheme == "https", host, port or _PORTS[parts.scheme], parts.netloc)


def made_once(tls: Tls) -> Tls:
    """Makes the context when it is first asked for, and once however many ask: it reads every authority there is."""
    lock, cached = threading.Lock(), functools.cache(tls)

    def get() -> ssl.SSLContext:
        with lock:
            return cached()

    return get


def nobody_told() -> None:
    """A `Told` for whoever need not know."""


def any_address(_address: str) -> bool:
    """An `AllowAddress` for hosts whose name is trusted."""
    return True


class Connection:
    """A kept-alive connection; one thread at a time."""

    def __init__(self, sock: socket.socket, timer: Timer, max_answer_bytes: int) -> None:
        self._stream = TimedSocket(sock, timer, max_answer_bytes)
        self.is_reusable = False

    @property
    def has_answer_begun(self) -> bool:
        """Whether any byte came of the answer to what was sent last."""
        return self._stream.received > 0

    def exchange(self, verb: str, message: bytes, deadline: Deadline, sent: Told = nobody_told) -> tuple[int, bytes]:
        """Status and body of the answer to a whole ``message``, which leaves in one piece where the system takes it so.

        Raises OSError and http.client.HTTPException; BadAnswer when the answer is too large or its length is none.
        """
        self.is_reusable = False
        self._stream.settimeout(deadline.left())
        send_all(self._stream.socket, message, deadline)
        sent()
        response = http.client.HTTPResponse(cast("socket.socket", self._stream), method=verb)
        try:
            with contextlib.closing(response):
                response.begin()
                check_length(response.getheader("Content-Length"))
                body = response.read()
        except (ValueError, OverflowError, MemoryError) as error:  # what else http.client makes of a bad answer
            raise Unreadable(type(error).__name__) from None
        # After an answer that is to be followed by another, which nobody waits for, that one may come at any time.
        is_final = response.status >= LOWEST_FINAL_STATUS
        self.is_reusable = is_final and not (response.will_close or self._stream.has_surplus)
        return response.status, body

    def is_quiet(self) -> bool:
        """Whether it is open with nothing to read, as it must be before anything was asked."""
        return is_quiet(self._stream.socket)

    def close(self) -> None:
        self._stream.close()


def send_all(sock: socket.socket, message: bytes, deadline: Deadline) -> None:
    """`ssl.SSLSocket.sendall` has a time-out for each record, so whoever takes them slowly would hold us."""
    rest = memoryview(message)
    while rest:
        sock.settimeout(deadline.left())
        rest = rest[sock.send(rest) :]


def is_quiet(sock: socket.socket) -> bool:
    """Whether a socket is open with nothing to read."""
    if isinstance(sock, ssl.SSLSocket) and sock.pending():  # read from the network, so not seen below
        return False
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return not poller.poll(0)


def connect(
    origin: Origin, tls: Tls, deadline: Deadline, max_answer_bytes: int, allow_address: AllowAddress
) -> Connection:
    """Opens a connection. Raises OSError; AddressRefused where the host has no other address that works."""
    return Connection(open_socket(origin, tls, deadline, allow_address), deadline.timer, max_answer_bytes)


def open_socket(origin: Origin, tls: Tls, deadline: Deadline, allow_address: AllowAddress) -> socket.socket:
    """A connected socket, its handshake done. Raises as `connect`."""
    sock = _connected(origin, deadline, allow_address)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if origin.is_tls:
            context = tls()
            sock.settimeout(deadline.left())
            sock = context.wrap_socket(sock, server_hostname=origin.host)
    except (OSError, ValueError):
        sock.close()
        raise
    return sock


def _connected(origin: Origin, deadline: Deadline, allow_address: AllowAddress) -> socket.socket:
    """The address that is asked about is the one that is connected to: looked up again it might be another."""
    failure = OSError("the name has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM):
        if not allow_address(str(address[0])):
            failure = AddressRefused("an address of the host is not allowed")
            continue
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(deadline.left())
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure
