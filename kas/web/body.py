"""Reading a request body: the right media type, bounded in size and in time.

Nothing is read before `read_json_body` is called, so a caller who is refused earlier costs no memory; what he still
sends is dropped by the server, bounded too.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any, Final

import flask
import gunicorn.http.errors
from werkzeug.exceptions import HTTPException

from kas.errors import ContentTooLarge, InvalidJson, NotAcceptable, RequestTimeout, UnsupportedMediaType

JSON: Final = "application/json"


class BoundedRequest(flask.Request):
    """A request whose body is read by `read_json_body` or not at all.

    The functions host asks every request for all of its data after the view has answered, without bound: a refused
    400 MB body would still be read into memory, a stalled one would hold the thread for ever.
    """

    def get_data(self, *_arguments: Any, **_options: Any) -> Any:
        """Nothing: the host's read is the only one that comes this way."""
        return b""


def read_json_body(request: flask.Request, *, max_bytes: int, timeout_seconds: float) -> bytes:
    """The whole body of a request that sends and takes JSON.

    Raises UnsupportedMediaType, NotAcceptable, ContentTooLarge, RequestTimeout, and InvalidJson for a body that is
    cut short.
    """
    _check_media_types(request)
    if (request.content_length or 0) > max_bytes:
        raise ContentTooLarge
    body = _read(request, max_bytes + 1, timeout_seconds)
    if len(body) > max_bytes:
        raise ContentTooLarge
    return body


def _check_media_types(request: flask.Request) -> None:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype != JSON or charset != "utf-8" or "Content-Encoding" in request.headers:
        raise UnsupportedMediaType
    if "Accept" in request.headers and not request.accept_mimetypes.quality(JSON):
        raise NotAcceptable


def _read(request: flask.Request, size: int, timeout_seconds: float) -> bytes:
    """A socket's time-out is per read, so a sender that drips would hold us: the alarm ends the whole body."""
    late = threading.Event()
    alarm = threading.Timer(timeout_seconds, _stop_reading, (request.environ.get("gunicorn.socket"), late))
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
    return body


def _stop_reading(sock: socket.socket | None, late: threading.Event) -> None:
    late.set()
    if sock is not None:
        with contextlib.suppress(OSError):  # the client is gone already
            sock.shutdown(socket.SHUT_RD)
