"""The trail of the real host: whole while it runs, anew after a fork, ended in order by SIGTERM; the command sees what is cut."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.ports import HOST
from local.processes import ROOT, stop
from tests.attacks.proof_requests import kill_worker, released
from tests.kit import Kit, running_kit

REVISION = "kas-usa-00001-abc"


@dataclass(frozen=True)
class Verified:
    """What the command said of a log."""

    status: int
    lines: list[str]
    trail: list[dict[str, Any]]


@dataclass(frozen=True)
class Played:
    """The log of a service in two stages: running, and ended after its worker had been killed once."""

    log: Path
    running: Verified
    ended: Verified


def verify(log: Path) -> Verified:
    """As an operator runs it. The provider has written into the same file."""
    command = [sys.executable, "-m", "kas.audit", "verify", "--jwks", str(log.parent / "jwks.json"), str(log)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    values = [json.loads(line) for line in log.read_text("utf-8").splitlines() if line.startswith("{")]
    return Verified(done.returncode, done.stdout.splitlines(), [value for value in values if "chain" in value])


def ask(kit: Kit) -> None:
    """A public key, a refusal, a release of three."""
    kit.http("GET", f"{kit.base}/.well-known/jwks.json")
    kit.http("GET", f"{kit.base}/nowhere")
    released(kit.attempt(kaos=3))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    folder = tmp_path_factory.mktemp("trail")
    with running_kit(folder, K_REVISION=REVISION) as kit:
        (folder / "jwks.json").write_bytes(kit.http("GET", f"{kit.base}/.well-known/jwks.json").body)
        released(kit.attempt())
        running = verify(kit.log)
        kill_worker(kit)
        ask(kit)
        kit.http.close()
        stop(kit.world.kas)
        return Played(kit.log, running, verify(kit.log))


def processes(trail: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(line["chain"]["process"] for line in trail))


def test_the_trail_is_whole_while_the_service_runs(played: Played) -> None:
    """The first line says whose it is, and the last that a request left is a checkpoint."""
    running = played.running
    assert running.status == 0, running.lines
    assert f" of kas-local, {REVISION}: " in running.lines[0]
    assert "covered by none" not in running.lines[0]
    first = running.trail[0]
    assert (first["event"], first["reason"], first["revision"]) == ("checkpoint", "start", REVISION)


def test_a_worker_that_is_forked_again_begins_another_chain(played: Played) -> None:
    """Nothing of the first is in the second; of the one that was killed nobody knows whether more followed."""
    before, after = played.running, played.ended
    assert after.status == 0, after.lines
    assert len(processes(before.trail)) == 1
    assert len(processes(after.trail)) == 2
    assert [line["chain"]["number"] for line in after.trail if line.get("reason") == "start"] == [1, 1]
    assert after.lines[0].endswith("what may have followed is not known")


def test_an_orderly_end_is_signed(played: Played) -> None:
    """Cloud Run sends SIGTERM before it takes an instance away."""
    assert played.ended.lines[1].endswith("ended in order")
    assert [line["reason"] for line in played.ended.trail if "reason" in line].count("end") == 1
    assert played.ended.trail[-1]["reason"] == "end"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_end_is_signed_in_time_whoever_sends_half_a_request(tmp_path: Path, number: signal.Signals) -> None:
    """Cloud Run takes an instance away 10 s after SIGTERM, whether its requests have ended or not. Ctrl-C goes to all
    processes of a terminal. Nothing is left behind.
    """
    with running_kit(tmp_path) as kit:
        (tmp_path / "jwks.json").write_bytes(kit.http("GET", f"{kit.base}/.well-known/jwks.json").body)
        released(kit.attempt())
        kit.http.close()
        with socket.create_connection((HOST, urlsplit(kit.base).port or 0)) as half:
            half.sendall(b"POST /rewrap HTTP/1.1\r\nHost: ")
            time.sleep(0.5)
            os.killpg(kit.world.kas.process.pid, number)
            kit.world.kas.process.wait(20)  # the host by itself would take 30 s
            assert verify(kit.log).lines[0].endswith("ended in order")


@pytest.mark.parametrize("is_cut", [True, False], ids=["cut", "changed"])
def test_what_was_cut_or_changed_is_said_with_its_place(played: Played, tmp_path: Path, *, is_cut: bool) -> None:
    """Of the whole service's lines, one."""
    (tmp_path / "jwks.json").write_bytes((played.log.parent / "jwks.json").read_bytes())
    lines = played.log.read_text("utf-8").splitlines()
    place = next(number for number, line in enumerate(lines) if '"outcome":"released"' in line)
    number, process = (json.loads(lines[place])["chain"][name] for name in ("number", "process"))
    lines[place : place + 1] = [] if is_cut else [lines[place].replace("released", "refused")]
    (tmp_path / "log").write_text("\n".join(lines), "utf-8")
    verified = verify(tmp_path / "log")
    assert verified.status == 1
    (fault,) = [line for line in verified.lines if line.startswith("fault: ")]
    assert process in fault
    assert (f"line {number} is missing, between " if is_cut else f"log line {place + 1}, line {number} of ") in fault
