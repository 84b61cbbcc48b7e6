"""One KAS on one stand-in for most tests of this folder; and a stand-in with keys in three regions for the transports."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from local.google.quotas import DEFAULTS
from local.google.remote import google
from tests.google.project import KAS, RING
from tests.kms.google_kit import SHORT, GoogleKit, running_google_kit
from tests.kms.transports import KINDS, Over, regional_setup

ROLES = ("roles/cloudkms.cryptoKeyEncrypterDecrypter", "roles/cloudkms.publicKeyViewer")


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleKit]:
    """Nothing is kept, so that each rewrap is a key operation; times are short enough to wait for."""
    with running_google_kit(tmp_path_factory.mktemp("kms"), KAS_DEK_CACHE_SECONDS="0", **SHORT) as kit:
        yield kit


@pytest.fixture
def kms(running: GoogleKit) -> Iterator[GoogleKit]:
    """Whatever the test does to the stand-in is undone, and every operation was audited."""
    running.settle()
    yield running
    running.check_operations()
    running.settle()


# ---- transports


@pytest.fixture(scope="session")
def cloud(tmp_path_factory):
    """A running stand-in."""
    folder = tmp_path_factory.mktemp("transports")
    path = folder / "setup.json"
    path.write_text(json.dumps(regional_setup()), "utf-8")
    with (folder / "log").open("wb") as log, google(path, log) as standing_in:
        yield standing_in


@pytest.fixture
def control(cloud):
    """Its control; whatever a test changes is as before when it has ended."""
    cloud.control.reset()
    yield cloud.control
    cloud.control.reset()
    for role in ROLES:
        cloud.control.give(RING, role, KAS.member)
    for name in ("cloudkms.crypto", "cloudkms.read"):
        cloud.control.quota(name, 10 * DEFAULTS[name])


@pytest.fixture(params=KINDS)
def kind(request):
    """Each of the three transports."""
    return request.param


@pytest.fixture
def over():
    """Makes transports, which are closed at the end."""
    making = Over()
    yield making
    making.close()


@pytest.fixture
def transport(over, kind, cloud, control):
    """One on the stand-in, which does nothing odd yet."""
    del control
    return over(kind, cloud)
