"""The functions framework, whose worker begins with everything that it may remember: what `peak` measures.

When a worker has been forked, each replay store, each window of a limit and the cache of data keys in it is filled to its
bound, but for a little room to work in, with entries that nobody asks for and that do not expire. Each line on standard
error is ``filled``, how many of what.
"""

from __future__ import annotations

import gc
import os
import secrets
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # without importing what it comes from
    from kas.cache import TtlCache
    from kas.datakey import DataKey
    from kas.ratelimit import SlidingWindow
    from kas.state.own_replay import MemoryReplayStore

_ROOM = 5_000
_NEVER = 1e9
_KEY_BYTES = 32


def fill() -> None:
    from kas.cache import TtlCache
    from kas.datakey import DataKey
    from kas.ratelimit import SlidingWindow
    from kas.state.own_replay import MemoryReplayStore

    for found in gc.get_objects():
        if isinstance(found, MemoryReplayStore):
            fill_store(found)
        elif isinstance(found, SlidingWindow) and found.capacity > 2 * _ROOM:
            fill_window(found)
        elif isinstance(found, TtlCache) and found._copy is DataKey.copy:  # noqa: SLF001 - its keys are told by it
            fill_cache(found)


# What follows reaches inside: nothing else makes entries that stay.


def fill_store(store: MemoryReplayStore) -> None:
    """Each claim of another key and another caller."""
    lifetime, store._ttl_seconds = store._ttl_seconds, _NEVER  # noqa: SLF001
    for _ in range(number := store._capacity - _ROOM):  # noqa: SLF001
        store.claim(jkt=secrets.token_urlsafe(32), jti=secrets.token_urlsafe(16), caller=secrets.token_hex(32))
    store._ttl_seconds = lifetime  # noqa: SLF001
    tell(number, "claims")


def fill_window(window: SlidingWindow) -> None:
    """Each request of another caller."""
    for _ in range(number := window.capacity - _ROOM):
        window.admit(secrets.token_hex(16))
    for hit in window._hits:  # noqa: SLF001
        hit.until += _NEVER
    tell(number, "requests")


def fill_cache(cache: TtlCache[DataKey]) -> None:
    from kas.datakey import DataKey

    cache._ttl_seconds = _NEVER  # noqa: SLF001
    for _ in range(number := cache._capacity):  # noqa: SLF001
        cache.put(secrets.token_bytes(_KEY_BYTES), DataKey(secrets.token_bytes(_KEY_BYTES)))
    tell(number, "keys")


def tell(number: int, what: str) -> None:
    os.write(2, f"filled {number} {what}\n".encode("ascii"))


os.register_at_fork(after_in_child=fill)

from functions_framework._cli import _cli  # noqa: E402 - the command of the framework, which never returns

sys.exit(_cli())
