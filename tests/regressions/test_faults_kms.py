"""Fault 14 of earlier systems: Cloud KMS asked without version and checksum, and other keys that silently stood in."""

from __future__ import annotations

import pytest

from kas.errors import KeyUnavailable
from kas.google.kms import VERSION_NAME
from kas.keys.registry import WrappedMaterial
from kas.keys.service import KeyServices
from kas.keys.software import SoftwareKeyService
from local.ports import free_port
from tests.google.project import UNWRAP, private_key, wrap
from tests.kms.key_services import PLAIN, RECORD, Running, standing_in


@pytest.fixture(scope="module")
def cloud(tmp_path_factory):
    with standing_in(tmp_path_factory.mktemp("fault-14")) as running:
        yield running


@pytest.fixture
def running(cloud):
    cloud.control.reset()
    one = Running(cloud.base)
    yield one
    one.close()
    cloud.control.reset()


def test_fault_14_kms_is_asked_for_one_version_by_its_full_name(cloud, running):
    running.unwrap()
    running.service.check(RECORD)
    asked = {row["resource"] for row in cloud.control.operations()}
    assert asked == {UNWRAP}
    assert VERSION_NAME.fullmatch(UNWRAP)


def test_fault_14_a_checksum_goes_with_what_is_sent(cloud, running):
    """Without one KMS could not tell a ciphertext that changed on the way from one that somebody made up."""
    cloud.control.corrupt("request.ciphertext", method="AsymmetricDecrypt", times=None)
    with pytest.raises(KeyUnavailable):
        running.unwrap()
    assert [line["event"] for line in running.lines] == ["kms_integrity"]


@pytest.mark.parametrize("field", ["verified_ciphertext_crc32c", "plaintext_crc32c", "plaintext", "protection_level"])
def test_fault_14_an_answer_without_its_proofs_is_not_used(cloud, running, field):
    cloud.control.corrupt(f"response.{field}", method="AsymmetricDecrypt", times=None)
    with pytest.raises(KeyUnavailable):
        running.unwrap()


def test_fault_14_while_kms_is_down_no_key_of_this_process_stands_in():
    """Though it holds the very key, under the very kid."""
    down = Running(f"http://127.0.0.1:{free_port()}")
    services = KeyServices(SoftwareKeyService({RECORD.kid: private_key(2048)}), down.service)
    with pytest.raises(KeyUnavailable):
        services.unwrap(RECORD, WrappedMaterial(wrap(PLAIN)), lambda: None)
    for ask in (services.public_key, services.check):
        with pytest.raises(KeyUnavailable):
            ask(RECORD)
    assert {line["event"] for line in down.lines} == {"kms_unavailable"}


def test_fault_14_without_kms_a_key_in_kms_is_unavailable():
    services = KeyServices(SoftwareKeyService({RECORD.kid: private_key(2048)}), None)
    with pytest.raises(KeyUnavailable):
        services.unwrap(RECORD, WrappedMaterial(wrap(PLAIN)), lambda: None)
