"""Reading a request body: the right media type, bounded in size and in time.

Nothing is read before `read_json_body` is called, so a caller who is refused earlier costs no memory. What he still
sends is taken off the connection by `drop_body`, after the answer, so that an honest client can go on using it; whoever
stalls loses the connection and frees the thread. Who was refused before or by a limit loses it at once, if he sends one.

A body that is waited for holds a thread, so there are few `Slots` for that: shares of one caller, or of one network
where nobody must say who asks. A body that is here at once needs none, however many stall.

Headers are read by the host, without a time-out of their own: who stalls in those is for the front end to stop.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Final

import flask
import gunicorn.http.errors
from werkzeug.exceptions import HTTPException

from kas.errors import (
    ContentTooLarge,
    InvalidJson,
    KasError,
    NotAcceptable,
    RequestTimeout,
    TooManyBodies,
    UnsupportedMediaType,
)
from kas.journal import Journal
from kas.protocol.bounds import JsonBounds
from kas.web.slots import Slots

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

JSON: Final = "application/json"
GRACE_SECONDS: Final = 0.2  # without a slot: the next packets of an honest client
CALLERS_BODIES: Final = 16
CALLER_SHARE: Final = 8
DROP_BYTES: Final = 32 * 2**20  # what Cloud Run lets through; none of it is kept
SEND_SECONDS: Final = 5.0
DROP_SECONDS: Final = 1.0
DROP_IDLE_SECONDS: Final = 0.2
_PIECE: Final = 2**16
# In the WSGI environment of a request.
_IS_READ: Final = "kas.body_is_read"
_IS_LEFT: Final = "kas.body_is_left"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of a body: its size in bytes, compressed and not, the seconds in which it must arrive, its JSON, and the slots of
    those that are waited for, by default those of callers who are known.
    """

    max_bytes: int
    timeout_seconds: float
    json: JsonBounds
    slots: Slots = field(default_factory=lambda: Slots(CALLERS_BODIES, CALLER_SHARE))


class BoundedRequest(flask.Request):
    """A request whose body is read from its stream by whoever wants it, and by nobody else.

    The functions host asks every request for all of its data after the view has answered, without bound: a refused
    400 MB body would still be read into memory, a stalled one would hold the thread for ever.
    """

    def get_data(self, *_arguments: Any, **_options: Any) -> Any:
        """Nothing: the host's read is the only one that comes this way."""
        return b""


def read_json_body(request: flask.Request, bounds: Bounds, journal: Journal) -> bytes:
    """The whole body of a request that sends and takes JSON.

    Raises UnsupportedMediaType, NotAcceptable, ContentTooLarge, RequestTimeout, TooManyBodies, and InvalidJson for a
    body that is cut short.
    """
    _check_media_types(request)
    return read_body(request, bounds, journal)


def read_body(request: flask.Request, bounds: Bounds, journal: Journal) -> bytes:
    """The whole body as sent; the journal says whose it is.

    Raises ContentTooLarge, RequestTimeout, TooManyBodies, and InvalidJson for one that is cut short.
    """
    if (request.content_length or 0) > bounds.max_bytes:
        raise ContentTooLarge
    body = _read(request, bounds, _holder(journal))
    if len(body) > bounds.max_bytes:
        raise ContentTooLarge
    return body


def _holder(journal: Journal) -> str:
    caller = journal.caller
    return journal.network if caller is None else caller.identity


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


def _read(request: flask.Request, bounds: Bounds, holder: str) -> bytes:
    """A socket's time-out is per read, so a sender that drips would hold us: a watcher ends the whole body."""
    size = bounds.max_bytes + 1
    has_ended = threading.Event()
    given_up: list[KasError] = []

    def watch() -> None:
        reason = _watch(has_ended, bounds, holder)
        if reason is not None:
            given_up.append(reason)
            _stop_reading(request.environ.get("gunicorn.socket"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        body: bytes = request.stream.read(size)
    except (OSError, ValueError, HTTPException, gunicorn.http.errors.ParseException) as error:
        raise (given_up[0] if given_up else InvalidJson()) from error
    finally:
        has_ended.set()
        watcher.join()
    if given_up:
        raise given_up[0]
    if len(body) < min(request.content_length or 0, size):  # the sender hung up; what came may still parse
        raise InvalidJson
    request.environ[_IS_READ] = len(body) < size
    return body


def _watch(has_ended: threading.Event, bounds: Bounds, holder: str) -> KasError | None:
    """Returns when the body has ended, or why it is waited for no longer."""
    if has_ended.wait(GRACE_SECONDS):
        return None
    if not bounds.slots.take(holder):
        return _too_many(bounds)
    try:
        return None if has_ended.wait(bounds.timeout_seconds - GRACE_SECONDS) else RequestTimeout()
    finally:
        bounds.slots.give_back(holder)


def _too_many(bounds: Bounds) -> TooManyBodies:
    """Whatever is waited for now is so no longer when its time has passed."""
    refusal = TooManyBodies()
    refusal.retry_after = bounds.timeout_seconds
    return refusal


def limit_sending(environ: WSGIEnvironment) -> None:
    """Bounds the time in which the caller must take the answer: one that does not read would hold its thread."""
    sock: socket.socket | None = environ.get("gunicorn.socket")
    if sock is not None:
        sock.settimeout(SEND_SECONDS)


def leave_body(environ: WSGIEnvironment) -> None:
    """Has `drop_body` take nothing off the connection: whoever was refused before or by a limit holds no thread with it."""
    environ[_IS_LEFT] = True


def drop_body(environ: WSGIEnvironment) -> None:
    """Reads what is left of a body and forgets it, within bounds; beyond them nothing more is read at all.

    Takes the WSGI environment, since it is called when there is no request any more.
    """
    sock: socket.socket | None = environ.get("gunicorn.socket")
    has_body = environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ
    if sock is None or not has_body or environ.get(_IS_READ):
        return
    if environ.get(_IS_LEFT):
        _stop_reading(sock)
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
