"""A few kept connections to one origin.

Nothing is opened before the first exchange, and `ConnectionPool.close` ends every connection: a pool may be made, used
and closed in the parent process and used again in a worker. A message is sent once; it is sent a second time only where
it may be repeated and a kept connection had ended before any byte of the answer came. Opening a connection sends nothing
of it, and may be tried more than once.
"""

from __future__ import annotations

import threading

from kas.net.connection import AllowAddress, Connection, Origin, Tls, Told, connect, made_once, nobody_told
from kas.net.deadline import Deadline, Slots, Timer
from kas.tls import client_context


class ConnectionPool:
    """Safe to use from many threads; ``max_connections`` exchanges at once, the others wait in their time.

    A connection that rested longer than ``max_idle_seconds`` is not used: it may be gone without a sign.
    """

    def __init__(
        self,
        origin: Origin,
        timer: Timer,
        *,
        tls: Tls = client_context,
        max_connections: int,
        max_answer_bytes: int,
        max_idle_seconds: float,
        allow_address: AllowAddress,
        attempts_to_open: int = 1,
    ) -> None:
        """``tls`` makes the context for https, when it is first needed."""
        self._origin = origin
        self._timer = timer
        self._tls = made_once(tls)
        self._slots = Slots(max_connections)
        self._max_answer_bytes = max_answer_bytes
        self._max_idle_seconds = max_idle_seconds
        self._allow_address = allow_address
        self._attempts_to_open = attempts_to_open
        self._lock = threading.Lock()
        self._idle: list[tuple[Connection, float]] = []  # the one used last is last
        self._closings = 0

    def exchange(
        self, verb: str, message: bytes, deadline: Deadline, *, is_repeatable: bool, sent: Told = nobody_told
    ) -> tuple[int, bytes]:
        """Status and body of the answer; ``verb`` is that of the ``message``. ``sent`` is told each time that it has left.

        Raises TimeoutError and other OSError, http.client.HTTPException and BadAnswer.
        """
        with self._slots.one(deadline):
            kept, closings = self._take()
            if kept is not None:
                try:
                    return self._exchange_on(kept, closings, verb, message, deadline, sent)
                except TimeoutError:
                    raise  # slow, not ended
                except OSError:  # of which http.client's RemoteDisconnected is one
                    self._drop_idle()  # what ended this one has likely ended those beside it
                    if not is_repeatable or kept.has_answer_begun:
                        raise
            return self._exchange_on(self._open(deadline), closings, verb, message, deadline, sent)

    def close(self) -> None:
        """Ends every connection, those in use after their answer. The next exchange opens a new one."""
        self._drop_idle(closings=1)

    def _drop_idle(self, closings: int = 0) -> None:
        with self._lock:
            self._closings += closings
            idle, self._idle = self._idle, []
        for connection, _ in idle:
            connection.close()

    def _open(self, deadline: Deadline) -> Connection:
        for _ in range(1, self._attempts_to_open):
            try:
                return self._connect(deadline)
            except TimeoutError:
                raise
            except OSError:
                continue
        return self._connect(deadline)

    def _connect(self, deadline: Deadline) -> Connection:
        return connect(self._origin, self._tls, deadline, self._max_answer_bytes, self._allow_address)

    def _exchange_on(
        self, connection: Connection, closings: int, verb: str, message: bytes, deadline: Deadline, sent: Told
    ) -> tuple[int, bytes]:
        try:
            return connection.exchange(verb, message, deadline, sent)
        finally:
            self._put_back(connection, closings)

    def _take(self) -> tuple[Connection | None, int]:
        """A connection that is as it was left; others are closed. And how often all were closed until now."""
        while True:
            with self._lock:
                if not self._idle:
                    return None, self._closings
                (connection, since), closings = self._idle.pop(), self._closings
            if self._timer() - since <= self._max_idle_seconds and connection.is_quiet():
                return connection, closings
            connection.close()

    def _put_back(self, connection: Connection, closings: int) -> None:
        with self._lock:
            is_kept = connection.is_reusable and closings == self._closings
            if is_kept:
                self._idle.append((connection, self._timer()))
        if not is_kept:
            connection.close()
