"""A circuit breaker: after failures in a row a peer is left alone for a while, then tried by one call.

It counts what happened, so that its state can be shown; whoever calls says how a call ended. It knows no peer.
"""

from __future__ import annotations

import threading
from typing import Final, Literal

from kas.dataclass import dataclass
from kas.errors import PeerUnavailable
from kas.net.deadline import Timer

FAILURES: Final = 5
OPEN_SECONDS: Final = 30.0

State = Literal["closed", "open", "half-open"]


@dataclass(frozen=True, slots=True)
class BreakerStatus:
    """``failures_in_a_row`` since the last success; the other counts since the breaker was made, ``refusals`` those of
    `Breaker.admit`. ``open_for_seconds`` is since it opened the last time, None while it is closed.
    """

    state: State
    failures_in_a_row: int
    successes: int
    failures: int
    refusals: int
    open_for_seconds: float | None


class Breaker:
    """Opens after so many ``failures`` in a row, for ``open_seconds`` of ``timer``. Safe to use from many threads.

    Then it is half-open: one call is admitted, which closes it or opens it anew. A trial of which nobody says how it ended
    counts for as long, then there is another.
    """

    def __init__(self, timer: Timer, *, failures: int = FAILURES, open_seconds: float = OPEN_SECONDS) -> None:
        self._timer = timer
        self._failures_to_open = failures
        self._open_seconds = open_seconds
        self._lock = threading.Lock()
        self._opened_at: float | None = None
        self._trial_at: float | None = None
        self._in_a_row = 0
        self._successes = 0
        self._failures = 0
        self._refusals = 0

    def admit(self) -> None:
        """Before a call, which `succeeded` or `failed` then ends. Raises PeerUnavailable, which says when to come again."""
        with self._lock:
            wait = self._seconds_to_wait()
            if wait > 0:
                self._refusals += 1
                refusal = PeerUnavailable("left alone after failures in a row")
                refusal.retry_after = wait
                raise refusal
            if self._opened_at is not None:
                self._trial_at = self._timer()

    def withdraw(self) -> None:
        """The call that was admitted is not made: another may be the trial."""
        with self._lock:
            self._trial_at = None

    def succeeded(self) -> bool:
        """The peer answered as agreed; refusing is an answer too. Closes the breaker, whoever was admitted when.

        Whether it was open.
        """
        with self._lock:
            was_open = self._opened_at is not None
            self._successes += 1
            self._in_a_row = 0
            self._opened_at = self._trial_at = None
            return was_open

    def failed(self) -> bool:
        """The peer did not answer, not in time, or not as agreed.

        One that was admitted before the breaker opened does not keep it open for longer. Whether this opens it, or opens it
        anew.
        """
        with self._lock:
            self._failures += 1
            self._in_a_row += 1
            is_due = self._opened_at is None or self._trial_at is not None
            opens = is_due and self._in_a_row >= self._failures_to_open
            if opens:
                self._opened_at, self._trial_at = self._timer(), None
            return opens

    def status(self) -> BreakerStatus:
        with self._lock:
            opened_at = self._opened_at
            since = None if opened_at is None else self._timer() - opened_at
            state: State = "closed" if since is None else "open" if since < self._open_seconds else "half-open"
            return BreakerStatus(state, self._in_a_row, self._successes, self._failures, self._refusals, since)

    def _seconds_to_wait(self) -> float:
        """Until a call may be admitted; none or less where one may be now."""
        since = self._opened_at if self._trial_at is None else self._trial_at
        return 0.0 if since is None else since + self._open_seconds - self._timer()
