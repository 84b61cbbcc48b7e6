"""Who calls: bearer tokens, fixed by the setup or given out for a while as the metadata server does."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final

from local.google.status import GoogleError

_MISSING: Final = (
    "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other "
    "valid authentication credential."
)
_INVALID: Final = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential."
)


class Accounts:
    """Members (``serviceAccount:…``, ``user:…``) by token. ``clock`` gives seconds."""

    def __init__(self, fixed: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._fixed = dict(fixed)
        self._given: dict[str, tuple[str, float]] = {}
        self._clock = clock
        self._lock = Lock()

    def give(self, member: str, lifetime_seconds: float) -> str:
        """A new token for ``member``; those that ran out are forgotten."""
        token, now = f"ya29.local-{secrets.token_urlsafe(48)}", self._clock()
        with self._lock:
            self._given = {held: entry for held, entry in self._given.items() if entry[1] > now}
            self._given[token] = (member, now + lifetime_seconds)
        return token

    def member_of(self, authorization: str | None) -> str:
        """The member of an Authorization header. Raises GoogleError (UNAUTHENTICATED)."""
        if not authorization:
            raise GoogleError("UNAUTHENTICATED", _MISSING)
        scheme, _, token = authorization.partition(" ")
        member = self._find(token) if scheme.lower() == "bearer" else None
        if member is None:
            raise GoogleError("UNAUTHENTICATED", _INVALID)
        return member

    def _find(self, token: str) -> str | None:
        with self._lock:
            member, end = self._given.get(token, (None, 0.0))
        return member if member is not None and self._clock() < end else self._fixed.get(token)
