"""`make demo-federation`: everything held, and what does not hold is counted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from local.demo import Stage
from local.demo_federation import NATIONS, Demo, main, policy_of
from local.nation_clients import running_clients
from local.processes import StartFailed, environment_without_settings

COMMAND = [sys.executable, "-m", "local.demo_federation"]
HELD = (
    "usa: released, signed by kas-usa",
    "fra: released, signed by kas-fra",
    "fra-secret asked the US KAS alone and reads the same",
    "the US KAS does not forward it: agreement_exceeded, signed by kas-usa",
    "a US KAS forwards it unchecked: agreement_exceeded, signed by kas-fra",
    "the French KAS does not forward it: agreement_exceeded, signed by kas-fra",
    "a key access object is altered: kao_signature_invalid, signed by kas-fra",
    "its own key instead of the client's: client_key_unbound, signed by kas-fra",
    "its own key, and the hash of it: kao_signature_invalid, signed by kas-fra",
    "fra: not_attempted; opened with the key of kas-gbr",
    "gbr: peer_unavailable; opened with the key of kas-fra",
    "the breaker to kas-gbr is open after 5 failures",
    "All as expected.",
)


def test_everything_holds_whatever_the_shell_has_set():
    env = environment_without_settings() | {"KAS_ID": "not valid!", "PORT": "1", "http_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(COMMAND, env=env, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert all(line.startswith("{") for line in done.stderr.splitlines()), done.stderr
    warnings = [json.loads(line) for line in done.stderr.splitlines()]
    told = {(warning["event"], warning["peer"]) for warning in warnings}
    assert told == {("peer_failed", "kas-gbr"), ("peer_breaker", "kas-gbr")}
    assert "\033" not in done.stdout
    for words in HELD:
        assert words in done.stdout


def test_it_can_be_stopped():
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline().startswith("Starting")
    time.sleep(0.5)
    os.kill(process.pid, signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "everything is stopped" in output
    assert errors == ""


def test_a_service_that_does_not_start_fails_the_demonstration(monkeypatch, capsys):
    def refuse(*_):
        raise StartFailed("the KAS of FRA ended while starting")

    monkeypatch.setattr("local.demo_federation.running_clients", refuse)
    assert main() == 1
    assert "FAIL  the KAS of FRA ended while starting" in capsys.readouterr().out


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    with running_clients(tmp_path_factory.mktemp("nations"), NATIONS) as running:
        yield running


@pytest.fixture
def demo(clients):
    return Demo(Stage(colour=False), clients)


@pytest.fixture
def document(clients):
    return clients.document(b"in either", policy_of("t", "SECRET", "USA", "FRA", "GBR"), ("gbr", "fra"))


def test_a_result_of_another_kind_code_or_signer_is_counted(demo, document):
    released = demo.ask("usa-secret", "usa", document)["fra"]
    demo.released("fra", released, by="kas-fra")
    refused = demo.ask("usa-unclassified", "usa", document)["fra"]
    demo.refused("fra", refused, "clearance_insufficient", by="kas-usa")
    assert demo.stage.failures == 0
    demo.released("fra", released, by="kas-usa")
    demo.released("fra", refused, by="kas-usa")
    demo.refused("fra", refused, "clearance_insufficient", by="kas-fra")
    demo.refused("fra", refused, "agreement_exceeded", by="kas-usa")
    demo.refused("fra", {**refused, "kasWrappedKey": "AA=="}, "clearance_insufficient", by="kas-usa")
    assert demo.stage.failures == 5


def test_an_alternative_that_should_not_have_served_is_counted(demo, document):
    demo.any_of(document, served="gbr", other="not_attempted")
    assert demo.stage.failures == 0
    demo.any_of(document, served="fra", other="peer_unavailable")
    demo.any_of(document, served="gbr", other="peer_unavailable")
    assert demo.stage.failures == 2
