"""The stores that the tests share: `local.redis_server` and `local.firestore_emulator`, with certificates of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from local.redis_server import Redis, running_redis
from tests.interop.tls_front import make_certificates


@contextlib.contextmanager
def redis(folder: Path, *options: str) -> Iterator[Redis]:
    """Ended with the block, whatever state it is in; ``options`` as on its command line."""
    authority, certificate = make_certificates(folder)
    with running_redis(folder, authority, certificate, *options) as server:
        yield server
