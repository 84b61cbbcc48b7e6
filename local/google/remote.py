"""The stand-in as a process, and its `/control` as functions: what `make run`, tests and measurements drive it by.

It needs no Google client, so whoever starts it may stay small.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from local.client import Answer, Http
from local.ending import undisturbed
from local.ports import HOST, free_port
from local.processes import ROOT, Service, environment_without_settings, stop, wait_until_answers


class ControlRefused(Exception):
    """The stand-in did not take what a test wanted changed; the text says why."""


@dataclass(frozen=True, slots=True)
class Control:
    """``base`` is that of the REST interfaces. Names of resources may be beginnings of names."""

    base: str
    http: Http

    def latency(self, milliseconds: int, *, method: str = "*", **rule: Any) -> None:
        """From now on an answer takes at least so long."""
        self._send("POST", "/latency", {"milliseconds": milliseconds, "method": method, **rule})

    def fail(self, status: str, *, kind: str = "error", times: int | None = 1, **rule: Any) -> None:
        """The next calls are refused; ``rule`` may say ``method``, ``resource``, ``skip``. ``kind`` may be drop, page."""
        self._send("POST", "/faults", {"kind": kind, "status": status, "times": times, **rule})

    def corrupt(self, field: str, *, times: int | None = 1, **rule: Any) -> None:
        """Flips a bit of ``request.ciphertext``, ``response.plaintext``, ``response.protection_level`` …"""
        self._send("POST", "/faults", {"kind": "flip", "field": field, "times": times, **rule})

    def set_state(self, version: str, state: str) -> None:
        """Moves a version of a key or of a secret to any state."""
        self._send("POST", "/versions", {"name": version, "state": state})

    def give(self, resource: str, role: str, member: str) -> None:
        self._send("POST", "/bindings", {"resource": resource, "role": role, "member": member, "isGiven": True})

    def take(self, resource: str, role: str, member: str) -> None:
        """Takes a permission away while everything runs."""
        self._send("POST", "/bindings", {"resource": resource, "role": role, "member": member, "isGiven": False})

    def quota(self, kind: str, per_minute: int) -> None:
        self._send("POST", "/quotas", {"kind": kind, "perMinute": per_minute})

    def advance(self, seconds: int) -> None:
        """Moves the stand-in's clock forward."""
        self._send("POST", "/clock", {"advanceSeconds": seconds})

    def operations(self, method: str | None = None) -> list[dict[str, Any]]:
        """Rows of method, resource, outcome, wire (``http`` or ``grpc``) and count."""
        rows = self._send("GET", "", None)["operations"]
        return [row for row in rows if method in {None, row["method"]}]

    def count(self, method: str, *, outcome: str | None = None, wire: str | None = None) -> int:
        """How many calls of a method there were, or how many had this outcome and came by this wire."""
        rows = self.operations(method)
        return sum(row["count"] for row in rows if outcome in {None, row["outcome"]} and wire in {None, row["wire"]})

    def data_access(self) -> bytes:
        """The data-access audit log of Cloud KMS, as gcloud prints it."""
        return self.http("GET", f"{self.base}/control/data-access").body

    def waiting(self) -> int:
        """How many calls have arrived and are not answered yet: for acting in the middle of them."""
        return int(self._send("GET", "", None)["waiting"])

    def reset(self) -> None:
        """No faults, no latencies, no counts; states, permissions and quotas stay."""
        self._send("DELETE", "", None)

    def _send(self, verb: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        data = None if body is None else json.dumps(body).encode("utf-8")
        answer: Answer = self.http(verb, f"{self.base}/control{path}", (), data)
        if answer.status != 200:  # noqa: PLR2004 - anything else is a refusal
            raise ControlRefused(answer.body.decode("utf-8", "replace"))
        return answer.json()


@dataclass(frozen=True, slots=True)
class Google:
    """A running stand-in. ``rpc_target`` is where gRPC answers."""

    service: Service
    rpc_target: str
    control: Control

    @property
    def base(self) -> str:
        return self.service.base

    def metadata_environment(self) -> dict[str, str]:
        """What makes google-auth find this metadata server."""
        address = self.base.removeprefix("http://")
        return {"GCE_METADATA_HOST": address, "GCE_METADATA_IP": address, "NO_GCE_CHECK": "false"}


def start_google(port: int, rpc_port: int, setup_path: Path, log: IO[Any] | None = None) -> Google:
    """Starts the process; `wait_until_answers` waits for ``service``."""
    command = [sys.executable, "-m", "local.google", "--port", str(port), "--grpc-port", str(rpc_port)]
    process = subprocess.Popen(
        [*command, "--setup", str(setup_path)],
        cwd=ROOT,
        env=environment_without_settings(),
        stdout=log,
        stderr=log,
        process_group=0,
    )
    base = f"http://{HOST}:{port}"
    service = Service("stand-in for Google Cloud", base, f"{base}/control", process)
    return Google(service, f"{HOST}:{rpc_port}", Control(base, Http()))


@contextlib.contextmanager
def google(setup_path: Path, log: IO[Any] | None = None) -> Iterator[Google]:
    """A stand-in on free ports, stopped at the end."""
    with contextlib.ExitStack() as running:
        with undisturbed():
            started = start_google(free_port(), free_port(), setup_path, log)
            running.callback(stop, started.service)
        running.callback(started.control.http.close)
        wait_until_answers(started.service)
        yield started
