"""The key service against the stand-in: every fault has its right answer, and no key material is in any output."""

from __future__ import annotations

import base64
import json
import traceback
from concurrent.futures import ThreadPoolExecutor

import pytest

from kas.errors import KeyMaterialRejected, KeyUnavailable
from kas.keys.registry import KeyRecord
from local.google.quotas import DEFAULTS
from local.google.status import HTTP_STATUSES
from local.ports import free_port
from tests.google.project import (
    ALGORITHMS,
    HASHES,
    KAS,
    NOBODY,
    RING,
    UNWRAP,
    bits_of,
    private_key,
    version_name,
    wrap,
)
from tests.kms.key_services import PLAIN, RECORD, Running, standing_in

DECRYPTER = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
VIEWER = "roles/cloudkms.publicKeyViewer"
TRIED_AGAIN = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}
FORMS = (PLAIN.decode("latin-1"), PLAIN.hex(), base64.b64encode(PLAIN).decode(), repr(PLAIN)[2:-1])
DIALECTS = {"SHA256": "acp240", "SHA1": "opentdf"}
HELD = [name for name in ALGORITHMS if name.rpartition("_")[2] in DIALECTS]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with standing_in(tmp_path_factory.mktemp("key-service")) as running:
        yield running


@pytest.fixture
def control(cloud):
    """The stand-in's control; whatever a test changes is as before when it has ended."""
    cloud.control.reset()
    yield cloud.control
    cloud.control.reset()
    cloud.control.set_state(UNWRAP, "ENABLED")
    for role in (DECRYPTER, VIEWER):
        cloud.control.give(RING, role, KAS.member)
    for kind in ("cloudkms.crypto", "cloudkms.read"):
        cloud.control.quota(kind, 10 * DEFAULTS[kind])


@pytest.fixture
def start(cloud, control, capfd):
    """Starts key services; what they show by the end has no key material in it."""
    started = []

    def new(**options):
        started.append(Running(**{"base": cloud.base, **options}))
        return started[-1]

    yield new
    shown = "".join(capfd.readouterr()) + json.dumps([running.lines for running in started])
    for running in started:
        running.close()
    assert not [form for form in FORMS if form in shown]


@pytest.fixture
def running(start, control):
    """A key service that has seen the public key, as the stand-in counts from now on."""
    running = start()
    running.service.public_key(RECORD)
    control.reset()
    return running


def record_of(algorithm):
    digest = algorithm.rpartition("_")[2]
    dialects = frozenset({DIALECTS[digest]})
    return KeyRecord("k", f"RSA-{bits_of(algorithm)}", "active", dialects, kms_version=version_name(algorithm))


def operations(control):
    return control.count("AsymmetricDecrypt")


def unavailable(running, ciphertext=None, record=RECORD):
    """The one line about a key that could not be used, of which no traceback shows the key."""
    before = len(running.lines)
    with pytest.raises(KeyUnavailable) as caught:
        running.unwrap(ciphertext, record)
    shown = "".join(traceback.format_exception(caught.value))
    assert not [form for form in FORMS if form in shown]
    (line,) = running.lines[before:]
    assert line["version"] == record.kms_version
    return line


@pytest.mark.parametrize("algorithm", HELD)
def test_each_key_opens_what_was_wrapped_for_it_and_shows_its_public_half(start, algorithm):
    running, record = start(level="SOFTWARE"), record_of(algorithm)
    assert running.unwrap(wrap(PLAIN, algorithm), record) == PLAIN
    numbers = private_key(bits_of(algorithm)).public_key().public_numbers()
    assert running.service.public_key(record).public_numbers() == numbers
    assert (running.paid, running.lines) == (1, [])


def test_operations_counted_here_are_those_counted_there(running, control):
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: running.unwrap(), range(64))) == {PLAIN}
    assert running.paid == operations(control) == 64
    assert control.count("GetPublicKey") == 0


def test_many_first_requests_ask_for_the_public_key_once(start, control):
    running = start()
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: running.unwrap(), range(16))) == {PLAIN}
    assert control.count("GetPublicKey") == 1


# ---- the caller's fault


@pytest.mark.parametrize("ciphertext", [b"", b"x", bytes(255), bytes(256), b"\xff" * 256, bytes(6144)])
def test_a_wrong_ciphertext_is_rejected_for_one_operation(running, control, ciphertext):
    with pytest.raises(KeyMaterialRejected):
        running.unwrap(ciphertext)
    assert running.paid == operations(control) == 1
    assert running.lines == []


def test_a_ciphertext_of_another_hash_is_rejected(running):
    with pytest.raises(KeyMaterialRejected):
        running.unwrap(wrap(PLAIN, "RSA_DECRYPT_OAEP_2048_SHA1"))


