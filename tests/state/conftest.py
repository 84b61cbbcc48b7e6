"""One server of each kind for the whole run; what a test writes has a name of its own."""

from __future__ import annotations

import pytest

from local.firestore_emulator import NO_EMULATOR, emulator
from tests.state.servers import redis


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    with redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def firestore(tmp_path_factory):
    if NO_EMULATOR:
        pytest.skip(NO_EMULATOR)
    with emulator(tmp_path_factory.mktemp("firestore")) as running:
        yield running


@pytest.fixture(params=["redis", "firestore"])
def shared(request):
    """A server whose ``store()`` makes a store."""
    return request.getfixturevalue("redis_server" if request.param == "redis" else "firestore")
