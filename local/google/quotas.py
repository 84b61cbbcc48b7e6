"""Calls per minute and project by kind, as Google counts them; the rest of the minute is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final

from local.google.status import GoogleError

# Google's defaults. A setup may say other numbers.
DEFAULTS: Final[Mapping[str, int]] = {
    "cloudkms.read": 600,
    "cloudkms.write": 60,
    "cloudkms.crypto": 60_000,
    "secretmanager.read": 600,
    "secretmanager.write": 600,
    "secretmanager.access": 90_000,
}
_MINUTE: Final = 60.0


class Quotas:
    """``clock`` gives seconds; a window begins with the first call in it."""

    def __init__(self, limits: Mapping[str, int], clock: Callable[[], float]) -> None:
        self._limits = {**DEFAULTS, **limits}
        self._windows: dict[tuple[str, str], tuple[float, int]] = {}
        self._clock = clock
        self._lock = Lock()

    def limit(self, kind: str, per_minute: int) -> None:
        """Sets a limit and begins its windows anew."""
        with self._lock:
            self._limits[kind] = per_minute
            self._windows = {key: window for key, window in self._windows.items() if key[0] != kind}

    def spend(self, kind: str, project: str) -> None:
        """Takes one call. Raises GoogleError (RESOURCE_EXHAUSTED)."""
        now, key = self._clock(), (kind, project)
        with self._lock:
            start, count = self._windows.get(key, (now, 0))
            if now - start >= _MINUTE:
                start, count = now, 0
            if count >= self._limits[kind]:
                service = kind.partition(".")[0]
                message = f"Quota exceeded for quota metric '{kind}' and limit '{kind} per minute' of service "
                raise GoogleError(
                    "RESOURCE_EXHAUSTED", f"{message}'{service}.googleapis.com' for consumer '{project}'."
                )
            self._windows[key] = (start, count + 1)
