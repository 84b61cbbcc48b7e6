"""The Firestore emulator of gcloud, where that is installed: it keeps the documents of all databases."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
from pathlib import Path
from typing import Final

from local.ports import HOST, free_port
from local.rehearsal.programs import Programs

# It takes whoever says that for somebody who may do everything.
OWNER: Final = {"Authorization": "Bearer owner"}
_NAME: Final = "firestore-emulator"
_JAR: Final = Path("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
_PROGRAM: Final = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_OPTIONS: Final = ("-Xmx256m", "-XX:TieredStopAtLevel=1", "-Duser.language=en")
_FIRST: Final = "projects/first/databases/(default)/documents"
_FIRST_SECONDS: Final = 120


def installed() -> Path | None:
    """Where it is, with what runs it; None where it is not."""
    gcloud = shutil.which("gcloud")
    jar = Path(gcloud or "/").resolve().parent.parent / _JAR
    return jar if jar.is_file() and shutil.which("java") else None


def emulator_port(programs: Programs) -> int | None:
    """Of the one that runs, which is started if need be; None where it is not installed. Raises StartFailed."""
    running, jar = programs.port_of(_NAME), installed()
    if running is not None or jar is None:
        return running
    port = free_port()
    command = ["java", *_OPTIONS, "-cp", str(jar), _PROGRAM, f"--host={HOST}", f"--port={port}"]
    programs.start(_NAME, command, port)
    _ask_first(port)
    return port


def _ask_first(port: int) -> None:
    """The first call takes as long as the start: nobody who has a time-out is to be the first."""
    body = json.dumps({"writes": [{"delete": f"{_FIRST}/a/b"}]})
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=_FIRST_SECONDS)) as connection:
        connection.request("POST", f"/v1/{_FIRST}:commit", body, {**OWNER, "Content-Type": "application/json"})
        connection.getresponse().read()
