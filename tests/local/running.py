"""`make run` as a process, as a terminal would start it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time

from local.client import Http
from local.ports import free_port
from local.processes import environment_without_settings

ENVIRONMENT = environment_without_settings()
SECONDS = 30
_NAMES = ("{port}", "{idp_port}", "{google_port}", "{google_rpc_port}")


class Running:
    """A command in a process group of its own; ``{port}`` and its like, and ``{folder}``, are filled in."""

    def __init__(self, folder, command, env=None):
        text = " ".join(command)
        self.ports = tuple(free_port() for name in _NAMES if name in text)
        numbers = {"{folder}": folder, **dict(zip(_NAMES, self.ports, strict=False))}
        self.log = folder / "output"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [_filled(part, numbers) for part in command],
                env=ENVIRONMENT | (env or {}),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def output(self):
        return self.log.read_text("utf-8")

    def wait_until_ready(self):
        deadline = time.monotonic() + SECONDS
        while "Ctrl-C stops" not in self.output():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.05)

    def end(self):
        return self.process.wait(SECONDS)

    def stop(self):
        """Whatever is left of it."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        self.end()


def _filled(part, numbers):
    for name, value in numbers.items():
        part = part.replace(name, str(value))
    return part


def get(url):
    with contextlib.closing(Http()) as http:  # an open connection would be waited for when the service stops
        return http("GET", url)


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
