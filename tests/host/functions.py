"""What the tests of the host share: any entry point as a process, a start that is refused, requests byte by byte."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.client import Answer
from local.ports import free_port
from local.processes import ROOT, Service, environment_without_settings, stop, wait_until_answers
from tests.canaries import CANARIES
from tests.kit import Attempt

MODULE = (sys.executable, "-m", "functions_framework")
SCRIPT = (str(Path(sys.executable).parent / "functions-framework"),)
ISSUERS = {
    "issuer": "https://idp.example",
    "jwksUrl": "https://idp.example/jwks",
    "audience": "kas",
    "acceptedTypes": ["at+jwt"],
    "claims": {},
    "acrLevels": {"aal2": 2},
    "countries": ["USA"],
}


def write_issuers(folder: Path, *entries: Mapping[str, Any]) -> Path:
    """A list of these issuers."""
    path = folder / "issuers.json"
    path.write_text(json.dumps({"issuers": entries}), "utf-8")
    return path


def local_settings(folder: Path) -> dict[str, str]:
    """What a KAS in local mode needs to start, without a provider."""
    issuers = write_issuers(folder, ISSUERS)
    return {"KAS_MODE": "local", "KAS_ISSUERS_PATH": str(issuers), "KAS_KEYS_DIR": str(folder / "keys")}


def _environment(port: int, changes: Mapping[str, str | None]) -> dict[str, str]:
    merged = {**environment_without_settings(), "HOST": "127.0.0.1", "PORT": str(port), **changes}
    return {name: value for name, value in merged.items() if value is not None}


@contextlib.contextmanager
def function(
    target: str,
    env: Mapping[str, str | None],
    *,
    command: tuple[str, ...] = MODULE,
    source: str = "main.py",
    cwd: Path = ROOT,
    log: Path | None = None,
) -> Iterator[Service]:
    """The entry point ``target`` served alone; ``env`` is added to ours, None removes a variable."""
    port, out = free_port(), log or Path(os.devnull)
    with out.open("ab") as file:
        process = subprocess.Popen(
            [*command, "--source", source, "--target", target],
            cwd=cwd,
            env=_environment(port, env),
            stdout=file,
            stderr=file,
            process_group=0,
        )
        base = f"http://127.0.0.1:{port}"
        service = Service(target, base, f"{base}/", process)
        try:
            wait_until_answers(service)
            yield service
        finally:
            stop(service)


def refused_start(env: Mapping[str, str | None]) -> str:
    """Asserts that the host ends by itself with a failure, and returns what it says on standard error."""
    ended = subprocess.run(
        [*MODULE, "--source", "main.py", "--target", "kas"],
        cwd=ROOT,
        env=_environment(free_port(), env),
        capture_output=True,
        timeout=60,
    )
    assert ended.returncode != 0
    return ended.stderr.decode()


def port_of(base: str) -> int:
    return int(base.rpartition(":")[2])


def connect(base: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port_of(base)), timeout=30)


def receive(connection: socket.socket, method: str = "GET") -> Answer:
    """Reads one answer, which is searched for secrets when the run has ended."""
    response = http.client.HTTPResponse(connection, method=method)
    response.begin()
    answer = Answer(response.status, response.headers, response.read())
    CANARIES.hear(answer)
    return answer


def exchange(base: str, text: str | bytes, method: str = "GET") -> Answer:
    """Sends exactly these bytes and reads one answer."""
    with connect(base) as connection:
        connection.sendall(text.encode("latin-1") if isinstance(text, str) else text)
        return receive(connection, method)


def head_of(attempt: Attempt, *more: str) -> bytes:
    """The head of a POST with the token and proof of ``attempt``; the body is the test's to send."""
    attempt.proof = attempt.make_proof()
    credentials = [("Authorization", f"DPoP {attempt.token}"), ("DPoP", attempt.proof)]
    CANARIES.keep_credentials(credentials)
    lines = [
        "POST /rewrap HTTP/1.1",
        "Host: kas",
        *(f"{name}: {value}" for name, value in credentials),
        "Content-Type: application/json",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def refused_in_form(answer: Answer, status: int, code: str) -> None:
    """Asserts a refusal in the one error form, whoever of host and service made it."""
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert (answer.status, body["code"]) == (status, code), answer.body
    assert body.keys() == {"error", "code", "message", "requestId"}
    assert body["requestId"] == answer.headers["X-Request-Id"]
