"""`make run KEYS=kms`: three come up, what is wrapped outlives a restart, and whatever ends it, all are gone."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.client import Credentials, Http, RewrapRefused, Session
from local.demo import Stage, count_operations
from local.google_world import KAS_MEMBER, PROJECT, RING, google_world, make_project
from tests.local.running import ENVIRONMENT, SECONDS, Running, answers, get

PORTS = ["--port", "{port}", "--idp-port", "{idp_port}"]
GOOGLE = ["--keys", "kms", "--google-port", "{google_port}", "--google-rpc-port", "{google_rpc_port}"]
PYTHON = [sys.executable, "-m", "local.run", *PORTS, *GOOGLE, "--folder", "{folder}"]
MAKE = [
    *("make", "-o", f"{sys.prefix}/.ready", f"VENV={sys.prefix}", "PORT={port}", "IDP_PORT={idp_port}"),
    *("KEYS=kms", "GOOGLE_PORT={google_port}", "GOOGLE_RPC_PORT={google_rpc_port}", "run"),
]
POLICY = {"policyId": "p-1", "body": {}, "dissem": {"classification": "SECRET", "releasabilityTo": ["USA"]}}


@contextlib.contextmanager
def session_at(running):
    kas, provider = (f"http://127.0.0.1:{port}" for port in running.ports[:2])
    with contextlib.closing(Http()) as http:
        yield Session(http, kas, Credentials(f"{provider}/token", "usa-secret", "dev"), time.time)


def commands_of(running):
    """What it says to try, as a shell takes it."""
    lines = running.output().replace("\\\n", " ").splitlines()
    return [shlex.split(line.partition("        ")[0]) for line in lines if line.startswith("  curl")]


def wait_until(holds):
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def test_it_says_what_to_try_and_that_happens(start):
    """The last but one disables a version: what is wrapped to it is refused from then on, and we are soon not ready."""
    running = start(PYTHON)
    running.wait_until_ready()
    *shown, disable, ready = commands_of(running)
    assert [get(command[1]).status for command in (shown[0], shown[1], shown[3])] == [200, 200, 200]
    assert len(shown) == 4
    with session_at(running) as session:
        container = session.encrypt(b"hello", POLICY)
        assert session.open(container) == b"hello"
        assert get(ready[-1]).status == 200
        assert subprocess.run([*disable, "--silent", "--fail"], capture_output=True).returncode == 0
        other = session.encrypt(b"other", POLICY)
        with pytest.raises(RewrapRefused) as refused:
            session.open(other)
        assert (refused.value.status, refused.value.code) == (503, "key_unavailable")
        assert session.open(container) == b"hello"
    wait_until(lambda: get(ready[-1]).status == 503)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all_without_a_word(start, number):
    running = start(PYTHON)
    running.wait_until_ready()
    assert len(running.ports) == 4
    assert all(answers(port) for port in running.ports)
    os.kill(running.process.pid, number)
    assert running.end() == 0
    assert not any(answers(port) for port in running.ports)
    assert "Traceback" not in running.output()


@pytest.mark.parametrize("which", [0, 1, 2])
def test_when_one_ends_the_others_are_stopped(start, which):
    running = start(PYTHON)
    running.wait_until_ready()
    pid = running.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 3
    os.kill(int(children[which]), signal.SIGKILL)
    assert running.end() == 1
    assert "ended by itself" in running.output()
    assert not any(answers(port) for port in running.ports)


def test_make_run_ends_with_its_services(start):
    running = start(MAKE)
    running.wait_until_ready()
    os.kill(running.process.pid, signal.SIGTERM)
    running.end()
    deadline = time.monotonic() + 10
    while any(answers(port) for port in running.ports) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(answers(port) for port in running.ports)
    assert "Traceback" not in running.output()


def test_what_was_encrypted_opens_after_a_restart(tmp_path):
    """The stand-in keeps nothing, so it is started with the same keys; other transports find them too."""
    first = Running(tmp_path, PYTHON)
    try:
        first.wait_until_ready()
        with session_at(first) as session:
            container = session.encrypt(b"hello", POLICY)
    finally:
        first.stop()
    numbers = dict(
        zip(("{port}", "{idp_port}", "{google_port}", "{google_rpc_port}"), map(str, first.ports), strict=True)
    )
    again = Running(tmp_path, [numbers.get(part, part) for part in PYTHON], {"KAS_KMS_TRANSPORT": "grpc"})
    again.ports = first.ports
    try:
        again.wait_until_ready()
        with session_at(again) as session:
            assert session.open(container) == b"hello"
    finally:
        again.stop()


def test_a_stand_in_that_does_not_start_is_named(start):
    running = start(PYTHON, K_SERVICE="kas")
    assert running.end() == 1
    assert "the stand-in for Google Cloud ended while starting" in running.output()
    assert not any(answers(port) for port in running.ports)


def test_the_project_is_private_and_made_once(tmp_path):
    """Two processes that start at once have the same."""
    project = make_project(tmp_path / "new" / "google")
    assert make_project(tmp_path / "new" / "google") == project
    paths = [project.setup_path, project.setup_path.parent, *project.setup_path.parent.iterdir()]
    assert not [path for path in paths if path.stat().st_mode & 0o077]


def test_the_service_account_has_no_role_on_the_project_and_nobody_else_opens_anything(tmp_path):
    bindings = json.loads(make_project(tmp_path / "google").setup_path.read_text("utf-8"))["bindings"]
    of_the_kas = [binding for binding in bindings if binding["members"] == [KAS_MEMBER]]
    assert {binding["resource"] for binding in of_the_kas}.isdisjoint({PROJECT, RING})
    openers = [binding for binding in bindings if "Decrypter" in binding["role"] or binding["role"] == "roles/owner"]
    assert openers
    assert all(binding in of_the_kas for binding in openers)


def test_the_demonstration_holds_on_cloud_kms(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "local.demo", "--keys", "kms"],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "key operations, each by the role that the KAS has on that key" in done.stdout
    assert "All as expected." in done.stdout


def test_a_demonstration_without_key_operations_is_counted(tmp_path, capsys):
    with (tmp_path / "log").open("wb") as log, google_world(tmp_path, log=log) as running:
        stage = Stage(colour=False)
        count_operations(stage, running.google.control)
    assert stage.failures == 1
    assert "FAIL  0 key operations" in capsys.readouterr().out
