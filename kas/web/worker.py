"""The host's worker, as this service needs it.

functions-framework lets nobody choose the worker, set its bounds or hear of its start and end. The worker and what it tells
of these are made gunicorn's defaults before the host reads them; the worker sets its bounds itself.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

import gunicorn.config
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import ThreadWorker

from kas.web.connection import stop_reading

REQUEST_LINE_BYTES: Final = 8190  # the most that gunicorn can bound
# Cloud Run kills 10 s after SIGTERM.
GRACE_SECONDS: Final = 7  # for requests; the host looks once a second whether they are over
KILL_SECONDS: Final = 9  # for the worker, its last words included
# For the next request on a connection: much longer than a client that has it ready needs, much shorter than anybody whom
# it makes wait would notice.
NEXT_MILLISECONDS: Final = 2


class BoundedWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """The worker that is tested, with bounds and without faith in forwarding headers. It keeps a connection in its thread
    while requests follow each other; it does not wait for clients to close, nor for its own lock.
    """

    is_ending = False

    def init_process(self) -> None:
        """Bounds the request line, which takes a thread and, growing, the square of its length in time, and the end, which
        a request that never comes whole would put off; and has the host believe no header about where a request comes
        from, which `kas.web.network` judges, or goes.
        """
        self.cfg.set("limit_request_line", REQUEST_LINE_BYTES)
        self.cfg.set("graceful_timeout", GRACE_SECONDS)
        self.cfg.set("forwarder_headers", "")
        self.cfg.set("secure_scheme_headers", {})
        # Spares parsing each sender's address. The two lines above leave nothing to believe him; HTTP/2, which this would
        # admit from anybody as well, is not among the host's protocols.
        self.cfg.set("forwarded_allow_ips", "*")
        super().init_process()

    def notify(self) -> None:
        """Tells the parent that it lives, where that would end it otherwise: by default it does not, and it is a system
        call or two at each turn of the main loop.
        """
        if self.timeout:
            super().notify()

    def run(self) -> None:
        """Until it ends; whoever tells it to quit from then on only disturbs what is told last."""
        try:
            super().run()
        finally:
            self.is_ending = True

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Ends as soon as its threads have, on Ctrl-C for one: of that it hears twice, itself and by its parent.

        The host's own handler takes the lock of the pool, which the thread that it interrupts may hold: it would wait for
        itself for ever. At the exit of the process Python itself ends the pool and waits for its threads.
        """
        if not self.is_ending:
            self.is_ending = True
            Worker.handle_quit(self, sig, frame)

    def handle(self, conn: Any) -> Any:
        """Answers the requests of a connection as long as they follow each other closely. Where the connection ends, nothing
        more is read of it.

        Between two requests the host would hand the connection to its main thread, and that to a thread again. To close
        it, the main thread would read until the other end has closed, for up to 2 s.
        """
        goes_on = super().handle(conn)
        while goes_on is True and self._is_next_near(conn):  # not the host's mark for "nothing has come yet"
            goes_on = super().handle(conn)
        if not goes_on:
            stop_reading(conn.sock)
        return goes_on

    def _is_next_near(self, conn: Any) -> bool:
        """Whether the next request begins within ``NEXT_MILLISECONDS``, and no other connection waits for a thread."""
        if not self.alive or self._is_another_waiting():
            return False
        if conn.parser.unreader.buf.getbuffer().nbytes:  # came with the request before
            return True
        next_request = select.poll()
        next_request.register(conn.sock, select.POLLIN)
        return bool(next_request.poll(NEXT_MILLISECONDS)) and not self._is_another_waiting()

    def _is_another_waiting(self) -> bool:
        return not self.tpool._work_queue.empty()  # noqa: SLF001 - the pool tells nobody how many wait


def choose_bounded_worker(started: Callable[[int, int], None] | None, ended: Callable[[], None]) -> None:
    """Makes it the worker of whatever host this process starts. Each tells ``started``, before it takes a connection, its
    number among the workers of its parent, from 1, and the parent's process id.

    ``ended`` is called in its main thread when that has left the host's loop, in order or not: none of the locks that
    requests take is held by that thread, and no signal disturbs it. Other threads may still be answering.
    """
    gunicorn.config.WorkerClass.default = BoundedWorker
    gunicorn.config.GracefulTimeout.default = KILL_SECONDS  # the parent's; each worker has its own
    if started is not None:

        def tell(worker: Worker) -> None:
            started(worker.age, worker.ppid)

        gunicorn.config.PostWorkerInit.default = staticmethod(tell)

    def worker_exit(_arbiter: Any, _worker: Any) -> None:
        ended()

    gunicorn.config.WorkerExit.default = staticmethod(worker_exit)
