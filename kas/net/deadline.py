"""What shares one deadline, and what waits for its turn within it."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from kas.dataclass import dataclass

Timer = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Deadline:
    """``end`` is in seconds of ``timer``."""

    timer: Timer
    end: float

    @classmethod
    def after(cls, seconds: float, timer: Timer) -> Deadline:
        return cls(timer, timer() + seconds)

    def left(self) -> float:
        """Seconds, more than none. Raises TimeoutError."""
        seconds = self.end - self.timer()
        if seconds <= 0:
            raise TimeoutError
        return seconds


class Slots:
    """``number`` at once; the others wait in their time."""

    def __init__(self, number: int) -> None:
        self._free = threading.BoundedSemaphore(number)

    @contextlib.contextmanager
    def one(self, deadline: Deadline) -> Iterator[None]:
        """Raises TimeoutError where none comes free in time."""
        if not self._free.acquire(timeout=deadline.left()):
            raise TimeoutError
        try:
            yield
        finally:
            self._free.release()
