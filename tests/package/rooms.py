"""A command with a root of its own (`room.sh`): what a container runtime does for a process, as far as its files go."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ROOM = Path(__file__).with_name("room.sh")
IS_ROOT = os.geteuid() == 0


@dataclass
class Image:
    """Files in ``root``, and what a runtime does with them; ``writable`` is the one folder that is."""

    root: Path
    env: dict[str, str] = field(default_factory=dict)
    folder: str = "/"
    user: str = "0:0"
    command: Sequence[str] = ()
    health: Sequence[str] = ()
    writable: str = "/dev/shm"


def build(image: Image, command: Sequence[str], env: Mapping[str, str]) -> None:
    """Runs a step that makes files of the image, beside everything that the machine has, and asserts that it succeeds."""
    full = {**os.environ, **image.env, **env}
    done = subprocess.run(_in_room("build", image, command), env=full, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"


def run(image: Image, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """A command that has the image's files, variables and user, and nothing else."""
    room = _in_room("run", image, command)
    return subprocess.run(room, env=_given(image), capture_output=True, text=True, timeout=60)


def start(image: Image, log: IO[Any]) -> subprocess.Popen[bytes]:
    """The image's own command likewise, in a process group of its own; what it says goes to ``log``."""
    room = _in_room("run", image, image.command)
    return subprocess.Popen(room, env=_given(image), stdout=log, stderr=log, process_group=0)


def _given(image: Image) -> dict[str, str]:
    user = image.user if IS_ROOT else ""
    return {**image.env, "ROOM_PYTHON": sys.base_prefix, "ROOM_USER": user, "ROOM_WRITABLE": image.writable}


def _in_room(mode: str, image: Image, command: Sequence[str]) -> list[str]:
    own = [] if IS_ROOT else ["--user", "--map-root-user"]
    return ["unshare", *own, "--mount", "/bin/sh", str(ROOM), mode, str(image.root), image.folder, *command]
