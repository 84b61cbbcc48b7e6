"""Lines to a file descriptor, for which nobody waits for ever: past ``sys.stdout`` and ``sys.stderr``, which the host may
replace per request.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable
from typing import Final

MAX_LINE_BYTES: Final = 4000  # no longer than a pipe with room takes whole

Write = Callable[[bytes], int]


def descriptor_writer(descriptor: int, *, wait_seconds: float = 1.0) -> Write:
    """Writes lines, of at most ``MAX_LINE_BYTES``, each in one piece, and returns how many bytes were taken.

    A reader who has stopped reading is an OSError after twice ``wait_seconds`` at most, not a thread that waits for ever.
    """
    lock = threading.Lock()  # between asking for room and taking it

    def write(line: bytes) -> int:
        if not lock.acquire(timeout=wait_seconds):
            raise TimeoutError("others wait for room already")
        try:
            waiting = select.poll()
            waiting.register(descriptor, select.POLLOUT)
            if not waiting.poll(1000 * wait_seconds):
                raise TimeoutError("nobody reads the lines")
            return os.write(descriptor, line)
        finally:
            lock.release()

    return write
