"""Secrets read from the stand-in over the service's own client: every fault stops what asked, in words for the operator."""

from __future__ import annotations

import base64
import json
import random
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kas.errors import ConfigError
from kas.google.rest import RestClient
from kas.google.secrets import SecretReader
from local.google.quotas import DEFAULTS
from local.google.remote import google
from tests.google.project import KAS, NOBODY, NUMBER, PROJECT, setup_of
from tests.kms.key_services import OneToken

ACCESS = "AccessSecretVersion"
ACCESSOR = "roles/secretmanager.secretAccessor"
VALUE = "a-value-that-nobody-reads"
PLACE = "KAS_NONCE_SECRET"
NONCE = f"{PROJECT}/secrets/nonce"
BINARY = bytes(range(256)) * 256  # 64 KiB, which is what Secret Manager holds at most
OTHERS = [f"{PROJECT}/secrets/other-{number}" for number in range(4)]


def _setup():
    """The project of the stand-in's tests, with secrets of our own."""
    setup = setup_of()
    setup["keys"] = []
    setup["secrets"] = [
        {"name": NONCE, "versions": [{"text": "old"}, {"text": VALUE}, {"text": "gone"}, {"text": VALUE}]},
        {"name": f"{PROJECT}/secrets/binary", "versions": [{"data": base64.b64encode(BINARY).decode()}]},
        *({"name": name, "versions": [{"text": name}]} for name in OTHERS),
        {"name": f"{PROJECT}/secrets/denied", "versions": [{"text": VALUE}]},
    ]
    names = [NONCE, f"{PROJECT}/secrets/binary", *OTHERS]
    setup["bindings"] = [{"resource": name, "role": ACCESSOR, "members": [KAS.member]} for name in names]
    return setup


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets")
    path = folder / "setup.json"
    path.write_text(json.dumps(_setup()), "utf-8")
    with (folder / "log").open("wb") as log, google(path, log) as running:
        yield running


@pytest.fixture
def control(cloud):
    """The stand-in's control; whatever a test changes is as before when it has ended."""
    cloud.control.reset()
    yield cloud.control
    cloud.control.reset()
    cloud.control.set_state(f"{NONCE}/versions/2", "ENABLED")
    cloud.control.give(NONCE, ACCESSOR, KAS.member)
    cloud.control.quota("secretmanager.access", DEFAULTS["secretmanager.access"])


def read(cloud, versions=None, *, token=KAS.token, timeout_seconds=20.0):
    """What is read with a client of its own, which is closed."""
    client = RestClient(cloud.base, OneToken(token), time.monotonic)
    try:
        reader = SecretReader(client.call, sleep=time.sleep, random=random.random, timeout_seconds=timeout_seconds)
        return reader.read({PLACE: f"{NONCE}/versions/2"} if versions is None else versions)
    finally:
        client.close()


def refused(cloud, status, version=f"{NONCE}/versions/2", **options):
    """The start is refused with the place, the version and Google's status, and without a word of any secret."""
    with pytest.raises(ConfigError) as refusal:
        read(cloud, {PLACE: version}, **options)
    shown = "".join(traceback.format_exception(refusal.value))
    assert VALUE not in shown
    assert base64.b64encode(VALUE.encode()).decode() not in shown
    assert str(refusal.value).startswith(f"{PLACE}: sm://{version}: {status}: ")
    return str(refusal.value)


def test_versions_are_read_by_number_and_by_latest_under_id_and_number_of_the_project(cloud, control):
    by_number = NONCE.replace(PROJECT, f"projects/{NUMBER}")
    versions = {"a": f"{NONCE}/versions/1", "b": f"{by_number}/versions/2", "c": f"{NONCE}/versions/latest"}
    assert read(cloud, versions) == {"a": b"old", "b": VALUE.encode(), "c": VALUE.encode()}
    assert control.count(ACCESS, outcome="OK") == 3


def test_any_bytes_are_read_up_to_64_kib(cloud, control):
    assert read(cloud, {PLACE: f"{PROJECT}/secrets/binary/versions/1"}) == {PLACE: BINARY}


def test_a_version_that_several_settings_name_is_read_once(cloud, control):
    read(cloud, {"a": f"{NONCE}/versions/2", "b": f"{NONCE}/versions/2"})
    assert control.count(ACCESS) == 1


def _sockets():
    links = (path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink())
    return sum(str(link).startswith("socket:") for link in links)


