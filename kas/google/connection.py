"""One HTTP/1.1 connection to an interface of Google's: an exchange at a time, bounded in time and size.

Connecting to each address, the handshake, sending and every read share one deadline, so a server that drips gains
nothing; an answer is refused beyond `MAX_ANSWER_BYTES`, headers included, and at once where it declares more. Certificates are verified by whatever context
is handed in. No redirects, no proxy, no second attempt. Not bounded is finding the address, which is the system's.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import io
import re
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, cast
from urllib.parse import urlsplit

from kas.dataclass import dataclass
from kas.google.status import GoogleError
from kas.setting import host_and_port
from kas.uri import is_secure_url

# A secret has at most 64 KiB, in base64 a third more.
MAX_ANSWER_BYTES: Final = 128 * 1024
_PORTS: Final = {"http": 80, "https": 443}
_LENGTH: Final = re.compile(r"[0-9]{1,12}")
LOWEST_FINAL_STATUS: Final = 200

Timer = Callable[[], float]
Tls = Callable[[], ssl.SSLContext]


@dataclass(frozen=True, slots=True)
class Deadline:
    """``end`` is in seconds of ``timer``."""

    timer: Timer
    end: float

    @classmethod
    def after(cls, seconds: float, timer: Timer) -> Deadline:
        return cls(timer, timer() + seconds)

    def left(self) -> float:
        """Seconds, more than none. Raises TimeoutError."""
        seconds = self.end - self.timer()
        if seconds <= 0:
            raise TimeoutError
        return seconds


@dataclass(frozen=True, slots=True)
class Origin:
    """Where to connect to; ``authority`` is as in the Host header."""

    is_tls: bool
    host: str
    port: int
    authority: str


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


@contextlib.contextmanager
def failures_as_google_errors(what: str) -> Iterator[None]:
    """What happens to a connection, as GoogleError: UNAVAILABLE, or DEADLINE_EXCEEDED; ``what`` begins the detail."""
    try:
        yield
    except TimeoutError as error:
        raise GoogleError("DEADLINE_EXCEEDED", f"{what}: no answer in time") from error
    except (OSError, http.client.HTTPException) as error:
        raise GoogleError("UNAVAILABLE", f"{what}: {type(error).__name__}") from error


def check_length(unverified_length: str | None) -> None:
    """Raises GoogleError for a Content-Length that is none: `http.client` would pass over it."""
    if unverified_length is not None and not _LENGTH.fullmatch(unverified_length):
        raise GoogleError("UNKNOWN", "the answer cannot be read: Content-Length")


def _too_large() -> GoogleError:
    return GoogleError("UNKNOWN", f"the answer has more than {MAX_ANSWER_BYTES} bytes")


class _Answer(io.RawIOBase):
    """The bytes of one answer as they come, until the deadline and up to the bound."""

    def __init__(self, stream: TimedSocket) -> None:
        super().__init__()
        self._stream = stream
        self._raw = stream.socket.makefile("rb", buffering=0)
        self.is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self.is_over:
            return 0
        stream = self._stream
        stream.socket.settimeout(stream.deadline.left())
        count = self._raw.readinto(buffer) or 0
        stream.received += count
        if stream.received > MAX_ANSWER_BYTES:
            raise _too_large()
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Reader(io.BufferedReader):
    """Reads no part whose declared size cannot be; at its end it tells ``stream`` whether more came than was read."""

    def __init__(self, stream: TimedSocket) -> None:
        self._answer = _Answer(stream)
        self._stream = stream
        super().__init__(self._answer)

    def read(self, size: int | None = None, /) -> bytes:
        if size is not None and size < 0:
            raise GoogleError("UNKNOWN", "the answer cannot be read: a size below 0")
        if size is not None and size > MAX_ANSWER_BYTES:
            raise _too_large()
        return super().read(size)

    def close(self) -> None:
        if not self.closed:
            self._answer.is_over = True  # so that what is in the buffer is all there is
            self._stream.has_surplus |= bool(self.peek(1))
        super().close()


class TimedSocket:
    """A socket whose time-out is that of a whole answer, not of each read; all else is the socket's.

    ``received`` counts the bytes of the answer since the time-out was set; ``has_surplus`` says that behind an answer
    there came what nobody asked for.
    """

    def __init__(self, sock: socket.socket, timer: Timer) -> None:
        self.socket = sock
        self.received = 0
        self.has_surplus = False
        self._timer = timer
        self.deadline = Deadline(timer, timer())

    def settimeout(self, seconds: float) -> None:
        self.deadline = Deadline.after(seconds, self._timer)
        self.received = 0
        self.socket.settimeout(seconds)

    def makefile(self, *_args: Any, **_kwargs: Any) -> BinaryIO:
        return cast("BinaryIO", _Reader(self))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.socket, name)


class Connection:
    """A kept-alive connection; one thread at a time."""

    def __init__(self, sock: socket.socket, timer: Timer) -> None:
        self._stream = TimedSocket(sock, timer)
        self.is_reusable = False

    @property
    def has_answer_begun(self) -> bool:
        """Whether any byte came of the answer to what was sent last."""
        return self._stream.received > 0

    def exchange(self, verb: str, message: bytes, deadline: Deadline) -> tuple[int, bytes]:
        """Status and body of the answer to a whole ``message``, which leaves in one piece.

        Raises OSError and http.client.HTTPException; GoogleError when the answer is too large or its length is none.
        """
        self.is_reusable = False
        self._stream.settimeout(deadline.left())
        self._stream.sendall(message)
        response = http.client.HTTPResponse(cast("socket.socket", self._stream), method=verb)
        try:
            with contextlib.closing(response):
                response.begin()
                check_length(response.getheader("Content-Length"))
                body = response.read()
        except (ValueError, OverflowError, MemoryError) as error:  # what else http.client makes of a bad answer
            raise GoogleError("UNKNOWN", f"the answer cannot be read: {type(error).__name__}") from None
        # After an answer that is to be followed by another, which nobody waits for, that one may come at any time.
        is_final = response.status >= LOWEST_FINAL_STATUS
        self.is_reusable = is_final and not (response.will_close or self._stream.has_surplus)
        return response.status, body

    def is_quiet(self) -> bool:
        """Whether it is open with nothing to read, as it must be before anything was asked."""
        poller = select.poll()
        poller.register(self._stream.socket, select.POLLIN)
        return not poller.poll(0)

    def close(self) -> None:
        self._stream.close()


def connect(origin: Origin, tls: Tls, deadline: Deadline) -> Connection:
    """Opens a connection. Raises OSError."""
    sock = _connected(origin, deadline)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if origin.is_tls:
            sock = tls().wrap_socket(sock, server_hostname=origin.host)
    except (OSError, ValueError):
        sock.close()
        raise
    return Connection(sock, deadline.timer)


def _connected(origin: Origin, deadline: Deadline) -> socket.socket:
    failure = OSError("the name has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(deadline.left())
            sock.connect(address)
            return sock
        except OSError as error:
            sock.close()
            failure = error
    raise failure
