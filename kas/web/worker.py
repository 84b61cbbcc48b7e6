"""The host's worker, as this service needs it.

functions-framework lets nobody choose the worker, set its bounds or hear of its start and end. It leaves all that to
gunicorn's defaults, and those are what is replaced here, before the host reads them.
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
_NEXT_MILLISECONDS: Final = 2


class BoundedWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """The worker that is tested, with a bounded request line and without faith in forwarding headers; it does not wait for
    clients to close, nor for its own lock.
    """

    def init_process(self) -> None:
        """Bounds the request line, which takes a thread and, growing, the square of its length in time; and has the host
        believe no header about where a request comes from, which `kas.web.network` judges, or goes.
        """
        self.cfg.set("limit_request_line", REQUEST_LINE_BYTES)
        self.cfg.set("forwarder_headers", "")
        self.cfg.set("secure_scheme_headers", {})
        self.cfg.set("forwarded_allow_ips", "*")  # with none to believe it need not parse each sender's
        # address; HTTP/2, which this would admit from anybody as well, is not among its protocols
        super().init_process()

    def notify(self) -> None:
        """Tells the host that it lives, where the host would end it otherwise: not by default, and it costs a system call
        or two for each request.
        """
        if self.timeout:
            super().notify()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """Ends as soon as its threads have, on Ctrl-C for one.

        The host's own handler takes the lock of the pool, which the thread that it interrupts may hold: it would wait for
        itself for ever. The end of the process tells the pool's threads as well.
        """
        Worker.handle_quit(self, sig, frame)

    def handle(self, conn: Any) -> Any:
        """Requests of one connection that follow each other closely. Of one that ends, the other end is not waited for.

        Between two of them the host would hand the connection to the thread that takes them all, and that to a thread
        again, a fifth of what a request takes of the host. To close it, that thread reads until the other end has closed,
        for 2 s each.
        """
        goes_on = super().handle(conn)
        while goes_on is True and self._is_next_near(conn):  # else it ends, or has not begun
            goes_on = super().handle(conn)
        if not goes_on:
            stop_reading(conn.sock)
        return goes_on

    def _is_next_near(self, conn: Any) -> bool:
        """Whether the next request begins at once, where no other connection waits for this thread."""
        if not self.alive or not self.tpool._work_queue.empty():  # noqa: SLF001 - the pool tells nobody how many wait
            return False
        if conn.parser.unreader.buf.getbuffer().nbytes:  # came with the request before
            return True
        next_request = select.poll()
        next_request.register(conn.sock, select.POLLIN)
        return bool(next_request.poll(_NEXT_MILLISECONDS))


def choose_bounded_worker(started: Callable[[int, int], None] | None, ended: Callable[[], None]) -> None:
    """Makes it the worker of whatever host this process starts. Each tells ``started``, before it takes a connection, the
    how many-th of its parent it is, and the parent.

    ``ended`` is called in its main thread, when it has ended in order: no signal handler of the host's is on the stack then,
    and none of the locks that requests take is held there.
    """
    gunicorn.config.WorkerClass.default = BoundedWorker
    if started is not None:

        def tell(worker: Worker) -> None:
            started(worker.age, worker.ppid)

        gunicorn.config.PostWorkerInit.default = staticmethod(tell)

    def worker_exit(_arbiter: Any, _worker: Any) -> None:
        ended()

    gunicorn.config.WorkerExit.default = staticmethod(worker_exit)