# ---- not the caller's fault


@pytest.mark.parametrize("status", sorted(HTTP_STATUSES.keys() - {"INVALID_ARGUMENT"}))
def test_each_refusal_is_unavailable_and_named_to_the_operator(running, control, status):
    control.fail(status, method="AsymmetricDecrypt", times=None)
    line = unavailable(running)
    assert (line["event"], line["status"]) == ("kms_unavailable", status)
    assert running.paid == operations(control) == (3 if status in TRIED_AGAIN else 1)


@pytest.mark.parametrize("status", sorted(TRIED_AGAIN))
def test_what_passes_by_itself_is_got_over(running, control, status):
    control.fail(status, method="AsymmetricDecrypt", times=2)
    assert running.unwrap() == PLAIN
    assert (running.paid, operations(control), running.lines) == (3, 3, [])


@pytest.mark.parametrize("kind", ["drop", "page"])
def test_a_connection_that_ends_or_a_page_is_got_over(running, control, kind):
    control.fail("UNAVAILABLE", kind=kind, method="AsymmetricDecrypt")
    assert running.unwrap() == PLAIN
    control.fail("UNAVAILABLE", kind=kind, method="AsymmetricDecrypt", times=None)
    assert unavailable(running)["status"] == "UNAVAILABLE"


@pytest.mark.parametrize("status", ["INVALID_ARGUMENT", "FAILED_PRECONDITION", "NOT_FOUND", "INTERNAL"])
def test_an_error_page_says_nothing_about_the_ciphertext(running, control, status):
    """Also one of 400: it is not Cloud KMS that speaks."""
    control.fail(status, kind="page", method="AsymmetricDecrypt", times=None)
    assert unavailable(running)["event"] == "kms_unavailable"


def test_what_fails_in_the_middle_fails_alone(running, control):
    control.fail("INTERNAL", method="AsymmetricDecrypt", skip=2)
    outcomes = []
    for _ in range(5):
        try:
            outcomes.append(running.unwrap())
        except KeyUnavailable:
            outcomes.append(None)
    assert outcomes == [PLAIN, PLAIN, None, PLAIN, PLAIN]


@pytest.mark.parametrize("state", ["DISABLED", "DESTROY_SCHEDULED", "PENDING_GENERATION"])
def test_a_version_that_is_disabled_while_running_is_unavailable_until_it_is_enabled(running, control, state):
    assert running.unwrap() == PLAIN
    control.set_state(UNWRAP, state)
    line = unavailable(running)
    assert line["status"] == "FAILED_PRECONDITION"
    assert state in line["cause"]
    for ask in (running.service.check, running.service.public_key):
        with pytest.raises(KeyUnavailable):
            ask(RECORD)
    control.set_state(UNWRAP, "ENABLED")
    running.service.check(RECORD)
    assert running.unwrap() == PLAIN


@pytest.mark.parametrize(
    ("number", "status"), [(2, "FAILED_PRECONDITION"), (3, "FAILED_PRECONDITION"), (99, "NOT_FOUND")]
)
def test_a_version_that_is_disabled_destroyed_or_not_there_is_unavailable(running, number, status):
    record = KeyRecord("n", "RSA-2048", "active", RECORD.dialects, kms_version=version_name("unwrap", number))
    assert unavailable(running, record=record)["status"] == status


def test_a_permission_taken_away_while_running_is_unavailable_until_it_is_given(running, control):
    control.take(RING, DECRYPTER, KAS.member)
    assert unavailable(running)["status"] == "PERMISSION_DENIED"
    control.give(RING, DECRYPTER, KAS.member)
    assert running.unwrap() == PLAIN


def test_without_permission_to_see_the_public_key_keys_still_open_and_nothing_is_published(start, control):
    running = start()
    control.take(RING, VIEWER, KAS.member)
    assert running.unwrap() == PLAIN
    for ask in (running.service.check, running.service.public_key):
        with pytest.raises(KeyUnavailable):
            ask(RECORD)


@pytest.mark.parametrize(("token", "status"), [(NOBODY.token, "PERMISSION_DENIED"), ("unknown", "UNAUTHENTICATED")])
def test_an_account_that_may_not_or_is_not_known_is_unavailable(start, token, status):
    running = start(token=token)
    assert unavailable(running)["status"] == status
    with pytest.raises(KeyUnavailable):
        running.service.public_key(RECORD)


def test_a_quota_that_is_spent_is_unavailable(running, control):
    control.quota("cloudkms.crypto", 1)
    assert running.unwrap() == PLAIN
    line = unavailable(running)
    assert (line["status"], line["severity"]) == ("RESOURCE_EXHAUSTED", "WARNING")
    control.quota("cloudkms.crypto", 100)
    assert running.unwrap() == PLAIN


