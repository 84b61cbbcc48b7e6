"""Access tokens of the service's own account: one fetch for all who wait, renewed before they run out.

On Google's machines, and wherever ``GCE_METADATA_HOST`` names one, the metadata server gives them, asked in plain HTTP as
it is meant to be: importing Google's library for this takes as long as the rest of a cold start. Elsewhere the library
finds what the developer has.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import http.client
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Final

from kas.dataclass import dataclass
from kas.google.failures import failures_as_google_errors
from kas.google.status import MAX_ANSWER_BYTES, GoogleError, answer_of
from kas.net.connection import Origin, any_address, connect
from kas.net.deadline import Deadline, Timer
from kas.setting import host_and_port
from kas.tls import client_context

SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform"
# The metadata server hands out the same token until 300 s before its end, so asking earlier brings nothing.
_RENEWAL_SECONDS: Final = 225.0
# A token is not used so shortly before its end: it has to last until the call arrives.
_SAFETY_SECONDS: Final = 10.0
# While a token is still good, its renewal may take so long, and is tried again after so long.
_RENEWAL_TIMEOUT_SECONDS: Final = 1.0
_RENEWAL_PAUSE_SECONDS: Final = 10.0
_UNKNOWN_LIFETIME_SECONDS: Final = 300.0
_MAX_LIFETIME_SECONDS: Final = 86_400
_TOKEN: Final = re.compile(r"[!-~]{1,8192}")
_HTTP_PORT: Final = 80
_METADATA_HOST: Final = "metadata.google.internal"
_METADATA_PATH: Final = "/computeMetadata/v1/instance/service-accounts/default/token"


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token, and for how many seconds it is good."""

    value: str = field(repr=False)
    lifetime_seconds: float


# Takes seconds within which it must end; raises GoogleError.
Fetch = Callable[[float], Token]


@dataclass(frozen=True, slots=True)
class _Held:
    value: str = field(repr=False)
    renewal: float
    end: float


