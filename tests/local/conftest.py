"""One provider, and one KAS beside it, as real processes for all tests of this folder."""

from __future__ import annotations

import pytest

from local.client import Http
from local.processes import environment_without_settings, free_port, start_provider, stop, wait_until_answers, world
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
    with (folder / "log").open("wb") as log:
        service = start_provider(free_port(), folder / "keys", environment_without_settings(), log)
        try:
            wait_until_answers(service)
            yield service.base
        finally:
            stop(service)


@pytest.fixture(scope="session")
def pair(tmp_path_factory):
    """A KAS and the provider that it trusts."""
    folder = tmp_path_factory.mktemp("pair")
    with (folder / "log").open("wb") as log, world(folder, log=log) as running:
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
