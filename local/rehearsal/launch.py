"""Revisions that really run: what was uploaded, on the functions host, with the environment that was deployed.

Beside that environment a process has what Cloud Run gives it; Google's names, and those of everybody else, lead here, and
the metadata server is one of its service account.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from local.google.answer import Answering
from local.google.cloud import Cloud, MetadataAccount
from local.google.control import Control
from local.google.metadata import Metadata
from local.google.rest import RestServer
from local.ports import HOST, free_port, wait_for_port
from local.processes import Service, StartFailed, stop

_RESOLVER: Final = Path(__file__).with_name("resolver")
_TOKEN_SECONDS: Final = 3600


def names_lead_here(ports: Mapping[int, int]) -> dict[str, str]:
    """The environment in which a Python finds every name on this machine: ports there, and which they are here."""
    pairs = " ".join(f"{there}={here}" for there, here in ports.items())
    return {"PYTHONPATH": str(_RESOLVER), "REHEARSAL_PORTS": pairs}


@dataclass(frozen=True, slots=True)
class Launch:
    """One revision: the folder of its image, the function in it, its settings, who it is, and whether it is connected to the
    project's network.
    """

    revision: str
    service: str
    folder: Path
    target: str
    settings: Mapping[str, str]
    account: str
    is_connected: bool = False


@dataclass(slots=True)
class _Running:
    service: Service
    thread: threading.Thread
    failure: str = ""
    is_ready: bool = False


@dataclass(slots=True)
class Fleet:
    """``trust`` is the PEM file of our authority, for what the service fetches by https; logs are in ``folder``;
    ``direct_port`` is where names lead to, ``private_ports`` are those of servers in the network, and which they are here.
    """

    cloud: Cloud
    answering: Answering
    folder: Path
    trust: Path
    direct_port: int = 0
    private_ports: dict[int, int] = field(default_factory=dict)
    _running: dict[str, _Running] = field(default_factory=dict)
    _metadata: dict[str, RestServer] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def start(self, launch: Launch) -> None:
        """Returns at once; `state` says what becomes of it."""
        with self._lock:
            if launch.revision in self._running:
                return
            port = free_port()
            log = self.log_of(launch.revision)
            log.parent.mkdir(exist_ok=True)
            command = [sys.executable, "-m", "functions_framework", "--source", "main.py", "--target", launch.target]
            with log.open("ab") as file:
                process = subprocess.Popen(
                    command,
                    cwd=launch.folder,
                    env=self._environment(launch, port),
                    stdout=file,
                    stderr=file,
                    process_group=0,
                )
            base = f"http://{HOST}:{port}"
            service = Service(launch.revision, base, f"{base}/", process)
            thread = threading.Thread(target=self._wait, args=(launch.revision,), daemon=True)
            self._running[launch.revision] = _Running(service, thread)
            thread.start()

    def log_of(self, revision: str) -> Path:
        """Standard output and error, as Cloud Logging would have them."""
        return self.folder / "logs" / f"{revision}.log"

    def _wait(self, revision: str) -> None:
        """As Cloud Run does: it is ready when its port takes a connection."""
        running = self._running[revision]
        try:
            wait_for_port(running.service.process, int(running.service.base.rpartition(":")[2]))
        except RuntimeError:
            running.failure = f"{revision} does not start: {self.log_of(revision)}"
        else:
            running.is_ready = True

    def _environment(self, launch: Launch, port: int) -> dict[str, str]:
        metadata = self._metadata_of(launch.account).server_port
        private = self.private_ports if launch.is_connected else {}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            **launch.settings,
            "K_SERVICE": launch.service,
            "K_REVISION": launch.revision,
            "K_CONFIGURATION": launch.service,
            "FUNCTION_TARGET": launch.target,
            "FUNCTION_SIGNATURE_TYPE": "http",
            "HOST": HOST,
            "PORT": str(port),
            "SSL_CERT_FILE": str(self.trust),
            **names_lead_here({443: self.direct_port, 80: metadata, **private}),
        }

    def _metadata_of(self, account: str) -> RestServer:
        if account not in self._metadata:
            member = MetadataAccount(f"serviceAccount:{account}", _TOKEN_SECONDS)
            cloud = dataclasses.replace(self.cloud, metadata=member)
            server = RestServer(0, 0, self.answering, Metadata(cloud), Control(cloud))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            self._metadata[account] = server
        return self._metadata[account]

    def state(self, revision: str) -> str:
        """``starting``, ``ready``, ``failed`` or ``stopped``."""
        running = self._running.get(revision)
        if running is None:
            return "stopped"
        return "failed" if running.failure else "ready" if running.is_ready else "starting"

    def address(self, launch: Launch) -> str:
        """Where it answers; it is started if need be, and waited for. Raises StartFailed."""
        self.start(launch)
        running = self._running[launch.revision]
        running.thread.join()
        if running.failure:
            raise StartFailed(running.failure)
        return running.service.base.removeprefix("http://")

    def stop(self, *revisions: str) -> None:
        """Ends processes; with no names all of them, and the metadata servers too."""
        with self._lock:
            ended = [self._running.pop(one) for one in revisions or tuple(self._running) if one in self._running]
        stop(*(one.service for one in ended))
        if not revisions:
            for server in self._metadata.values():
                server.shutdown()
                server.server_close()
            self._metadata.clear()
