"""Programs of others that stand behind what was made: the Firestore emulator of gcloud, and redis-server.

Each is started when it is first needed, on a port of loopback, in a process group of its own, and ends with the rehearsal.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from local.ending import undisturbed
from local.ports import HOST, wait_for_port
from local.processes import Service, StartFailed, plain_environment, stop

_START_SECONDS: Final = 120.0


class Programs:
    """Those that run, by a name of ours; what they write is in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, tuple[Service, int]] = {}
        self._lock = threading.RLock()

    def port_of(self, name: str) -> int | None:
        """None where it does not run."""
        with self._lock:
            return self._running[name][1] if name in self._running else None

    def start(self, name: str, command: Sequence[str], port: int) -> None:
        """Comes back when it takes connections. Raises StartFailed."""
        with self._lock:
            log = self._folder / f"{name}.log"
            with undisturbed(), log.open("ab") as file:
                process = subprocess.Popen(
                    command, cwd=self._folder, env=plain_environment(), stdout=file, stderr=file, process_group=0
                )
                base = f"http://{HOST}:{port}"
                self._running[name] = Service(name, base, base, process), port
            try:
                wait_for_port(process, port, _START_SECONDS)
            except RuntimeError as error:
                raise StartFailed(f"{name} does not start: {log}") from error

    def stop(self, *names: str) -> None:
        """With no names all of them."""
        with self._lock:
            ended = [self._running.pop(name)[0] for name in names or tuple(self._running) if name in self._running]
        stop(*ended)
