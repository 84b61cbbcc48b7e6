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
from local.ports import HOST, free_port, free_ports
from local.processes import Service, stop

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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_is_being_started_when_we_are_ended_is_stopped(number):
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