# ---- integrity


@pytest.mark.parametrize(
    "field",
    [
        "request.ciphertext",
        "request.ciphertext_crc32c",
        "response.plaintext",
        "response.plaintext_crc32c",
        "response.verified_ciphertext_crc32c",
    ],
)
def test_what_is_corrupted_in_either_direction_is_got_over_or_never_used(running, control, field):
    control.corrupt(field, method="AsymmetricDecrypt")
    assert running.unwrap() == PLAIN
    assert running.paid == operations(control) == 2
    control.corrupt(field, method="AsymmetricDecrypt", times=None)
    line = unavailable(running)
    assert (line["severity"], line["event"]) == ("CRITICAL", "kms_integrity")
    assert running.paid == operations(control) == 5


def test_a_plaintext_of_a_lesser_place_is_dropped(running, control):
    control.corrupt("response.protection_level", method="AsymmetricDecrypt", times=None)
    assert unavailable(running)["event"] == "kms_protection_level"
    assert running.paid == operations(control) == 1


def test_a_software_key_is_none_for_who_requires_an_hsm(start, control):
    running = start()
    algorithm = "RSA_DECRYPT_OAEP_2048_SHA256"
    line = unavailable(running, wrap(PLAIN, algorithm), record_of(algorithm))
    assert (line["event"], operations(control)) == ("kms_protection_level", 0)


@pytest.mark.parametrize("algorithm", [name for name in HELD if name != "RSA_DECRYPT_OAEP_2048_SHA256"])
def test_a_key_of_another_hash_or_size_costs_no_operation(start, control, algorithm):
    running = start(level="SOFTWARE")
    record = KeyRecord("k", "RSA-2048", "active", RECORD.dialects, kms_version=version_name(algorithm))
    line = unavailable(running, wrap(PLAIN, algorithm), record)
    assert (line["event"], operations(control), running.paid) == ("kms_algorithm_mismatch", 0, 0)


@pytest.mark.parametrize("digest", HASHES.keys() - DIALECTS.keys())
def test_a_hash_of_no_dialect_serves_none(start, control, digest):
    version = version_name(f"RSA_DECRYPT_OAEP_4096_{digest}")
    for dialect in DIALECTS.values():
        running = start(level="SOFTWARE")
        record = KeyRecord(dialect, "RSA-4096", "active", frozenset({dialect}), kms_version=version)
        assert unavailable(running, b"x", record)["event"] == "kms_algorithm_mismatch"
    assert operations(control) == 0


@pytest.mark.parametrize("field", ["pem", "pem_crc32c", "name"])
def test_a_public_key_that_is_damaged_is_asked_for_again_or_not_believed(start, control, field):
    running = start()
    control.corrupt(f"response.{field}", method="GetPublicKey")
    numbers = running.service.public_key(RECORD).public_numbers()
    assert numbers == private_key(2048).public_key().public_numbers()
    assert control.count("GetPublicKey") == 2
    control.corrupt(f"response.{field}", method="GetPublicKey", times=None)
    other = start()
    with pytest.raises(KeyUnavailable):
        other.service.public_key(RECORD)
    assert [line["event"] for line in other.lines] == ["kms_integrity"]


# ---- outages


def test_slow_past_the_deadline_is_unavailable(start, control):
    """Nobody waits for what KMS takes a minute to answer."""
    running = start(timeout_seconds=0.3, deadline_seconds=1.0)
    control.latency(60_000)
    assert unavailable(running)["status"] == "DEADLINE_EXCEEDED"
    assert 1 <= running.paid <= 3
    control.reset()
    assert running.unwrap() == PLAIN


def test_where_kms_is_slow_to_show_a_public_key_the_decryption_goes_ahead(start, control):
    running = start(timeout_seconds=1.0, deadline_seconds=60.0)
    control.latency(60_000, method="GetPublicKey")
    assert running.unwrap() == PLAIN
    assert running.paid == operations(control) == 1


def test_where_kms_is_down_from_the_start_nothing_opens_and_nothing_hangs(start):
    running = start(base=f"http://127.0.0.1:{free_port()}")
    assert unavailable(running)["status"] == "UNAVAILABLE"
    assert running.paid == 3
    for ask in (running.service.check, running.service.public_key):
        with pytest.raises(KeyUnavailable):
            ask(RECORD)


def test_while_kms_is_down_a_known_public_key_serves_and_a_check_fails(running, control):
    control.fail("UNAVAILABLE", times=None)
    with pytest.raises(KeyUnavailable):
        running.service.check(RECORD)
    numbers = running.service.public_key(RECORD).public_numbers()
    assert numbers == private_key(2048).public_key().public_numbers()
