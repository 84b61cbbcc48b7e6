"""Reading a request body: the right media type, bounded in size and in time.

Nothing is read before `read_json_body` is called, so a caller who is refused earlier costs no memory. What he still
sends is for `kas.web.connection`, after the answer; a body that was broken off is left, and its connection ends.

A body that is waited for holds a thread, so there are few `Slots` for that: shares of one caller, or of one network
where nobody must say who asks. A body that is here at once needs none, however many stall, and nobody to watch it.

Headers are read by the host, without a time-out of their own: who stalls in those is for the front end to stop.
"""

from __future__ import annotations

import threading
from dataclasses import field
from typing import Final

import flask
import gunicorn.http.errors
from werkzeug.exceptions import HTTPException

from kas.dataclass import dataclass
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
from kas.web.connection import is_here, leave_body, note_read, stop_reading
from kas.web.slots import Slots

JSON: Final = "application/json"
GRACE_SECONDS: Final = 0.2  # without a slot: the next packets of an honest client
CALLERS_BODIES: Final = 16
CALLER_SHARE: Final = 8


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of a body: its size in bytes, compressed and not, the seconds in which it must arrive, its JSON, and the slots of
    those that are waited for, by default those of callers who are known.
    """

    max_bytes: int
    timeout_seconds: float
    json: JsonBounds
    slots: Slots = field(default_factory=lambda: Slots(CALLERS_BODIES, CALLER_SHARE))


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
    try:
        body = _read(request, bounds, journal.holder)
    except KasError:
        leave_body(request.environ)
        raise
    if len(body) > bounds.max_bytes:
        raise ContentTooLarge
    return body


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
    if is_here(request.environ):
        try:
            # Of known length and all here: the bounded stream around it adds nothing.
            body: bytes = request.environ["wsgi.input"].read(request.content_length or 0)
        except OSError as error:  # the connection was reset, and with it what had arrived
            raise InvalidJson from error
        note_read(request.environ)
        return body
    return _read_watched(request, bounds, holder)


def _read_watched(request: flask.Request, bounds: Bounds, holder: str) -> bytes:
    """A socket's time-out is per read, so a sender that drips would hold us: a watcher ends the whole body."""
    size = bounds.max_bytes + 1
    has_ended = threading.Event()
    given_up: list[KasError] = []

    def watch() -> None:
        reason = _watch(has_ended, bounds, holder)
        if reason is not None:
            given_up.append(reason)
            stop_reading(request.environ.get("gunicorn.socket"))

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
    if len(body) < size:
        note_read(request.environ)
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
