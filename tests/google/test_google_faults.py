"""Trouble on demand, as the official clients meet it: latency, refusals, dropped connections, bits that flip."""

from __future__ import annotations

import concurrent.futures
import time

import pytest
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import kms_v1
from google_crc32c import value as crc32c

from local.google.remote import ControlRefused
from local.google.status import HTTP_STATUSES
from tests.google.project import PROJECT, SECRET, UNWRAP, key_name, version_name, wrap
from tests.google.transports import refused

PLAIN = bytes(range(32))
SHA1 = "RSA_DECRYPT_OAEP_2048_SHA1"


def decrypt(clients, name=UNWRAP, **fields):
    sent = wrap(PLAIN, SHA1 if SHA1 in name else "RSA_DECRYPT_OAEP_2048_SHA256")
    request = {"name": name, "ciphertext": sent, "ciphertext_crc32c": crc32c(sent), **fields}
    return clients.kms.asymmetric_decrypt(request, retry=None, timeout=20)


def public_key(clients):
    return clients.kms.get_public_key(name=UNWRAP, retry=None, timeout=20)


def access(clients):
    return clients.secrets.access_secret_version(name=f"{SECRET}/versions/2", retry=None, timeout=20)


# ---- refusals


@pytest.mark.parametrize("status", sorted(HTTP_STATUSES))
def test_each_status_can_be_had(kas, control, status):
    control.fail(status, method="AsymmetricDecrypt", times=None)
    with refused(status, "Injected"):
        decrypt(kas)


def test_a_fault_is_met_so_many_times(kas, control):
    control.fail("UNAVAILABLE", method="AsymmetricDecrypt", times=2)
    for _ in range(2):
        with refused("UNAVAILABLE"):
            decrypt(kas)
    assert decrypt(kas).plaintext == PLAIN


def test_the_official_retry_gets_over_it(kas, control):
    control.fail("UNAVAILABLE", method="AsymmetricDecrypt")
    assert kas.kms.asymmetric_decrypt(name=UNWRAP, ciphertext=wrap(PLAIN)).plaintext == PLAIN
    assert control.count("AsymmetricDecrypt") == 2


def test_faults_come_one_after_the_other_and_after_those_that_pass(kas, control):
    control.fail("UNAVAILABLE", method="AsymmetricDecrypt", skip=1)
    control.fail("INTERNAL", method="AsymmetricDecrypt", skip=1)
    outcomes = []
    for _ in range(4):
        try:
            decrypt(kas)
        except GoogleAPICallError as error:
            outcomes.append(error.message)
        else:
            outcomes.append("OK")
    assert [text.rpartition(": ")[2] for text in outcomes] == ["OK", "UNAVAILABLE.", "INTERNAL.", "OK"]


def test_a_fault_may_be_of_one_method_one_key_and_for_ever(kas, control):
    control.fail("UNAVAILABLE", resource=key_name("unwrap"), times=None)
    for _ in range(3):
        with refused("UNAVAILABLE"):
            decrypt(kas)
    with refused("UNAVAILABLE"):
        public_key(kas)
    assert decrypt(kas, version_name(SHA1)).plaintext == PLAIN
    assert access(kas).payload.data == b"second"
    control.reset()
    assert decrypt(kas).plaintext == PLAIN


@pytest.mark.parametrize("kind", ["drop", "page"])
def test_a_connection_that_ends_or_a_page_is_an_error_too(kas, control, transport, kind):
    control.fail("UNAVAILABLE", kind=kind, method="AsymmetricDecrypt")
    with pytest.raises((GoogleAPICallError, OSError)) as caught:
        decrypt(kas)
    if transport == "grpc" or kind == "page":
        assert caught.value.code == 503
    assert decrypt(kas).plaintext == PLAIN


# ---- bits that flip


def test_a_ciphertext_that_changes_on_the_way_is_refused_by_its_checksum(kas, control):
    control.corrupt("request.ciphertext")
    with refused("INVALID_ARGUMENT", "ciphertext_crc32c did not match"):
        decrypt(kas)
    control.corrupt("request.ciphertext")
    with refused("INVALID_ARGUMENT", "Decryption failed."):
        decrypt(kas, ciphertext_crc32c=None)


def test_an_answer_can_lose_its_integrity_in_every_field(kas, control):
    control.corrupt("response.plaintext")
    answer = decrypt(kas)
    assert answer.plaintext != PLAIN
    assert answer.plaintext_crc32c == crc32c(PLAIN)
    control.corrupt("response.plaintext_crc32c")
    answer = decrypt(kas)
    assert answer.plaintext == PLAIN
    assert answer.plaintext_crc32c != crc32c(PLAIN)
    control.corrupt("response.verified_ciphertext_crc32c")
    assert not decrypt(kas).verified_ciphertext_crc32c
    control.corrupt("response.protection_level")
    assert decrypt(kas).protection_level == kms_v1.ProtectionLevel.SOFTWARE
    assert decrypt(kas).protection_level == kms_v1.ProtectionLevel.HSM


