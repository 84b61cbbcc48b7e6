"""An entry point of a test alone: the service over a memory of used proofs in a file, which several workers share.

Which worker accepted a proof stands in the file as well. With `WORKERS` above 1 the service itself refuses to start.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import time
from pathlib import Path

import flask
import functions_framework

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from kas.config import Settings
from kas.errors import ProofReplayed
from kas.google.cloud import Cloud
from kas.parts import Parts
from kas.service import assemble
from kas.web.host import fit_into_host


class FileReplayStore:
    """One line for each proof: the worker that took it, and what it was."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def claim(self, *, jkt, jti, caller, admit):
        digest = hashlib.sha256(f"{jkt}{jti}".encode()).hexdigest()
        with self._path.open("a+", encoding="ascii") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            if any(line.split()[1] == digest for line in file):
                raise ProofReplayed
            admit()
            file.write(f"{os.getpid()} {digest}\n")

    def has_room(self):
        return True


_ENVIRON = {name: value for name, value in os.environ.items() if name != "WORKERS"}
_CLOUD = Cloud(_ENVIRON, time.time, time.perf_counter)
_PARTS = Parts(Settings.from_environ(_ENVIRON, _CLOUD.read_secrets), time.time, time.perf_counter, _CLOUD)
_PARTS.stores.replay = FileReplayStore(Path(os.environ["TEST_REPLAY_FILE"]))
_SERVICE = assemble(_PARTS)
fit_into_host(_SERVICE.edge.fail, ended=_SERVICE.end)


@functions_framework.http
def kas(request: flask.Request) -> flask.Response:
    """Every route."""
    return _SERVICE.answer(request, _SERVICE.mounts.everything)
