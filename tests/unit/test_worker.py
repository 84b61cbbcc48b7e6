"""The host's worker, where the host's own would wait for ever."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from signal import SIGQUIT
from types import SimpleNamespace

import pytest

from kas.web.worker import BoundedWorker


def test_a_worker_that_is_told_to_quit_while_it_hands_a_connection_over_ends() -> None:
    """The signal comes while its main thread holds the lock of the pool."""
    ended = []

    def quit_it() -> None:
        try:
            worker.handle_quit(SIGQUIT, None)
        except SystemExit as end:
            ended.append(end.code)

    worker = BoundedWorker.__new__(BoundedWorker)
    worker.cfg = SimpleNamespace(worker_int=lambda _worker: None)
    worker.tpool = ThreadPoolExecutor(1)
    with worker.tpool._shutdown_lock:
        interrupted = threading.Thread(target=quit_it, daemon=True)
        interrupted.start()
        interrupted.join(10)
    assert ended == [0]
    assert not worker.alive


@pytest.mark.parametrize(("timeout", "told"), [(0, []), (15.0, ["alive"])])
def test_a_worker_tells_that_it_lives_where_it_would_be_ended_otherwise(timeout, told):
    said = []
    worker = BoundedWorker.__new__(BoundedWorker)
    worker.timeout = timeout
    worker.tmp = SimpleNamespace(notify=lambda: said.append("alive"))
    worker.notify()
    assert said == told