def test_a_public_key_can_come_damaged_or_of_another_name(kas, control):
    good = public_key(kas)
    control.corrupt("response.pem")
    bad = public_key(kas)
    assert bad.pem != good.pem
    assert bad.pem_crc32c == good.pem_crc32c == crc32c(good.pem.encode())
    control.corrupt("response.name")
    assert public_key(kas).name == version_name("unwrap", 2)
    control.corrupt("response.pem_crc32c")
    assert public_key(kas).pem_crc32c != good.pem_crc32c
    control.corrupt("response.algorithm")
    assert public_key(kas).algorithm != good.algorithm
    assert public_key(kas) == good


def test_a_secret_can_come_damaged(kas, control):
    control.corrupt("response.payload.data")
    payload = access(kas).payload
    assert payload.data != b"second"
    assert payload.data_crc32c == crc32c(b"second")
    control.corrupt("response.payload.data_crc32c")
    assert access(kas).payload.data_crc32c != crc32c(b"second")


def test_a_field_that_is_not_there_is_said_to_be_wrong(kas, control):
    control.corrupt("response.no_such_field")
    with refused("INTERNAL", "no response.no_such_field"):
        decrypt(kas)


# ---- time, quota, counts


def test_an_answer_takes_at_least_so_long(kas, control):
    control.latency(120, method="AsymmetricDecrypt")
    start = time.monotonic()
    decrypt(kas)
    assert time.monotonic() - start >= 0.12


def test_a_latency_may_be_of_one_method_or_key(kas, control):
    control.latency(60_000, method="GetPublicKey")
    control.latency(60_000, resource=key_name("seal"))
    assert decrypt(kas).plaintext == PLAIN
    with pytest.raises((GoogleAPICallError, OSError)):
        kas.kms.get_public_key(name=UNWRAP, retry=None, timeout=0.2)


def test_latencies_of_many_calls_pass_together(kas, control):
    control.latency(1000, method="AsymmetricDecrypt")
    start = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: decrypt(kas).plaintext, range(10)))
    assert answers == [PLAIN] * 10
    assert time.monotonic() - start < 10  # one after the other they would take as long


def test_a_quota_is_spent_and_comes_back_after_a_minute(kas, control):
    control.quota("cloudkms.read", 2)
    try:
        for _ in range(2):
            public_key(kas)
        with refused("RESOURCE_EXHAUSTED", "cloudkms.read"):
            public_key(kas)
        assert decrypt(kas).plaintext == PLAIN
        control.advance(60)
        assert public_key(kas).name == UNWRAP
    finally:
        control.quota("cloudkms.read", 100_000)


def test_operations_are_counted_by_method_resource_and_outcome(kas, control):
    decrypt(kas)
    decrypt(kas)
    with refused("NOT_FOUND"):
        decrypt(kas, version_name("unwrap", 99))
    access(kas)
    rows = [(row["method"], row["resource"], row["outcome"], row["count"]) for row in control.operations()]
    assert rows == [
        ("AccessSecretVersion", f"{SECRET}/versions/2", "OK", 1),
        ("AsymmetricDecrypt", UNWRAP, "OK", 2),
        ("AsymmetricDecrypt", version_name("unwrap", 99), "NOT_FOUND", 1),
    ]
    assert control.count("AsymmetricDecrypt") == 3
    assert control.count("AsymmetricDecrypt", outcome="OK") == 2


def test_a_version_can_be_put_into_any_state_and_back(kas, control):
    for state in ("PENDING_GENERATION", "DISABLED", "DESTROY_SCHEDULED"):
        control.set_state(UNWRAP, state)
        with refused("FAILED_PRECONDITION", state):
            decrypt(kas)
    control.set_state(UNWRAP, "ENABLED")
    assert decrypt(kas).plaintext == PLAIN


@pytest.mark.parametrize(
    "change",
    [
        lambda control: control.fail("NO_SUCH_STATUS"),
        lambda control: control.fail("UNAVAILABLE", method="NoSuchMethod"),
        lambda control: control.fail("UNAVAILABLE", unknown=1),
        lambda control: control.fail("UNAVAILABLE", kind="explode"),
        lambda control: control.latency(-1),
        lambda control: control.set_state(version_name("no-such-key"), "ENABLED"),
        lambda control: control.set_state(UNWRAP, "BROKEN"),
        lambda control: control.take(PROJECT, "roles/cloudkms.viewer", "user:stranger@example.com"),
        lambda control: control.quota("cloudkms.everything", 1),
    ],
)
def test_what_the_control_does_not_understand_is_refused(cloud, change):
    with pytest.raises(ControlRefused):
        change(cloud.control)
