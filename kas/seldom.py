"""Lines for the operator about what is called often: the first of its kind, and then how many there were.

A bulk of 500 keys fails 500 times for one reason. The reason is worth a line, and the log must not be filled by whoever
repeats his request.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from kas.dataclass import dataclass

QUIET_SECONDS: Final = 5.0


@dataclass(slots=True)
class _Told:
    until: float
    left_out: int = 0


class Seldom:
    """Of lines of the same version or peer, event and status or state one in `QUIET_SECONDS`, with the number of those left out
    before it.

    There are as many kinds as versions and peers that are configured, times a few; what has neither is one. ``timer``
    gives seconds from an arbitrary start. Safe to use from many threads.
    """

    def __init__(self, warn: Callable[[Mapping[str, Any]], None], timer: Callable[[], float]) -> None:
        self._warn = warn
        self._timer = timer
        self._lock = threading.Lock()
        self._told: dict[tuple[str, str, str], _Told] = {}

    def tell(self, line: Mapping[str, Any]) -> None:
        """Tells the line, or counts it."""
        about = line.get("version") or line.get("peer", "")
        what = line.get("status") or line.get("state", "")
        kind, now = (about, line["event"], what), self._timer()
        with self._lock:
            told = self._told.get(kind)
            if told is not None and now < told.until:
                told.left_out += 1
                return
            self._told[kind] = _Told(now + QUIET_SECONDS)
        self._warn(line if told is None or not told.left_out else {**line, "leftOut": told.left_out})
