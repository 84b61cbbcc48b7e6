"""How signals end what starts processes: everything is stopped first, and nothing that was just started is left behind."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Final

_ENDING: Final = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def terminating() -> Iterator[None]:
    """Makes SIGTERM raise KeyboardInterrupt, as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Puts off what is to end us, until what has just been started is in the hands of whoever stops it."""
    if threading.current_thread() is not threading.main_thread():  # signals do not reach any other
        yield
        return
    arrived: list[int] = []
    handlers = [(number, signal.signal(number, lambda number, _: arrived.append(number))) for number in _ENDING]
    try:
        yield
    finally:
        for number, handler in handlers:
            signal.signal(number, handler)
        for one in arrived:
            signal.raise_signal(one)
