"""The Firestore emulator that comes with gcloud: where it is, and how it is started. It keeps everything in memory.

It takes ``Bearer owner`` for an account that may do everything.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
from pathlib import Path
from typing import Final

from local.ports import HOST

OWNER: Final = {"Authorization": "Bearer owner"}
_JAR: Final = Path("platform/cloud-firestore-emulator/cloud-firestore-emulator.jar")
_PROGRAM: Final = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_OPTIONS: Final = ("-Xmx256m", "-XX:TieredStopAtLevel=1", "-Duser.language=en")
_FIRST: Final = "projects/first/databases/(default)/documents"
_FIRST_SECONDS: Final = 120


def installed() -> Path | None:
    """The emulator; None where gcloud's package for it, or Java, is not."""
    gcloud = shutil.which("gcloud")
    jar = Path(gcloud or "/").resolve().parent.parent / _JAR
    return jar if jar.is_file() and shutil.which("java") else None


def command(jar: Path, port: int) -> list[str]:
    """What starts it on a port of loopback."""
    return ["java", *_OPTIONS, "-cp", str(jar), _PROGRAM, f"--host={HOST}", f"--port={port}"]


def ask_first(port: int) -> None:
    """The first call takes as long as the start: nobody who has a time-out is to be the first."""
    body = json.dumps({"writes": [{"delete": f"{_FIRST}/a/b"}]})
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=_FIRST_SECONDS)) as connection:
        connection.request("POST", f"/v1/{_FIRST}:commit", body, {**OWNER, "Content-Type": "application/json"})
        connection.getresponse().read()
