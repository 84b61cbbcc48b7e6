"""Rate limits whose windows several instances share, and each instance's own while they cannot be asked: a limit that fails
closed would let whoever stops the store stop the service.

The own window begins empty: while the store is away, each instance admits the quota by itself. A window that is busy is
another matter: whoever is counted there keeps it so, and would have the quotas of all instances besides. He is refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from typing import Final

from kas.ratelimit import Quota, SlidingWindow
from kas.state.guard import StoreGuard
from kas.state.shared import LimitWindow, StoreBusy, StoreFailure, WindowStore

_BUSY_SECONDS: Final = 1.0


class SharedWindow:
    """A `kas.ratelimit.Window` that counts as ``own`` does, in the store. Safe to use from many threads."""

    def __init__(self, store: WindowStore, guard: StoreGuard, own: SlidingWindow) -> None:
        self._store = store
        self._guard = guard
        self._own = own
        self._window = LimitWindow(own.limit.name, own.limit.quota, own.limit.window_seconds, own.capacity)

    def admit(self, key: str, note: Callable[[Quota], None]) -> Quota:
        """Takes a place for ``key``. ``note`` is told what is left, whether one was free or not.

        Raises what the own window's refusal makes when none is.
        """
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()  # as long for any key
        try:
            taken = self._guard.ask("limits", partial(self._store.take, self._window, digest))
        except StoreBusy:
            note(Quota(self._own.limit, 0, _BUSY_SECONDS))
            raise self._own.refusal(_BUSY_SECONDS) from None
        except StoreFailure:
            return self._own.admit(key, note)
        quota = Quota(self._own.limit, max(0, taken.free - 1), taken.reset_seconds)
        note(quota)
        if not taken.free:
            raise self._own.refusal(quota.reset_seconds)
        return quota
