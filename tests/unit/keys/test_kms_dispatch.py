"""Cloud KMS or this process: the record says who holds a key, and nobody stands in for the other."""

from __future__ import annotations

import dataclasses

import pytest

from kas.errors import KeyUnavailable
from kas.keys.registry import KeyRecord
from kas.keys.service import KeyServices
from kas.keys.software import SoftwareKeyService
from tests.unit.keys.fake_kms import DOWN, MATERIAL, RECORD, World, private_key, wrap

LOCAL = dataclasses.replace(RECORD, kid="local", kms_version=None)


class Forbidden:
    """A key service that must not be asked."""

    def __getattr__(self, name):
        raise AssertionError(name)


@pytest.fixture
def world():
    return World()


@pytest.fixture
def software():
    """Has a key for either kid."""
    return SoftwareKeyService({"k": private_key("other"), "local": private_key("other")})


def test_a_key_in_kms_is_asked_of_kms(world):
    services = KeyServices(Forbidden(), world.service)
    assert services.unwrap(RECORD, wrap(), world.pay).reveal() == MATERIAL
    assert services.public_key(RECORD).public_numbers() == private_key("unwrap").public_key().public_numbers()
    services.check(RECORD)
    assert world.paid == world.kms.count("decrypt") == 1


def test_a_key_here_is_asked_of_this_process(software):
    paid = []
    services = KeyServices(software, Forbidden())
    assert services.unwrap(LOCAL, wrap(key="other"), lambda: paid.append(1)).reveal() == MATERIAL
    assert services.public_key(LOCAL).public_numbers() == private_key("other").public_key().public_numbers()
    services.check(LOCAL)
    assert paid == [1]


@pytest.mark.parametrize("record", [RECORD, LOCAL], ids=["in-kms", "here"])
@pytest.mark.parametrize("ask", ["unwrap", "public_key", "check"])
def test_fault_14_where_a_key_s_holder_is_not_there_the_other_is_not_asked(record, ask):
    """Though it has a key for this kid."""
    services = KeyServices(Forbidden(), None) if record.is_remote else KeyServices(None, Forbidden())
    arguments = (wrap(), pytest.fail) if ask == "unwrap" else ()
    with pytest.raises(KeyUnavailable):
        getattr(services, ask)(record, *arguments)


def test_fault_14_while_kms_is_down_no_key_of_this_process_stands_in(world, software):
    world.kms.always = {"decrypt": DOWN, "public_key": DOWN}
    services = KeyServices(software, world.service)
    with pytest.raises(KeyUnavailable):
        services.unwrap(RECORD, wrap(key="other"), world.pay)
    for ask in (services.public_key, services.check):
        with pytest.raises(KeyUnavailable):
            ask(RECORD)


def test_public_keys_are_asked_of_whoever_holds_each(world, software):
    """What one of them lacks is missing, and the other is not asked for it."""
    lacking = dataclasses.replace(LOCAL, kid="absent")
    found = KeyServices(software, world.service).public_keys([RECORD, LOCAL, lacking])
    expected = {"k": "unwrap", "local": "other"}
    assert {kid: key.public_numbers() for kid, key in found.items()} == {
        kid: private_key(name).public_key().public_numbers() for kid, name in expected.items()
    }
    assert list(KeyServices(software, None).public_keys([RECORD, LOCAL])) == ["local"]
    assert list(KeyServices(None, world.service).public_keys([RECORD, LOCAL])) == ["k"]


def test_a_key_that_this_process_lacks_fails_its_check():
    services = KeyServices(SoftwareKeyService({}), None)
    with pytest.raises(KeyUnavailable):
        services.check(LOCAL)


def test_only_a_record_that_names_a_version_is_remote():
    assert RECORD.is_remote
    assert not LOCAL.is_remote
    assert not KeyRecord("k", "RSA-2048", "active", frozenset({"acp240"})).is_remote
