"""One provider, and one KAS beside it, as real processes for all tests of this folder."""

from __future__ import annotations

import contextlib

import pytest

from local.client import Http
from local.ports import free_port
from local.processes import environment_without_settings, start_provider, stop, wait_until_answers, world
from tests.canaries import CANARIES
from tests.kit import stderr_into
from tests.local.running import Running


@pytest.fixture(scope="session")
def http():
    client = Http()
    yield client
    client.close()


@pytest.fixture(scope="session")
def provider(tmp_path_factory):
    """The base address of a provider."""
    folder = tmp_path_factory.mktemp("provider")
    CANARIES.watch(folder)
    with (folder / "log").open("wb") as log, contextlib.ExitStack() as started:
        with stderr_into(folder / "stderr"):
            service = start_provider(free_port(), folder / "keys", environment_without_settings(), log)
            started.callback(stop, service)
            wait_until_answers(service)
        yield service.base


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """A KAS and the provider that it trusts."""
    folder = tmp_path_factory.mktemp("local-pair")
    CANARIES.watch(folder)
    with (folder / "log").open("wb") as log, contextlib.ExitStack() as started:
        with stderr_into(folder / "stderr"):
            running = started.enter_context(world(folder, log=log))
        yield running


@pytest.fixture
def start(tmp_path):
    """Starts `make run`, or a command like it; it is stopped at the end."""
    started = []

    def start(command, **env):
        started.append(Running(tmp_path, command, env))
        return started[-1]

    yield start
    for running in started:
        running.stop()
