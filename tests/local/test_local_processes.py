"""What the processes of a demonstration are started with, and that none is left behind."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from local.ending import terminating, undisturbed
from local.google.remote import google
from local.nations import Setup, free_places, nations_world
from local.ports import HOST, free_port, free_ports
from local.processes import Service, stop, world
from local.rehearsal.issuer import issuer

SLEEPING = [sys.executable, "-c", "import time; time.sleep(600)"]


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def end_while_it_is_started(number, processes):
    with terminating(), ExitStack() as running, undisturbed():
        processes.append(subprocess.Popen(SLEEPING, process_group=0))
        signal.raise_signal(number)
        running.callback(stop, Service("sleeper", "", "", processes[0]))


def test_a_port_is_given_to_nobody_else_and_whoever_starts_can_listen_there():
    port = free_port()
    with socket.socket() as other, pytest.raises(OSError):
        other.bind((HOST, port))
    with socket.socket() as server, socket.socket() as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((HOST, port))
        server.listen()
        client.connect((HOST, port))
        assert client.getpeername()[1] == port


def test_nothing_answers_there_before():
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect((HOST, free_port()))


def test_many_ports_are_all_different_and_few_are_held():
    before = open_files()
    ports = [port for _ in range(10) for port in free_ports(40)]
    assert all(len(set(ports[start : start + 40])) == 40 for start in range(0, 400, 40))
    assert open_files() - before <= 64


@pytest.fixture
def interruptible():
    """A shell that does not wait for the tests has them ignore its Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_being_started_when_we_are_ended_is_stopped(number, interruptible):
    processes = []
    with pytest.raises(KeyboardInterrupt):
        end_while_it_is_started(number, processes)
    assert processes[0].returncode == -signal.SIGTERM
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_is_not_held_up():
    done = []

    def enter():
        with undisturbed():
            done.append(True)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert done == [True]


@pytest.fixture
def sleepers(monkeypatch):
    """In place of every service a process that sleeps, and as each is started we are to end: by SIGTERM."""
    started = []

    def popen(*_arguments, **_options):
        started.append(_popen(SLEEPING, process_group=0))
        signal.raise_signal(signal.SIGTERM)
        return started[-1]

    _popen = subprocess.Popen
    monkeypatch.setattr("local.processes.subprocess.Popen", popen)
    yield started
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("start", ["pair", "nations", "google", "issuer"])
def test_no_service_is_left_behind_that_was_being_started(sleepers, tmp_path, start):
    places = free_places(tmp_path, ["usa"])
    starting = {
        "pair": lambda: world(tmp_path),
        "nations": lambda: nations_world(places, Setup(tmp_path / "issuers.json", tmp_path / "federation.json")),
        "google": lambda: google(tmp_path / "setup.json"),
        "issuer": lambda: issuer(tmp_path),
    }[start]
    with pytest.raises(KeyboardInterrupt), terminating(), starting():
        pytest.fail("it goes on")
    assert [process.poll() for process in sleepers] == [-signal.SIGTERM]
