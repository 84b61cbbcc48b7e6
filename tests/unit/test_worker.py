"""The host's worker, where the host's own would wait for ever, or hand over what is quicker kept."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from signal import SIGINT, SIGQUIT
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import _DEFER, TConn, ThreadWorker

from kas.web import worker as module
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


REQUEST = b"GET / HTTP/1.1\r\nHost: kas\r\n\r\n"
WAIT_SECONDS = 10


class Served:
    """A connection to a worker, which has one thread for it; ``client`` is the other end. Before each answer it calls
    ``meanwhile``.
    """

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        cfg = Config()
        cfg.set("threads", 1)
        self.answered = 0
        self.meanwhile = meanwhile
        self.worker = BoundedWorker(1, os.getppid(), [], None, 0, cfg, Logger(cfg))
        self.worker.wsgi = self._answer
        self.worker.tpool = self.worker.get_thread_pool()
        self.client, ours = socket.socketpair()
        self.client.settimeout(WAIT_SECONDS)
        self.conn = TConn(cfg, ours, ("127.0.0.1", 1), ("127.0.0.1", 2))

    def _answer(self, _environ: Any, start_response: Any) -> list[bytes]:
        self.answered += 1
        self.meanwhile()
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    def ask(self) -> None:
        self.client.sendall(REQUEST)

    def read(self) -> None:
        """The whole answer, which comes in pieces."""
        came = b""
        while not came.endswith(b"\r\n\r\nok"):
            piece = self.client.recv(2**16)
            assert piece, "the connection ended"
            came += piece

    def ask_again(self) -> None:
        """Sends the next request before this one is answered, up to the third."""
        if self.answered < 3:
            self.ask()


@contextlib.contextmanager
def served(meanwhile: Callable[[Served], object] = lambda _served: None) -> Iterator[Served]:
    it = Served(lambda: meanwhile(it))
    try:
        yield it
    finally:
        it.worker.tpool.shutdown(wait=False, cancel_futures=True)
        it.worker.tmp.close()
        it.client.close()
        it.conn.close()


def test_requests_that_follow_each_other_are_answered_without_handing_the_connection_over():
    with served(Served.ask_again) as it:
        it.ask()
        assert it.worker.handle(it.conn) is True
        assert it.answered == 3


def test_a_connection_on_which_nothing_follows_goes_back_to_whoever_waits_for_it():
    with served() as it:
        it.ask()
        assert it.worker.handle(it.conn) is True
        assert it.answered == 1


def test_a_connection_that_ends_between_two_requests_is_done():
    with served(lambda it: it.client.shutdown(socket.SHUT_WR)) as it:
        it.ask()
        assert it.worker.handle(it.conn) is False
        assert it.answered == 1


def test_requests_that_came_together_are_answered_one_after_the_other():
    with served() as it:
        it.client.sendall(3 * REQUEST)
        assert it.worker.handle(it.conn) is True
        assert it.answered == 3


def test_a_connection_on_which_nothing_came_yet_goes_back_to_whoever_waits_for_it(monkeypatch):
    monkeypatch.setattr("gunicorn.workers.gthread.DEFAULT_WORKER_DATA_TIMEOUT", 0.01)
    with served() as it:
        assert it.worker.handle(it.conn) is _DEFER
        assert it.answered == 0


def test_a_request_that_is_sent_when_the_answer_has_come_is_waited_for(monkeypatch):
    monkeypatch.setattr(module, "NEXT_MILLISECONDS", 1000 * WAIT_SECONDS)

    def go_on(it: Served) -> None:
        for _ in range(2):
            it.read()
            it.ask()
        it.read()
        it.client.shutdown(socket.SHUT_WR)

    with served() as it:
        it.ask()
        client = threading.Thread(target=go_on, args=(it,))
        client.start()
        it.worker.handle(it.conn)
        client.join(WAIT_SECONDS)
        assert it.answered == 3


def test_nobody_waits_for_the_next_request_as_long_as_anybody_would_notice():
    assert module.NEXT_MILLISECONDS <= 5


def test_a_connection_that_comes_while_the_next_request_is_waited_for_gets_the_thread(monkeypatch):
    monkeypatch.setattr(module, "NEXT_MILLISECONDS", 1000 * WAIT_SECONDS)
    with served() as it:
        free = threading.Event()

        def come() -> None:
            it.worker.tpool.submit(free.wait, WAIT_SECONDS)  # has the thread of the pool
            it.worker.tpool.submit(int)
            it.ask()

        it.ask()
        other = threading.Timer(0.2, come)
        other.start()
        assert it.worker.handle(it.conn) is True
        free.set()
        assert it.answered == 1


def test_another_connection_that_waits_for_the_thread_gets_it():
    with served(Served.ask_again) as it:
        free, waiting = threading.Event(), threading.Event()
        it.worker.tpool.submit(free.wait, WAIT_SECONDS)  # has the thread of the pool
        it.worker.tpool.submit(waiting.set)
        it.ask()
        assert it.worker.handle(it.conn) is True
        assert it.answered == 1
        free.set()
        assert waiting.wait(WAIT_SECONDS)
        assert it.worker.handle(it.conn) is True
        assert it.answered == 3


def test_a_worker_that_stops_takes_up_no_further_request():
    """How long a connection stays then is the host's to say."""

    def stop(it: Served) -> None:
        it.ask_again()
        it.worker.alive = False

    with served(stop) as it:
        it.ask()
        assert it.worker.handle(it.conn) is True
        assert it.answered == 1


def test_who_is_told_to_quit_twice_quits_once():
    """What is told last must not be cut by the second, wherever that comes."""
    with served() as it:
        with pytest.raises(SystemExit):
            it.worker.handle_quit(SIGINT, None)
        assert it.worker.handle_quit(SIGQUIT, None) is None


def test_who_has_ended_by_itself_is_not_told_to_quit(monkeypatch):
    monkeypatch.setattr(ThreadWorker, "run", lambda _worker: None)
    with served() as it:
        it.worker.run()
        assert it.worker.handle_quit(SIGINT, None) is None
