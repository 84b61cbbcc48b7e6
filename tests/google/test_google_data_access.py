"""The stand-in's record of who used which key, in Google's form: what `python -m kas.audit reconcile` is tested with."""

from __future__ import annotations

import json

import pytest

from kas.audit.kms_log import KmsLog
from kas.audit.read import read_log
from kas.audit.times import Period
from tests.google.project import KAS, NOBODY, UNWRAP, key_name, wrap
from tests.google.transports import clients_over, refused

PLAIN = bytes(range(32))
SEAL = key_name("seal")


def entries(control):
    return json.loads(control.data_access())


def email(account):
    return account.member.partition(":")[2]


def decrypt(clients, ciphertext=None):
    ciphertext = wrap(PLAIN) if ciphertext is None else ciphertext
    return clients.kms.asymmetric_decrypt({"name": UNWRAP, "ciphertext": ciphertext}, retry=None, timeout=20)


def test_each_use_of_a_key_is_an_entry(kas, control):
    """Newest first, with what Google says of a call: who, what, with which key, when."""
    decrypt(kas)
    kas.kms.get_public_key(name=UNWRAP)
    newest, oldest = entries(control)
    assert [entry["protoPayload"]["methodName"] for entry in (newest, oldest)] == ["GetPublicKey", "AsymmetricDecrypt"]
    payload = oldest["protoPayload"]
    assert payload["serviceName"] == "cloudkms.googleapis.com"
    assert payload["resourceName"] == payload["request"]["name"] == UNWRAP
    assert payload["authenticationInfo"]["principalEmail"] == email(KAS)
    assert (payload["status"], oldest["severity"]) == ({}, "INFO")
    assert oldest["logName"].endswith("/logs/cloudaudit.googleapis.com%2Fdata_access")
    assert oldest["resource"]["type"] == "cloudkms_cryptokeyversion"
    assert oldest["resource"]["labels"]["crypto_key_version_id"] == UNWRAP.rpartition("/")[2]
    assert oldest["timestamp"] < newest["timestamp"]
    assert oldest["insertId"] != newest["insertId"]


def test_a_refused_call_is_an_entry_with_its_status(kas, cloud, transport, control):
    """For whatever reason; what is in the ciphertext is nowhere."""
    with refused("INVALID_ARGUMENT"):
        decrypt(kas, bytes(256))
    with clients_over(transport, cloud, NOBODY.token) as stranger, refused("PERMISSION_DENIED"):
        decrypt(stranger)
    denied, invalid = (entry["protoPayload"] for entry in entries(control))
    assert (invalid["status"]["code"], denied["status"]["code"]) == (3, 7)
    assert denied["authenticationInfo"]["principalEmail"] == email(NOBODY)
    assert [one["authorizationInfo"][0]["granted"] for one in (denied, invalid)] == [False, True]


def test_what_failed_in_front_of_the_service_is_none(kas, control):
    control.fail("UNAVAILABLE", method="AsymmetricDecrypt")
    with refused("UNAVAILABLE"):
        decrypt(kas)
    assert entries(control) == []


def test_an_answer_that_is_damaged_on_its_way_is_one_that_was_given(kas, control):
    control.corrupt("response.plaintext_crc32c", method="AsymmetricDecrypt")
    decrypt(kas)
    assert [entry["protoPayload"]["status"] for entry in entries(control)] == [{}]


def test_a_symmetric_key_is_named_without_a_version(kas, control):
    """As the call names it."""
    sealed = kas.kms.encrypt(name=SEAL, plaintext=PLAIN).ciphertext
    kas.kms.decrypt(name=SEAL, ciphertext=sealed)
    opened, _ = entries(control)
    assert (opened["protoPayload"]["methodName"], opened["resource"]["type"]) == ("Decrypt", "cloudkms_cryptokey")
    assert "crypto_key_version_id" not in opened["resource"]["labels"]


def test_the_record_begins_anew_with_the_counts(kas, control):
    decrypt(kas)
    control.reset()
    assert entries(control) == []


@pytest.mark.parametrize("calls", [1, 3])
def test_the_command_reads_what_is_printed(kas, control, tmp_path, calls):
    for _ in range(calls):
        decrypt(kas)
    (tmp_path / "kms.json").write_bytes(control.data_access())
    log = KmsLog(Period())
    log.add(read_log(tmp_path / "kms.json"))
    assert (log.entries, len(log.decrypts[UNWRAP]), log.unread) == (calls, calls, 0)
