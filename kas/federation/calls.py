"""Calls to several peers side by side.

Threads are made by the first calls, in the worker and so never before the host forks. No call waits for a thread: beyond
their number there is none. Whoever waits for a call waits as long as he says, whatever it does. At exit the interpreter
waits for calls that still work, as long as their own deadline lets them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from kas.errors import PeerUnavailable

Answer = TypeVar("Answer")


class Call(Generic[Answer]):
    """One call under way."""

    def __init__(self, future: Future[Answer]) -> None:
        self._future = future

    def result(self, timeout_seconds: float) -> Answer:
        """What the function returned, or raised. Raises PeerUnavailable when that does not come in time."""
        try:
            return self._future.result(max(0.0, timeout_seconds))
        except TimeoutError as error:
            raise PeerUnavailable("no answer in time") from error


class SideBySideCalls:
    """At most ``max_threads`` calls at once, over all requests. Safe to use from many threads."""

    def __init__(self, max_threads: int) -> None:
        self._room = threading.BoundedSemaphore(max_threads)
        self._threads = ThreadPoolExecutor(max_threads, "peer-call")

    def start(self, function: Callable[[], Answer]) -> Call[Answer]:
        """Runs ``function`` in another thread; it ends within its own deadline. Raises PeerUnavailable."""
        if not self._room.acquire(blocking=False):
            raise PeerUnavailable("too many calls under way")
        unwanted = threading.Event()
        try:
            future = self._threads.submit(self._run, function, unwanted)
        except RuntimeError as error:  # It may be queued all the same, and is unwanted when its turn comes.
            unwanted.set()
            raise PeerUnavailable("no thread for the call") from error
        return Call(future)

    def _run(self, function: Callable[[], Answer], unwanted: threading.Event) -> Answer:
        try:
            if unwanted.is_set():
                raise PeerUnavailable("no thread for the call")
            return function()
        finally:
            self._room.release()
