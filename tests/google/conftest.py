"""One stand-in as a real process for all tests of this folder, and the official clients over both transports."""

from __future__ import annotations

import json

import pytest

from local.google.remote import google
from tests.google.project import ADMIN, KAS, setup_of
from tests.google.transports import clients_over


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    """A running stand-in."""
    folder = tmp_path_factory.mktemp("google")
    path = folder / "setup.json"
    path.write_text(json.dumps(setup_of()), "utf-8")
    with (folder / "log").open("wb") as log, google(path, log) as running:
        yield running


@pytest.fixture
def control(cloud):
    """Its control, without faults and counts from before or for after."""
    cloud.control.reset()
    yield cloud.control
    cloud.control.reset()


@pytest.fixture(scope="session", params=["rest", "grpc"])
def transport(request):
    return request.param


@pytest.fixture(scope="session")
def kas(cloud, transport):
    """The clients of the service, which may use keys and read secrets."""
    with clients_over(transport, cloud, KAS.token) as clients:
        yield clients


@pytest.fixture(scope="session")
def admin(cloud, transport):
    """The clients of the project's owner."""
    with clients_over(transport, cloud, ADMIN.token) as clients:
        yield clients
