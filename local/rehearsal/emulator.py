"""The Firestore emulator of gcloud, where that is installed: it keeps the documents of all databases."""

from __future__ import annotations

from typing import Final

from local.firestore_jar import ask_first, command, installed
from local.ports import free_port
from local.rehearsal.programs import Programs

_NAME: Final = "firestore-emulator"


def emulator_port(programs: Programs) -> int | None:
    """Of the one that runs, which is started if need be; None where it is not installed. Raises StartFailed."""
    running, jar = programs.port_of(_NAME), installed()
    if running is not None or jar is None:
        return running
    port = free_port()
    programs.start(_NAME, command(jar, port), port)
    ask_first(port)
    return port
