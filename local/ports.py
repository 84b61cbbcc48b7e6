"""Ports of this machine for services that are about to start, and when somebody listens there."""

from __future__ import annotations

import atexit
import contextlib
import socket
import subprocess
import time
from collections import deque
from typing import Any, Final

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_HELD: Final = 64
# The last ones given out, bound but not listening, so that the system gives them to nobody else before they are used.
_held: Final[deque[socket.socket]] = deque()


@atexit.register
def _let_go() -> None:
    while _held:
        _held.popleft().close()


def free_port() -> int:
    """A port that nothing listens on; whoever is to listen there has time to start."""
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do, which can then listen beside us
    probe.bind((HOST, 0))
    _held.append(probe)
    if len(_held) > _HELD:
        _held.popleft().close()
    return int(probe.getsockname()[1])


def free_ports(number: int) -> list[int]:
    """So many such ports, at most 64."""
    return [free_port() for _ in range(number)]


def wait_for_port(process: subprocess.Popen[Any], port: int, seconds: float = START_SECONDS) -> None:
    """Until the process listens there. Raises RuntimeError where it ends, or does not begin to within ``seconds``."""
    end = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"{process.args!r} does not start")
        time.sleep(_POLL_SECONDS)
