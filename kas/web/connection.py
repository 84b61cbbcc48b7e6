"""A connection after an answer: it goes on only where the whole body of its request was taken off it.

Else nobody knows where the next request begins, and what comes late of the body would be read as one: so the connection
ends. Where that is known before the answer, the answer says so, or the next request would be lost on it. What is sent in
vain is read and forgotten, so that an honest client can go on: before the answer what is here already and said its length
(`settle_body`), after it what is still coming (`drop_body`). To wait for that holds a thread, so there are few `Slots` for
it. Bodies that are left (`leave_body`) are not read at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import sys
import termios
import threading
from typing import IO, TYPE_CHECKING, Final

import gunicorn.http.errors
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.wsgi import Response as HostResponse

from kas.web.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SEND_SECONDS: Final = 5.0
DROPPED_BODIES: Final = 4  # waited for at once
DROPPED_SHARE: Final = 2
DROP_BYTES: Final = 32 * 2**20  # what Cloud Run lets through; none of it is kept
DROP_SECONDS: Final = 1.0
DROP_IDLE_SECONDS: Final = 0.2
_PIECE: Final = 2**14
_INT_BYTES: Final = 4  # of C
# In the WSGI environment of a request.
_IS_READ: Final = "kas.body_is_read"
_IS_LEFT: Final = "kas.body_is_left"
_SLOT_OF: Final = "kas.body_has_slot_of"


def announce_end_if_left(environ: WSGIEnvironment, start_response: StartResponse) -> None:
    """Has the host say ``Connection: close`` where a body was left; it takes that header from nobody."""
    host_response = getattr(start_response, "__self__", None)
    if environ.get(_IS_LEFT) and _has_unread_body(environ) and isinstance(host_response, HostResponse):
        host_response.force_close()


def limit_sending(environ: WSGIEnvironment) -> None:
    """Bounds the time in which the caller must take the answer: one that does not read would hold its thread."""
    sock: socket.socket | None = environ.get("gunicorn.socket")
    if sock is not None:
        sock.settimeout(SEND_SECONDS)


def note_read(environ: WSGIEnvironment) -> None:
    """The body has been read to its end: nothing of it is left on the connection."""
    environ[_IS_READ] = True


def is_here(environ: WSGIEnvironment) -> bool:
    """Whether all of a body of known length has arrived, in the host's hands or in the system's: reading it waits for
    nobody. What arrived stays, unless the connection is reset.
    """
    sock: socket.socket | None = environ.get("gunicorn.socket")
    reader = getattr(environ.get("wsgi.input"), "reader", None)
    if sock is None or not isinstance(reader, LengthReader):
        return False
    missing: int = reader.length - reader.unreader.buf.getbuffer().nbytes
    return missing <= 0 or missing <= _arrived(sock)


def _arrived(sock: socket.socket) -> int:
    """How many bytes can be read at once; 0 where the system cannot say."""
    try:
        return int.from_bytes(fcntl.ioctl(sock, termios.FIONREAD, bytes(_INT_BYTES)), sys.byteorder)
    except OSError:
        return 0


def leave_body(environ: WSGIEnvironment) -> None:
    """Has nothing more of the body read, and the connection end after the answer: whoever was refused before or by a
    limit holds no thread with it, and what was broken off has no end that anybody could find.
    """
    environ[_IS_LEFT] = True


def settle_body(environ: WSGIEnvironment, slots: Slots, holder: str) -> None:
    """Before the answer, which says whether the connection goes on: takes off a body that is here, or takes a slot in
    which it will be waited for, or leaves it. ``holder`` is whose it is.

    `drop_body` must follow, and the time-out of the socket be set before anything is sent.
    """
    sock: socket.socket | None = environ.get("gunicorn.socket")
    if sock is None or not _has_unread_body(environ) or environ.get(_IS_LEFT):
        return
    if is_here(environ):
        is_off = _take_off(sock, environ["wsgi.input"], _take_what_is_here)
        environ[_IS_READ if is_off else _IS_LEFT] = True
    elif slots.take(holder):
        environ[_SLOT_OF] = holder
    else:
        leave_body(environ)


def drop_body(environ: WSGIEnvironment, slots: Slots) -> None:
    """After the answer: takes what is left of a body off the connection, or ends that.

    Takes the WSGI environment, since it is called when there is no request any more.
    """
    sock: socket.socket | None = environ.get("gunicorn.socket")
    if sock is None or not _has_unread_body(environ):
        return
    goes_on, holder = False, environ.pop(_SLOT_OF, None)
    if holder is not None:
        try:
            goes_on = _take_off(sock, environ["wsgi.input"], _wait_for)
        finally:
            slots.give_back(holder)
    if not goes_on:
        _end(sock, environ["wsgi.input"])


def stop_reading(sock: socket.socket | None) -> None:
    """Wakes whoever reads, and leaves nobody anything to wait for. What still arrives can be read all the same."""
    if sock is not None:
        with contextlib.suppress(OSError):  # the client is gone already
            sock.shutdown(socket.SHUT_RD)


def _has_unread_body(environ: WSGIEnvironment) -> bool:
    has_body = environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ
    return has_body and not environ.get(_IS_READ)


def _take_off(sock: socket.socket, stream: IO[bytes], take: Callable[[socket.socket, IO[bytes]], bool]) -> bool:
    """Whether the whole rest of the body came off the connection."""
    try:
        return take(sock, stream)
    except (OSError, gunicorn.http.errors.ParseException):  # stalled, gone or malformed
        return False


def _take_what_is_here(sock: socket.socket, stream: IO[bytes]) -> bool:
    sock.settimeout(0)
    return _reaches_end(stream)


def _wait_for(sock: socket.socket, stream: IO[bytes]) -> bool:
    """A socket's time-out is per read, so an alarm ends the whole; to the host its end is that of the body."""
    is_cut = threading.Event()

    def cut() -> None:
        is_cut.set()
        stop_reading(sock)

    alarm = threading.Timer(DROP_SECONDS, cut)
    alarm.daemon = True
    alarm.start()
    try:
        sock.settimeout(DROP_IDLE_SECONDS)
        has_ended = _reaches_end(stream)
    finally:
        alarm.cancel()
        alarm.join()  # it may be cutting now
    return has_ended and not is_cut.is_set()


def _reaches_end(stream: IO[bytes]) -> bool:
    return any(not stream.read(_PIECE) for _ in range(DROP_BYTES // _PIECE + 1))


def _end(sock: socket.socket, stream: IO[bytes]) -> None:
    if isinstance(stream, Body):
        stream.failed = True  # as the host itself marks a body after which it must not go on
    stop_reading(sock)
