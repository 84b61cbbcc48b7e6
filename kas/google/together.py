"""Several calls at once in threads that end with them: for the start, where nothing may live on into the worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

MAX_THREADS: Final = 8

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def together(call: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
    """The answers in the order of ``items``, when all calls have ended. Raises what the first that failed raised."""
    if len(items) == 1:
        return [call(items[0])]  # a thread would only cost
    with ThreadPoolExecutor(min(MAX_THREADS, max(1, len(items)))) as threads:
        return [running.result() for running in [threads.submit(call, item) for item in items]]
