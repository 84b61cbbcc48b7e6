"""Revisions that really run: what was uploaded, on the functions host, with the environment that was deployed.

Beside that environment a process has what Cloud Run gives it, a metadata server of its service account, and the addresses
of Cloud KMS and Secret Manager here, in place of Google's.
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
from local.processes import HOST, Service, StartFailed, free_port, stop, wait_until_answers

_TOKEN_SECONDS: Final = 3600


@dataclass(frozen=True, slots=True)
class Launch:
    """One revision: the folder of its image, the function in it, its settings and who it is."""

    revision: str
    service: str
    folder: Path
    target: str
    settings: Mapping[str, str]
    account: str


@dataclass(slots=True)
class _Running:
    service: Service
    thread: threading.Thread
    failure: str = ""
    is_ready: bool = False


@dataclass(frozen=True, slots=True)
class Fleet:
    """``trust`` is the PEM file of our authority, for what the service fetches by https; logs are in ``folder``;
    ``places`` are settings that say where Google is, in every process.
    """

    cloud: Cloud
    answering: Answering
    folder: Path
    trust: Path
    places: dict[str, str] = field(default_factory=dict)
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
        running = self._running[revision]
        try:
            wait_until_answers(running.service)
        except StartFailed as error:
            running.failure = str(error)
        else:
            running.is_ready = True

    def _environment(self, launch: Launch, port: int) -> dict[str, str]:
        metadata = f"{HOST}:{self._metadata_of(launch.account).server_port}"
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
            "GCE_METADATA_HOST": metadata,
            "GCE_METADATA_IP": metadata,
            **self.places,
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
