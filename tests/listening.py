"""A listener on loopback whose connections a test plays byte by byte, and which leaves no thread and no socket behind."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

HOST = "127.0.0.1"


class Listening(Protocol):
    """``accepted`` counts connections, ``released`` is set at the end, so that who waits in a connection goes on."""

    accepted: int
    released: threading.Event


S = TypeVar("S", bound=Listening)


@contextlib.contextmanager
def listening(make: Callable[[int], S], talk: Callable[[socket.socket, S, int], None], port: int = 0) -> Iterator[S]:
    """Gives each connection with its number, from 1 on, to ``talk``; ``make`` gives what stands for the listener, of its
    port.
    """
    with socket.create_server((HOST, port)) as listener, contextlib.ExitStack() as opened:
        server = make(listener.getsockname()[1])

        def serve(connection: socket.socket, number: int) -> None:
            with connection, contextlib.suppress(OSError):
                talk(connection, server, number)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    server.accepted += 1
                    opened.callback(shut, connection)
                    threads.append(threading.Thread(target=serve, args=(connection, server.accepted), daemon=True))
                    threads[-1].start()

        threads = [threading.Thread(target=accept, daemon=True)]
        threads[0].start()
        try:
            yield server
        finally:
            server.released.set()
            shut(listener)
            opened.close()
            for thread in threads:
                thread.join(20)


def shut(connection: socket.socket) -> None:
    """Whoever waits in it goes on."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