class TokenSource:
    """Hands out the current token. Safe to use from many threads; opens nothing between fetches."""

    def __init__(self, fetch: Fetch, timer: Timer) -> None:
        self._fetch = fetch
        self._timer = timer
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._failure: GoogleError | None = None
        self._pause_end = 0.0

    def token(self, timeout_seconds: float) -> str:
        """A token that is good for some seconds yet. Raises GoogleError; who waited for a fetch shares its failure."""
        held, now = self._held, self._timer()
        if held is None or now >= held.end:
            return self._fetched(Deadline(self._timer, now + timeout_seconds))
        if now >= held.renewal:
            self._renew(timeout_seconds)
        return (self._held or held).value

    def forget(self, value: str) -> None:
        """The token was refused: the next caller gets another."""
        held = self._held
        if held is not None and held.value == value:
            self._held = None

    def _fetched(self, deadline: Deadline) -> str:
        seen = self._failure
        with failures_as_google_errors("access token"):
            if not self._lock.acquire(timeout=deadline.left()):
                raise TimeoutError
            try:
                held, failure = self._held, self._failure
                if held is not None and self._timer() < held.end:
                    return held.value
                if failure is not None and failure is not seen:
                    raise GoogleError(failure.status, failure.detail)
                return self._fetch_and_hold(deadline.left())
            finally:
                self._lock.release()

    def _renew(self, timeout_seconds: float) -> None:
        """One caller tries, for a short while; the others go on with what is still good, and so does he."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._timer() >= self._pause_end:
                self._pause_end = self._timer() + _RENEWAL_PAUSE_SECONDS
                with contextlib.suppress(GoogleError):
                    self._fetch_and_hold(min(timeout_seconds, _RENEWAL_TIMEOUT_SECONDS))
        finally:
            self._lock.release()

    def _fetch_and_hold(self, timeout_seconds: float) -> str:
        start = self._timer()
        try:
            token = self._fetch(timeout_seconds)
        except GoogleError as error:
            if error.status != "DEADLINE_EXCEEDED":  # that is one caller's own
                self._failure = error
            raise
        life = token.lifetime_seconds
        self._held = _Held(token.value, start + life - min(_RENEWAL_SECONDS, life / 2), start + life - _SAFETY_SECONDS)
        return token.value


def find_tokens(environ: Mapping[str, str], *, clock: Timer, timer: Timer) -> TokenSource:
    """The source that fits this machine; ``clock`` gives seconds since 1970. Raises ValueError for a bad host."""
    host = metadata_host(environ)
    fetch = functools.partial(fetch_by_library, clock) if host is None else metadata_fetch(host, timer)
    return TokenSource(fetch, timer)


def metadata_host(environ: Mapping[str, str]) -> str | None:
    """The metadata server of this machine, if it has one."""
    return environ.get("GCE_METADATA_HOST") or (_METADATA_HOST if "K_SERVICE" in environ else None)


def metadata_fetch(host: str, timer: Timer) -> Fetch:
    """Asks the metadata server at ``host`` (a name and perhaps a port), on a connection of its own for each token.

    Raises ValueError.
    """
    name, port = host_and_port(host)
    origin = Origin(is_tls=False, host=name, port=port or _HTTP_PORT, authority=host)
    message = f"GET {_METADATA_PATH} HTTP/1.1\r\nHost: {host}\r\nMetadata-Flavor: Google\r\nConnection: close\r\n\r\n"

    def fetch(timeout_seconds: float) -> Token:
        deadline = Deadline.after(timeout_seconds, timer)
        with (
            failures_as_google_errors("access token"),
            contextlib.closing(connect(origin, client_context, deadline, MAX_ANSWER_BYTES, any_address)) as connection,
        ):
            status, body = connection.exchange("GET", message.encode("ascii"), deadline)
        return _read_token(status, body)

    return fetch


def _read_token(status: int, body: bytes) -> Token:
    if status != http.client.OK:
        # It is busy or down; or there is no account here, which waiting does not mend.
        is_passing = status == http.client.TOO_MANY_REQUESTS or status >= http.client.INTERNAL_SERVER_ERROR
        raise GoogleError("UNAVAILABLE" if is_passing else "UNAUTHENTICATED", f"access token: HTTP {status}")
    match answer_of(status, body, ()):
        case {"access_token": str(value), "expires_in": int(seconds)}:
            return _checked(value, seconds)
    raise GoogleError("UNKNOWN", "access token: the answer has none")


def _checked(value: str, seconds: float) -> Token:
    if not _TOKEN.fullmatch(value) or not 0 < seconds <= _MAX_LIFETIME_SECONDS:
        raise GoogleError("UNKNOWN", "access token: the answer has none")
    return Token(value, seconds)


def fetch_by_library(clock: Timer, timeout_seconds: float) -> Token:
    """By application default credentials: those of ``gcloud``, a key file, federation."""
    import google.auth.transport.requests
    import requests

    with requests.Session() as session:
        request = functools.partial(google.auth.transport.requests.Request(session), timeout=timeout_seconds)
        try:
            credentials, _ = google.auth.default(scopes=[SCOPE])
            credentials.refresh(request)  # type: ignore[no-untyped-call]
        except google.auth.exceptions.GoogleAuthError as error:
            is_passing = error.retryable or isinstance(error, google.auth.exceptions.TransportError)
            status = "UNAVAILABLE" if is_passing else "UNAUTHENTICATED"
            raise GoogleError(status, f"access token: {type(error).__name__}") from error
    expiry: dt.datetime | None = credentials.expiry  # in UTC, without saying so
    lifetime = _UNKNOWN_LIFETIME_SECONDS if expiry is None else expiry.replace(tzinfo=dt.UTC).timestamp() - clock()
    return _checked(str(credentials.token), lifetime)
