"""Places for bodies that are waited for: so many in all and so many for one holder, so that no one takes all threads."""

from __future__ import annotations

import threading
from collections import Counter


class Slots:
    """At most ``total`` places are held at once, and ``share`` of them by one holder. Safe to use from many threads.

    Nobody waits for a place, and only holders are remembered: memory is bounded by ``total``.
    """

    def __init__(self, total: int, share: int) -> None:
        self._total = total
        self._share = share
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    def take(self, holder: str) -> bool:
        """Whether ``holder`` got a place; whoever got one gives it back."""
        with self._lock:
            is_free = self._held.total() < self._total and self._held[holder] < self._share
            if is_free:
                self._held[holder] += 1
            return is_free

    def give_back(self, holder: str) -> None:
        """Frees a place that ``holder`` took."""
        with self._lock:
            self._held[holder] -= 1
            if not self._held[holder]:
                del self._held[holder]
