"""Reading a request body: the right media type, bounded in size and in time.

Nothing is read before `read_json_body` is called, so a caller who is refused earlier costs no memory. What he still
sends is taken off the connection by `drop_body`, after the answer, so that an honest client can go on using it; whoever
stalls loses the connection and frees the thread.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final

import flask
import gunicorn.http.errors
from werkzeug.exceptions import HTTPException

from kas.errors import ContentTooLarge, InvalidJson, NotAcceptable, RequestTimeout, TooManyBodies, UnsupportedMediaType
from kas.protocol.bounds import JsonBounds

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

JSON: Final = "application/json"
DROP_BYTES: Final = 32 * 2**20  # what Cloud Run lets through; none of it is kept
SEND_SECONDS: Final = 5.0
DROP_SECONDS: Final = 1.0
DROP_IDLE_SECONDS: Final = 0.2
_PIECE: Final = 2**16
_IS_READ: Final = "kas.body_is_read"  # in the WSGI environment of a request


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of a body: its size in bytes, compressed and not, the seconds in which it must arrive, and its JSON.

    ``slots`` is how many such bodies may be awaited at once, None for any number: whoever need not say who he is could
    else hold every thread by sending nothing.
    """

    max_bytes: int
    timeout_seconds: float
    json: JsonBounds
    slots: threading.BoundedSemaphore | None = None


class BoundedRequest(flask.Request):
    """A request whose body is read from its stream by whoever wants it, and by nobody else.

    The functions host asks every request for all of its data after the view has answered, without bound: a refused
    400 MB body would still be read into memory, a stalled one would hold the thread for ever.
    """

    def get_data(self, *_arguments: Any, **_options: Any) -> Any:
        """Nothing: the host's read is the only one that comes this way."""
        return b""


def read_json_body(request: flask.Request, bounds: Bounds) -> bytes:
    """The whole body of a request that sends and takes JSON.

    Raises UnsupportedMediaType, NotAcceptable, ContentTooLarge, RequestTimeout, and InvalidJson for a body that is
    cut short.
    """
    _check_media_types(request)
    return read_body(request, bounds)


def read_body(request: flask.Request, bounds: Bounds) -> bytes:
    """The whole body as sent.

    Raises ContentTooLarge, RequestTimeout, InvalidJson for one that is cut short, and TooManyBodies.
    """
    if (request.content_length or 0) > bounds.max_bytes:
        raise ContentTooLarge
    with _slot(bounds.slots):
        body = _read(request, bounds.max_bytes + 1, bounds.timeout_seconds)
    if len(body) > bounds.max_bytes:
        raise ContentTooLarge
    return body


@contextlib.contextmanager
def _slot(slots: threading.BoundedSemaphore | None) -> Iterator[None]:
    if slots is None:
        yield
    elif not slots.acquire(blocking=False):
        raise TooManyBodies
    else:
        try:
            yield
        finally:
            slots.release()


def _check_media_types(request: flask.Request) -> None:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != JSON or charset != "utf-8" or request.headers.get("Content-Encoding"):
        raise UnsupportedMediaType
    if request.headers.get("Accept") and not _takes_json(request):
        raise NotAcceptable


def _takes_json(request: flask.Request) -> bool:
    """Whether the most specific media range that covers JSON, whatever its parameters, has a quality above zero."""
    ranges = {value.partition(";")[0].strip().lower(): quality for value, quality in request.accept_mimetypes}
    return next((ranges[name] > 0 for name in (JSON, "application/*", "*/*") if name in ranges), False)


def _read(request: flask.Request, size: int, timeout_seconds: float) -> bytes:
    """A socket's time-out is per read, so a sender that drips would hold us: the alarm ends the whole body."""
    late = threading.Event()

    def expire() -> None:
        late.set()
        _stop_reading(request.environ.get("gunicorn.socket"))

    alarm = threading.Timer(timeout_seconds, expire)
    alarm.daemon = True
    alarm.start()
    try:
        body: bytes = request.stream.read(size)
    except (OSError, ValueError, HTTPException, gunicorn.http.errors.ParseException) as error:
        raise (RequestTimeout if late.is_set() else InvalidJson) from error
    finally:
        alarm.cancel()
    if late.is_set():
        raise RequestTimeout
    if len(body) < min(request.content_length or 0, size):  # the sender hung up; what came may still parse
        raise InvalidJson
    request.environ[_IS_READ] = len(body) < size
    return body


def limit_sending(environ: WSGIEnvironment) -> None:
    """Bounds the time in which the caller must take the answer: one that does not read would hold its thread."""
    sock: socket.socket | None = environ.get("gunicorn.socket")
    if sock is not None:
        sock.settimeout(SEND_SECONDS)


def drop_body(environ: WSGIEnvironment) -> None:
    """Reads what is left of a body and forgets it, within bounds; beyond them nothing more is read at all.

    Takes the WSGI environment, since it is called when there is no request any more.
    """
    sock: socket.socket | None = environ.get("gunicorn.socket")
    has_body = environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ
    if sock is None or not has_body or environ.get(_IS_READ):
        return
    alarm = threading.Timer(DROP_SECONDS, _stop_reading, (sock,))
    alarm.daemon = True
    alarm.start()
    try:
        sock.settimeout(DROP_IDLE_SECONDS)
        if _drain(environ["wsgi.input"]):
            sock.settimeout(None)
            return
    except (OSError, gunicorn.http.errors.ParseException):
        pass  # stalled, gone or malformed: cut below
    finally:
        alarm.cancel()
    _stop_reading(sock)


def _drain(stream: IO[bytes]) -> bool:
    """Whether the body ended within the bound."""
    return any(not stream.read(_PIECE) for _ in range(DROP_BYTES // _PIECE))


def _stop_reading(sock: socket.socket | None) -> None:
    if sock is not None:
        with contextlib.suppress(OSError):  # the client is gone already
            sock.shutdown(socket.SHUT_RD)
