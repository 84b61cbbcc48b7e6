"""`make run`: both services come up, and whatever ends it, both are gone."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.ports import free_port
from local.processes import StartFailed, start_provider, stop, wait_until_answers, write_issuers
from tests.local.running import ENVIRONMENT, SECONDS, answers, get

PYTHON = [sys.executable, "-m", "local.run", "--port", "{port}", "--idp-port", "{idp_port}", "--folder", "{folder}"]
MAKE = ["make", "-o", f"{sys.prefix}/.ready", f"VENV={sys.prefix}", "PORT={port}", "IDP_PORT={idp_port}", "run"]


def test_it_says_what_to_try_and_the_addresses_answer(start):
    running = start(PYTHON)
    running.wait_until_ready()
    addresses = [line.split()[-1] for line in running.output().splitlines() if line.startswith("  curl")]
    assert len(addresses) == 3
    for address in addresses[:2]:
        assert get(address).status == 200
    assert get(addresses[2]).status == 405


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_both_without_a_word(start, number):
    running = start(PYTHON)
    running.wait_until_ready()
    assert all(answers(port) for port in running.ports)
    os.kill(running.process.pid, number)
    assert running.end() == 0
    assert not any(answers(port) for port in running.ports)
    assert "Traceback" not in running.output()


def test_a_signal_while_starting_stops_both(start):
    running = start(PYTHON)
    deadline = time.monotonic() + SECONDS
    while not list(running.log.parent.glob("issuers-*.json")) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.1)
    os.kill(running.process.pid, signal.SIGTERM)
    assert running.end() == 0
    assert not any(answers(port) for port in running.ports)
    assert "Traceback" not in running.output()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_make_run_ends_with_its_services(start, number):
    running = start(MAKE)
    running.wait_until_ready()
    if number == signal.SIGINT:
        os.killpg(running.process.pid, number)  # Ctrl-C reaches the whole group
    else:
        os.kill(running.process.pid, number)
    running.end()
    deadline = time.monotonic() + 10
    while any(answers(port) for port in running.ports) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(answers(port) for port in running.ports)
    assert "Traceback" not in running.output()


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="children are found in /proc")
@pytest.mark.parametrize("which", [0, 1])
def test_when_one_ends_the_other_is_stopped(start, which):
    running = start(PYTHON)
    running.wait_until_ready()
    pid = running.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    os.kill(int(children[which]), signal.SIGKILL)
    assert running.end() == 1
    assert "ended by itself" in running.output()
    assert not any(answers(port) for port in running.ports)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"KAS_MISSPELT": "1"}, "KAS_MISSPELT"),
        ({"K_SERVICE": "kas"}, "K_SERVICE"),
        ({"WORKERS": "2"}, "WORKERS"),
        ({"KAS_KEYS_DIR": ""}, "KAS_KEYS_DIR"),
    ],
    ids=["unknown", "cloud", "workers", "empty"],
)
def test_settings_reach_the_services_and_bad_ones_stop_the_start(start, env, words):
    running = start(PYTHON, **env)
    assert running.end() == 1
    assert words in running.output()
    assert not any(answers(port) for port in running.ports)


@pytest.mark.parametrize("which", [0, 1])
def test_a_taken_port_is_named(tmp_path, which):
    ports = [free_port(), free_port()]
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", ports[which]))
        holder.listen()
        command = [sys.executable, "-m", "local.run", "--port", str(ports[0]), "--idp-port", str(ports[1])]
        done = subprocess.run(
            [*command, "--folder", str(tmp_path)], env=ENVIRONMENT, capture_output=True, text=True, timeout=SECONDS
        )
    assert done.returncode == 1
    assert f"127.0.0.1:{ports[which]}" in done.stderr
    assert not answers(ports[1 - which])


def test_the_providers_key_outlives_a_restart_and_is_private(tmp_path):
    sets = []
    for _ in range(2):
        with (tmp_path / "log").open("wb") as log:
            service = start_provider(free_port(), tmp_path / "keys", ENVIRONMENT, log)
            try:
                wait_until_answers(service)
                sets.append(get(service.ready_url).body)
            finally:
                stop(service)
    assert sets[0] == sets[1]
    (key,) = (tmp_path / "keys").iterdir()
    assert key.stat().st_mode & 0o077 == 0
    assert (tmp_path / "keys").stat().st_mode & 0o077 == 0


def test_a_broken_key_file_stops_the_start(tmp_path):
    (tmp_path / "provider-signing-key.pem").write_text("no key")
    with (tmp_path / "log").open("wb") as log:
        service = start_provider(free_port(), tmp_path, ENVIRONMENT, log)
        with pytest.raises(StartFailed, match="ended while starting"):
            wait_until_answers(service)
        stop(service)


@pytest.mark.parametrize(
    "variable",
    [{"HOST": "0.0.0.0"}, {"HOST": "10.0.0.1"}, {"PORT": ""}, {"WORKERS": "2"}, {"K_SERVICE": "kas"}],
    ids=str,
)
def test_the_provider_refuses_to_start_where_it_does_not_belong(tmp_path, variable):
    command = [
        sys.executable,
        "-m",
        "functions_framework",
        "--source",
        "local/provider/main.py",
        "--target",
        "provider",
    ]
    good = {"HOST": "127.0.0.1", "PORT": str(free_port()), "IDP_KEYS_DIR": str(tmp_path)}
    arguments = [*command, "--host", "127.0.0.1", "--port", good["PORT"]]
    done = subprocess.run(arguments, env=ENVIRONMENT | good | variable, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode != 0
    assert "ConfigError: " in done.stderr
    assert next(iter(variable)) in done.stderr.rpartition("ConfigError: ")[2]


def test_the_list_of_issuers_is_for_one_provider(tmp_path):
    text = write_issuers(tmp_path / "new" / "issuers.json", 1234).read_text("utf-8")
    assert '"http://127.0.0.1:1234/jwks.json"' in text
