"""Firestore under its own name: what is asked of documents goes to the emulator of gcloud, once the caller has shown that he
may; all else is administration.
"""

from __future__ import annotations

import http.client
import re
from typing import Final

from local.firestore_jar import OWNER
from local.google.status import GoogleError, not_stood_in_for
from local.ports import HOST
from local.rehearsal.answer import Administration, disabled
from local.rehearsal.emulator import emulator_port
from local.rehearsal.firestore import find
from local.rehearsal.journal import Entry
from local.rehearsal.passing import pass_on
from local.rehearsal.wire import Reply, Request, refusal
from local.rehearsal.world import World

_PATH: Final = re.compile(r"/v1/(projects/[^/]+/databases/[^/]+)/documents.*")
_SERVICE: Final = "firestore.googleapis.com"


class Documents:
    def __init__(self, world: World, administration: Administration) -> None:
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
            reply = pass_on(f"{HOST}:{self._port()}", request, OWNER)
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
        """Of the emulator. Raises GoogleError where there is none."""
        with self._world.lock:
            port = emulator_port(self._world.programs)
        if port is None:
            raise not_stood_in_for("documents of Firestore without the emulator of gcloud")
        return port
