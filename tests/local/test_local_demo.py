"""`make demo`: everything held, readable without a terminal, and a false expectation is told by the exit status."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from local.client import Http
from local.demo import POLICY, Demo, Stage
from local.processes import environment_without_settings

COMMAND = [sys.executable, "-m", "local.demo"]


def test_everything_holds_whatever_the_shell_has_set():
    env = environment_without_settings() | {"KAS_ID": "not valid!", "PORT": "1"}
    done = subprocess.run(COMMAND, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "\033" not in done.stdout
    codes = ("clearance_insufficient", "country_not_releasable", "key_material_rejected", "proof_key_mismatch")
    for code in (
        *codes,
        "proof_replayed",
        "usa-secret reads the same",
        "fra-secret reads the same",
        "All as expected.",
    ):
        assert code in done.stdout


def test_it_can_be_stopped():
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("Starting")
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGTERM)
    output, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "everything is stopped" in output
    assert errors == ""


def test_an_expectation_that_fails_is_counted(capsys):
    stage = Stage(colour=False)
    stage.expect(held=True, text="this")
    stage.expect(held=False, text="that")
    assert stage.failures == 1
    assert "FAIL  that" in capsys.readouterr().out


def test_a_refusal_that_does_not_come_or_has_another_reason_is_counted(pair):
    demo = Demo(Stage(colour=False), pair, Http())
    container = demo.session("usa-secret").encrypt(b"the file", POLICY)
    demo.refuses("clearance_insufficient", "usa-unclassified", lambda: demo.session("usa-unclassified").open(container))
    assert demo.stage.failures == 0
    demo.refuses("coi_not_satisfied", "usa-unclassified", lambda: demo.session("usa-unclassified").open(container))
    demo.refuses("clearance_insufficient", "usa-secret", lambda: demo.session("usa-secret").open(container))
    assert demo.stage.failures == 2


def test_the_wrong_bytes_are_counted(pair):
    demo = Demo(Stage(colour=False), pair, Http())
    container = demo.session("usa-secret").encrypt(b"the file", POLICY)
    demo.opens("usa-secret", container, b"another file")
    assert demo.stage.failures == 1
