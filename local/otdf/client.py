"""The command line of otdf-python as published, and the one way in which any such client is run.

A client takes a file and gives a file; what it says of a failure is its own. A run is bounded in time, and sees
neither our ``KAS_…`` settings nor a proxy for this machine. What a client writes is not judged here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from local.ports import HOST
from local.processes import ROOT, environment_without_settings
from local.provider.clients import SECRET

HOME: Final = ROOT / ".local" / "interop" / "python"
TIMEOUT_SECONDS: Final = 180.0
_DIRECT: Final = {"NO_PROXY": HOST, "no_proxy": HOST}  # the proxy of an office cannot reach this machine

Operation = Literal["encrypt", "decrypt"]


class ClientUnavailable(Exception):
    """The client is not installed or could not be run to its end; the text says which."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Exit status, the client's own words, and the file that it wrote, or None."""

    status: int
    error: str
    content: bytes | None


def otdf_python(
    operation: Operation,
    source: Path,
    target: Path,
    *,
    platform: str,
    client_id: str,
    attributes: Sequence[str] = (),
    options: Sequence[str] = (),
    home: Path = HOME,
) -> list[str]:
    """The command that makes ``target`` of ``source`` at the KAS whose public base is ``platform``.

    Raises ClientUnavailable where `setup.sh` has not made ``home``.
    """
    if not home.with_name(f"{home.name}.made-from").exists():  # the last that it makes
        raise ClientUnavailable("otdf-python is not installed: run local/otdf/setup.sh (make demo does)")
    return [
        *(str(home / "bin" / "python"), "-m", "otdf_python", "--log-level", "ERROR"),
        *("--platform-url", platform, "--client-id", client_id, "--client-secret", SECRET),
        *(operation, str(source), "--output", str(target)),
        *(("--attributes", ",".join(attributes)) if attributes else ()),
        *options,
    ]


def run_client(
    command: Sequence[str],
    target: Path,
    env: Mapping[str, str] | None = None,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Outcome:
    """Runs a client that writes ``target``; what was there before is gone. ``env`` is added to our environment.

    Raises ClientUnavailable where it cannot be started or does not end in time.
    """
    target.unlink(missing_ok=True)
    try:
        done = subprocess.run(
            command,
            env={**environment_without_settings(), **_DIRECT, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            check=False,  # a refusal is an outcome
        )
    except OSError as error:
        raise ClientUnavailable(f"{command[0]} cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ClientUnavailable(f"{command[0]} did not end within {timeout_seconds:g} seconds") from error
    content = target.read_bytes() if target.exists() and done.returncode == 0 else None
    return Outcome(done.returncode, done.stderr, content)