def test_several_are_read_side_by_side_and_no_thread_and_no_connection_is_left(cloud, control):
    """All of them wait at the stand-in at the same time."""
    threads, sockets = threading.active_count(), _sockets()
    control.latency(1500, method=ACCESS)
    with ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read, cloud, {name: f"{name}/versions/1" for name in OTHERS})
        while control.waiting() < len(OTHERS):
            assert not reading.done()
    assert reading.result() == {name: name.encode() for name in OTHERS}
    control.http.close()
    assert threading.active_count() == threads
    assert _sockets() <= sockets


@pytest.mark.parametrize(
    ("version", "status", "words"),
    [
        (f"{NONCE}/versions/99", "NOT_FOUND", "not found"),
        (f"{PROJECT}/secrets/denied/versions/1", "PERMISSION_DENIED", "secretmanager.versions.access"),
        (f"{PROJECT}/secrets/missing/versions/1", "PERMISSION_DENIED", "secretmanager.versions.access"),
        ("projects/kas-other/secrets/nonce/versions/1", "PERMISSION_DENIED", "secretmanager.versions.access"),
    ],
)
def test_a_version_that_cannot_be_had_is_named_with_googles_reason(cloud, control, version, status, words):
    assert words in refused(cloud, status, version)
    assert control.count(ACCESS) == 1


def test_a_disabled_version_is_refused_until_it_is_enabled(cloud, control):
    control.set_state(f"{NONCE}/versions/2", "DISABLED")
    assert "DISABLED" in refused(cloud, "FAILED_PRECONDITION")
    control.set_state(f"{NONCE}/versions/2", "ENABLED")
    assert read(cloud) == {PLACE: VALUE.encode()}


def test_a_destroyed_version_is_refused(cloud, control):
    control.set_state(f"{NONCE}/versions/3", "DESTROYED")
    assert "DESTROYED" in refused(cloud, "FAILED_PRECONDITION", f"{NONCE}/versions/3")


def test_a_permission_taken_away_is_a_refusal_until_it_is_given(cloud, control):
    control.take(NONCE, ACCESSOR, KAS.member)
    refused(cloud, "PERMISSION_DENIED")
    control.give(NONCE, ACCESSOR, KAS.member)
    assert read(cloud) == {PLACE: VALUE.encode()}


@pytest.mark.parametrize(("token", "status"), [(NOBODY.token, "PERMISSION_DENIED"), ("unknown", "UNAUTHENTICATED")])
def test_another_account_reads_nothing(cloud, control, token, status):
    refused(cloud, status, token=token)


def test_a_quota_that_is_used_up_is_a_refusal(cloud, control):
    control.quota("secretmanager.access", 0)
    refused(cloud, "RESOURCE_EXHAUSTED")
    assert control.count(ACCESS) == 3


@pytest.mark.parametrize("status", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"])
def test_what_passes_by_itself_is_got_over_twice(cloud, control, status):
    control.fail(status, method=ACCESS, times=2)
    assert read(cloud) == {PLACE: VALUE.encode()}
    control.fail(status, method=ACCESS, times=None)
    refused(cloud, status)
    assert control.count(ACCESS) == 6


@pytest.mark.parametrize("status", ["INTERNAL", "UNKNOWN", "ABORTED", "INVALID_ARGUMENT"])
def test_any_other_refusal_stops_at_once(cloud, control, status):
    control.fail(status, method=ACCESS, times=None)
    refused(cloud, status)
    assert control.count(ACCESS) == 1


@pytest.mark.parametrize("kind", ["drop", "page"])
def test_a_connection_that_ends_or_a_page_is_got_over(cloud, control, kind):
    control.fail("UNAVAILABLE", kind=kind, method=ACCESS, times=2)
    assert read(cloud) == {PLACE: VALUE.encode()}
    control.fail("UNAVAILABLE", kind=kind, method=ACCESS, times=None)
    refused(cloud, "UNAVAILABLE")


@pytest.mark.parametrize("field", ["payload.data", "payload.data_crc32c", "name"])
def test_fault_14_what_was_changed_on_the_way_is_never_used(cloud, control, field):
    """The bytes, their checksum, or the version that the answer is of."""
    control.corrupt(f"response.{field}", method=ACCESS, times=2)
    assert read(cloud) == {PLACE: VALUE.encode()}
    control.corrupt(f"response.{field}", method=ACCESS, times=None)
    refused(cloud, "DATA_LOSS")
    assert control.count(ACCESS) == 6


def test_an_answer_that_does_not_come_in_time_is_a_refusal(cloud, control):
    control.latency(3000, method=ACCESS)
    refused(cloud, "DEADLINE_EXCEEDED", timeout_seconds=0.1)


def test_without_secret_manager_there_is_no_start(cloud, control):
    """Nobody listens there."""

    class Nowhere:
        base = "http://127.0.0.1:1"

    refused(Nowhere, "UNAVAILABLE")
