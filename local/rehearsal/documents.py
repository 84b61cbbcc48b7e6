"""Firestore under its own name: what is asked of documents goes to the emulator of gcloud, once the caller has shown that he
may; all else is administration.
"""

from __future__ import annotations

import http.client
import re
import shutil
from pathlib import Path
from typing import Final

from local.google.status import GoogleError, not_stood_in_for
from local.ports import HOST, free_port
from local.rehearsal.answer import Answering, disabled
from local.rehearsal.firestore import find
from local.rehearsal.journal import Entry
from local.rehearsal.passing import pass_on
from local.rehearsal.wire import Reply, Request, refusal
from local.rehearsal.world import World

_NAME: Final = "firestore-emulator"
_PATH: Final = re.compile(r"/v1/(projects/[^/]+/databases/[^/]+)/documents.*")
_SERVICE: Final = "firestore.googleapis.com"
_JAR: Final = Path("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
_PROGRAM: Final = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
# The emulator takes whoever says that for somebody who may do everything.
_OWNER: Final = {"Authorization": "Bearer owner"}


def emulator() -> Path | None:
    """Where it is installed, with what runs it; None where it is not."""
    gcloud = shutil.which("gcloud")
    jar = Path(gcloud or "/").resolve().parent.parent / _JAR
    return jar if jar.is_file() and shutil.which("java") else None


class Documents:
    def __init__(self, world: World, administration: Answering) -> None:
        self._world = world
        self._administration = administration

    def answer(self, request: Request) -> Reply:
        found = _PATH.fullmatch(request.path.replace("%28", "(").replace("%29", ")"))
        if found is None:
            return self._administration.answer(request)
        member, outcome = "", "OK"
        try:
            member = self._world.cloud.accounts.member_of(request.headers.get("authorization"))
            self._check(member, found[1])
            reply = pass_on(f"{HOST}:{self._port()}", request, _OWNER)
        except GoogleError as error:
            outcome, reply = error.status, refusal(error)
        except (OSError, http.client.HTTPException):
            outcome, reply = "UNAVAILABLE", Reply(503)
        method = f"firestore.documents.{request.path.rpartition(':')[2]}"
        self._world.journal.add(Entry(request.verb, method, found[1], member, outcome, ""))
        return reply

    def _check(self, member: str, database: str) -> None:
        """The interface is enabled, the database there, and the caller may use it. Raises GoogleError."""
        with self._world.lock:
            if _SERVICE not in self._world.project.enabled:
                raise disabled(_SERVICE, self._world)
            find(self._world, database)
            if not self._world.access.may_use(member, database):
                raise GoogleError("PERMISSION_DENIED", "Missing or insufficient permissions.")

    def _port(self) -> int:
        """Of the emulator, which is started by whoever asks first. Raises GoogleError where there is none."""
        with self._world.lock:
            running = self._world.programs.port_of(_NAME)
            if running is not None:
                return running
            jar = emulator()
            if jar is None:
                raise not_stood_in_for("documents of Firestore without the emulator of gcloud")
            port = free_port()
            own = ["-Xmx256m", "-XX:TieredStopAtLevel=1", "-Duser.language=en", "-cp", str(jar), _PROGRAM]
            self._world.programs.start(_NAME, ["java", *own, f"--host={HOST}", f"--port={port}"], port)
            return port
